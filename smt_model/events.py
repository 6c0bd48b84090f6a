"""TensorBoard events, written with what TensorFlow itself ships.

``tf.summary.scalar`` needs the tensorboard package; an event file is a TFRecord file of
``Event`` messages, and both are part of TensorFlow.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

_FILE_VERSION = "brain.Event:2"


class EventWriter:
    """Appends scalars to an event file in `directory`."""

    def __init__(self, directory: Path) -> None:
        path = directory / f"events.out.tfevents.{int(time.time())}.smt"
        self._writer = tf.io.TFRecordWriter(str(path))
        self._write(tf.compat.v1.Event(wall_time=time.time(), file_version=_FILE_VERSION))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write values under their names."""
        summary = tf.compat.v1.Summary()
        for name, value in values.items():
            summary.value.add(tag=name, simple_value=value)
        self._write(tf.compat.v1.Event(wall_time=time.time(), step=step, summary=summary))
        self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()

    def _write(self, event: "tf.compat.v1.Event") -> None:
        self._writer.write(event.SerializeToString())

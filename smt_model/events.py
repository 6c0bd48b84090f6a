"""TensorBoard events, written with what TensorFlow itself ships.

``tf.summary.scalar`` needs the tensorboard package; an event file is a TFRecord file of
``Event`` messages, and both are part of TensorFlow.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from smt_schemas import UserError

_FILE_VERSION = "brain.Event:2"


class EventWriter:
    """Appends scalars to an event file in `directory`.

    Raises
    ------
    UserError
        When it cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / f"events.out.tfevents.{int(time.time())}.smt"
        self._writer = tf.io.TFRecordWriter(str(self._path))
        self._write(tf.compat.v1.Event(wall_time=time.time(), file_version=_FILE_VERSION))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write values under their names."""
        summary = tf.compat.v1.Summary()
        for name, value in values.items():
            summary.value.add(tag=name, simple_value=value)
        self._write(tf.compat.v1.Event(wall_time=time.time(), step=step, summary=summary))

    def _write(self, event: "tf.compat.v1.Event") -> None:
        try:
            self._writer.write(event.SerializeToString())
            self._writer.flush()
        except tf.errors.OpError as error:
            msg = f"Cannot write {self._path}: {error.message}"
            raise UserError(msg) from error

"""TensorBoard events, written with what TensorFlow itself ships.

``tf.summary.scalar`` needs the tensorboard package; an event file is a TFRecord file of
``Event`` messages, and both are part of TensorFlow.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from smt_schemas import UserError

_FILE_VERSION = "brain.Event:2"
_BUCKETS = 30


class EventWriter:
    """Appends to an event file of its own in `directory`.

    Parameters
    ----------
    directory
        Where TensorBoard looks.
    step
        Updates done: what earlier files of the run hold of later steps is void.

    Raises
    ------
    UserError
        When it cannot be written.
    """

    def __init__(self, directory: Path, step: int = 0) -> None:
        self._path = directory / f"events.out.tfevents.{int(time.time())}.{os.getpid()}.smt"
        self._writer = tf.io.TFRecordWriter(str(self._path))
        self._write(tf.compat.v1.Event(wall_time=time.time(), file_version=_FILE_VERSION))
        if step:
            started = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
            self._write(
                tf.compat.v1.Event(wall_time=time.time(), step=step + 1, session_log=started)
            )

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write values under their names."""
        summary = tf.compat.v1.Summary()
        for name, value in values.items():
            summary.value.add(tag=name, simple_value=value)
        self._summary(step, summary)

    def histograms(self, step: int, values: Mapping[str, NDArray[np.float32]]) -> None:
        """Write the distributions of values, of any shape and finite, under their names."""
        summary = tf.compat.v1.Summary()
        for name, array in values.items():
            summary.value.add(tag=name, histo=_histogram(array.astype(np.float64).ravel()))
        self._summary(step, summary)

    def _summary(self, step: int, summary: "tf.compat.v1.Summary") -> None:
        self._write(tf.compat.v1.Event(wall_time=time.time(), step=step, summary=summary))

    def _write(self, event: "tf.compat.v1.Event") -> None:
        try:
            self._writer.write(event.SerializeToString())
            self._writer.flush()
        except tf.errors.OpError as error:
            msg = f"Cannot write {self._path}: {error.message}"
            raise UserError(msg) from error


def _histogram(values: NDArray[np.float64]) -> "tf.compat.v1.HistogramProto":
    counts, edges = np.histogram(values, _BUCKETS)
    return tf.compat.v1.HistogramProto(
        min=values.min(),
        max=values.max(),
        num=len(values),
        sum=values.sum(),
        sum_squares=np.square(values).sum(),
        bucket_limit=edges[1:],
        bucket=counts,
    )

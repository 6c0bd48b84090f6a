"""A step of one worker whose variables lie on parameter servers."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from smt_model.batching import FusedBatch
from smt_model.distributed.parameters import Floats, Parameters, Pulled, Pushed
from smt_model.distributed.served_queue import NO_PIECE, Record
from smt_model.distributed.slices import Slice
from smt_model.gradients import clip
from smt_model.loss import Loss
from smt_model.model import MultiTaskModel
from smt_model.update import add_penalty, batch_gradients


class ServedStep:
    """Pulls what a batch needs, finds the gradients, and pushes them; other workers do the same.

    Nobody waits for anybody: the gradients are of values to which other workers' updates may have
    been added since.

    Parameters
    ----------
    parameters
        The servers.
    model, loss, clip_norm, micro_batches
        As for `TrainStep`. The bound is for each worker's own gradient.

    Attributes
    ----------
    pushed
        What was heard at the last push.
    """

    def __init__(
        self,
        parameters: Parameters,
        model: MultiTaskModel,
        loss: Loss,
        *,
        clip_norm: float,
        micro_batches: int,
    ) -> None:
        self.pushed = Pushed(0, ended=False, is_mine=False)
        self._parameters = parameters
        self._model = model
        self._loss = loss
        self._clip_norm = clip_norm
        self._micro_batches = micro_batches
        self._slices = parameters.dense_slices
        pulled = Pulled(
            [tf.TensorSpec([size], tf.float32) for size in parameters.sizes],
            [tf.TensorSpec([None, table.layout.dim], tf.float32) for table in model.tables],
        )
        spec = [model.signature, pulled]
        self._gradients = tf.function(self._compute, spec, autograph=False)
        self._logits = tf.function(self._predict, spec, autograph=False)
        self._assign = tf.function(self._take, [pulled], autograph=False)

    def __call__(
        self, batches: Sequence[FusedBatch], record: Record = NO_PIECE
    ) -> NDArray[np.float32]:
        """Train on the batches in turn; see `TrainStep`. The queue takes note of each."""
        losses = []
        for batch in batches:
            rows = [np.asarray(part.rows) for part in batch.tables]
            loss, sparse, dense = self._gradients(batch, self._parameters.pull(rows))
            self.pushed = self._parameters.push(_arrays(dense), rows, _arrays(sparse), record)
            losses.append(loss.numpy())
        return np.stack(losses)

    def predict(self, batch: FusedBatch) -> tf.Tensor:
        """Return the logits float32 [B, tasks] of a batch, with the values of now."""
        rows = [np.asarray(part.rows) for part in batch.tables]
        return self._logits(batch, self._parameters.pull(rows))

    def fetch(self) -> None:
        """Give the model's dense variables the values of now."""
        none = [np.empty(0, np.int32)] * len(self._model.tables)
        self._assign(self._parameters.pull(none))

    def dense(self) -> list[Floats]:
        """Return the model's dense values as the servers take them."""
        return _arrays(self._laid_out([v.read_value() for v in self._model.dense_variables]))

    def _compute(
        self, batch: FusedBatch, pulled: Pulled
    ) -> tuple[tf.Tensor, list[tf.Tensor], list[tf.Tensor]]:
        model = self._model
        self._take(pulled)
        found = batch_gradients(model, self._loss, pulled.vectors, batch, self._micro_batches)
        total = add_penalty(model, self._loss, found)
        _, sparse, dense = found
        if self._clip_norm:
            clipped = clip([*sparse, *dense], self._clip_norm)
            sparse, dense = clipped[: len(sparse)], clipped[len(sparse) :]
        losses = tf.concat([[total], found.by_task], axis=0)
        return losses, sparse, self._laid_out(dense)

    def _predict(self, batch: FusedBatch, pulled: Pulled) -> tf.Tensor:
        self._take(pulled)
        return self._model.tower_logits(self._model.inputs(pulled.vectors, batch))

    def _take(self, pulled: Pulled) -> None:
        """Assign the dense values, which come slice by slice for each server."""
        begins = [0] * len(pulled.dense)
        for variable, slices in zip(self._model.dense_variables, self._slices, strict=True):
            parts = []
            for part in slices:
                shape = _shape(variable, part)
                begin, end = begins[part.server], begins[part.server] + int(np.prod(shape))
                parts.append(tf.reshape(pulled.dense[part.server][begin:end], shape))
                begins[part.server] = end
            variable.assign(tf.concat(parts, axis=0))

    def _laid_out(self, values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Return values of the dense variables for each server one after the other."""
        flat: list[list[tf.Tensor]] = [[tf.zeros([0])] for _ in self._parameters.sizes]
        for value, slices in zip(values, self._slices, strict=True):
            for part in slices:
                flat[part.server].append(tf.reshape(value[part.start : part.stop], [-1]))
        return [tf.concat(parts, axis=0) for parts in flat]


def _shape(variable: tf.Variable, part: Slice) -> tuple[int, ...]:
    return (part.stop - part.start, *variable.shape[1:])


def _arrays(tensors: Sequence[tf.Tensor]) -> list[Floats]:
    return [tensor.numpy() for tensor in tensors]

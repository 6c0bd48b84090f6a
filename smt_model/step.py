"""One training step, and several of them in one call."""

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import zip_longest

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from smt_model.batching import FusedBatch
from smt_model.loss import Loss
from smt_model.model import MultiTaskModel
from smt_model.optimizer import Optimizer
from smt_model.update import add_penalty, batch_gradients, update

UNROLL = 5
"""Steps in one call of the graph; more did not pay."""


class TrainStep:
    """Forward, backward and update.

    Parameters
    ----------
    model, optimizer, loss
        What is trained, how, and to what end.
    clip_norm
        Bound of the L2 norm of the gradient; 0 for none.
    micro_batches
        Parts of a batch that are worked on one after the other.
    async_embedding
        Within a call, look up the vectors of a batch before the batch ahead of it is
        updated, so that the lookup does not wait: vectors are stale by at most one step.
        The updates themselves start from the newest values, so none is lost.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        optimizer: Optimizer,
        loss: Loss | None = None,
        *,
        clip_norm: float = 0.0,
        micro_batches: int = 1,
        async_embedding: bool = False,
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._loss = loss or Loss()
        self._clip_norm = clip_norm
        self._micro_batches = micro_batches
        self._async_embedding = async_embedding

    def __call__(self, batches: Sequence[FusedBatch]) -> NDArray[np.float32]:
        """Train on the batches in turn, whose parts are those of the model's signature.

        Returns
        -------
        ndarray
            float32 [steps, 1 + tasks]: the loss of each step before its update, and its
            cross-entropy by task.
        """
        if len(batches) == UNROLL:
            losses = self._many(*batches).numpy()
        else:
            losses = np.concatenate([self._one(batch).numpy() for batch in batches])
        return losses  # type: ignore[no-any-return]

    @cached_property
    def _one(self) -> Callable[..., tf.Tensor]:
        return self._graph(lambda batch: self._steps((batch,)), 1)

    @cached_property
    def _many(self) -> Callable[..., tf.Tensor]:
        if self._async_embedding:
            return self._graph(lambda *batches: self._steps(batches), UNROLL)
        # Python then makes the operations of one step, and TensorFlow those of the others.
        one = self._one
        return self._graph(lambda *batches: tf.concat([*map(one, batches)], axis=0), UNROLL)

    def _graph(self, steps: Callable[..., tf.Tensor], count: int) -> Callable[..., tf.Tensor]:
        # Calling a concrete function takes half as much Python, during which nothing is trained.
        function = tf.function(steps, [self._model.signature] * count, autograph=False)
        return function.get_concrete_function()  # type: ignore[no-any-return]

    def _steps(self, batches: Sequence[FusedBatch]) -> tf.Tensor:
        losses = []
        found = [self._read(batches[0])]
        for batch, following in zip_longest(batches, batches[1:]):
            # The graph keeps the order of reads and writes in which they are called here.
            if following:
                found.append(self._read(following))
            losses.append(self._step(batch, found.pop(0)))
        return tf.stack(losses)

    def _read(self, batch: FusedBatch) -> list[list[tf.Tensor]]:
        self._model.begin(batch)
        return self._model.read(batch)

    def _step(self, batch: FusedBatch, rows: list[list[tf.Tensor]]) -> tf.Tensor:
        vectors = [vectors for vectors, *_ in rows]
        found = batch_gradients(self._model, self._loss, vectors, batch, self._micro_batches)
        if self._async_embedding:
            rows = self._model.read(batch)
        total = add_penalty(self._model, self._loss, found)
        update(self._model, self._optimizer, batch.tables, rows, found, self._clip_norm)
        return tf.concat([[total], found.by_task], axis=0)

"""Where a run stands, as its parameter servers know it."""

from collections.abc import Sequence

import tensorflow as tf

from smt_model.distributed.server_graph import ENDED, ServerGraph


class ServedProgress:
    """From which step the workers started, how many each has made, and whether the run ended.

    Parameters
    ----------
    session
        Runs the operations.
    servers
        All servers; the first one keeps the numbers.
    workers, worker
        How many there are, and which of them this is.
    """

    def __init__(
        self,
        session: tf.compat.v1.Session,
        servers: Sequence[ServerGraph],
        workers: int,
        worker: int,
    ) -> None:
        self._session = session
        self._worker = worker
        self._device = servers[0].device
        with tf.device(self._device):
            self._begun = tf.Variable(-1, dtype=tf.int64, name="begun", trainable=False)
            self._made = tf.Variable(
                tf.zeros([workers], tf.int64), name="progress", trainable=False
            )
        self._step = tf.compat.v1.placeholder(tf.int64, [])
        self._steps = [server.optimizer.step.assign(self._step) for server in servers]
        self._open = self._begun.assign(self._step)
        self._is_known = tf.raw_ops.VarIsInitializedOp(resource=self._begun.handle)
        self._start = self._begun.read_value()
        self._counts = self._made.read_value()
        self._ending = servers[0].ending.read_value()
        self._end = [server.ending.assign(ENDED) for server in servers]

    def begin(self, step: int) -> None:
        """Let the workers start after a step."""
        self._session.run(self._steps, {self._step: step})
        self._session.run(self._open, {self._step: step})

    def begun(self) -> int | None:
        """Return the step after which the workers start; None while that is not known."""
        if not self._session.run(self._is_known):
            return None
        step = int(self._session.run(self._start))
        return step if step >= 0 else None

    def made(self) -> list[int]:
        """Return how many updates each worker has made since the start."""
        return self._session.run(self._counts).tolist()  # type: ignore[no-any-return]

    def end(self) -> None:
        """Let the servers go."""
        self._session.run(self._end)

    def ended(self) -> bool:
        """Return whether the chief ended the run."""
        return bool(self._session.run(self._ending) == ENDED)

    def count(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Return, after counting an update of this worker, all updates done, and the ending."""
        with tf.device(self._device):
            counted = tf.raw_ops.ResourceScatterAdd(
                resource=self._made.handle,
                indices=[self._worker],
                updates=tf.constant([1], tf.int64),
            )
            with tf.control_dependencies([counted]):
                step = self._begun.read_value() + tf.reduce_sum(self._made.read_value())
                return step, tf.identity(self._ending)

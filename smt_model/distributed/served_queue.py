"""A queue of pieces of work on the first parameter server."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from smt_model.work_queue import QueueState

FREE, FINISHED = -1, -2
"""What stands for the owner of a piece that nobody works on, and of one that is done."""


class Record(NamedTuple):
    """A batch of a piece, for the queue to take note of.

    Attributes
    ----------
    piece
        Number of the piece; -1 when the batch belongs to none.
    position
        Number of the batch in the piece.
    finishes
        Whether it is the last one of the piece.
    """

    piece: int = -1
    position: int = 0
    finishes: bool = False


NO_PIECE = Record()


class ServedQueue:
    """Who works on which piece, and how many of its batches are done.

    Parameters
    ----------
    session, device
        The session that runs the operations, and the server's device.
    pieces
        How many there are.
    worker
        Number of the worker that this is.

    Attributes
    ----------
    fed
        What takes the values of a `Record`.
    """

    def __init__(
        self, session: tf.compat.v1.Session, device: str, pieces: int, worker: int
    ) -> None:
        v1 = tf.compat.v1
        self._session = session
        self._worker = worker
        self._pieces = pieces
        self.fed = [v1.placeholder(dtype, []) for dtype in (tf.int64, tf.int64, tf.bool)]
        with tf.device(device):
            self._owner = tf.Variable(tf.fill([pieces], tf.constant(FREE, tf.int64)), name="owner")
            self._done = tf.Variable(tf.zeros([pieces], tf.int64), name="done")
            self._lock = tf.CriticalSection(shared_name="queue")
            claim = tf.function(self._claim, autograph=False)
            self._claimed = self._lock.execute(claim)
            self._who = v1.placeholder(tf.int64, [])
            release = tf.function(self._release, autograph=False)
            with tf.control_dependencies([self._who]):
                self._released = self._lock.execute(lambda: release(self._who))
            self._values = [v1.placeholder(tf.int64, [pieces]) for _ in range(2)]
            self._filled = [
                self._owner.assign(self._values[0]),
                self._done.assign(self._values[1]),
            ]
            self._state = [self._owner.read_value(), self._done.read_value()]

    def record(self) -> tf.Tensor:
        """Return, after taking note of a batch, whether its piece still is this worker's.

        It is not when the worker was taken for lost; then the batch is another's, too.
        """
        record = tf.function(self._record, autograph=False)
        with tf.control_dependencies([tf.identity(value) for value in self.fed]):
            return self._lock.execute(lambda: record(*self.fed))

    def claim(self) -> tuple[int, int] | None:
        """Return a piece that is this worker's from now on, and how many batches are done."""
        piece, done = self._session.run(self._claimed)
        return (int(piece), int(done)) if piece >= 0 else None

    def release(self, worker: int) -> int:
        """Let others work on what a worker had begun; return how many pieces it was."""
        return int(self._session.run(self._released, {self._who: worker}))

    def owners(self) -> NDArray[np.int64]:
        """Return who works on each piece, int64 [pieces]."""
        return self._session.run(self._state[0])  # type: ignore[no-any-return]

    def fill(self, state: QueueState) -> None:
        """Make the queue what a checkpoint keeps of one."""
        owner = np.full(self._pieces, FREE, np.int64)
        owner[: state.following] = FINISHED
        done = np.zeros(self._pieces, np.int64)
        for piece, batches in state.begun.items():
            if piece < self._pieces:  # fewer than before, when a run goes on with fewer --steps
                owner[piece], done[piece] = FREE, batches
        self._session.run(self._filled, dict(zip(self._values, (owner, done), strict=True)))

    def state(self) -> QueueState:
        """Return what is left of the work."""
        owner, done = self._session.run(self._state)
        touched = np.flatnonzero((owner != FREE) | (done > 0))
        following = int(touched[-1]) + 1 if len(touched) else 0
        left = np.flatnonzero(owner[:following] != FINISHED)
        return QueueState(
            following=following, begun={int(piece): int(done[piece]) for piece in left}
        )

    def _claim(self) -> tuple[tf.Tensor, tf.Tensor]:
        free = tf.cast(tf.equal(self._owner.read_value(), FREE), tf.int32)
        piece = tf.argmax(free)
        is_free = tf.gather(free, piece) > 0
        owner = tf.where(
            is_free, tf.constant(self._worker, tf.int64), self._owner.sparse_read(piece)
        )
        self._owner.scatter_update(tf.IndexedSlices([owner], [piece]))
        return tf.where(is_free, piece, tf.constant(-1, tf.int64)), self._done.sparse_read(piece)

    def _release(self, worker: tf.Tensor) -> tf.Tensor:
        owner = self._owner.read_value()
        theirs = tf.equal(owner, worker)  # `==` compares objects in a graph of this kind
        self._owner.assign(tf.where(theirs, tf.constant(FREE, tf.int64), owner))
        return tf.reduce_sum(tf.cast(theirs, tf.int32))

    def _record(self, piece: tf.Tensor, position: tf.Tensor, finishes: tf.Tensor) -> tf.Tensor:
        place = tf.maximum(piece, 0)
        owner = self._owner.sparse_read(place)
        is_next = tf.equal(self._done.sparse_read(place), position)
        mine = tf.reduce_all([piece >= 0, tf.equal(owner, self._worker), is_next])
        ended = tf.logical_and(mine, finishes)
        self._done.scatter_add(tf.IndexedSlices([tf.cast(mine, tf.int64)], [place]))
        new = tf.where(ended, tf.constant(FINISHED, tf.int64), owner)
        self._owner.scatter_update(tf.IndexedSlices([new], [place]))
        return mine

"""What a worker of parameter servers trains on: its part of each epoch, or pieces of a queue."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

from smt_features import Batch
from smt_model.config import TrainConfig
from smt_model.distributed.served_queue import FINISHED, NO_PIECE, Record, ServedQueue
from smt_model.progress import tell
from smt_model.work_queue import Work

if TYPE_CHECKING:
    from smt_features import Split

POLL_SECONDS = 0.2


class Portion(NamedTuple):
    """A batch, the piece of a queue that it is of, and how many pieces this worker had before."""

    batch: Batch
    record: Record = NO_PIECE
    claim: int = 0


class Share(Protocol):
    """What a worker trains on."""

    steps_per_epoch: int

    def portions(self) -> Iterator[Portion | None]:
        """Yield the batches of this worker, and None where it has to wait."""

    def left(self, made: list[int]) -> dict[int, int]:
        """Return how many steps are left to workers, given what each has made."""

    def abandon(self, worker: int, name: str) -> bool:
        """Give up a worker that is lost; return whether others do its work."""


class StaticShare:
    """A part of each epoch, and of the steps, that is this worker's alone.

    Parameters
    ----------
    split, config
        What is read, and how.
    worker
        Index and number of the workers.
    """

    def __init__(self, split: "Split", config: TrainConfig, worker: tuple[int, int]) -> None:
        self._split = split
        self._config = config
        self._worker = worker
        self._own_steps = split.steps(config.batch_size, worker=worker)
        self.steps_per_epoch = self._own_steps * worker[1]
        self._total = self._begun = self._made = 0

    def begin(self, total: int, begun: int, made: int) -> None:
        """Go from a step of all workers to another; this one has made some of those between."""
        self._total, self._begun, self._made = total, begun, made

    def portions(self) -> Iterator[Portion | None]:
        """Yield the batches of this worker."""
        config, rank = self._config, self._worker[0]
        position = self._of(self._begun, rank) + self._made
        while position < self._of(self._total, rank):
            epoch, start = divmod(position, self._own_steps)
            for batch in self._split.batches(
                config.batch_size,
                seed=config.seed,
                epoch=epoch,
                start=start,
                shuffle=config.shuffle,
                worker=self._worker,
            ):
                if position == self._of(self._total, rank):
                    return
                yield Portion(batch)
                position += 1

    def left(self, made: list[int]) -> dict[int, int]:
        """Return how many steps are left to workers, given what each has made."""
        left = {rank: self._quota(rank) - done for rank, done in enumerate(made)}
        return {rank: steps for rank, steps in left.items() if steps > 0}

    def abandon(self, worker: int, name: str) -> bool:
        """Return that nobody does the work of a worker that is lost."""
        return False

    def _quota(self, rank: int) -> int:
        return self._of(self._total, rank) - self._of(self._begun, rank)

    def _of(self, steps: int, rank: int) -> int:
        each, more = divmod(steps, self._worker[1])
        return each + (rank < more)


class QueueShare:
    """Pieces of a queue, one after the other."""

    def __init__(self, work: Work, queue: ServedQueue) -> None:
        self._work = work
        self._queue = queue
        self.steps_per_epoch = work.steps_per_epoch

    def portions(self) -> Iterator[Portion | None]:
        """Yield the batches of pieces that this worker has got, and None while there is none."""
        claims = 0
        while True:
            claimed = self._queue.claim()
            if claimed is None:
                time.sleep(POLL_SECONDS)
                yield None
                continue
            piece, start = claimed
            claims += 1
            last = self._work.batches_of(piece) - 1
            for position, batch in enumerate(self._work.read(piece, start), start):
                yield Portion(batch, Record(piece, position, position == last), claims)

    def left(self, made: list[int]) -> dict[int, int]:
        """Return the workers that have pieces, each with 1."""
        return {int(owner): 1 for owner in self._queue.owners() if owner != FINISHED}

    def abandon(self, worker: int, name: str) -> bool:
        """Hand out the pieces of a worker that is lost again."""
        pieces = self._queue.release(worker)
        tell(f"{name} is lost; the {pieces} shards that it had begun are handed out again.")
        return True

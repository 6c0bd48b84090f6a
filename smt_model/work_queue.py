"""The shards of a run's epochs as pieces of work, each trained on once."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, NonNegativeInt

from smt_features import Batch
from smt_features.split import Stretch
from smt_model.config import TrainConfig

if TYPE_CHECKING:
    from smt_features import Split


class QueueState(BaseModel):
    """What is left of the work, as a checkpoint keeps it.

    Pieces are numbered through the epochs: piece n of an epoch e with S shards is ``e · S + n``,
    the n-th shard in the order of that epoch.

    Attributes
    ----------
    following
        The first piece that nobody has begun; all later ones are left, too.
    begun
        Pieces before it that are not finished, and how many of their batches are done.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    following: NonNegativeInt = 0
    begun: dict[NonNegativeInt, NonNegativeInt] = {}

    def after(self, steps: int, work: "Work") -> Self:
        """Return what is left after so many steps of one process, in the order of `pieces`."""
        following, begun = self.following, dict(self.begun)
        while steps:
            number = min(begun, default=following)
            left = work.batches_of(number) - begun.pop(number, 0)
            following = max(following, number + 1)
            if steps < left:
                begun[number] = work.batches_of(number) - left + steps
                break
            steps -= left
        return self.model_copy(update={"following": following, "begun": begun})

    def pieces(self) -> Iterator[tuple[int, int]]:
        """Yield each piece that is left, and how many of its batches are done; without end."""
        yield from sorted(self.begun.items())
        number = self.following
        while True:
            yield number, 0
            number += 1


class Work:
    """What the pieces of a run hold.

    Parameters
    ----------
    split
        What is read.
    config
        Decides the batches and their order.

    Attributes
    ----------
    steps_per_epoch
        Batches of an epoch: those of its shards, none of which shares a batch with another.
    """

    def __init__(self, split: "Split", config: TrainConfig) -> None:
        self._split = split
        self._config = config
        size = config.batch_size
        self._batches = [-(-shard.rows // size) for shard in split.shards]
        self.steps_per_epoch = sum(self._batches)

    def batches_of(self, number: int) -> int:
        """Return how many batches a piece has."""
        return self._batches[self._place(number).shard]

    def read(self, number: int, start: int) -> Iterator[Batch]:
        """Yield the batches of a piece from ``start`` on."""
        return chain.from_iterable(some.batches() for some in self.stretches(number, start))

    def stretches(self, number: int, start: int) -> Iterator[Stretch]:
        """Yield the rows of a piece from batch ``start`` on."""
        config, (epoch, shard) = self._config, self._place(number)
        return self._split.stretches(
            config.batch_size,
            seed=config.seed,
            epoch=epoch,
            start=start,
            shuffle=config.shuffle,
            shard=shard,
        )

    def left(self, state: QueueState) -> Iterator[Stretch]:
        """Yield the rows of all pieces that are left, one after the other; without end."""
        for number, start in state.pieces():
            yield from self.stretches(number, start)

    def pieces_until(self, steps: int) -> int:
        """Return how many pieces, from the first on, have at least so many batches in all."""
        epochs, left = divmod(steps, self.steps_per_epoch)
        number = epochs * len(self._batches)
        while left > 0:
            left -= self.batches_of(number)
            number += 1
        return number

    def _place(self, number: int) -> "_Place":
        epoch, position = divmod(number, len(self._batches))
        config = self._config
        order = self._split.shard_order(seed=config.seed, epoch=epoch, shuffle=config.shuffle)
        return _Place(epoch, order[position])


class _Place(NamedTuple):
    epoch: int
    shard: int

"""When a run with ``--incremental-ckpt`` saves a delta, and what it holds."""

import time
from collections.abc import Iterable
from pathlib import Path

from smt_model import delta
from smt_model.batching import FusedBatch
from smt_model.changes import Changes
from smt_model.checkpoint import Base, State
from smt_model.model import MultiTaskModel
from smt_model.optimizer import Optimizer


class Incremental:
    """Deltas for the full checkpoint that this process saved last.

    Parameters
    ----------
    seconds
        Between a checkpoint or delta and the next delta; 0 for no deltas.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._saved = time.monotonic()
        self._base: Base | None = None
        self._changes: Changes | None = None

    @property
    def has_base(self) -> bool:
        """Whether there is a full checkpoint for a delta."""
        return self._base is not None

    @property
    def is_due(self) -> bool:
        """Whether so many seconds have passed."""
        return bool(self._seconds) and time.monotonic() - self._saved >= self._seconds

    def begin(self, base: Base, model: MultiTaskModel, optimizer: Optimizer) -> None:
        """Count changes anew, from a full checkpoint that was just saved."""
        self._saved = time.monotonic()
        if self._seconds:
            self._base, self._changes = base, self._changes or Changes(model, optimizer)
            self._changes.begin(base.step)

    def add(self, batches: Iterable[FusedBatch]) -> None:
        """Take in the batches of some steps."""
        if self._changes is not None:
            self._changes.add(batches)

    def save(
        self, directory: Path, state: State, model: MultiTaskModel, optimizer: Optimizer
    ) -> None:
        """Save a delta; see `delta.save`."""
        assert self._changes is not None, "no full checkpoint yet"
        state = state.model_copy(update={"base": self._base})
        delta.save(directory, state, model, optimizer, self._changes)
        self._saved = time.monotonic()

"""A signal to one worker stops all of them after the same step."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from smt_model.interruption import Interruption, StopRequestedError


class SharedInterruption(Interruption):
    """Holds signals back until all workers know of them."""

    def __init__(self) -> None:
        super().__init__()
        self._agreed = False

    @property
    def wish(self) -> float:
        """What this worker has to say with its next step: 1 to stop after it."""
        return float(self.requested is not None)

    def agrees(self, wishes: float) -> bool:
        """Take in the sum of all wishes; return whether there was one."""
        self._agreed = wishes > 0
        return self._agreed

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Go through with it: the other workers do not know of a signal that comes now."""
        self.check()
        yield

    def check(self) -> None:
        """Raise when a worker wished to stop.

        Raises
        ------
        StopRequestedError
        """
        if self._agreed:
            raise StopRequestedError(self.requested or signal.SIGTERM)

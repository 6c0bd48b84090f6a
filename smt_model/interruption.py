"""SIGTERM and Ctrl-C, taken in where a run can stop without losing anything."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequestedError(Exception):
    """A signal asked the run to stop.

    Attributes
    ----------
    exit_code
        128 plus the number of the signal, as shells report it: 130 for Ctrl-C, 143 for SIGTERM.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"Stopped by {signal.Signals(number).name}")
        self.exit_code = 128 + number


class Interruption:
    """Holds signals back inside the ``with`` block; a second one ends the process at once.

    Python delivers signals to the main thread only: in another one nothing is held back.

    Attributes
    ----------
    requested
        Number of the signal that came; None when none did.
    """

    def __init__(self) -> None:
        self.requested: int | None = None
        self._at_once = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._take) for number in _SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def check(self) -> None:
        """Raise when a signal came.

        Raises
        ------
        StopRequestedError
        """
        if self.requested is not None:
            raise StopRequestedError(self.requested)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Raise as soon as a signal comes, for work that may be given up at any point."""
        self._at_once = True
        try:
            self.check()
            yield
        finally:
            self._at_once = False

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.requested = number
        self._restore()
        if self._at_once:
            raise StopRequestedError(number)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

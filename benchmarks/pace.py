"""Counts the steps of a training loop and tells its rate."""

import json
import time

WARM_UP = 50
"""Steps that are not counted."""


class Pace:
    """A loop ticks after each step, or after several, for as long as `goes_on`.

    Parameters
    ----------
    seconds
        How long the steps after the warm-up are counted.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._first_step_at = 0.0
        self._warm: tuple[int, float] | None = None
        self._last = (0, 0.0)

    def tick(self, step: int) -> None:
        """Note that so many steps are done, and their results are there."""
        self._last = step, time.time()
        self._first_step_at = self._first_step_at or self._last[1]
        if self._warm is None and step >= WARM_UP:
            self._warm = self._last

    @property
    def goes_on(self) -> bool:
        """Whether more steps are wanted."""
        return self._warm is None or self._last[1] < self._warm[1] + self._seconds

    def line(self) -> str:
        """Return what a benchmark reads: one line of JSON."""
        assert self._warm is not None, "the loop ended while warming up"
        (begin, start), (end, stop) = self._warm, self._last
        rate = (end - begin) / (stop - start)
        return json.dumps({"rate": rate, "first_step_at": self._first_step_at})

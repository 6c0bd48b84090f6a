"""Reports speed between two steps and memory, named by DeepRec's environment variables."""

import os
import resource
import time
from collections.abc import Mapping
from typing import Self

from smt_schemas import UsageError

START, STOP = "START_STATISTIC_STEP", "STOP_STATISTIC_STEP"


class StatisticSteps:
    """Measures from one step to another.

    DeepRec's runtime observes allocations between these steps, to plan memory for those after
    them. Here they bound a measurement, to compare allocators by.

    Parameters
    ----------
    start, stop
        The steps; they are rounded up to the end of a call of several steps.
    """

    def __init__(self, start: int, stop: int) -> None:
        self._start = start
        self._stop = stop
        self._began: tuple[int, float] | None = None
        self._done = False

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Self | None:
        """Return what the environment asks for; None when it asks for nothing.

        Raises
        ------
        UsageError
            When only one of the variables is set, or they are no steps one after the other.
        """
        given = [environment.get(name) for name in (START, STOP)]
        if given == [None, None]:
            return None
        try:
            start, stop = (int(value or "") for value in given)
        except ValueError:
            start = stop = 0
        if not 0 <= start < stop:
            msg = f"{START}={given[0]} and {STOP}={given[1]}: give two steps, the smaller one first"
            raise UsageError(msg)
        return cls(start, stop)

    def text(self, step: int) -> str | None:
        """Return the figures at the first call at or after the stop, and otherwise None."""
        now = time.perf_counter()
        if self._began is None and step >= self._start:
            self._began = step, now
        if self._done or self._began is None or step < self._stop or step == self._began[0]:
            return None
        self._done = True
        first, since = self._began
        rate = (step - first) / (now - since)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return (
            f"Steps {first:,} to {step:,}: {rate:.1f} steps/s, "
            f"peak memory since the start {peak:,.0f} MiB"
        )

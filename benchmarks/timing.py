"""Times things in turn, so that noise of the machine meets all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds of several runs of one thing."""

    seconds: list[float]

    @property
    def median(self) -> float:
        """The middle run."""
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        """Return the median with the fastest and the slowest run."""
        low, high = min(self.seconds), max(self.seconds)
        return f"{self.median:.2f} s ({low:.2f} to {high:.2f})"


def in_turn(things: Mapping[str, Callable[[], object]], runs: int) -> dict[str, Timing]:
    """Run each thing ``runs`` times, one after the other in turn, after one run to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in things}
    for turn in range(runs + 1):
        for name, thing in things.items():
            start = time.perf_counter()
            thing()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: Timing(values) for name, values in seconds.items()}

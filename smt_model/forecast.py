"""How long a run will take, from its first steps."""

import time
from datetime import datetime, timedelta

_STEPS, _SECONDS = 50, 10.0
"""What is measured: so many steps, or of slow ones what fits in this time."""


class Forecast:
    """Measures the rate of a run once, after the first call, which builds the graph.

    Parameters
    ----------
    total
        Steps of the run.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._first: tuple[int, float] | None = None
        self._done = False

    def text(self, step: int) -> str | None:
        """Return the forecast once, when enough was measured, and otherwise None."""
        now = time.perf_counter()
        if self._first is None:
            self._first = step, now
            return None
        steps, seconds = step - self._first[0], now - self._first[1]
        if self._done or not steps or (steps < _STEPS and seconds < _SECONDS):
            return None
        self._done = True
        rate = steps / seconds
        left = timedelta(seconds=(self._total - step) / rate)
        until = (datetime.now().astimezone() + left).strftime("%Y-%m-%d %H:%M")
        return (
            f"At the measured {rate:.1f} steps/s this takes {duration(left.total_seconds())}, "
            f"until {until}. Ctrl-C saves and stops; --steps or --epochs sets another length."
        )


def duration(seconds: float) -> str:
    """Return a length of time as a person writes it: ``2 d 3 h``, ``1 h 20 min``, ``45 s``."""
    parts: list[str] = []
    left = round(seconds)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])

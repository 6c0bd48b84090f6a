"""What every training script takes and gives, but for TensorFlow 1.15.5's, which does the same."""

import argparse
import resource
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WARM_UP_SHARE = 8
"""One step in so many is run first and not counted."""


def parser(description: str) -> argparse.ArgumentParser:
    """Return the options that all scripts have."""
    found = argparse.ArgumentParser(description=description)
    found.add_argument("data", help="shards folder, or the data folder")
    found.add_argument("--steps", type=int, default=500)
    found.add_argument("--batch-size", type=int, default=512)
    found.add_argument("--initial-accumulator", type=float, default=0.1)
    found.add_argument("--seed", type=int, default=2021)
    found.add_argument("--predictions", type=Path, help="file for the test rows' labels, logits")
    return found


def write_predictions(
    path: Path, labels: NDArray[np.generic], logits: NDArray[np.floating]
) -> None:
    """Write labels and logits, both [N, tasks], as one array float32 [2, N, tasks]."""
    np.save(path, np.stack([labels, logits]).astype(np.float32))


class Pace:
    """Counts the steps of a training loop, which ticks after each step, or after several.

    Parameters
    ----------
    steps
        How many the loop will do; those after the warm-up are counted.
    """

    def __init__(self, steps: int) -> None:
        self._warm_up = steps // WARM_UP_SHARE
        self._first_step_at = 0.0
        self._warm: tuple[int, float] | None = None
        self._last = (0, 0.0)

    def tick(self, step: int) -> None:
        """Note that so many steps are done, and their results are there."""
        self._last = step, time.time()
        self._first_step_at = self._first_step_at or self._last[1]
        if self._warm is None and step >= self._warm_up:
            self._warm = self._last

    @property
    def figures(self) -> dict[str, float]:
        """What a benchmark reads, as JSON, when training is over.

        The rate is in steps a second, the time of the first step in seconds since 1970, the peak
        memory in MiB.
        """
        assert self._warm is not None, "the loop ended while warming up"
        (begin, start), (end, stop) = self._warm, self._last
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rate = (end - begin) / (stop - start)
        return {"rate": rate, "first_step_at": self._first_step_at, "peak_mib": peak}

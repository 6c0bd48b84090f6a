"""What remains known of a column that has more distinct values than memory should hold.

Distinct values are estimated by HyperLogLog (Flajolet, Fusy, Gandouet, Meunier: HyperLogLog, 2007).
Collisions stay exact without any value: a bucket that saw the same fingerprint as its least and
its greatest holds one value. All of it depends on the values alone, not on their order or
grouping, so sketches of parts merge into the sketch of the whole.
"""

import math

import numpy as np
import numpy.typing as npt
import polars as pl

from smt_features.hashing import bucket, hashed, key
from smt_features.statistics.kinds import has_buckets
from smt_features.string_views import Int64s
from smt_schemas import Column

VALUE, COUNT = "value", "count"

REGISTER_BITS = 14
REGISTERS = 1 << REGISTER_BITS
STANDARD_ERROR = 1.04 / math.sqrt(REGISTERS)
"""Relative standard error of `Sketch.distinct`: 0.8%."""

MAX_TRACKED = 1 << 20
"""Buckets that are tracked; of a larger table the first so many, and figures are scaled up."""

STATE = ("register", "bucket", "least", "greatest")
"""Names of the arrays that a sketch consists of."""

_REST_BITS = 63 - REGISTER_BITS
_ALPHA = 0.7213 / (1 + 1.079 / REGISTERS)


class Sketch:
    """HyperLogLog registers, and for each bucket its rows and its outermost fingerprints.

    Parameters
    ----------
    column, seed
        Decide the bucket of a value; a column without buckets has none.
    """

    def __init__(self, column: Column, seed: int) -> None:
        self._column = column
        self._seed = seed
        self.registers = np.zeros(REGISTERS, np.int64)
        tracked = min(column.buckets, MAX_TRACKED) if has_buckets(column) else 0
        self.rows = np.zeros(tracked, np.int64)
        self.least = np.full(tracked, np.iinfo(np.int64).max)
        self.greatest = np.full(tracked, -1, np.int64)

    def add(self, counts: pl.DataFrame) -> None:
        """Add values and their counts; a value may come several times."""
        values = counts[VALUE]
        fingerprints = hashed(values, lambda text: key(text, 0))
        rest = fingerprints & ((1 << _REST_BITS) - 1)
        # The exponent of a float is the bit length; all 49 bits fit its mantissa.
        ranks = _REST_BITS - np.frexp(rest.astype(np.float64))[1].astype(np.int64) + 1
        np.maximum.at(self.registers, fingerprints >> _REST_BITS, ranks)
        if len(self.rows):
            ids = hashed(values, lambda text: bucket(text, self._column, self._seed))
            seen = ids < len(self.rows)
            self._add_buckets(ids[seen], counts[COUNT].to_numpy()[seen], fingerprints[seen])

    def state(self) -> dict[str, tuple[Int64s, Int64s]]:
        """Return the state by the names of ``STATE``: registers or buckets, and their numbers."""
        used = np.flatnonzero(self.rows)
        arrays = (self.rows, self.least, self.greatest)
        return {
            "register": (np.arange(REGISTERS), self.registers),
            **{kind: (used, array[used]) for kind, array in zip(STATE[1:], arrays, strict=True)},
        }

    def add_state(self, kind: str, places: Int64s, numbers: Int64s) -> None:
        """Add a part of the state of another sketch of the same column."""
        if kind == "register":
            np.maximum.at(self.registers, places, numbers)
        elif kind == "bucket":
            np.add.at(self.rows, places, numbers)
        elif kind == "least":
            np.minimum.at(self.least, places, numbers)
        else:
            np.maximum.at(self.greatest, places, numbers)

    def with_counts(self, counts: pl.DataFrame) -> "Sketch":
        """Return a sketch of these values, too."""
        whole = Sketch(self._column, self._seed)
        for kind, (places, numbers) in self.state().items():
            whole.add_state(kind, places, numbers)
        whole.add(counts)
        return whole

    @property
    def distinct(self) -> int:
        """Estimated number of distinct values added."""
        sum_of_powers = float(np.ldexp(1.0, -self.registers).sum())
        estimate = _ALPHA * REGISTERS**2 / sum_of_powers
        empty = int((self.registers == 0).sum())
        if estimate <= 2.5 * REGISTERS and empty:
            estimate = REGISTERS * math.log(REGISTERS / empty)
        return round(estimate)

    @property
    def scale(self) -> float:
        """Buckets there are for each that is tracked: 1 unless there are over a million."""
        return self._column.buckets / len(self.rows)

    @property
    def is_alone(self) -> npt.NDArray[np.bool_]:
        """Tracked buckets that hold one value."""
        alone: npt.NDArray[np.bool_] = (self.rows > 0) & (self.least == self.greatest)
        return alone

    def _add_buckets(self, ids: Int64s, rows: Int64s, fingerprints: Int64s) -> None:
        np.add.at(self.rows, ids, rows)
        np.minimum.at(self.least, ids, fingerprints)
        np.maximum.at(self.greatest, ids, fingerprints)

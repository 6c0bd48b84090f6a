"""Quotient-remainder tables: two small tables of vectors instead of a vector for each bucket.

A bucket id is told apart from all others by its quotient and its remainder of one division.
Shi, Mudigere, Naumov and Yang 2020 (arXiv:1909.02107), section 3 and algorithm 2; DeepRec's
Multi-Hash Variable is the same.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Operation = Literal["add", "mul", "concat"]
Int32s = NDArray[np.int32]


@dataclass(frozen=True)
class MultiHash:
    """How the vector of a bucket comes from two others.

    Attributes
    ----------
    divisor
        M: bucket i has quotient ⌊i / M⌋ and remainder i mod M.
    operation
        What makes one vector of theirs: the sum, the product of each component, or, of vectors
        half as wide, one behind the other.
    """

    divisor: int
    operation: Operation

    def rows(self, buckets: int) -> tuple[int, int]:
        """Return how many quotients and how many remainders so many buckets have."""
        return -(-buckets // self.divisor), self.divisor

    def split(self, ids: NDArray[np.integer]) -> tuple[Int32s, Int32s]:
        """Return the quotients and the remainders of bucket ids, int32."""
        quotients, remainders = np.divmod(ids, self.divisor)
        return quotients.astype(np.int32), remainders.astype(np.int32)

    def deviation(self, dim: int) -> float:
        """Return the deviation of both vectors with which theirs has deviation 1/√dim."""
        match self.operation:
            case "add":
                return float((2 * dim) ** -0.5)
            case "mul":
                return float(dim**-0.25)
            case "concat":
                return float(dim**-0.5)

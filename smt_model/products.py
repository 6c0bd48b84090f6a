"""Numbers the products of two rows of a table, of features with ``--multihash-operation mul``."""

import numpy as np
from numpy.typing import NDArray

from smt_model.layout import TableLayout


class Products:
    """The products of a table: a number for each bucket, behind the numbers of all rows.

    Attributes
    ----------
    first
        The first number of each feature with products.
    """

    def __init__(self, layout: TableLayout) -> None:
        features = [feature for feature in layout.features if feature.products]
        numbers = np.cumsum([layout.rows, *(feature.products for feature in features)])
        self.first = {f.name: int(n) for f, n in zip(features, numbers, strict=False)}
        self._first = numbers[:-1]
        self._divisors = np.array([f.multihash.divisor for f in features if f.multihash], np.int64)
        self._quotients = np.array([layout.starts[f.name] for f in features], np.int64)
        self._remainders = self._quotients + [f.blocks[0].rows for f in features]

    def factors(self, numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the two rows of each product, int32 [P, 2]."""
        feature = np.searchsorted(self._first, numbers, side="right") - 1
        quotients, remainders = np.divmod(numbers - self._first[feature], self._divisors[feature])
        rows = [quotients + self._quotients[feature], remainders + self._remainders[feature]]
        return np.stack(rows, axis=1).astype(np.int32)

"""Arrow arrays of NumPy's and back, on the same memory and without pandas.

`pyarrow.array` and `Array.to_numpy` import pandas where it is installed, to ask whether they were
given one of its frames or to return its types. That takes a third of a second.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def arrow_array(values: NDArray[Any]) -> pa.Array:
    """Return numbers [N] as an Arrow array."""
    buffer = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, buffer])


def numpy_array(values: pa.Array) -> NDArray[Any]:
    """Return numbers [N] without nulls as a read-only NumPy array."""
    numbers: NDArray[Any] = np.from_dlpack(values)
    return numbers

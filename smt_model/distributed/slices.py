"""Divides variables into slices of rows, and deals these to parameter servers."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import NamedTuple

FLOAT_BYTES = 4


class Slice(NamedTuple):
    """Consecutive rows of a variable on one server.

    Attributes
    ----------
    server
        Index of the server.
    start, stop
        The rows.
    """

    server: int
    start: int
    stop: int


def slices_of(shape: Sequence[int], minimum: int, servers: int) -> list[tuple[int, int]]:
    """Return the first row and the end of each slice of a float32 variable.

    Parameters
    ----------
    shape
        Of the variable.
    minimum
        Bytes that a slice has at least; 0 leaves the variable whole.
    servers
        Of which each has one slice at most.
    """
    # Not TensorFlow's MinSizePartitioner: it rounds up, to slices that are smaller than that.
    most = prod(shape) * FLOAT_BYTES // minimum if minimum else 1
    count = max(1, min(most, servers, shape[0]))
    return list(pairwise(shape[0] * number // count for number in range(count + 1)))


def dealt(
    shapes: Sequence[Sequence[int]], minima: Sequence[int], servers: int
) -> list[list[Slice]]:
    """Return the slices of each variable; each goes to the server with the least so far.

    Parameters
    ----------
    shapes, minima
        Shape, and bytes that a slice has at least, of each variable.
    servers
        How many there are.
    """
    loads = [0] * servers
    found = []
    for shape, minimum in zip(shapes, minima, strict=True):
        free = list(range(servers))
        parts = []
        for start, stop in slices_of(shape, minimum, servers):
            server = min(free, key=lambda server: (loads[server], server))
            free.remove(server)
            loads[server] += (stop - start) * prod(shape[1:]) * FLOAT_BYTES
            parts.append(Slice(server, start, stop))
        found.append(parts)
    return found

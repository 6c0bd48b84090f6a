"""The texts of a block as NumPy arrays: Polars' string views, read without copying.

A view is 16 bytes: the length (uint32), then the text itself when it has at most 12 bytes, else
its first 4 bytes, the number of a buffer and the place in it (Arrow's columnar format,
"Variable-size Binary View Layout"). Arrow's numbers are little-endian here.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]

INLINE_BYTES = 12
"""Longest text that is part of its view."""

WORD_BYTES = 8

_LENGTH = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_ZEROS = np.uint64(0x3030303030303030)
_HIGH_BITS = np.uint64(0x8080808080808080)
_BYTE = np.uint64(0xFF)
_ABOVE_NINE = np.uint64(0x7676767676767676)  # added to a byte above 9, it sets the high bit
_PAIRS = (
    (np.uint64(0x00FF00FF00FF00FF), np.uint64(0x640001), np.uint64(16)),
    (np.uint64(0x0000FFFF0000FFFF), np.uint64(0x271000000001), _HALF),
)


class Words(NamedTuple):
    """The beginnings of texts.

    Attributes
    ----------
    lengths
        Bytes of each text, int64.
    words
        Its first 8 bytes, the first one lowest, zeros behind its end, uint64. Of a text beyond
        12 bytes only the first 4.
    """

    lengths: Int64s
    words: UInt64s


def words_of(texts: pl.Series) -> Words:
    """Return the beginnings of a String series without nulls."""
    views = _views(texts)
    low, high = views[:, 0], views[:, 1]
    lengths = (low & _LENGTH).view(np.int64)
    rest = np.where(lengths <= INLINE_BYTES, high << _HALF, 0)
    return Words(lengths, (low >> _HALF) | rest)


def total_bytes(texts: pl.Series) -> int:
    """Return the bytes of all texts of a String series without nulls, each counted as it stands."""
    return int(_views(texts).view(np.uint32)[:, 0].sum(dtype=np.int64))


def held_bytes(texts: pl.Series) -> int:
    """Return the bytes of the memory that the views of a String series point into.

    It may hold much more than these texts: those that they were chosen from.
    """
    array = texts.to_arrow(compat_level=pl.CompatLevel.newest())
    return sum(len(buffer) for buffer in array.buffers()[2:])


def changes(texts: pl.Series) -> Bools:
    """Return for each text of a String series without nulls whether it differs from the one before.

    The first one does.
    """
    begins = np.ones(len(texts), np.bool_)
    views = _views(texts)
    if len(views) and views.view(np.uint32)[:, 0].max() > INLINE_BYTES:
        begins[1:] = (texts[1:] != texts[:-1]).to_numpy()
    else:
        begins[1:] = (views[1:] != views[:-1]).view(np.uint16)[:, 0] != 0  # either half
    return begins


def decimals(texts: Words) -> Int64s:
    """Return texts of at most 8 digits as integers, -1 for all other texts.

    Only the decimal form without signs, blanks and leading zeros counts, so that each integer has
    one text.
    """
    lengths, words = texts
    digits = words ^ _ZEROS
    digits <<= ((WORD_BYTES - lengths) << 3).view(np.uint64)  # the last digit in the highest byte
    beyond = digits + _ABOVE_NINE
    beyond |= digits
    beyond &= _HIGH_BITS
    wrong = beyond != 0
    wrong |= ((words & _BYTE) == ord("0")) & (lengths > 1)
    wrong |= (lengths < 1) | (lengths > WORD_BYTES)
    # Pairs of digits, of pairs, of those: Johnny Lee, "Fast numeric string to int", 2016.
    digits = digits * np.uint64(10) + (digits >> np.uint64(8))
    for mask, factor, shift in _PAIRS:
        digits &= mask
        digits *= factor
        digits >>= shift
    numbers = digits.view(np.int64)
    numbers[wrong] = -1
    return numbers


def _views(texts: pl.Series) -> UInt64s:
    """Return the views of a String series, uint64 of shape (texts, 2)."""
    array = texts.rechunk().to_arrow(compat_level=pl.CompatLevel.newest())
    views = np.frombuffer(array.buffers()[1], np.dtype("<u8")).reshape(-1, 2)
    return views[array.offset : array.offset + len(array)]

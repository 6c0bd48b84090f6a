"""Hashes texts to buckets and keys with MurmurHash3, vectorised.

``mmh3`` is the reference; golden vectors in the tests pin both.
"""

from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import polars as pl
import polars_hash  # noqa: F401  (registers the `nchash` namespace)

from smt_schemas import Column

KEY_MASK = (1 << 63) - 1
"""Keys are 63 bits wide, so that they fit a signed integer."""


def hashed(texts: pl.Series, hashing: Callable[[pl.Expr], pl.Expr]) -> npt.NDArray[Any]:
    """Return what a function of this module makes of each text.

    Texts are a column and no literal: those of a literal the plug-in never frees.
    """
    return texts.to_frame("text").select(hashing(pl.col("text"))).to_series().to_numpy()


def bucket(text: pl.Expr, column: Column, seed: int) -> pl.Expr:
    """Return the bucket of each text, int32.

    MurmurHash3 x86 32-bit, unsigned, of the UTF-8 bytes, modulo ``hash_buckets``; with
    ``encoding = "identity"`` the integer itself. The texts must be valid and not null.
    """
    if column.encoding == "identity":
        return text.cast(pl.Int32)
    return (murmur(text, seed) % column.buckets).cast(pl.Int32)


def murmur(text: pl.Expr, seed: int) -> pl.Expr:
    """Return MurmurHash3 x86 32-bit of each text's UTF-8 bytes, uint32."""
    number: pl.Expr = text.nchash.murmur32(seed=seed)  # type: ignore[attr-defined]
    return number


def key(text: pl.Expr, seed: int) -> pl.Expr:
    """Return the key of each text, int64.

    The lower 63 bits of the first half of MurmurHash3 x64 128-bit, ``mmh3.hash64(...)[0]``.
    """
    number: pl.Expr = text.nchash.murmur128(seed=seed)  # type: ignore[attr-defined]
    return (number % (1 << 63)).cast(pl.Int64)

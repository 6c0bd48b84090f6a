"""Initial values: a pure function of the seed and the variable's name."""

import zlib

import tensorflow as tf


def truncated_normal(shape: tuple[int, int], name: str, seed: int, deviation: float) -> tf.Tensor:
    """Return an embedding float32 [rows, dim]: normal, cut at twice the deviation."""
    return tf.random.stateless_truncated_normal(shape, _seed(name, seed), stddev=deviation)


def glorot_uniform(shape: tuple[int, int], name: str, seed: int) -> tf.Tensor:
    """Return a kernel float32 [inputs, outputs], uniform in ±√(6 / (inputs + outputs))."""
    limit = (6 / sum(shape)) ** 0.5
    return tf.random.stateless_uniform(shape, _seed(name, seed), -limit, limit)


def _seed(name: str, seed: int) -> tuple[int, int]:
    return seed, zlib.crc32(name.encode())

"""How BF16 arithmetic is done on this machine: with its BF16 kernels, or with FP32 kernels."""

import time
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import tensorflow as tf

from smt_features.environment import environment

_SHAPE = (512, 288, 256)
"""Rows, inputs and outputs of the widest layer at the default batch size."""
_REPEATS = 10
NO_INSTRUCTIONS = "no BF16 instructions"
_ROUNDS = 5


class Kernels(NamedTuple):
    """Seconds that a layer takes in BF16 and in FP32."""

    bf16: float
    fp32: float

    @property
    def native(self) -> bool:
        """Whether the BF16 kernels are used: where they are faster, and as exact.

        Without BF16 instructions (seen with AVX2 alone) TensorFlow's BF16 product is another
        one, which cuts its results off where it should round them. Through five layers that
        makes gradients 6% wrong, so it is not used whatever its speed.
        """
        return self.bf16 < self.fp32 and instructions() != NO_INSTRUCTIONS

    @property
    def text(self) -> str:
        """What was measured and chosen, in a line."""
        why = "" if self.native else f" no fast BF16 ({instructions()}), so"
        return (
            f"BF16: a layer takes {self.bf16 * 1e3:.2f} ms in BF16 and {self.fp32 * 1e3:.2f} ms "
            f"in FP32 on this machine:{why} {_name(self.native)}"
        )


def instructions() -> str:
    """Return what the processor has for BF16 products."""
    flags = environment()["cpu_flags"]
    if "amx_bf16" in flags:
        return "AMX"
    return "AVX-512 BF16, no AMX" if "avx512_bf16" in flags else NO_INSTRUCTIONS


@cache
def kernels() -> Kernels:
    """Measure a layer in both types, once a process; takes some 50 ms.

    There are processors (AVX-512 BF16 without AMX) whose BF16 product is half as fast as the
    FP32 one, and others where it is twice as fast or more.
    """
    rows, inputs, outputs = _SHAPE
    layers = []
    for dtype in (tf.bfloat16, tf.float32):
        left, right = tf.ones([rows, inputs], dtype), tf.ones([inputs, outputs], dtype)
        layers.append(lambda left=left, right=right: tf.matmul(left, right))
    # In turn, and the best of each: a busy moment hits both.
    rounds = [[_seconds(layer) for layer in layers] for _ in range(_ROUNDS)]
    return Kernels(*(min(times) for times in zip(*rounds, strict=True)))


def uses_native(recorded: bool | None, say: Callable[[str], None]) -> bool:
    """Return whether a run uses BF16 kernels, and tell `say` why.

    Parameters
    ----------
    recorded
        What a run that is gone on with used, so that it ends in the same bits; None for
        whatever is faster here.
    say
        Hears a line.
    """
    if recorded is None:
        say(kernels().text)
        return kernels().native
    say(f"BF16: {_name(recorded)}, as this run began")
    return recorded


@tf.custom_gradient  # type: ignore[untyped-decorator]
def rounded(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """Return float32 values rounded to BF16, and round their gradient so, too."""
    return _round(x), _round


@tf.custom_gradient  # type: ignore[untyped-decorator]
def rounded_forward(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """Return float32 values rounded to BF16, whose gradient comes rounded already."""
    return _round(x), tf.identity


def _name(native: bool) -> str:
    return "BF16 kernels" if native else "rounding to BF16, then FP32 kernels"


def _round(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.cast(x, tf.bfloat16), tf.float32)


def _seconds(layer: Callable[[], tf.Tensor]) -> float:
    layer().numpy()
    started = time.perf_counter()
    for _ in range(_REPEATS):
        found = layer()
    found.numpy()
    return (time.perf_counter() - started) / _REPEATS

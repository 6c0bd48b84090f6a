from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from smt_model.bf16 import NO_INSTRUCTIONS, Kernels, instructions, kernels, rounded
from smt_model.tower import Tower


def test_rounded_values_and_gradients_are_those_of_bf16() -> None:
    # BF16 keeps eight bits: 1 + 1/128 is one of its numbers, the two beside it are not.
    x = tf.constant([1.0, 1 + 1 / 128, 1 + 1.4 / 128, 1 + 1.6 / 128])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = rounded(x)
        total = tf.reduce_sum(y * (1 + 1.4 / 128))
    np.testing.assert_array_equal(y, [1, 1 + 1 / 128, 1 + 1 / 128, 1 + 2 / 128])
    np.testing.assert_array_equal(tape.gradient(total, x), np.full(4, 1 + 1 / 128))


@pytest.mark.skipif(
    instructions() == NO_INSTRUCTIONS, reason="BF16 kernels are not used on this processor"
)
def test_both_kinds_of_kernels_give_the_same_values() -> None:
    inputs = tf.random.stateless_normal([64, 48], [1, 2])
    found = []
    for native in (True, False):
        tower = Tower("ctr", 48, 3, bf16=True, native=native)
        with tf.GradientTape() as tape:
            logits = tower(inputs)
        found.append([logits, *tape.gradient(logits, tower.kernels)])
        assert {value.dtype for value in found[-1]} == {tf.float32}
    for one, other in zip(*found, strict=True):
        difference = tf.norm(one - other) / tf.norm(one)
        # Where sums in another order fall on the other side of a rounding, 1/256 apart.
        assert difference < 0.01
    exact = Tower("ctr", 48, 3, bf16=False)(inputs)
    assert not np.array_equal(exact, found[0][0])


@pytest.mark.parametrize(
    ("bf16", "fp32", "has", "chosen"),
    [(1, 2, "AMX", True), (2, 1, "AMX", False), (1, 2, NO_INSTRUCTIONS, False)],
)
def test_the_faster_kernels_are_chosen_where_they_are_exact(
    bf16: float, fp32: float, has: str, chosen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smt_model.bf16.instructions", lambda: has)
    assert Kernels(bf16, fp32).native == chosen


def test_a_line_says_that_bf16_is_not_fast_here_and_why() -> None:
    flags = Path("/proc/cpuinfo").read_text().split()
    has = {name: name in flags for name in ("amx_bf16", "avx512_bf16")}
    expected = {
        (True, True): "AMX",
        (False, True): "AVX-512 BF16, no AMX",
        (False, False): "no BF16 instructions",
    }[has["amx_bf16"], has["avx512_bf16"]]

    assert Kernels(bf16=0.0008, fp32=0.0004).text == (
        "BF16: a layer takes 0.80 ms in BF16 and 0.40 ms in FP32 on this machine: "
        f"no fast BF16 ({expected}), so rounding to BF16, then FP32 kernels"
    )
    faster = Kernels(bf16=0.0004, fp32=0.0008).text
    assert ("no fast BF16" in faster) == (expected == NO_INSTRUCTIONS)


def test_the_measurement_is_said_in_one_line() -> None:
    assert kernels().text.startswith("BF16: a layer takes ")
    assert "\n" not in kernels().text

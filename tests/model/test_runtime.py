"""TensorFlow starts with oneDNN's kernels, unless someone decided otherwise, and without Keras."""

import os
import subprocess
import sys

import pytest

from smt_model import runtime

VARIABLE = "TF_ENABLE_ONEDNN_OPTS"
SCRIPT = f"""
import os
from smt_model import runtime
runtime.start_tensorflow()
print(os.environ["{VARIABLE}"])
"""


@pytest.mark.parametrize(("given", "expected"), [({}, "1"), ({VARIABLE: "0"}, "0")])
def test_onednn_is_used_unless_the_variable_says_otherwise(
    given: dict[str, str], expected: str
) -> None:
    others = {name: value for name, value in os.environ.items() if name != VARIABLE}

    found = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=others | given, capture_output=True, check=True
    )

    assert found.stdout.decode().strip() == expected


def test_nothing_is_set_that_comes_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)

    runtime.start_tensorflow()  # this process has imported TensorFlow long ago

    assert VARIABLE not in os.environ


def test_keras_and_what_it_imports_wait_until_they_are_used() -> None:
    script = """
import sys
from smt_model import runtime
runtime.start_tensorflow()
print([name for name in ("keras", "jax", "pandas", "matplotlib") if name in sys.modules])
import tensorflow as tf
print(float(tf.keras.layers.Dense(1, kernel_initializer="ones")(tf.ones([1, 3]))[0, 0]))
"""

    found = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)

    assert found.stdout.decode().splitlines() == ["[]", "3.0"]


def test_a_module_that_was_imported_before_is_left_alone() -> None:
    script = """
import sys, json
from smt_model import runtime
runtime._NOT_NEEDED = ("json", "keras")
runtime.start_tensorflow()
import json as again
print(again is json, "keras" in sys.modules)
"""

    found = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)

    assert found.stdout.decode().strip() == "True False"

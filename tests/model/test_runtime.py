"""TensorFlow starts with oneDNN's kernels, unless someone decided otherwise."""

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

import shutil
import sys
from pathlib import Path

import pytest

from smt_bench.tensorflow1 import NotFoundHereError, tensorflow1


@pytest.fixture(autouse=True)
def nothing_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_machine_without_python_3_7_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))

    with pytest.raises(NotFoundHereError, match="no Python 3.7; give one with --python37"):
        tensorflow1(None, print)


@pytest.mark.parametrize("python", [Path(sys.executable), Path("/nowhere/python")])
def test_another_python_is_refused(python: Path) -> None:
    with pytest.raises(NotFoundHereError, match=f"{python} is no Python 3.7"):
        tensorflow1(python, print)


@pytest.mark.slow
def test_an_environment_is_made_once(capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("python3.7") is None:
        pytest.skip("there is no python3.7 here")

    found = [tensorflow1(None, print) for _ in range(2)]

    assert found[0] == found[1]
    assert capsys.readouterr().out.count("Installing TensorFlow 1.15.5") == 1

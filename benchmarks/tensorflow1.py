"""Finds a Python that has TensorFlow 1.15.5, or makes one from a Python 3.7."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

REQUIREMENTS = ("tensorflow==1.15.5", "protobuf==3.20.3")
"""Later versions of protobuf do not work with this TensorFlow."""
_PROBE = "import tensorflow; assert tensorflow.__version__ == '1.15.5', tensorflow.__version__"


class NotFoundHereError(Exception):
    """There is no such Python; the text says what to do."""


def tensorflow1(given: Path | None, say: Callable[[str], None]) -> Path:
    """Return a Python that imports TensorFlow 1.15.5.

    Parameters
    ----------
    given
        A Python 3.7 to use; None for one on the path or in pyenv. Unless it has TensorFlow, an
        environment is made from it under the user's cache folder, once.
    say
        Hears what takes long.

    Raises
    ------
    NotFoundHereError
        When there is no Python 3.7, or TensorFlow cannot be installed into its environment.
    """
    if given is not None and _has_tensorflow1(given):
        return given
    cached = _cache() / "bin" / "python"
    if _has_tensorflow1(cached):
        return cached
    for python in [given] if given else _pythons37():
        if _is_python37(python):
            return _made(python, say)
    msg = f"{given} is no Python 3.7" if given else "no Python 3.7; give one with --python37"
    raise NotFoundHereError(msg)


def _made(python: Path, say: Callable[[str], None]) -> Path:
    target = _cache()
    say(f"Installing TensorFlow 1.15.5 into {target}")
    shutil.rmtree(target, ignore_errors=True)
    made = target / "bin" / "python"
    for command in (
        [python, "-m", "venv", target],
        [made, "-m", "pip", "install", "--quiet", *REQUIREMENTS],
    ):
        done = subprocess.run(
            [str(word) for word in command], check=False, capture_output=True, text=True
        )
        if done.returncode:
            shutil.rmtree(target, ignore_errors=True)
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise NotFoundHereError(f"TensorFlow 1.15.5 cannot be installed: {said[-1]}")
    return made


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "smt" / "tensorflow-1.15.5"


def _pythons37() -> Iterator[Path]:
    on_path = shutil.which("python3.7")
    if on_path:
        yield Path(on_path)
    yield from (Path.home() / ".pyenv" / "versions").glob("3.7*/bin/python3.7")


def _is_python37(python: Path) -> bool:
    return _succeeds(python, "import sys; assert sys.version_info[:2] == (3, 7)")


def _has_tensorflow1(python: Path) -> bool:
    return _succeeds(python, _PROBE)


def _succeeds(python: Path, code: str) -> bool:
    try:
        done = subprocess.run([python, "-c", code], check=False, capture_output=True)
    except OSError:
        return False
    return done.returncode == 0

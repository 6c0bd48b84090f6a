"""The ways to train the model that are measured, and the command that runs each."""

import json
import sys
from collections.abc import Callable, Collection
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from smt_bench.logs import Log
from smt_bench.tensorflow1 import NotFoundHereError, tensorflow1
from smt_schemas import UsageError

HERE = Path(__file__).parent
YARDSTICK = "TF 1.15.5"
TENSORFLOW1_SCRIPT = "baseline_tensorflow1"


class Contender(NamedTuple):
    """A way to train: its script, that script's own options, and the library it needs."""

    script: str
    needs: str = "tensorflow"
    options: tuple[str, ...] = ()


def _ours(**options: object) -> Contender:
    return Contender("train_ours", options=("--options", json.dumps(options)))


USUAL = {
    YARDSTICK: Contender(TENSORFLOW1_SCRIPT),
    "Keras 3 fit": Contender("baseline_keras"),
    "PyTorch": Contender("baseline_torch", "torch"),
    "smt --tf": _ours(tf=True),
    "smt FP32": _ours(),
    "smt BF16": _ours(bf16=True),
}
MORE = {
    "TF 1.15.5 adam": Contender(TENSORFLOW1_SCRIPT, options=("--optimizer", "adam")),
    "smt adam": _ours(optimizer="adam"),
    "smt adamasync": _ours(optimizer="adamasync"),
    "smt async": _ours(async_embedding=True),
    "smt from memory": Contender("train_ours", options=("--from-memory",)),
}
"""Measured when they are asked for by name."""


class UnavailableError(Exception):
    """A contender cannot run here; the text says why."""


def chosen(wanted: Collection[str], known: Collection[str]) -> list[str]:
    """Return the names that are wanted; none means all.

    Raises
    ------
    UsageError
        When one is not known.
    """
    for name in wanted:
        if name not in known:
            msg = f"--only {name!r}: there is no such line. There are: {', '.join(known)}."
            raise UsageError(msg)
    return list(wanted or known)


def not_installed(library: str) -> str:
    """Return what a line says whose library is missing."""
    return f"not installed here: pip install {library}"


class Contenders:
    """Those that are wanted, and how to start them.

    Parameters
    ----------
    wanted
        Names; none for the usual ones.
    python37
        A Python 3.7 for TensorFlow 1.15.5.
    say
        Hears what takes long.

    Raises
    ------
    UsageError
        When there is no contender of a name.
    """

    def __init__(
        self, wanted: Collection[str], python37: Path | None, say: Callable[[str], None]
    ) -> None:
        known = USUAL | MORE
        self.names = chosen(wanted, known) if wanted else list(USUAL)
        self._found = {name: known[name] for name in self.names}
        self._tensorflow1: Path | str | None = None
        if any(found.script == TENSORFLOW1_SCRIPT for found in self._found.values()):
            try:
                self._tensorflow1 = tensorflow1(python37, say)
            except NotFoundHereError as error:
                self._tensorflow1 = str(error)

    def command(self, name: str, log: Log) -> list[object]:
        """Return what trains on a log, without the options that all scripts have.

        Raises
        ------
        UnavailableError
            When it cannot run here, or not on this log.
        """
        contender = self._found[name]
        if contender.script == TENSORFLOW1_SCRIPT:
            return [*self._on_tensorflow1(log), *contender.options]
        if find_spec(contender.needs) is None:
            raise UnavailableError(not_installed(contender.needs))
        module = f"smt_bench.{contender.script}"
        return [sys.executable, "-P", "-m", module, log.shards, *contender.options]

    def _on_tensorflow1(self, log: Log) -> list[object]:
        if not isinstance(self._tensorflow1, Path):
            raise UnavailableError(str(self._tensorflow1))
        command: list[object] = [self._tensorflow1, HERE / f"{TENSORFLOW1_SCRIPT}.py"]
        for split, sources in log.sources.items():
            if any(source.kind != "csv" for source in sources):
                raise UnavailableError("its script reads plain CSV only")
            command += [f"--{split}", *(source.path for source in sources)]
        return command

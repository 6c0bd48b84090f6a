"""The logs that benchmarks run on: real rows where there are some, and synthetic ones."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from smt_bench.processes import Command, measure
from smt_features.sources import Source, find_sources
from smt_schemas import taobao

TEST_FRACTION = 0.1


@dataclass(frozen=True)
class Log:
    """A raw log.

    Attributes
    ----------
    name
        What tables call it.
    directory
        Folder of the raw files.
    shards
        Folder of its shards, once it is prepared.
    """

    name: str
    directory: Path
    shards: Path

    @property
    def sources(self) -> dict[str, list[Source]]:
        """The raw files of each split."""
        found: dict[str, list[Source]] = {}
        for source in find_sources(self.directory, taobao()):
            found.setdefault(source.split, []).append(source)
        return found


def smt(*arguments: object) -> Command:
    """Return a command of ours, run by this interpreter."""
    return Command((sys.executable, "-P", "-m", "smt_cli", *arguments))


def synthetic(folder: Path, rows: int, say: Callable[[str], None]) -> Log:
    """Make a log of so many rows below a folder; a tenth of them is the test split."""
    say(f"Making {rows:,} synthetic rows")
    directory = folder / "synthetic"
    measure(smt("synth", directory, "--rows", rows, "--test-fraction", TEST_FRACTION))
    return Log(f"{rows:,} synthetic rows", directory, folder / "synthetic-shards")


def real(folder: Path, directory: Path) -> Log | None:
    """Return the log in a directory, its shards to be below a folder; None when there is none."""
    names = tuple(taobao().splits.values())
    if directory.is_dir() and any(path.name.startswith(names) for path in directory.iterdir()):
        return Log(f"the rows in {directory.resolve().name}", directory, folder / "real-shards")
    return None


def shards_of(log: Log, say: Callable[[str], None]) -> Log:
    """Prepare a log."""
    say(f"Preparing {log.name}")
    measure(smt("prepare", log.directory, "--output", log.shards, "--no-statistics"))
    return log

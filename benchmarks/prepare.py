"""Compares `smt prepare` with other ways from the same CSV to model input, all in turn.

The copy, Polars' CSV to Parquet, is the yardstick. pandas and TensorFlow are slow, so they get the
first rows only and are compared by rows a second, their imports left out.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from smt_bench.contenders import chosen, not_installed
from smt_bench.logs import Log, smt, synthetic
from smt_bench.processes import Command, Run, in_turn
from smt_bench.result import Figure, Report, Row, machine, ratios

COPY = """
import sys, polars as pl
pl.scan_csv(sys.argv[1], has_header=False).sink_parquet(sys.argv[2], compression="zstd")
"""
YARDSTICK = "Polars copy"
OURS = {
    "smt prepare": (),
    "smt prepare --no-statistics": ("--no-statistics",),
    "smt prepare --format tfrecord": ("--format", "tfrecord"),
}
OTHERS = {
    "pandas + mmh3": ("prepare_pandas", "pandas"),
    "tf.data from CSV": ("prepare_tensorflow", "tensorflow"),
}
"""Name to script, and the library that it needs."""
RATIO = "times copy"
BYTES = "% of CSV"
COLUMNS = {"seconds": 2, RATIO: 2, "rows/s": 0, "memory MiB": 0, BYTES: 1}


class Way(NamedTuple):
    """A line of a table.

    Attributes
    ----------
    arguments
        The command.
    rows
        How many it reads.
    output
        What it writes, when its size is told.
    needs
        A library.
    """

    arguments: Sequence[object]
    rows: int
    output: Path | None = None
    needs: str = "polars"

    @property
    def whole(self) -> bool:
        """Whether the whole process is timed, or what its script times itself."""
        return self.output is not None


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes
    ----------
    rows
        Synthetic rows to prepare.
    other_rows
        How many of them pandas and TensorFlow get.
    runs
        Processes for each line of a table, after one to warm up.
    only
        Names of lines; none for all.
    """

    rows: int = 1_000_000
    other_rows: int = 100_000
    runs: int = 5
    only: Sequence[str] = ()


def prepare(options: Options, say: Callable[[str], None]) -> Report:
    """Measure every way, and tell `say` what is going on.

    Raises
    ------
    UsageError
        When there is no way of a name.
    FailedError
        When the log cannot be made.
    """
    names = chosen(options.only, [YARDSTICK, *OURS, *OTHERS])
    with tempfile.TemporaryDirectory() as folder:
        log = synthetic(Path(folder), options.rows, say)
        found = _ways(log, options, Path(folder))
        ways = {name: found[name] for name in names}
        runnable = [name for name, way in ways.items() if find_spec(way.needs)]
        command = partial(_command, ways)
        in_turn(runnable, command, 1, lambda line: say(f"warm-up {line}"), _seconds)
        done, failed = in_turn(runnable, command, options.runs, say, _seconds)
        figures = {name: _figures(ways[name], log, runs) for name, runs in done.items()}
    failed |= {name: not_installed(ways[name].needs) for name in set(ways) - set(runnable)}
    _add_ratios(figures)
    table = [
        Row(
            name=name,
            settings={"rows": way.rows, "timed": "whole process" if way.whole else "work alone"},
            figures=figures.get(name, {}),
            failed=failed.get(name),
        )
        for name, way in ways.items()
    ]
    return Report(command="prepare", machine=machine(), columns=COLUMNS, rows=table)


def _ways(log: Log, options: Options, work: Path) -> dict[str, Way]:
    train = log.sources["train"][0].path
    copy = work / "copy.parquet"
    pattern = log.directory / "taobao_*_data"
    ways = {YARDSTICK: Way((sys.executable, "-c", COPY, pattern, copy), options.rows, copy)}
    for name, given in OURS.items():
        output = work / name
        command = smt("prepare", log.directory, "--output", output, *given)
        ways[name] = Way(command.arguments, options.rows, output)
    some = min(options.other_rows, _lines(train))
    for name, (script, needs) in OTHERS.items():
        arguments = (sys.executable, "-P", "-m", f"smt_bench.{script}", train, some, work / script)
        ways[name] = Way(arguments, some, needs=needs)
    return ways


def _command(ways: dict[str, Way], name: str, turn: int) -> Command:
    way = ways[name]

    def clear() -> None:
        if way.output:
            shutil.rmtree(way.output, ignore_errors=True)

    return Command(way.arguments, clear)


def _seconds(run: Run) -> str:
    return f"{run.seconds:.2f} s"


def _figures(way: Way, log: Log, runs: list[Run]) -> dict[str, Figure]:
    seconds = [run.seconds if way.whole else float(run.output) for run in runs]
    found = {
        "seconds": Figure.of(seconds),
        "rows/s": Figure.of(way.rows / value for value in seconds),
        "memory MiB": Figure.of(run.peak_mib for run in runs),
    }
    if way.output:
        csv = sum(source.size for sources in log.sources.values() for source in sources)
        found[BYTES] = Figure.of([100 * _bytes_of(way.output) / csv])
    return found


def _add_ratios(figures: dict[str, dict[str, Figure]]) -> None:
    """Add to what was timed as a whole the ratios, turn by turn, to the copy."""
    copy = figures.get(YARDSTICK)
    for name in [YARDSTICK, *OURS]:
        if copy and name in figures:
            figures[name][RATIO] = ratios(figures[name]["seconds"].runs, copy["seconds"].runs)


def _bytes_of(output: Path) -> int:
    files = [output] if output.is_file() else output.rglob("part-*")
    return sum(file.stat().st_size for file in files)


def _lines(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for _ in lines)

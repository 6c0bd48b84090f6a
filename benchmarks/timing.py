"""Times commands in turn, each a process of its own, so that noise meets all of them alike."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Command:
    """A command to time, and what has to be done before each run, untimed."""

    arguments: Sequence[object]
    before: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Run:
    """Start (Unix time), wall time and peak resident memory of one process, and its output."""

    started: float
    seconds: float
    peak_mib: float
    output: str


@dataclass(frozen=True)
class Timing:
    """The runs of one command."""

    runs: list[Run]

    @property
    def seconds(self) -> list[float]:
        """Seconds of each run."""
        return [run.seconds for run in self.runs]

    @property
    def median(self) -> float:
        """Seconds of the middle run."""
        return statistics.median(self.seconds)

    @property
    def peak_mib(self) -> float:
        """The largest peak of all runs."""
        return max(run.peak_mib for run in self.runs)

    def __str__(self) -> str:
        """Return the median with the fastest and the slowest run, and the memory."""
        low, high = min(self.seconds), max(self.seconds)
        return f"{self.median:.2f} s ({low:.2f} to {high:.2f})  {self.peak_mib:,.0f} MiB"


def measure(command: Command) -> Run:
    """Run a command; raise `CalledProcessError` when it fails."""
    command.before()
    arguments = [str(argument) for argument in command.arguments]
    started, start = time.time(), time.perf_counter()
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments, output)
    return Run(started, seconds, usage.ru_maxrss / 1024, output)


def in_turn(commands: Mapping[str, Command], runs: int, *, warm_up: bool) -> dict[str, Timing]:
    """Run each command ``runs`` times, one after the other in turn."""
    found: dict[str, list[Run]] = {name: [] for name in commands}
    for turn in range(runs + warm_up):
        for name, command in commands.items():
            run = measure(command)
            # Should a long session be cut off, what was measured is not lost.
            print(f"{turn + 1}: {name}: {run.seconds:.2f} s {run.output[:99]}", file=sys.stderr)
            if turn >= warm_up:
                found[name].append(run)
    return {name: Timing(results) for name, results in found.items()}


def bytes_below(folder: Path, pattern: str) -> int:
    """Return the bytes of the files below a folder whose names match."""
    return sum(file.stat().st_size for file in folder.rglob(pattern))

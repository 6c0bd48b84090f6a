"""Times commands in turn, each a process of its own, so that noise meets all of them alike."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from smt_schemas import UsageError, UserError

Key = TypeVar("Key", bound=Hashable)

_NOT_KEPT = "PYTHONDONTWRITEBYTECODE"


@dataclass(frozen=True)
class Command:
    """A command to time.

    Attributes
    ----------
    arguments
        The program and its arguments.
    before
        What has to be done before each run, untimed.
    cores
        How many of the cores that this process may use the command gets; None for all.
    """

    arguments: Sequence[object]
    before: Callable[[], object] = lambda: None
    cores: int | None = None


@dataclass(frozen=True)
class Run:
    """Start (Unix time), wall time and peak resident memory of one process, and its output.

    On Linux the peak includes what the process was before it became the command: a copy of this
    one. It is never below this one's memory.
    """

    started: float
    seconds: float
    peak_mib: float
    output: str


class FailedError(UserError):
    """A command ended with an error; the text is the last line of what it said."""


def measure(command: Command) -> Run:
    """Run a command to its end; what stops this process ends the command and its children, too.

    Python keeps the modules that it compiles, as it does where nothing tells it not to: else the
    modules of a checkout, and no others, would be compiled anew in each run.

    Raises
    ------
    FailedError
        When the command cannot be started or fails.
    """
    command.before()
    arguments = [str(argument) for argument in command.arguments]
    environment = {name: text for name, text in os.environ.items() if name != _NOT_KEPT}
    with tempfile.TemporaryFile() as errors, _bound_to(command.cores):
        started, start = time.time(), time.perf_counter()
        try:
            process = subprocess.Popen(
                arguments,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise FailedError(f"{arguments[0]}: {error.strerror}") from error
        with process, _killed_when_left_early(process):
            assert process.stdout is not None
            output = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines()
            raise FailedError(said[-1] if said else f"exit code {process.returncode}")
    return Run(started, seconds, usage.ru_maxrss / 1024, output)


def in_turn(
    keys: Sequence[Key],
    command: Callable[[Key, int], Command],
    runs: int,
    say: Callable[[str], None],
    figure: Callable[[Run], str],
) -> tuple[dict[Key, list[Run]], dict[Key, str]]:
    """Run commands ``runs`` times, one after the other in turn.

    Parameters
    ----------
    keys
        What to run; their text names it.
    command
        A key and a turn, counted from 0, to what to run then.
    runs
        How many turns.
    say
        Hears a line after each run, so that a session that is cut off has not lost everything.
    figure
        What the line tells of a run.

    Returns
    -------
    tuple of dict and dict
        The runs of each key, and for each that failed, why. It is not run again.
    """
    done: dict[Key, list[Run]] = {key: [] for key in keys}
    failed: dict[Key, str] = {}
    for turn in range(runs):
        for key in [key for key in keys if key not in failed]:
            where = f"{turn + 1}/{runs}  {key}"
            try:
                run = measure(command(key, turn))
            except FailedError as error:
                failed[key] = str(error)
                del done[key]
                say(f"{where}: failed: {error}")
            else:
                done[key].append(run)
                say(f"{where}: {figure(run)}")
    return done, failed


def require_cores(numbers: Iterable[int | None]) -> None:
    """Refuse numbers of cores that commands cannot be bound to here.

    Raises
    ------
    UsageError
    """
    wanted = max((number for number in numbers if number), default=0)
    if not wanted:
        return
    if not hasattr(os, "sched_setaffinity"):
        raise UsageError("--cores: this system cannot bind a process to cores; Linux can.")
    ours = len(os.sched_getaffinity(0))
    if wanted > ours:
        msg = f"--cores {wanted}: this process may use {ours}."
        raise UsageError(msg)


@contextmanager
def _bound_to(cores: int | None) -> Iterator[None]:
    """Bind this process to some cores, which a process that it starts inherits; Linux only."""
    if cores is None:
        yield
        return
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(ours)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, ours)


@contextmanager
def _killed_when_left_early(process: "subprocess.Popen[str]") -> Iterator[None]:
    """Kill a process and all that it started when Ctrl-C or SIGTERM comes, or an error."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)

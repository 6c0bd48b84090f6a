import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from smt_bench.processes import Command, FailedError, in_turn, measure


def python(code: str, cores: int | None = None) -> Command:
    return Command((sys.executable, "-c", code), cores=cores)


def test_a_run_knows_its_time_its_peak_memory_and_its_output() -> None:
    before = time.time()

    run = measure(python("import time; kept = b'x' * (150 << 20); time.sleep(0.3); print('done')"))

    assert run.output == "done\n"
    assert before <= run.started <= time.time() - run.seconds + 0.1
    assert 0.3 <= run.seconds < 10
    assert run.peak_mib > 150


def test_a_failure_is_told_by_the_last_line_of_the_command() -> None:
    with pytest.raises(FailedError, match="^ValueError: too bad$"):
        measure(python("raise ValueError('too bad')"))
    with pytest.raises(FailedError, match="^exit code 3$"):
        measure(python("raise SystemExit(3)"))
    with pytest.raises(FailedError, match="^/nowhere: No such file or directory$"):
        measure(Command(("/nowhere",)))


def test_commands_take_turns_and_one_that_fails_is_not_run_again(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def command(key: str, turn: int) -> Command:
        return python(f"open({str(log)!r}, 'a').write('{key}{turn} '); print(1 // {key != 'b'})")

    said: list[str] = []
    done, failed = in_turn(["a", "b", "c"], command, 2, said.append, lambda run: run.output.strip())

    assert log.read_text().split() == ["a0", "b0", "c0", "a1", "c1"]
    assert {key: len(runs) for key, runs in done.items()} == {"a": 2, "c": 2}
    assert list(failed) == ["b"]
    assert "ZeroDivisionError" in failed["b"]
    assert said[0] == "1/2  a: 1"
    assert said[1].startswith("1/2  b: failed: ZeroDivisionError")


def test_a_command_can_be_bound_to_a_core_and_the_next_is_free_again() -> None:
    count = "import os; print(len(os.sched_getaffinity(0)))"

    found = [measure(python(count, cores)).output for cores in (1, None)]

    assert [int(output) for output in found] == [1, len(os.sched_getaffinity(0))]


def test_modules_of_a_command_are_compiled_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module.py").touch()
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    measure(python(f"import sys; sys.path[0] = {str(tmp_path)!r}; import module"))

    assert list(tmp_path.glob("__pycache__/module.*.pyc"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_the_command_and_what_it_started(
    number: signal.Signals, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    child = f"""
import os, subprocess, time
other = subprocess.Popen(["sleep", "600"])
open({str(pids)!r}, "w").write(f"{{os.getpid()}} {{other.pid}}")
time.sleep(600)
"""
    # Whoever starts tests in the background has them ignore Ctrl-C, and their children with them.
    session = f"""
import signal, sys
from smt_bench.processes import Command, measure
signal.signal(signal.SIGINT, signal.default_int_handler)
measure(Command((sys.executable, "-c", {child!r})))
"""
    with subprocess.Popen([sys.executable, "-c", session], stderr=subprocess.PIPE) as process:
        try:
            wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 2)
            process.send_signal(number)
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()

    assert b"KeyboardInterrupt" in errors
    wait_for(lambda: not any(is_running(int(pid)) for pid in pids.read_text().split()))


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"

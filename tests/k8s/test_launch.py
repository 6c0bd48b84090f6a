"""``distribute_k8s/launch.py`` as a process, and what it passes on."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from ctypes.util import find_library
from pathlib import Path

import pytest

from smt_features import Dataset
from smt_model.k8s.launch import set_up
from smt_schemas import UserError

LAUNCH = Path(__file__).resolve().parents[2] / "distribute_k8s" / "launch.py"
needs_jemalloc = pytest.mark.skipif(
    find_library("jemalloc") is None, reason="libjemalloc2 is not installed"
)


def start(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, LAUNCH, *arguments],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    process = start(*arguments, **environment)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_variables_and_arguments_are_passed_on() -> None:
    given = {"START_STATISTIC_STEP": "100", "STOP_STATISTIC_STEP": "110", "A": "b"}
    assert set_up(given, ["--bf16"]) == (given, ["--bf16"])


def test_threads_are_those_of_the_container() -> None:
    environment, arguments = set_up({"SMT_CPUS": "8"}, ["--bf16"])

    assert environment["OMP_NUM_THREADS"] == environment["POLARS_MAX_THREADS"] == "8"
    assert arguments == ["--intra=4", "--bf16"]


@pytest.mark.parametrize("given", [["--intra=8"], ["--intra", "8"]])
def test_threads_that_are_given_stay(given: list[str]) -> None:
    environment, arguments = set_up({"SMT_CPUS": "1", "OMP_NUM_THREADS": "3"}, given)

    assert environment["OMP_NUM_THREADS"] == "3"
    assert arguments == given


@needs_jemalloc
@pytest.mark.parametrize(
    ("strategy", "settings"),
    [
        ("min", "dirty_decay_ms:0,muzzy_decay_ms:0"),
        ("mid", "background_thread:true,dirty_decay_ms:10000,muzzy_decay_ms:10000"),
        (
            "max",
            "background_thread:true,metadata_thp:auto,dirty_decay_ms:240000,muzzy_decay_ms:240000",
        ),
        (
            "251",
            "background_thread:true,metadata_thp:auto,dirty_decay_ms:60000,muzzy_decay_ms:60000",
        ),
        ("xmin", "dirty_decay_ms:0,muzzy_decay_ms:0"),
        ("xmid", None),
        ("244", None),
    ],
)
def test_a_strategy_is_an_allocator_with_settings(strategy: str, settings: str | None) -> None:
    environment, _ = set_up({"MEM_USAGE_STRATEGY": strategy, "LD_PRELOAD": "libx.so"}, [])

    assert environment["LD_PRELOAD"] == "libjemalloc.so.2 libx.so"
    assert environment.get("MALLOC_CONF") == settings


def test_without_a_strategy_the_allocator_stays() -> None:
    for given in ({}, {"MEM_USAGE_STRATEGY": "close"}):
        assert set_up(given, []) == (given, [])


@needs_jemalloc
def test_settings_of_the_allocator_that_are_given_stay() -> None:
    given = {"MEM_USAGE_STRATEGY": "251", "MALLOC_CONF": "narenas:4"}
    assert set_up(given, [])[0]["MALLOC_CONF"] == "narenas:4"


@needs_jemalloc
def test_jemalloc_takes_every_setting() -> None:
    for strategy in ("min", "mid", "max", "251", "xmin", "xmid", "244"):
        environment, _ = set_up({**os.environ, "MEM_USAGE_STRATEGY": strategy}, [])
        # abort_conf ends a process on a setting that jemalloc does not know.
        settings = ",".join(filter(None, [environment.get("MALLOC_CONF"), "abort_conf:true"]))
        maps = subprocess.run(
            [sys.executable, "-c", "print(open('/proc/self/maps').read())"],
            env=environment | {"MALLOC_CONF": settings},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ("libjemalloc.so.2" in maps.stdout, maps.stderr) == (True, "")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"MEM_USAGE_STRATEGY": "tiny"}, "close, min, mid, max, 251, xmin, xmid, 244"),
        ({"SMT_CPUS": "0"}, "SMT_CPUS=0 is not a number of cores"),
        ({"SMT_CPUS": "500m"}, "SMT_CPUS=500m is not a number of cores"),
    ],
)
def test_wrong_settings_are_named(given: dict[str, str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        set_up(given, [])
    assert message in str(caught.value)


def test_a_wrong_setting_ends_the_process_with_one_message() -> None:
    code, out, err = run(SMT_REPLICAS="many")
    assert (code, out) == (1, "")
    assert err.startswith("Error: SMT_REPLICAS=many is not understood")


def test_it_does_not_load_tensorflow() -> None:
    code = "import sys, smt_model.k8s.launch; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_exit_code_is_that_of_smt_train(tmp_path: Path) -> None:
    assert run("--data_location", str(tmp_path))[0] == 1
    code, _, err = run("--no-such-option")
    assert code == 2
    assert "No such option: --no-such-option" in err


def test_a_signal_reaches_smt_train(
    prepared: Callable[..., Dataset], log_lines: Callable[..., list[str]], tmp_path: Path
) -> None:
    data = prepared(log_lines(2000), log_lines(100, 1)).directory
    process = start(
        *("--data_location", data, "--output_dir", tmp_path, "--batch_size", "64"),
        SMT_CPUS="2",
        START_STATISTIC_STEP="1",
        STOP_STATISTIC_STEP="3",
    )
    assert process.stderr
    before = [next(process.stderr)]
    while not before[-1].startswith("step "):
        before.append(next(process.stderr))

    process.send_signal(signal.SIGTERM)
    _, after = process.communicate(timeout=60)

    assert process.returncode == 143, "".join([*before, after])
    assert "Training 32,000 steps" in before[0]

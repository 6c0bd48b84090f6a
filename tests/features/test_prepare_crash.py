"""A run that dies at any moment, or cannot write, leaves nothing half-published."""

import filecmp
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from smt_features.blocks import BLOCK_BYTES
from smt_features.lock import locked
from smt_features.manifest import Manifest

ROWS = 12_000
OPTIONS = ["--rows-per-shard", "500", "--format", "both"]


def smt(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "smt_cli", *map(str, arguments)]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory, log_lines: Callable[..., list[str]]) -> Path:
    directory = tmp_path_factory.mktemp("raw")
    text = "".join(f"{line}\n" for line in log_lines(ROWS))
    (directory / "taobao_train_data").write_text(text)
    return directory


@pytest.fixture(scope="module")
def whole(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """Return an uninterrupted dataset and the seconds it took."""
    output = tmp_path_factory.mktemp("whole") / "shards"
    start = time.perf_counter()
    subprocess.run(smt("prepare", raw, "--output", output, *OPTIONS), check=True)
    return output, time.perf_counter() - start


def same_files(first: Path, second: Path) -> bool:
    names = [sorted(p.relative_to(d) for p in d.rglob("*") if p.is_file()) for d in (first, second)]
    pairs = [(first / name, second / name) for name in names[0]]
    return names[0] == names[1] and all(filecmp.cmp(*pair, shallow=False) for pair in pairs)


def kill_and_run_again(raw: Path, whole: tuple[Path, float], output: Path, moment: float) -> None:
    command = smt("prepare", raw, "--output", output, *OPTIONS)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    time.sleep(moment * whole[1])
    process.send_signal(signal.SIGKILL)
    process.wait()

    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    assert same_files(output, whole[0])


@pytest.mark.parametrize("moment", [0.5, 0.7, 0.8, 0.9])
def test_a_killed_run_is_taken_up(
    raw: Path, whole: tuple[Path, float], tmp_path: Path, moment: float
) -> None:
    kill_and_run_again(raw, whole, tmp_path / "shards", moment)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(50))
def test_a_run_killed_at_a_random_moment_is_taken_up(
    raw: Path, whole: tuple[Path, float], tmp_path: Path, seed: int
) -> None:
    moment = random.Random(seed).uniform(0.2, 1)
    kill_and_run_again(raw, whole, tmp_path / "shards", moment)


def kill_after_the_first_shard(raw: Path, output: Path) -> Path:
    """Start a run, kill it when its first shard is recorded, and return the shard's path."""
    process = subprocess.Popen(
        smt("prepare", raw, "--output", output, *OPTIONS), stdout=subprocess.DEVNULL
    )
    first = output / "train" / "part-00000-of-00024.parquet"
    journal = output / ".journal"
    while not (journal.exists() and first.name in journal.read_text()):
        assert process.poll() is None, "the run ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (output / "manifest.json").exists()
    return first


def test_finished_shards_are_not_written_again(raw: Path, tmp_path: Path) -> None:
    first = kill_after_the_first_shard(raw, tmp_path / "shards")
    written = first.stat().st_ino

    again = smt("prepare", raw, "--output", tmp_path / "shards", *OPTIONS)
    subprocess.run(again, check=True, stdout=subprocess.DEVNULL)

    assert first.stat().st_ino == written


def test_an_unfinished_run_is_not_taken_up_with_other_options(
    raw: Path, whole: tuple[Path, float], tmp_path: Path
) -> None:
    output = tmp_path / "shards"
    first = kill_after_the_first_shard(raw, output)
    written = first.stat().st_ino
    other = smt("prepare", raw, "--output", output, *OPTIONS, "--seed", 1, "--keys")

    refused = subprocess.run(other, capture_output=True, text=True, check=False)

    assert refused.returncode == 1
    assert "holds an unfinished run that was begun differently" in refused.stderr
    assert "changed: --seed, --keys. Replace it with --overwrite" in refused.stderr
    assert first.stat().st_ino == written
    subprocess.run([*other, "--overwrite"], check=True, stdout=subprocess.DEVNULL)
    assert Manifest.read(output).hash.seed == 1
    assert not same_files(output, whole[0])


@pytest.mark.parametrize("other", [',\\"block_bytes\\":4096', ""])
def test_an_unfinished_run_of_a_version_with_other_blocks_is_not_taken_up(
    raw: Path, tmp_path: Path, other: str
) -> None:
    output = tmp_path / "shards"
    kill_after_the_first_shard(raw, output)
    journal = output / ".journal"
    text = journal.read_text()
    journal.write_text(text.replace(f',\\"block_bytes\\":{BLOCK_BYTES}', other))
    assert journal.read_text() != text
    again = smt("prepare", raw, "--output", output, *OPTIONS)

    refused = subprocess.run(again, capture_output=True, text=True, check=False)

    assert refused.returncode == 1
    assert "changed: the size of a block. Replace it with --overwrite" in refused.stderr


def test_a_run_that_died_after_its_manifest_is_finished(
    raw: Path, whole: tuple[Path, float], tmp_path: Path
) -> None:
    output = tmp_path / "shards"
    shutil.copytree(whole[0], output)
    (output / ".journal").write_text("left behind")

    done = subprocess.run(smt("prepare", raw, "--output", output, *OPTIONS), check=False)

    assert done.returncode == 0
    assert same_files(output, whole[0])


def test_a_second_run_on_the_same_folder_is_refused(raw: Path, tmp_path: Path) -> None:
    with locked(tmp_path / "shards"):
        second = subprocess.run(
            smt("prepare", raw, "--output", tmp_path / "shards"),
            capture_output=True,
            text=True,
            check=False,
        )

    assert second.returncode == 1
    assert f"is being written by process {os.getpid()} on " in second.stderr


def test_a_lock_of_a_dead_process_does_not_block(raw: Path, tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("process 1 on nowhere")

    done = subprocess.run(smt("prepare", raw, "--output", tmp_path), check=False)

    assert done.returncode == 0
    assert not (tmp_path / ".lock").exists()


def test_a_full_disk_is_one_message_and_nothing_is_published(raw: Path, tmp_path: Path) -> None:
    def allow_small_files_only() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = subprocess.run(  # the limit must not hold for the test itself
        smt("prepare", raw, "--output", tmp_path / "shards"),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=allow_small_files_only,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("Error: Cannot write ")
    assert "Traceback" not in done.stderr
    left = [p for p in (tmp_path / "shards").rglob("*") if p.is_file() and p.name != ".journal"]
    assert left == []

"""Two network namespaces whose link is cut for ten seconds."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

CUT_SECONDS = 10
HOSTS = {"smt_a": "10.213.7.1", "smt_b": "10.213.7.2"}


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def namespaces() -> Iterator[tuple[str, str]]:
    """Two machines, as far as the network goes, with a link between them."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and the command ip")
    try:
        for name in HOSTS:
            ip("netns", "add", name)
        ip("link", "add", "smt_0", "netns", "smt_a", "type", "veth", "peer", "name", "smt_1")
        ip("link", "set", "smt_1", "netns", "smt_b")
        for link, (name, address) in zip(("smt_0", "smt_1"), HOSTS.items(), strict=True):
            ip("-n", name, "address", "add", f"{address}/24", "dev", link)
            ip("-n", name, "link", "set", link, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield "smt_a", "smt_b"
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine makes no network namespaces: {error.stderr}")
    finally:
        for name in HOSTS:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@pytest.mark.parametrize("roles", [{"worker": 2}, {"worker": 1, "ps": 1}])
def test_a_link_that_is_cut_for_ten_seconds_changes_no_result(
    dataset: Path,
    tmp_path: Path,
    job: Callable[..., Any],
    losses: Callable[[Path], list[float]],
    namespaces: tuple[str, str],
    roles: dict[str, int],
) -> None:
    def options(run: str) -> list[Any]:
        return [
            *("--data-location", dataset, "--checkpoint", tmp_path / run, "--steps", 3000),
            *("--batch-size", 32, "--save-steps", 100, "--no-eval"),
        ]

    whole = job(**roles)
    whole.start(options=options("whole"))
    first, second = whole.processes
    assert set(whole.wait().values()) == {0}, whole.said

    cut = job(**roles)
    for name, (space, address) in zip((first, second), HOSTS.items(), strict=True):
        cut.place(name, ["ip", "netns", "exec", space], address)
    cut.start(options=options("cut"))
    cut["worker0"].waits_for("step 300/")
    ip("-n", "smt_b", "link", "set", "smt_1", "down")
    time.sleep(CUT_SECONDS)
    ip("-n", "smt_b", "link", "set", "smt_1", "up")
    codes = cut.wait()
    if set(codes.values()) != {0}:  # a clear stop, after which the job goes on
        assert set(codes.values()) == {1}, cut.said
        assert "Traceback" not in cut.said
        assert "Start all processes again" in cut.said
        cut.start(options=options("cut"))
        assert set(cut.wait().values()) == {0}, cut.said
    assert losses(tmp_path / "cut") == pytest.approx(losses(tmp_path / "whole"), abs=1e-5)

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REFUSED = {
    "a name that is no host name": (["--name", "A_b"], "--name: 'A_b' is not a name of a-z"),
    "a name that is too long": (["--name", "a" * 41], "at most 40 characters"),
    "no workers": (["--workers", "0"], "--workers: Input should be greater than 0"),
    "fewer than no servers": (["--ps", "-1"], "--ps: Input should be greater than or equal to 0"),
    "memory without a unit": (["--memory", "8"], "--memory: '8' is not an amount such as"),
    "an image in two words": (["--image", "a b"], "--image: 'a b' is not an image"),
    "a claim with a slash": (["--claim", "a/b"], "--claim: 'a/b' is not a name"),
    "no cores": (["--cpu", "0"], "--cpu: Input should be greater than 0"),
    "a JobSet of servers, without": (["--kind", "jobset-ps", "--ps", "0"], "jobset-multi-worker"),
    "preparing in BF16": (["--kind", "prepare", "--bf16"], "bf16 is about training"),
    "an unknown kind": (["--kind", "pod"], "'pod' is not one of 'tfjob'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_wrong_usage(case: str, smt: Callable[..., Any]) -> None:
    arguments, message = REFUSED[case]

    outcome = smt("k8s", "render", *arguments)

    assert (outcome.code, outcome.out) == (2, "")
    assert message in re.sub(r"\s+", " ", outcome.err)


def test_the_longest_name_leaves_room_in_a_host_name(smt: Callable[..., Any]) -> None:
    name = "a" * 40
    assert smt("k8s", "render", "--name", name).code == 0
    assert len(f"{name}-worker-0-9999") <= 63


def test_it_writes_a_file(smt: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "new" / "job.yaml"

    outcome = smt("k8s", "render", "--output", path)

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"Wrote {path}. Next: kubectl apply -f {path}\n"
    assert path.read_text() == smt("k8s", "render").out

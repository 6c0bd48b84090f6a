"""The Dockerfile, as far as it can be checked where no image can be pulled."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "distribute_k8s"
PACKAGES: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "tool"
]["setuptools"]["package-dir"]
TEXT = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
BUILD, FINAL = TEXT.split("\nFROM ")[1:]
SOURCES = [
    source
    for words in re.findall(r"^COPY (?!--from)(.+) \S+$", TEXT, re.MULTILINE)
    for source in words.split()
]


def test_what_is_copied_is_there_and_is_all_that_the_builder_gets() -> None:
    sent = (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()

    assert [source for source in SOURCES if not (ROOT / source).exists()] == []
    assert set(PACKAGES.values()) < set(SOURCES)
    assert sent[1] == "*"
    assert sorted(line[1:] for line in sent if line.startswith("!")) == sorted(SOURCES)


def test_the_image_has_no_build_tools_and_no_root() -> None:
    assert "USER 1000:1000" in FINAL.splitlines()
    assert "pip" not in FINAL
    assert "pip" in BUILD


@pytest.mark.slow
def test_its_build_stage_installs_a_program_that_trains(tmp_path: Path) -> None:
    context, installed = tmp_path / "src", tmp_path / "smt"
    context.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, context / Path(name).name)
    path = f"{installed}/bin:{Path(sys.base_prefix, 'bin')}:/usr/bin:/bin"

    def run(*command: str, folder: Path = tmp_path) -> None:
        subprocess.run(command, cwd=folder, env={"PATH": path}, check=True)

    for script in re.findall(r"^RUN (.+)$", BUILD, re.MULTILINE):
        run("sh", "-c", script.replace("/opt/smt", str(installed)), folder=context)
    run("smt", "synth", "data", "--rows", "2000")
    run("smt", "prepare", "data")
    run("python", str(context / "launch.py"), "--steps", "3")

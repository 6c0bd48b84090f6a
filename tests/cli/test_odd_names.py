"""Names that are not UTF-8, as Linux allows, and terminals that cannot show every text."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")


def smt(
    *arguments: str | bytes | Path, cwd: Path | None = None, encoding: str = "utf-8"
) -> subprocess.CompletedProcess[bytes]:
    """Run the command line with a standard output that refuses what its encoding lacks."""
    environment = os.environ | {"PYTHONUTF8": "1", "PYTHONIOENCODING": f"{encoding}:strict"}
    command = [os.fsencode(part) for part in (sys.executable, "-m", "smt_cli", *arguments)]
    return subprocess.run(
        command, capture_output=True, check=False, cwd=cwd, env=environment, timeout=300
    )


@pytest.mark.parametrize(
    "command",
    [
        ["schema", "infer", b"caf\xe9.csv"],
        ["synth", b"d\xe9", "--rows", "60"],
        ["prepare", b"d\xe9"],
        ["inspect-stats", ".", "--html", b"p\xe9.html"],
        ["train", "--data_location", b"d\xe9"],
    ],
)
def test_a_name_on_the_command_line_is_refused(command: list[str | bytes], tmp_path: Path) -> None:
    done = smt(*command, cwd=tmp_path)

    assert done.returncode == 2
    assert re.fullmatch(rb"Error: \S*\\udce9\S* is not UTF-8\. Rename the .*\n", done.stderr)
    assert not list(tmp_path.iterdir())


def test_what_a_terminal_cannot_show_is_written_as_a_number(tmp_path: Path) -> None:
    done = smt("synth", tmp_path / "Я", "--rows", "60", encoding="latin-1")

    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\u042f" in done.stdout


def test_a_split_cannot_hold_such_a_file(tmp_path: Path) -> None:
    smt("synth", tmp_path, "--rows", "60")
    (tmp_path / "taobao_train_data").rename(tmp_path / "rows")
    (tmp_path / "taobao_train_data").mkdir()
    (tmp_path / "rows").rename(tmp_path / "taobao_train_data" / os.fsdecode(b"caf\xe9.csv"))

    done = smt("prepare", tmp_path)

    assert done.returncode == 1
    assert rb"caf\udce9.csv" in done.stderr
    assert b"Rename the file" in done.stderr
    assert b"Traceback" not in done.stderr

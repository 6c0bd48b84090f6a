"""Runs the commands that a page shows and writes what they print below them.

    python docs/refresh.py docs/tutorial.md

A page's ``console`` blocks hold commands (``$ smt …``) with their output; they run one after
the other in one empty folder, as a reader would run them.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

BLOCK = re.compile(r"(?<=^```console\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d[\d,]*(\.\d+)?(e-?\d+)?")


class Shown(NamedTuple):
    """A command, with its prompts, and its output, as a page shows them."""

    command: str
    output: str


def commands(block: str) -> list[Shown]:
    """Return the commands of a block with their outputs; ``> `` continues a command."""
    shown: list[Shown] = []
    for line in block.splitlines(keepends=True):
        if line.startswith("$ "):
            shown.append(Shown(line, ""))
        elif line.startswith("> ") and not shown[-1].output:
            shown[-1] = Shown(shown[-1].command + line, "")
        else:
            shown[-1] = Shown(shown[-1].command, shown[-1].output + line)
    return shown


def run(command: str, folder: Path) -> str:
    """Return what a command prints on either stream, without blanks at line ends.

    Raises
    ------
    RuntimeError
        When the command fails.
    """
    command = re.sub(r"^[$>] ", "", command, flags=re.MULTILINE)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=os.environ | {"PATH": path, "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        msg = f"{command.strip()} ended with {done.returncode}:\n{done.stdout}"
        raise RuntimeError(msg)
    return re.sub(r"[ \t]+$", "", done.stdout, flags=re.MULTILINE)


def run_page(text: str, folder: Path) -> Iterator[tuple[Shown, str]]:
    """Run a page's commands in turn, and yield each with what it prints now."""
    for block in BLOCK.findall(text):
        for shown in commands(block):
            yield shown, run(shown.command, folder)


def without_numbers(text: str) -> list[str]:
    """Return the words of a text, line by line; numbers differ with the machine."""
    return [" ".join(NUMBER.sub("#", line).split()) for line in text.splitlines()]


def main() -> None:
    """Refresh the pages that the command line names."""
    for name in sys.argv[1:]:
        page = Path(name)
        text = page.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            results = iter(list(run_page(text, Path(folder))))

        def refreshed(match: re.Match[str]) -> str:
            shown = [next(results) for _ in commands(match.group())]  # noqa: B023
            return "".join(before.command + output for before, output in shown)

        page.write_text(BLOCK.sub(refreshed, text), encoding="utf-8")


if __name__ == "__main__":
    main()

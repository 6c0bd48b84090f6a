"""What is said on a terminal can be copied from it."""

import io

import pytest
from rich.console import Console

from smt_model import progress
from smt_model.progress import TrainingProgress


def test_a_line_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True, width=30, color_system=None)
    monkeypatch.setattr(progress, "Console", lambda **_: terminal)
    command = "smt train --resume 'result/[lr=0.1] and [/more] of them'"

    TrainingProgress(10).say(command)

    assert shown.getvalue() == command + "\n"

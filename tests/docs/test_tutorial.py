"""The pages' commands work, and print what the pages say, but for the numbers."""

import importlib.util
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
_spec = importlib.util.spec_from_file_location("refresh", DOCS / "refresh.py")
assert _spec
assert _spec.loader
refresh = importlib.util.module_from_spec(_spec)
sys.modules["refresh"] = refresh
_spec.loader.exec_module(refresh)


@pytest.mark.parametrize("page", ["tutorial.md"])
def test_what_a_page_shows_is_what_its_commands_print(page: str, tmp_path: Path) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    results = list(refresh.run_page(text, tmp_path))
    assert len(results) > 5
    for shown, printed in results:
        assert refresh.without_numbers(printed) == refresh.without_numbers(shown.output), (
            shown.command
        )


def test_a_block_may_hold_several_commands_and_a_command_several_lines() -> None:
    block = "$ one \\\n> --two\nfirst\n\n> second\n$ three\n"
    assert refresh.commands(block) == [
        refresh.Shown("$ one \\\n> --two\n", "first\n\n> second\n"),
        refresh.Shown("$ three\n", ""),
    ]


def test_a_command_that_fails_stops_the_page(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with 3:\nsaid"):
        list(refresh.run_page("```console\n$ echo said; exit 3\n```\n", tmp_path))

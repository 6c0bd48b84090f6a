from pathlib import Path

import pytest

from smt_model.metrics_log import MetricsLog
from smt_schemas import UserError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def test_later_lines_and_half_a_line_are_cut_off(path: Path) -> None:
    log = MetricsLog(path)
    for step in (100, 200, 300):
        log.append({"step": step, "loss": 0.5})
    path.write_text(path.read_text() + '{"step": 400, "lo')

    log.cut(200)

    assert path.read_text() == '{"step": 100, "loss": 0.5}\n{"step": 200, "loss": 0.5}\n'


def test_a_log_that_does_not_exist_yet_is_empty(path: Path) -> None:
    log = MetricsLog(path)
    log.cut(0)
    assert log.evaluations() == []
    assert not path.exists()


@pytest.mark.parametrize("line", ["x", "[1]", "{}", '{"step": "a"}', '{"step": 1, "split": "t"}'])
def test_a_line_that_is_no_metrics_is_named(path: Path, line: str) -> None:
    path.write_text(f'{{"step": 1}}\n{line}\n')
    with pytest.raises(UserError, match=r"metrics.jsonl, line 2 is not a line of metrics"):
        MetricsLog(path).cut(5)


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Cannot write .*: Is a directory"):
        MetricsLog(tmp_path).append({"step": 1})

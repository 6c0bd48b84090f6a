import runpy
import sys
from pathlib import Path

import pytest

from smt_bench.result import Figure, Report, Row
from smt_model.metrics_log import MetricsLog
from smt_model.report import Evaluation, TaskMetrics

pytest.importorskip("matplotlib", reason="the extra `bench` is not installed")


def report(log: str = "rows", **settings: list[int]) -> Report:
    ((setting, values),) = settings.items()
    rows = [
        Row(
            name=name,
            settings={"data": log, setting.replace("_", " "): value},
            figures={"samples/s": Figure.of([100.0 * value, 110.0 * value])},
        )
        for value in values
        for name in ("PyTorch", "smt FP32")
    ]
    return Report(command="standalone", machine={}, columns={}, rows=rows)


def evaluation(step: int) -> dict[str, object]:
    task = TaskMetrics(
        positives=9, auc=step / 1000, gauc=None, gauc_users=0, log_loss=0.2, calibration=1.0
    )
    found = Evaluation(
        split="test", step=step, rows=100, accuracy=0.9, auc=0.7, tasks={"ctr": task}
    )
    return found.model_dump()


def draw(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["plots", *map(str, arguments)])
    runpy.run_module("smt_bench.plots", run_name="__main__")


def test_a_picture_for_each_setting_that_varies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, found in {"a": report(batch_size=[128, 512]), "b": report(cores=[1, 2])}.items():
        (tmp_path / name).write_text(found.model_dump_json())
    reports = ("--report", tmp_path / "a", "--report", tmp_path / "b")

    draw(monkeypatch, tmp_path / "once", *reports)
    draw(monkeypatch, tmp_path / "again", *reports)

    drawn = {path.name: path.read_bytes() for path in (tmp_path / "once").iterdir()}
    assert sorted(drawn) == ["speed-batch-size.svg", "speed-cores.svg"]
    for name, picture in drawn.items():
        assert picture == (tmp_path / "again" / name).read_bytes()
        assert len(picture) < 150_000
    assert b"<!-- PyTorch -->" in drawn["speed-cores.svg"]


def test_a_plot_for_each_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = [report(log, batch_size=[128, 512]) for log in ("real rows", "synthetic rows")]
    both = logs[0].model_copy(update={"rows": logs[0].rows + logs[1].rows})
    (tmp_path / "both").write_text(both.model_dump_json())

    draw(monkeypatch, tmp_path, "--report", tmp_path / "both")

    picture = (tmp_path / "speed-batch-size.svg").read_text()
    assert "<!-- real rows -->" in picture
    assert "<!-- synthetic rows -->" in picture
    assert picture.count("<!-- PyTorch -->") == 1, "one legend"


def test_a_picture_of_the_evaluations_of_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "fp32"
    run.mkdir()
    log = MetricsLog(run / "metrics.jsonl")
    for step in (100, 200):
        log.append(evaluation(step))

    draw(monkeypatch, tmp_path / "pictures", "--run", run)

    picture = (tmp_path / "pictures" / "auc-steps.svg").read_text()
    assert "<!-- fp32 -->" in picture

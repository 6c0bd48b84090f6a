from pathlib import Path

import pytest

from smt_model.config import TrainConfig
from smt_model.early_stopping import EarlyStopping
from smt_model.evaluation import evaluate_run
from smt_model.report import Evaluation, TaskMetrics
from smt_model.training import train
from smt_schemas import UsageError, UserError


def evaluation(step: int, value: float | None) -> Evaluation:
    found = TaskMetrics(
        positives=3, auc=value, gauc=None, gauc_users=0, log_loss=value, calibration=None
    )
    return Evaluation(split="test", step=step, rows=9, accuracy=1, auc=None, tasks={"ctr": found})


def stopped_at(metric: str, patience: int, values: list[float]) -> tuple[int | None, int]:
    """Return the number of values after which it stops, and which of them was best."""
    stopping = EarlyStopping(metric, patience)
    for number, value in enumerate(values, start=1):
        stopping.add(evaluation(number, value))
        assert stopping.best is not None
        if stopping.stops:
            return number, stopping.best.step
    return None, stopping.best.step if stopping.best else 0


@pytest.mark.parametrize(
    ("metric", "patience", "values", "expected"),
    [
        ("ctr.auc", 2, [0.5, 0.6, 0.55, 0.59, 0.9], (4, 2)),
        ("ctr.auc", 2, [0.5, 0.4, 0.6, 0.5, 0.7], (None, 5)),
        ("ctr.auc", 1, [0.5, 0.5], (2, 1)),  # as good is no improvement
        ("ctr.log_loss", 2, [0.5, 0.4, 0.45, 0.41], (4, 2)),
    ],
)
def test_it_stops_after_so_many_evaluations_without_improvement(
    metric: str, patience: int, values: list[float], expected: tuple[int | None, int]
) -> None:
    assert stopped_at(metric, patience, values) == expected


def test_an_undefined_metric_is_refused() -> None:
    with pytest.raises(UserError, match=r"ctr.gauc is undefined on split test, which has 3 pos"):
        stopped_at("ctr.gauc", 1, [0.5])
    with pytest.raises(UserError, match="no task 'cvr', only ctr"):
        stopped_at("cvr.auc", 1, [0.5, 0.6])


def test_it_goes_on_counting_from_earlier_evaluations() -> None:
    config = TrainConfig(eval_steps=1, early_stop_metric="ctr.auc", early_stop_patience=2)
    earlier = [evaluation(1, 0.6), evaluation(2, 0.5)]
    stopping = EarlyStopping.of(config, earlier, {1})
    assert stopping is not None
    before = stopping.stops
    stopping.add(evaluation(3, 0.5))
    assert (before, stopping.stops) == (False, True)
    assert stopping.describe() == "best ctr.auc 0.600000 at step 1"


@pytest.mark.parametrize(
    "options", [{"eval_steps": 0}, {"eval_steps": 5, "evaluate": False}], ids=str
)
def test_it_needs_evaluations_on_the_way(options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="needs evaluations on the way"):
        TrainConfig.from_options(early_stop_metric="ctr.auc", **options)


def test_a_metric_of_no_task_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="--early-stop-metric"):
        TrainConfig.from_options(early_stop_metric="auc", eval_steps=5)


def test_evaluations_whose_checkpoints_were_not_kept_are_not_compared(
    dataset: Path, tmp_path: Path
) -> None:
    config = TrainConfig(
        data_location=str(dataset),
        checkpoint=str(tmp_path / "run"),
        batch_size=64,
        steps=20,
        save_steps=10,
        eval_steps=5,
        keep_checkpoint_max=5,
    )
    run, _ = train(config)
    stopping = {"early_stop_metric": "ctr.auc", "early_stop_patience": 1, "steps": 40}

    _, best = train(config.model_copy(update=stopping))

    assert best
    assert best.step in run.kept_steps
    assert evaluate_run(run.path, None, "test", best=True) == best


def test_a_better_evaluation_without_a_checkpoint_is_not_the_best() -> None:
    config = TrainConfig(eval_steps=1, early_stop_metric="ctr.auc", early_stop_patience=2)
    earlier = [evaluation(step, value) for step, value in ((1, 0.9), (2, 0.6), (3, 0.8), (4, 0.5))]

    stopping = EarlyStopping.of(config, earlier, {2, 4})

    assert stopping is not None
    assert stopping.describe() == "best ctr.auc 0.600000 at step 2"
    assert not stopping.stops

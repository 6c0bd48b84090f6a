"""Options that would change nothing are refused, wherever they are given."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smt_model.config import TrainConfig, option
from smt_model.config_file import read_config
from smt_model.effect import DETAILS, require_effect
from smt_model.training import train
from smt_schemas import DatasetSchema, UsageError

MakeSchema = Callable[..., DatasetSchema]
COUNTER = {"ev": True, "ev_filter": "counter"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"optimizer": "adam", "initial_accumulator": 1e-6},
            "--initial-accumulator 1e-06 would change nothing: "
            "it is for --optimizer adagrad or adagraddecay",
        ),
        ({"optimizer": "gradientdescent", "initial_accumulator": 1.0}, "--initial-accumulator 1.0"),
        ({"accumulator_decay_steps": 5}, "it is for --optimizer adagraddecay"),
        ({"accumulator_decay_rate": 0.5}, "it is for --optimizer adagraddecay"),
        ({"lr_decay_steps": 5}, "it is for --lr-schedule cosine or exponential"),
        ({"lr_decay_rate": 0.5, "lr_schedule": "cosine"}, "it is for --lr-schedule exponential"),
        ({"eval_steps": 5, "evaluate": False}, "it is for --eval"),
        ({"early_stop_patience": 5}, "it is for --early-stop-metric"),
        ({"adaptive_threshold": 5}, "it is for --adaptive-emb"),
        ({"ev": True, "adaptive_threshold": 5}, "it is for --adaptive-emb"),
        ({"filter_freq": 5}, "it is for --ev with --ev-filter"),
        ({"ev": True, "filter_freq": 5}, "it is for --ev with --ev-filter"),
        (
            {"adaptive_emb": True, "ev_filter": "cbf", "filter_freq": 5},
            "it is for --ev with --ev-filter",
        ),
        ({**COUNTER, "cbf_expected_keys": 5}, "it is for --ev-filter cbf"),
        ({**COUNTER, "cbf_false_positive_rate": 0.5}, "it is for --ev-filter cbf"),
        ({"ev": True, "steps_to_live": 5}, "it is for --ev-elimination gstep"),
        (
            {"ev": True, "ev_elimination": "l2", "save_steps": 5, "steps_to_live": 5},
            "it is for --ev-elimination gstep",
        ),
        (
            {"ev": True, "ev_elimination": "gstep", "save_steps": 5, "l2_threshold": 0.5},
            "it is for --ev-elimination l2",
        ),
        ({"ev": True, "dynamic_ev_block_size": 2}, "it is for --dynamic-ev"),
        ({"ev": True, "dynamic_ev_blocks": 2}, "it is for --dynamic-ev"),
        ({"ev": True, "dynamic_ev_growth": 2}, "it is for --dynamic-ev"),
        ({"multihash_divisor": 2}, "it is for --multihash"),
        ({"ev": True, "multihash_operation": "mul"}, "--multihash-operation mul would"),
        ({"ev_capacity": 99}, "it is for --ev or --adaptive-emb"),
        ({"multihash_divisor": 2, "seed": 3, "l2_threshold": 0.5}, "l2; --multihash-divisor 2"),
        (
            {"columns": {"user": {"ev": True, "filter_freq": 5}}},
            "column user: --filter-freq 5 would change nothing: it is for --ev with --ev-filter",
        ),
        (
            {**COUNTER, "columns": {"user": {"ev": False, "filter_freq": 5}}},
            "column user: --filter-freq 5",
        ),
        # The one column that filters has a frequency of its own.
        ({"filter_freq": 5, "columns": {"user": {**COUNTER, "filter_freq": 9}}}, "--filter-freq 5"),
    ],
    ids=str,
)
def test_an_option_that_would_change_nothing_is_refused(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        require_effect(TrainConfig(**options), None)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"initial_accumulator": 1e-6},
        {"optimizer": "adagraddecay", "initial_accumulator": 1e-6, "accumulator_decay_steps": 5},
        {"optimizer": "adam", "initial_accumulator": 0.1},  # the default, as in a config.json
        {"lr_schedule": "exponential", "lr_decay_steps": 5, "lr_decay_rate": 0.5},
        {"eval_steps": 5, "early_stop_metric": "ctr.auc", "early_stop_patience": 5},
        {"adaptive_emb": True, "adaptive_threshold": 5, "ev_capacity": 99},
        {"adaptive_emb": True, "ev_filter": "cbf", "cbf_expected_keys": 5},
        {**COUNTER, "filter_freq": 5},
        {"ev": True, "ev_elimination": "gstep", "save_steps": 5, "steps_to_live": 5},
        {"ev": True, "ev_elimination": "l2", "save_steps": 5, "l2_threshold": 0.5},
        {"ev": True, "dynamic_ev": True, "dynamic_ev_growth": 5},
        {"multihash": True, "multihash_operation": "mul"},
        {"filter_freq": 5, "columns": {"user": COUNTER}},
        {**COUNTER, "columns": {"user": {"filter_freq": 5}}},
        {"ev_capacity": 99, "columns": {"user": {"ev": True}}},
        {"multihash_divisor": 5, "columns": {"user": {"multihash": True}}},
    ],
    ids=str,
)
def test_an_option_that_something_uses_is_taken(options: dict[str, Any]) -> None:
    require_effect(TrainConfig(**options), None)


def test_every_detail_is_an_option_with_one_user() -> None:
    names = [name for detail in DETAILS for name in detail.names]
    assert set(names) <= set(TrainConfig.model_fields)
    assert len(names) == len(set(names))


def test_the_documentation_has_the_same_table() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "options.md"
    text = page.read_text().replace("`", "")
    for detail in DETAILS:
        assert f"| {', '.join(map(option, detail.names))} | {detail.user} |" in text


def test_a_column_of_the_schema_may_be_the_one_that_uses_it(make_schema: MakeSchema) -> None:
    config = TrainConfig(filter_freq=5)
    with pytest.raises(UsageError, match="--filter-freq 5"):
        require_effect(config.with_options_of(make_schema()), None)
    schema = make_schema(user={"embedding_options": COUNTER})
    require_effect(config.with_options_of(schema), None)


def test_a_run_with_such_an_option_is_not_begun(dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    config = TrainConfig(data_location=str(dataset), checkpoint=str(path), filter_freq=5, steps=5)
    with pytest.raises(UsageError, match="--filter-freq 5 would change nothing"):
        train(config)
    assert not path.exists()


@pytest.fixture
def older(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a run from before such options were refused."""
    path = tmp_path / "run"
    config = TrainConfig(
        data_location=str(dataset),
        checkpoint=str(path),
        batch_size=64,
        steps=5,
        optimizer="adam",
        initial_accumulator=1e-6,
        ev_capacity=99,
        columns={"user": {"multihash_divisor": 3}},
    )
    with monkeypatch.context() as patched:
        patched.setattr("smt_model.training.require_effect", lambda *_: None)
        train(config)
    return path


@pytest.mark.parametrize("resumes", [True, False])
def test_a_run_that_began_with_such_options_goes_on(older: Path, resumes: bool) -> None:
    config = read_config(older / "config.json", {"steps": 9})
    run, _ = train(config, resume=older if resumes else None)
    assert run.path == older
    assert run.newest_checkpoint() == run.checkpoint(9)


def test_a_run_that_goes_on_gets_no_further_ones(older: Path) -> None:
    config = read_config(older / "config.json", {"early_stop_patience": 9, "ev_capacity": 98})
    with pytest.raises(UsageError) as caught:
        train(config, resume=older)
    assert "--early-stop-patience 9" in str(caught.value)
    assert "--ev-capacity 98" in str(caught.value)
    assert "--initial-accumulator" not in str(caught.value)


def test_the_options_of_a_run_begin_another_one(
    dataset: Path, make_schema: MakeSchema, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    config = TrainConfig(data_location=str(dataset), steps=5, optimizer="adam", multihash=True)
    train(config.model_copy(update={"checkpoint": str(path), "multihash_divisor": 5}))
    stored = json.loads((path / "config.json").read_text())
    assert stored["initial_accumulator"] == 0.1
    again = read_config(path / "config.json", {"checkpoint": str(tmp_path / "again")})
    run, _ = train(again)
    assert run.newest_checkpoint() == run.checkpoint(5)

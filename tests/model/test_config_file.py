import json
from pathlib import Path

import pytest

from smt_model.config import TrainConfig
from smt_model.config_file import read_config
from smt_schemas import UsageError, UserError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "options.toml"


def test_options_come_from_the_file_and_the_rest_are_defaults(file: Path) -> None:
    file.write_text('batch_size = 64\nlearning-rate = 0.5\noptimizer = "adam"\nevaluate = false\n')
    expected = TrainConfig(batch_size=64, learning_rate=0.5, optimizer="adam", evaluate=False)
    assert read_config(file, {}) == expected


def test_what_is_typed_wins(file: Path) -> None:
    file.write_text("batch_size = 64\nseed = 3\n")
    assert read_config(file, {"batch_size": 512}) == TrainConfig(batch_size=512, seed=3)
    assert read_config(None, {"seed": 9}) == TrainConfig(seed=9)


def test_a_typed_length_replaces_the_other_kind_of_length(file: Path) -> None:
    file.write_text("epochs = 3\n")
    assert read_config(file, {"steps": 20}) == TrainConfig(steps=20)


def test_every_option_survives_the_json_of_a_run(tmp_path: Path) -> None:
    config = TrainConfig(steps=5, bf16=True, eval_steps=2, early_stop_metric="ctr.auc")
    path = tmp_path / "config.json"
    path.write_text(config.model_dump_json())
    assert read_config(path, {}) == config
    assert set(json.loads(path.read_text())) == set(TrainConfig.model_fields)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bach_size = 5", "unknown option 'bach_size'. Did you mean 'batch_size'?"),
        ("no_eval = true", "Did you mean 'evaluate'?"),
        ("xyzzy = 1", "Known are: accumulator_decay_rate, "),
        ("[train]\nsteps = 1", "unknown option 'train'"),
        ("seed = 1\nsteps = x", "is not TOML: Invalid value (at line 2, column 9)"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(file: Path, line: str, words: str) -> None:
    file.write_text(line)
    with pytest.raises(UserError) as caught:
        read_config(file, {})
    assert words in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_value_out_of_range_is_wrong_usage(file: Path) -> None:
    file.write_text('steps = "5"\n')
    with pytest.raises(UsageError, match="--steps: Input should be a valid integer"):
        read_config(file, {})


@pytest.mark.parametrize(("name", "text"), [("a.json", "[]"), ("a.json", "{"), ("a.toml", "\xff")])
def test_a_file_of_another_kind_is_refused(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"is not (JSON|TOML)|does not hold options"):
        read_config(path, {})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Cannot read .*none.toml: No such file"):
        read_config(tmp_path / "none.toml", {})


def test_names_for_a_column_may_have_hyphens_and_unknown_ones_are_refused(file: Path) -> None:
    file.write_text('ev = true\nev-filter = "counter"\n[columns.user_id]\nfilter-freq = 10\n')
    assert read_config(file, {}).columns == {"user_id": {"filter_freq": 10}}

    file.write_text("[columns.user_id]\nfilter-frequency = 10\n")
    with pytest.raises(UserError, match=r"column user_id: unknown option 'filter_frequency'. Did"):
        read_config(file, {})

"""Deltas between full checkpoints: what they hold, and that a run goes on from them."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from smt_features import open_shards
from smt_features.manifest import PrepareOptions
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_model import delta, parts
from smt_model.assembly import make_model
from smt_model.checkpoint import Pending
from smt_model.config import TrainConfig
from smt_model.evaluation import evaluate_run
from smt_model.export import export_run
from smt_model.loading import load_run
from smt_model.predict import predict_run
from smt_model.resume import newest_sound
from smt_model.run_directory import RunDirectory
from smt_model.tensors import read_tensors
from smt_model.trainer import Trainer
from smt_model.training import train
from smt_schemas import UserError

Arrays = dict[str, NDArray[Any]]
EV = {"ev": True, "ev_capacity": 1000}
OPTIONS: dict[str, dict[str, Any]] = {
    "static": {},
    "plain": {"tf": True, "optimizer": "adam"},
    "separate": {"emb_fusion": False, "optimizer": "adamasync", "bf16": True},
    "decay": {"optimizer": "adagraddecay", "async_embedding": True},
    "multihash": {"multihash": True, "multihash_divisor": 5, "multihash_operation": "mul"},
    "ev": {**EV, "optimizer": "adam"},
    "counter": {**EV, "ev_filter": "counter", "filter_freq": 30},
    "cbf": {**EV, "ev_filter": "cbf", "filter_freq": 30, "cbf_expected_keys": 50},
    "adaptive": {"adaptive_emb": True, "adaptive_threshold": 30, "ev_capacity": 1000},
    "dynamic": {
        **EV,
        "dynamic_ev": True,
        "dynamic_ev_block_size": 2,
        "dynamic_ev_blocks": 2,
        "dynamic_ev_growth": 20,
    },
    "eliminated": {**EV, "ev_elimination": "gstep", "steps_to_live": 1, "batch_size": 8},
}
BY_DEFAULT = ("static", "multihash", "cbf", "eliminated")
"""The others take as long again."""


@pytest.fixture(scope="module")
def with_keys(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("keys") / "shards"
    prepare(PrepareJob(dataset, output, open_shards(dataset).schema, PrepareOptions(keys=True)))
    return output


def config(data: Path, run: Path, **options: Any) -> TrainConfig:
    # Each due delta is saved where one can be: at each call, or, with keys, every ten steps.
    fields = {"steps": 40, "batch_size": 64, "save_steps": 10, "keep_checkpoint_max": 9, **options}
    return TrainConfig(data_location=str(data), checkpoint=str(run), **fields)


def arrays(path: Path) -> Arrays:
    (file,) = path.glob("*.safetensors")
    return {name: array.copy() for name, array in read_tensors(file).items()}


def same(first: Arrays, second: Arrays) -> bool:
    return {name: array.tobytes() for name, array in first.items()} == {
        name: array.tobytes() for name, array in second.items()
    }


class Stopped:
    """A run whose full checkpoint is of step 10 and whose delta is of a later one."""

    def __init__(self, settings: TrainConfig, stop: int) -> None:
        self.run = RunDirectory(Path(str(settings.checkpoint)))
        self.run.write_config(settings)
        self.trainer = Trainer(settings, open_shards(settings.data_location), self.run)
        self.advance(10)
        self.trainer.save(Pending(), None)
        self.advance(stop)
        self.trainer.save_delta(Pending(), None)

    def advance(self, stop: int) -> None:
        with self.trainer.batches(stop) as batches:
            ready = iter(batches)
            while self.trainer.step < stop:
                self.trainer.advance(ready)


@pytest.mark.parametrize(
    "name",
    [
        name if name in BY_DEFAULT else pytest.param(name, marks=pytest.mark.slow)
        for name in OPTIONS
    ],
)
def test_a_run_that_goes_on_from_a_delta_equals_one_that_never_stopped(
    name: str, with_keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"evaluate": False, **OPTIONS[name]}
    whole, _ = train(config(with_keys, tmp_path / "whole", **options))
    settings = config(with_keys, tmp_path / "parts", incremental_ckpt=1e-9, **options)
    stopped = Stopped(settings, 15)
    assert stopped.run.restorable()[-1] == stopped.run.delta(15)

    train(settings, resume=stopped.run.path)

    said = "Going on at step 15 of 40 steps"
    start = "from step-0000000010 + delta-0000000015"
    (line,) = [text for text in capsys.readouterr().err.splitlines() if said in text]
    assert line.endswith(start)
    assert same(arrays(stopped.run.checkpoint(40)), arrays(whole.checkpoint(40)))


@pytest.mark.parametrize("name", ["static", "cbf", "adaptive", "dynamic"])
def test_a_delta_on_its_checkpoint_is_the_full_checkpoint_of_its_step(
    name: str, with_keys: Path, tmp_path: Path
) -> None:
    stopped = Stopped(config(with_keys, tmp_path / "run", incremental_ckpt=60, **OPTIONS[name]), 13)
    stopped.trainer.save(Pending(), None)
    expected = arrays(stopped.run.checkpoint(13))
    assert stopped.run.deltas() == []

    again = Stopped(config(with_keys, tmp_path / "again", incremental_ckpt=60, **OPTIONS[name]), 13)
    start = newest_sound(again.run, print)
    assert (start.names, start.state.step) == ("step-0000000010 + delta-0000000013", 13)
    other = Trainer(again.run.config, open_shards(with_keys), again.run)
    other.restore(start)
    other.save(Pending(), None)

    assert same(arrays(again.run.checkpoint(13)), expected)


@pytest.mark.parametrize("name", ["static", "dynamic"])
def test_a_delta_is_the_same_however_many_rows_are_read_at_a_time(
    name: str, with_keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"incremental_ckpt": 60, **OPTIONS[name]}
    at_once = Stopped(config(with_keys, tmp_path / "run", **options), 13)
    monkeypatch.setattr(parts, "PIECE", 7)
    in_pieces = Stopped(config(with_keys, tmp_path / "again", **options), 13)
    for path in (at_once.run.delta(13), at_once.run.checkpoint(10)):
        other = in_pieces.run.path / path.relative_to(at_once.run.path)
        assert same(arrays(other), arrays(path))


def test_a_delta_holds_the_rows_that_changed_and_no_others(dataset: Path, tmp_path: Path) -> None:
    settings = config(dataset, tmp_path / "run", incremental_ckpt=60, batch_size=3)
    run = Stopped(settings, 12).run
    delta, full = arrays(run.delta(12)), arrays(run.checkpoint(10))
    batches = list(open_shards(dataset)["train"].batches(3, seed=2021, epoch=0))[10:12]
    users = np.unique(np.concatenate([batch["user"] for batch in batches]))
    np.testing.assert_array_equal(delta["embedding/user/row"], users)
    assert delta["embedding/user"].shape == (len(users), 4)
    assert delta["embedding/user/accumulator"].shape == (len(users), 4)
    assert not np.isclose(delta["embedding/user"], full["embedding/user"][users]).all(axis=1).any()
    assert delta["tower/ctr/0/kernel"].shape == full["tower/ctr/0/kernel"].shape


def test_after_another_checkpoint_a_delta_holds_what_changed_since(
    dataset: Path, tmp_path: Path
) -> None:
    settings = config(dataset, tmp_path / "run", incremental_ckpt=60, batch_size=3)
    stopped = Stopped(settings, 12)
    stopped.trainer.save(Pending(), None)
    stopped.advance(13)
    stopped.trainer.save_delta(Pending(), None)
    batch = list(open_shards(dataset)["train"].batches(3, seed=2021, epoch=0))[12]
    delta = arrays(stopped.run.delta(13))
    np.testing.assert_array_equal(delta["embedding/user/row"], np.unique(batch["user"]))


def test_a_delta_holds_the_keys_that_came_and_no_others(with_keys: Path, tmp_path: Path) -> None:
    options = {**EV, "ev_filter": "counter", "filter_freq": 2, "batch_size": 3}
    run = Stopped(config(with_keys, tmp_path / "run", incremental_ckpt=60, **options), 12).run
    delta = arrays(run.delta(12))
    batches = list(open_shards(with_keys)["train"].batches(3, seed=2021, epoch=0))[10:12]
    came = np.unique(np.concatenate([batch["user_key"] for batch in batches])).tolist()
    found = np.concatenate([delta["embedding/user/key"], delta["embedding/user/candidate"]])
    assert sorted(found.tolist()) == came
    assert delta["embedding/user/vector"].shape == (len(delta["embedding/user/key"]), 4)


def test_deltas_come_by_the_clock_and_the_first_is_a_full_checkpoint(
    dataset: Path, tmp_path: Path
) -> None:
    options = {"save_steps": 0, "steps": 30, "evaluate": False}
    settings = config(dataset, tmp_path / "run", incremental_ckpt=1e-9, **options)
    run = RunDirectory(tmp_path / "run")
    kinds = []
    publish = run.restorable
    trainer = Trainer(settings, open_shards(dataset), run)
    with trainer.batches(20) as batches:
        ready = iter(batches)
        for _ in range(4):
            trainer.advance(ready)
            kinds.append((trainer.saves_now, trainer.saves_delta_now))
            (trainer.save if trainer.saves_now else trainer.save_delta)(Pending(), None)
    assert kinds == [(True, False)] + 3 * [(False, True)]
    # The delta before is gone, the checkpoint that it is for is not.
    assert [path.name for path in publish()] == ["step-0000000005", "delta-0000000020"]


def test_without_the_option_there_are_no_deltas(dataset: Path, tmp_path: Path) -> None:
    run, _ = train(config(dataset, tmp_path / "run", steps=20))
    assert run.deltas() == []
    assert len(run.checkpoints()) == 2


def damage(checkpoint: Path) -> None:
    (file,) = checkpoint.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-1])


def test_a_damaged_delta_is_replaced_by_its_checkpoint(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Stopped(config(dataset, tmp_path / "run", incremental_ckpt=60), 15).run
    damage(run.delta(15))
    assert load_run(run.path).state.step == 10
    assert "delta-0000000015 is damaged" in capsys.readouterr().err
    train(run.config)
    whole, _ = train(config(dataset, tmp_path / "whole"))
    assert same(arrays(run.checkpoint(40)), arrays(whole.checkpoint(40)))


def test_a_delta_without_its_checkpoint_is_not_used(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = config(dataset, tmp_path / "run", incremental_ckpt=60)
    run = Stopped(settings, 15).run
    other = Stopped(config(dataset, tmp_path / "other", incremental_ckpt=60, seed=1), 15).run
    shutil.rmtree(run.checkpoint(10))
    shutil.copytree(other.checkpoint(10), run.checkpoint(10))
    assert newest_sound(run, print).path == run.checkpoint(10)
    assert "is for another checkpoint than" in capsys.readouterr().out
    damage(run.checkpoint(10))
    with pytest.raises(UserError, match="no checkpoint that is not damaged"):
        newest_sound(run, print)


def test_a_delta_of_another_model_is_refused(
    dataset: Path, tmp_path: Path, make_schema: Any
) -> None:
    run = Stopped(config(dataset, tmp_path / "run", incremental_ckpt=60), 15).run
    start = newest_sound(run, print)
    schema = make_schema(brand={"hash_buckets": 12})
    model = make_model(run.config, schema)
    with pytest.raises(UserError, match=r"is of another model: embedding/brand has no row"):
        delta.restore(start.path, start.state, model)
    wider = make_model(run.config, make_schema(user={"embedding_dim": 8}))
    with pytest.raises(UserError, match=r"an array of shape .* in place of"):
        delta.restore(start.path, start.state, wider)
    hashed = make_model(
        run.config.model_copy(update={"multihash": True, "multihash_divisor": 5}), schema
    )
    with pytest.raises(UserError, match=r"embedding/user/quotient/row is missing"):
        delta.restore(start.path, start.state, hashed)


def test_a_run_with_a_delta_is_evaluated_predicted_and_exported(
    dataset: Path, tmp_path: Path
) -> None:
    stopped = Stopped(config(dataset, tmp_path / "run", incremental_ckpt=60), 15)
    run, names = stopped.run, "step-0000000010 + delta-0000000015"

    evaluated = evaluate_run(run.path, None, "test")
    predicted = predict_run(run.path, dataset / "b", tmp_path / "delta.parquet")
    card = export_run(run.path, tmp_path / "export")
    stopped.trainer.save(Pending(), None)
    full = evaluate_run(run.path, None, "test")
    predict_run(run.path, dataset / "b", tmp_path / "full.parquet")

    assert evaluated.restored == predicted.restored == names
    assert f"300 rows at step 15 ({names})" in evaluated.text()
    assert full.restored is None
    assert evaluated.model_copy(update={"restored": None}) == full
    assert "restored" not in full.model_dump()
    written = [tmp_path / f"{name}.parquet" for name in ("delta", "full")]
    assert written[0].read_bytes() == written[1].read_bytes()
    assert [name.split("/")[0] for name in card.checkpoint] == names.split(" + ")
    assert card.step == 15

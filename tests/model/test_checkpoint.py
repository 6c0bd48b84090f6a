import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from smt_model import checkpoint, tensors
from smt_model.checkpoint import STATE, TENSORS, State
from smt_model.config import OPTIMIZERS, OptimizerName, TrainConfig
from smt_model.model import MultiTaskModel
from smt_model.optimizer import Optimizer, make_optimizer
from smt_model.origin import Origin
from smt_model.parts import parts
from smt_model.step import TrainStep
from smt_model.tensors import Shape, file_digest, read_tensors, write_tensors
from smt_schemas import DatasetSchema, UserError


def made(
    schema: DatasetSchema, seed: int, name: OptimizerName = "adam"
) -> tuple[MultiTaskModel, Optimizer]:
    optimizer = make_optimizer(TrainConfig(optimizer=name), total_steps=5)
    model = MultiTaskModel(schema, seed, slots=optimizer.initial)
    optimizer.build(model.dense_variables, model.tables)
    return model, optimizer


def state_of(schema: DatasetSchema, step: int = 3) -> State:
    origin = Origin(dataset="d", hash={"name": "h", "seed": 0}, dataset_schema=schema)
    options = TrainConfig(optimizer="adam").deciding()
    return State(step=step, epoch=1, epoch_step=2, options=options, origin=origin)


def values(model: MultiTaskModel, optimizer: Optimizer) -> dict[str, NDArray[np.generic]]:
    return {part.name: part.read() for part in parts(model, optimizer)}


@pytest.fixture
def saved(tmp_path: Path, schema: DatasetSchema, make_batch: Any) -> tuple[Path, Any]:
    model, optimizer = made(schema, 1)
    step = TrainStep(model, optimizer)
    step([model.fuser(make_batch(schema, 8, i)) for i in range(3)])
    path = tmp_path / "step-3"
    checkpoint.save(path, state_of(schema), model, optimizer)
    return path, values(model, optimizer)


def test_restored_values_are_bit_for_bit_those_saved(
    saved: tuple[Path, Any], schema: DatasetSchema
) -> None:
    path, expected = saved
    model, optimizer = made(schema, 2)
    state = checkpoint.read_state(path)
    checkpoint.restore(path, state, model, optimizer)
    found = values(model, optimizer)
    assert found.keys() == expected.keys()
    assert all(found[name].tobytes() == expected[name].tobytes() for name in expected)
    assert optimizer.step.numpy() == 3
    assert (state.step, state.epoch, state.epoch_step) == (3, 1, 2)
    assert state.origin.dataset_schema == schema


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_restored_run_goes_on_bit_for_bit(
    name: OptimizerName, schema: DatasetSchema, make_batch: Any, tmp_path: Path
) -> None:
    whole, whole_optimizer = made(schema, 1, name)
    batches = [make_batch(schema, 8, i) for i in range(5)]
    step = TrainStep(whole, whole_optimizer)
    first = step([whole.fuser(batch) for batch in batches[:3]])
    path = tmp_path / "step-3"
    checkpoint.save(path, state_of(schema), whole, whole_optimizer)
    expected = np.concatenate([first, step([whole.fuser(batch) for batch in batches[3:]])])
    model, optimizer = made(schema, 2, name)
    checkpoint.restore(path, checkpoint.read_state(path), model, optimizer)
    rest = TrainStep(model, optimizer)([model.fuser(batch) for batch in batches[3:]])
    assert rest.tobytes() == expected[3:].tobytes()


def test_a_model_without_slots_takes_the_values_alone(
    saved: tuple[Path, Any], schema: DatasetSchema
) -> None:
    path, expected = saved
    model = MultiTaskModel(schema, 9)
    checkpoint.restore(path, checkpoint.read_state(path), model)
    for part in parts(model, None):
        assert np.array_equal(part.read(), expected[part.name])


def test_names_are_by_feature_and_layer(saved: tuple[Path, Any]) -> None:
    path, _ = saved
    names = set(read_tensors(path / TENSORS))
    assert {"embedding/user", "embedding/tags/m", "tower/cvr/4/bias/v"} <= names
    assert len(names) == 3 * (3 + 2 * 5 * 2)


@pytest.mark.parametrize("position", [0, 20, -1])
def test_a_changed_byte_is_found(saved: tuple[Path, Any], position: int) -> None:
    path, _ = saved
    data = bytearray((path / TENSORS).read_bytes())
    data[position] ^= 1
    (path / TENSORS).write_bytes(data)
    with pytest.raises(UserError, match="damaged"):
        checkpoint.read_state(path)


def test_a_cut_file_is_found(saved: tuple[Path, Any]) -> None:
    path, _ = saved
    (path / TENSORS).write_bytes((path / TENSORS).read_bytes()[:-1])
    with pytest.raises(UserError, match="damaged"):
        checkpoint.read_state(path)


def test_a_changed_state_is_found(saved: tuple[Path, Any]) -> None:
    path, _ = saved
    envelope = json.loads((path / STATE).read_text())
    envelope["state"]["step"] = 4
    (path / STATE).write_text(json.dumps(envelope))
    with pytest.raises(UserError, match="damaged"):
        checkpoint.read_state(path)


def test_a_state_that_is_no_json_is_found(saved: tuple[Path, Any]) -> None:
    path, _ = saved
    (path / STATE).write_text('{"state": ')
    with pytest.raises(UserError, match="damaged"):
        checkpoint.read_state(path)


def test_a_missing_file_is_named(saved: tuple[Path, Any]) -> None:
    path, _ = saved
    (path / TENSORS).unlink()
    with pytest.raises(UserError, match=r"damaged: .*safetensors is missing"):
        checkpoint.read_state(path)


def test_a_failed_save_leaves_nothing_behind(tmp_path: Path, schema: DatasetSchema) -> None:
    model, optimizer = made(schema, 1)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot save"):
        checkpoint.save(tmp_path / "file" / "step", state_of(schema), model, optimizer)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("held", [1, 1 << 23])
def test_tensor_files_follow_the_safetensors_layout(
    held: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensors, "_HELD", held)
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    path = tmp_path / "t.safetensors"
    digest = write_tensors(path, [Shape("a", array.dtype, (2, 3))], [[array[:1], array[1:]]])
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    assert json.loads(data[8 : 8 + length]) == {
        "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    }
    assert data[8 + length :] == array.tobytes()
    assert length % 8 == 0
    assert digest == file_digest(path)
    np.testing.assert_array_equal(read_tensors(path)["a"], array)


def test_a_weight_that_is_not_finite_is_not_saved(tmp_path: Path, schema: DatasetSchema) -> None:
    model, optimizer = made(schema, 1)
    model.towers[1].biases[2].assign_add(tf.fill([128], np.float32("nan")))
    with pytest.raises(UserError, match="tower/cvr/2/bias is no longer finite"):
        checkpoint.save(tmp_path / "step", state_of(schema), model, optimizer)
    assert not list(tmp_path.iterdir())


def test_tensors_of_another_model_are_refused_by_name(
    saved: tuple[Path, Any], make_schema: Any
) -> None:
    path, _ = saved
    model, optimizer = made(make_schema(brand={"hash_buckets": 31}), 1)
    with pytest.raises(UserError, match=r"embedding/brand is float32\(30, 4\) against .*\(31, 4\)"):
        checkpoint.restore(path, checkpoint.read_state(path), model, optimizer)
    model, optimizer = made(make_schema(brand={"name": "make"}), 1)
    with pytest.raises(UserError, match="embedding/make is missing"):
        checkpoint.restore(path, checkpoint.read_state(path), model, optimizer)


def test_a_state_names_no_file_outside_its_directory(saved: tuple[Path, Any]) -> None:
    path, _ = saved
    envelope = json.loads((path / STATE).read_text())
    files = envelope["state"]["files"]
    files["../" + TENSORS] = files.pop(TENSORS)
    text = json.dumps(envelope["state"], sort_keys=True)
    envelope["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (path / STATE).write_text(json.dumps(envelope))
    with pytest.raises(UserError, match="damaged"):
        checkpoint.read_state(path)


HEADERS = {
    "no JSON": b"{]",
    "no object": b"[1]",
    "unknown type": b'{"a":{"dtype":"F8","shape":[1],"data_offsets":[0,4]}}',
    "beyond the file": b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}',
    "other shape": b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}',
    "no offsets": b'{"a":{"dtype":"F32","shape":[1]}}',
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_that_does_not_fit_its_file_is_refused(case: str, tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    path.write_bytes(len(HEADERS[case]).to_bytes(8, "little") + HEADERS[case] + bytes(4))
    with pytest.raises(ValueError, match="header that does not fit"):
        read_tensors(path)
    path.write_bytes((2**62).to_bytes(8, "little"))
    with pytest.raises(ValueError, match="has no header"):
        read_tensors(path)


def test_a_file_that_is_gone_since_it_was_checked_is_named(saved: tuple[Path, Any]) -> None:
    path, _ = saved
    state = checkpoint.read_state(path)
    (path / TENSORS).unlink()

    with pytest.raises(UserError, match=f"Cannot read the checkpoint .*{TENSORS}"):
        checkpoint.read_arrays(path, state)

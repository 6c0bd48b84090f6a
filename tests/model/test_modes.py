"""Ways of computing that must give the same losses, and the one that may differ."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from smt_model.assembly import Assembly, assemble
from smt_model.config import OPTIMIZERS, OptimizerName, TrainConfig
from smt_model.evaluation import evaluate_run
from smt_model.parts import parts
from smt_model.step import UNROLL
from smt_model.tensors import read_tensors
from smt_model.training import train
from smt_schemas import DatasetSchema, UsageError

STEPS = 300
BY_DEFAULT = ("adagrad", "adam")
"""Optimizers that the default tests train for all steps; the others take 10 s each."""


def assembled(schema: DatasetSchema, **options: Any) -> Assembly:
    return assemble(TrainConfig(learning_rate=0.02, **options), schema, STEPS)


def losses_of(made: Assembly, batches: list[Any]) -> NDArray[np.float32]:
    fused = [made.model.fuser(batch) for batch in batches]
    groups = [fused[i : i + UNROLL] for i in range(0, len(fused), UNROLL)]
    return np.concatenate([made.step(group) for group in groups])


def values_of(made: Assembly) -> dict[str, NDArray[Any]]:
    return {part.name: part.read() for part in parts(made.model, made.optimizer)}


@pytest.fixture
def batches(schema: DatasetSchema, make_batch: Any) -> list[Any]:
    # Some batches come again, as in further epochs.
    some = [make_batch(schema, 32, seed) for seed in range(20)]
    return [some[step % len(some)] for step in range(STEPS)]


@pytest.mark.parametrize(
    "optimizer",
    [
        name if name in BY_DEFAULT else pytest.param(name, marks=pytest.mark.slow)
        for name in OPTIMIZERS
    ],
)
def test_the_fast_path_equals_the_plain_one(
    schema: DatasetSchema, batches: list[Any], optimizer: OptimizerName
) -> None:
    options: dict[str, Any] = {"optimizer": optimizer, "l2_regularization": 1e-4}
    if optimizer == "adagraddecay":
        options |= {"accumulator_decay_steps": 40, "accumulator_decay_rate": 0.5}
    plain = losses_of(assembled(schema, tf=True, **options), batches)
    assert plain[-1, 0] < plain[0, 0]
    for fusion in (True, False):
        fast = losses_of(assembled(schema, emb_fusion=fusion, **options), batches)
        np.testing.assert_allclose(fast, plain, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "optimizer",
    [
        name if name in BY_DEFAULT else pytest.param(name, marks=pytest.mark.slow)
        for name in OPTIMIZERS
    ],
)
def test_all_paths_keep_the_same_parts(
    make_schema: Any, make_batch: Any, optimizer: OptimizerName
) -> None:
    schema = make_schema(tags={"embedding_dim": 8})
    some = [make_batch(schema, 16, seed) for seed in range(UNROLL)]
    found = []
    for options in ({}, {"emb_fusion": False}, {"tf": True}):
        made = assembled(schema, optimizer=optimizer, **options)
        losses_of(made, some)
        found.append(values_of(made))
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        for name, values in found[0].items():
            np.testing.assert_allclose(other[name], values, rtol=1e-4, atol=1e-5, err_msg=name)


def test_async_lookups_are_stale_by_one_step_and_lose_no_update(
    schema: DatasetSchema, make_batch: Any
) -> None:
    batch = make_batch(schema, 32, 0)
    exact, stale = assembled(schema), assembled(schema, async_embedding=True)
    before = values_of(exact)["embedding/user"]
    found, late = losses_of(exact, [batch] * UNROLL), losses_of(stale, [batch] * UNROLL)
    # The first lookup of a call is fresh, the second is that of before the first update.
    np.testing.assert_array_equal(late[0], found[0])
    assert late[1, 0] > found[1, 0]
    # The accumulator sums the squares of all five gradients: had one update been overwritten,
    # it would have one gradient less.
    accumulated = values_of(stale)["embedding/user/accumulator"] - 0.1
    expected = values_of(exact)["embedding/user/accumulator"] - 0.1
    touched = values_of(stale)["embedding/user"] != before
    assert touched.any()
    np.testing.assert_allclose(accumulated[touched].sum(), expected[touched].sum(), rtol=0.05)


def test_async_lookups_are_the_same_from_run_to_run(
    schema: DatasetSchema, batches: list[Any]
) -> None:
    runs = [losses_of(assembled(schema, async_embedding=True), batches[:50]) for _ in range(2)]
    assert runs[0].tobytes() == runs[1].tobytes()


def test_graphs_as_written_give_the_same_losses(schema: DatasetSchema, batches: list[Any]) -> None:
    optimised = losses_of(assembled(schema), batches[:50])
    kept = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        as_written = losses_of(assembled(schema), batches[:50])
    finally:
        tf.config.optimizer.set_experimental_options({**kept, "disable_meta_optimizer": False})
    np.testing.assert_allclose(as_written, optimised, rtol=0, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"tf": True}, {"emb_fusion": False}])
def test_a_run_without_staging_ends_in_the_same_bytes(
    dataset: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    digests = []
    for staged in (True, False):
        config = TrainConfig(
            data_location=str(dataset),
            checkpoint=str(tmp_path / str(staged)),
            steps=12,
            batch_size=64,
            smartstaged=staged,
            **options,
        )
        run, result = train(config)
        (file,) = run.newest_checkpoint().glob("*.safetensors")
        digests.append({name: array.tobytes() for name, array in read_tensors(file).items()})
        # Evaluated by a model of the default form, whatever wrote the checkpoint.
        fresh = evaluate_run(run.path, None, "test")
        assert result is not None
        assert fresh.tasks["ctr"].auc == pytest.approx(result.tasks["ctr"].auc, abs=1e-6)
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"async_embedding": True}, "--async-embedding"),
        ({"clip_norm": 1.0}, "--clip-norm"),
        ({"micro_batch": 2}, "--micro-batch"),
    ],
)
def test_the_plain_path_refuses_what_it_does_not_have(options: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=f"goes without {named}"):
        TrainConfig.from_options(tf=True, **options)

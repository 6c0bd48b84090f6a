"""Vectors that grow by blocks with the counts of their keys."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from smt_features import Bags, open_shards
from smt_features.manifest import PrepareOptions
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_model.assembly import Assembly, assemble
from smt_model.config import TrainConfig
from smt_model.ev.dynamic import DynamicKeyTable
from smt_model.ev.elimination import eliminate
from smt_model.ev.initial import first_vectors, stream_of
from smt_model.ev.rows import RowAllocator
from smt_model.evaluation import evaluate_run
from smt_model.export import export_run
from smt_model.loading import load_run
from smt_model.parts import parts
from smt_model.predict import predict_run
from smt_model.run_directory import RunDirectory
from smt_model.serving_tables import vectors_of
from smt_model.tensors import read_tensors
from smt_model.training import train
from smt_schemas import DatasetSchema, UsageError

SEED = 5
BLOCKS: dict[str, Any] = {
    "ev": True,
    "dynamic_ev": True,
    "dynamic_ev_block_size": 2,
    "dynamic_ev_blocks": 2,
    "dynamic_ev_growth": 3,
    "ev_capacity": 1000,
}


def made(schema: DatasetSchema, **options: Any) -> Assembly:
    return assemble(TrainConfig(seed=SEED, **(BLOCKS | options)), schema, total_steps=100)


def batch_of(schema: DatasetSchema, make_batch: Any, *users: int) -> dict[str, Any]:
    """Return a batch with these users; each other feature has one key, the same in each row."""
    rows = len(users)
    batch = make_batch(schema, rows, 1)
    one = Bags(np.full(rows, 9), np.ones(rows, np.int32), np.arange(rows + 1))
    keys = {"user_key": np.array(users), "tags_key": one, "brand_key": np.full(rows, 3)}
    return {**batch, **keys}


def user_inputs(assembly: Assembly, batch: dict[str, Any], step: int | None = None) -> Any:
    model = assembly.model
    fused = model.fuser(batch, step)
    model.begin(fused)
    return model.inputs([vectors for vectors, *_ in model.read(fused)], fused).numpy()[:, :4]


def test_a_block_comes_with_its_count_and_keeps_those_before_it(
    schema: DatasetSchema, make_batch: Any
) -> None:
    assembly = made(schema)
    first = first_vectors(np.array([7]), 4, stream_of("user", SEED))[0]
    batch = batch_of(schema, make_batch, 7)

    narrow = [user_inputs(assembly, batch, step)[0] for step in (1, 2)]
    wide = user_inputs(assembly, batch, 3)[0]

    np.testing.assert_array_equal(narrow, [[*first[:2], 0, 0]] * 2)
    np.testing.assert_array_equal(wide, first)
    # A key that never came is a zero vector.
    assert not user_inputs(assembly, batch_of(schema, make_batch, 8)).any()


def test_growth_keeps_what_the_leading_block_has_learnt(
    schema: DatasetSchema, make_batch: Any
) -> None:
    assembly = made(schema)
    model, batch = assembly.model, batch_of(schema, make_batch, 7)
    begun = user_inputs(assembly, batch, 1)[0]
    for step in (2,):
        assembly.step([model.fuser(batch, step)])
    learnt = user_inputs(assembly, batch)[0]
    assert (learnt[:2] != begun[:2]).all()
    # Beyond its width there is no row that a gradient could change.
    np.testing.assert_array_equal(learnt[2:], [0, 0])

    grown = user_inputs(assembly, batch, 3)[0]

    np.testing.assert_array_equal(grown[:2], learnt[:2])
    first = first_vectors(np.array([7]), 4, stream_of("user", SEED))[0]
    np.testing.assert_array_equal(grown[2:], first[2:])


def test_a_step_changes_the_blocks_that_a_key_has_and_no_others(
    schema: DatasetSchema, make_batch: Any
) -> None:
    assembly = made(schema, optimizer="gradientdescent", learning_rate=1.0)
    model = assembly.model
    # Key 7 came three times, key 8 once.
    batch = batch_of(schema, make_batch, 7, 7, 7, 8)
    before = user_inputs(assembly, batch, 1)
    inputs_of = model.fuser(batch)
    every = model.inputs([vectors for vectors, *_ in model.read(inputs_of)], inputs_of)
    with tf.GradientTape() as tape:
        tape.watch(every)
        losses = tf.nn.sigmoid_cross_entropy_with_logits(
            labels=inputs_of.labels, logits=model.tower_logits(every)
        )
        loss = tf.reduce_mean(losses)
    back = tape.gradient(loss, every).numpy()[:, :4]

    assembly.step([inputs_of])

    after = user_inputs(assembly, batch)
    np.testing.assert_allclose(before[0] - after[0], back[:3].sum(axis=0), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose((before - after)[3, :2], back[3, :2], rtol=1e-3, atol=1e-6)
    assert back[3, 2:].all()
    np.testing.assert_array_equal(after[3, 2:], [0, 0])


def test_with_all_blocks_at_once_it_learns_what_ev_learns(
    schema: DatasetSchema, make_batch: Any
) -> None:
    # Ten occurrences of each key in the first batch are enough for both blocks.
    users = np.repeat([1, 2, 3], 10).tolist()
    batches = [batch_of(schema, make_batch, *users)] * 10
    runs = [made(schema), made(schema, dynamic_ev=False)]
    losses = [
        np.concatenate([run.step([run.model.fuser(b, i)]) for i, b in enumerate(batches, 1)])
        for run in runs
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0, atol=1e-6)


def test_rows_are_those_of_the_blocks_and_are_given_back() -> None:
    allocator = RowAllocator(0, 100)
    keys = DynamicKeyTable(allocator, 1, None, [3, 9])

    def came(key: int, times: int) -> None:
        keys.count(np.array([key]), np.array([times]), 1)
        list(keys.grow(keys.find(np.array([key]))))

    came(5, 1)
    assert allocator.used == 1
    came(5, 2)
    assert allocator.used == 2
    came(6, 20)
    assert allocator.used == 5
    assert [rows.tolist() for rows in keys.look_up_further(keys.find(np.array([5, 6, 7])))] == [
        [keys.block_rows[1][0], keys.block_rows[1][1], -1],
        [-1, keys.block_rows[2][1], -1],
    ]
    kept = [rows[1] for rows in keys.block_rows]
    keys.keep(keys.keys == 6)
    assert allocator.used == 3
    assert [rows.tolist() for rows in keys.block_rows] == [[row] for row in kept]


def test_l2_counts_all_blocks(schema: DatasetSchema, make_batch: Any) -> None:
    assembly = made(schema, ev_elimination="l2", l2_threshold=0.5, save_steps=1)
    model = assembly.model
    batch = batch_of(schema, make_batch, 5, 5, 5, 6, 6, 6)
    model.begin(model.fuser(batch, 1))
    (table,), (variables,) = model.tables, model.embedding_variables
    keys = variables.tables["user"]
    for rows in keys.block_rows:
        packed = np.zeros((2, 4), np.float32)
        packed[:, 0] = np.where(keys.keys == 5, 0.75, 0.5)  # two blocks: 0.5625 and 0.25
        table.assign(rows, packed)
    eliminate(variables, table, 1)
    assert keys.keys.tolist() == [5]


@pytest.fixture(scope="module")
def with_keys(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("keys") / "shards"
    prepare(PrepareJob(dataset, output, open_shards(dataset).schema, PrepareOptions(keys=True)))
    return output


def config(data: Path, run: Path, **options: Any) -> TrainConfig:
    fields = {"steps": 40, "batch_size": 64, "save_steps": 10, **options}
    return TrainConfig(data_location=str(data), checkpoint=str(run), **fields)


def growing(data: Path, run: Path, **options: Any) -> TrainConfig:
    return config(data, run, **(BLOCKS | {"dynamic_ev_growth": 60} | options))


def arrays(run: RunDirectory) -> dict[str, NDArray[Any]]:
    (file,) = run.newest_checkpoint().glob("*.safetensors")
    return {name: array.copy() for name, array in read_tensors(file).items()}


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(
            {"optimizer": "adamasync", "ev_filter": "counter", "filter_freq": 2}, id="counter"
        ),
        pytest.param(
            {"bf16": True, "ev_filter": "cbf", "ev_elimination": "gstep", "steps_to_live": 3},
            id="cbf",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_run_that_is_gone_on_with_equals_one_that_never_stopped(
    with_keys: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    whole, _ = train(growing(with_keys, tmp_path / "whole", **options))
    train(growing(with_keys, tmp_path / "parts", **options, steps=23))

    parts, result = train(growing(with_keys, tmp_path / "parts", **options))

    found, expected = arrays(parts), arrays(whole)
    assert found.keys() == expected.keys()
    assert all(found[name].tobytes() == expected[name].tobytes() for name in expected)
    assert evaluate_run(whole.path, None, "test") == result


def test_checkpoints_exports_and_predictions_hold_vectors_of_their_width(
    with_keys: Path, dataset: Path, tmp_path: Path
) -> None:
    run, _ = train(growing(with_keys, tmp_path / "run"))
    found = arrays(run)
    blocks = found["embedding/user/key/blocks"]
    assert set(blocks.tolist()) == {1, 2}
    wide = found["embedding/user/key/count"] >= 60
    np.testing.assert_array_equal(blocks, 1 + wide)
    assert found["embedding/user/vector"].shape == (len(blocks), 2)
    assert found["embedding/user/vector/1"].shape == (wide.sum(), 2)

    export_run(run.path, tmp_path / "1", embeddings=True)
    predict_run(run.path, dataset / "b", tmp_path / "predicted.parquet")

    frame = pl.read_parquet(tmp_path / "1" / "embeddings" / "user.parquet")
    vectors = frame["vector"].to_numpy()
    np.testing.assert_array_equal(vectors[:, :2], found["embedding/user/vector"])
    np.testing.assert_array_equal(vectors[wide, 2:], found["embedding/user/vector/1"])
    assert not vectors[~wide, 2:].any()
    cells = [line.split(",") for line in (dataset / "b").read_text().splitlines()]
    _, _, *texts = zip(*cells, strict=True)
    inputs = dict(zip(("user", "tags", "brand"), map(tf.constant, texts), strict=True))
    served = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"](**inputs)
    predicted = pl.read_parquet(tmp_path / "predicted.parquet")
    np.testing.assert_allclose(served["ctr"], predicted["ctr"], rtol=0, atol=1e-6)


def test_a_run_from_buckets_begins_with_their_vectors_block_by_block(
    with_keys: Path, tmp_path: Path
) -> None:
    options = {"steps": 10, "evaluate": False}
    static, _ = train(config(with_keys, tmp_path / "static", **options))
    trained = load_run(static.path).model
    values = {part.name: part.read() for part in parts(trained, None)}["embedding/user"]

    begun = train(
        growing(with_keys, tmp_path / "begun", init_from=str(static.path), learning_rate=1e-9)
    )

    user = arrays(begun[0])
    wide = user["embedding/user/key/blocks"] == 2
    whole = np.hstack([user["embedding/user/vector"][wide], user["embedding/user/vector/1"]])
    distances = np.abs(whole[:, None] - values[None]).max(axis=2).min(axis=1)
    assert distances.max() < 1e-5


def test_vectors_of_another_width_are_not_taken_and_it_says_so(
    with_keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"steps": 10, "evaluate": False}
    plain, _ = train(config(with_keys, tmp_path / "plain", ev=True, ev_capacity=1000, **options))
    train(growing(with_keys, tmp_path / "grown", init_from=str(plain.path), **options))
    assert "not taken: user (its vectors grow by blocks here)" in capsys.readouterr().err


def test_a_run_without_blocks_takes_the_vectors_with_zeros_behind_their_width(
    with_keys: Path, tmp_path: Path
) -> None:
    options = {"steps": 10, "evaluate": False}
    grown, _ = train(growing(with_keys, tmp_path / "grown", dynamic_ev_growth=16, **options))
    there = arrays(grown)
    wide = there["embedding/user/key/blocks"] == 2
    further = np.zeros_like(there["embedding/user/vector"][:, :2])
    further[wide] = there["embedding/user/vector/1"]
    expected = np.hstack([there["embedding/user/vector"], further])

    plain, _ = train(
        config(
            with_keys,
            tmp_path / "plain",
            ev=True,
            ev_capacity=1000,
            init_from=str(grown.path),
            learning_rate=1e-9,
            **options,
        )
    )

    here = arrays(plain)
    row = {key: at for at, key in enumerate(here["embedding/user/key"].tolist())}
    taken = here["embedding/user/vector"][
        [row[key] for key in there["embedding/user/key"].tolist()]
    ]
    assert wide.any()
    assert not wide.all()
    np.testing.assert_allclose(taken, expected, rtol=0, atol=1e-5)


def test_vectors_are_read_in_full_width(schema: DatasetSchema, make_batch: Any) -> None:
    assembly = made(schema)
    batch = batch_of(schema, make_batch, 7, 7, 7, 8)
    expected = user_inputs(assembly, batch, 1)
    owned = assembly.model.keys_of("user")
    assert owned is not None
    (vectors,) = vectors_of(*owned)
    np.testing.assert_array_equal(vectors, expected[[0, 3]])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"dynamic_ev": True}, "needs ev"),
        ({"dynamic_ev": True, "adaptive_emb": True}, "needs ev"),
        ({"dynamic_ev": True, "ev": True, "dynamic_ev_blocks": 1}, "--dynamic-ev-blocks"),
        ({"dynamic_ev": True, "ev": True, "dynamic_ev_growth": 1}, "--dynamic-ev-growth"),
    ],
)
def test_combinations_without_sense_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        TrainConfig.from_options(**options)


def test_blocks_that_do_not_make_up_a_vector_are_refused(schema: DatasetSchema) -> None:
    with pytest.raises(
        UsageError, match="3 blocks of 2 are no vector of user, whose embedding_dim"
    ):
        made(schema, dynamic_ev_blocks=3)


def test_a_feature_without_keys_has_no_blocks(schema: DatasetSchema, make_batch: Any) -> None:
    assembly = made(schema, columns={"brand": {"ev": False}})
    assert [table.layout.dim for table in assembly.model.tables] == [2, 4]
    assert user_inputs(assembly, batch_of(schema, make_batch, 7), 1).shape == (1, 4)

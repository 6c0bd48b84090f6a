"""A small schema, random batches of it as the readers give them, and update rules in NumPy."""

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from smt_features import Bags
from smt_features.batch import concat
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_features.split import Stretch
from smt_model import runtime
from smt_model.config import OptimizerName, TrainConfig
from smt_model.training import train
from smt_schemas import DatasetSchema

runtime.start_tensorflow()

ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
"""What this project sets and a server does not."""


class MemorySplit:
    """Random rows, given out as a split of a dataset gives them."""

    def __init__(self, schema: DatasetSchema, rows: int, seed: int = 0) -> None:
        self.rows = rows
        self._schema = schema
        self._seed = seed

    def steps(self, batch_size: int) -> int:
        return -(-self.rows // batch_size)

    def stretches(
        self,
        batch_size: int,
        *,
        seed: int = 0,
        epoch: int = 0,
        start: int = 0,
        shuffle: bool = True,
    ) -> Iterator[Stretch]:
        """Yield up to two batches at a time, and behind them a row that is in neither."""
        for first in range(start, self.steps(batch_size), 2):
            steps = range(first, min(first + 2, self.steps(batch_size)))
            sizes = [min(batch_size, self.rows - step * batch_size) for step in steps]
            batches = [
                random_batch(self._schema, rows, (self._seed, seed, epoch, step))
                for rows, step in zip([*sizes, 1], [*steps, self.rows], strict=True)
            ]
            yield Stretch(concat(batches), [0, *accumulate(sizes)])


def random_batch(schema: DatasetSchema, rows: int, seed: Any) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    batch: dict[str, Any] = {
        label.name: (rng.random(rows) < 0.3).astype(np.int8) for label in schema.labels
    }
    for column in schema.features:
        # Squared, so that some ids are frequent and repeat within a batch.
        if not column.is_list:
            batch[column.name] = (rng.random(rows) ** 2 * column.buckets).astype(np.int32)
            continue
        lengths = np.minimum(rng.integers(0, 5, rows), column.buckets)
        lengths[0] = 0
        ids = [rng.choice(column.buckets, length, replace=False) for length in lengths]
        batch[column.name] = Bags(
            np.concatenate([np.empty(0, np.int64), *ids]).astype(np.int32),
            rng.integers(1, 4, lengths.sum()).astype(np.int32),
            np.concatenate([[0], np.cumsum(lengths)]),
        )
    for column in schema.numerics:
        batch[column.name] = rng.normal(size=rows).astype(np.float32)
    return batch


def small_schema(**changes: Any) -> DatasetSchema:
    columns = [
        {
            "name": "clk",
            "role": "label",
            "type": "int",
            "required": True,
            "allowed": [0, 1],
            "task": "ctr",
        },
        {
            "name": "buy",
            "role": "label",
            "type": "int",
            "required": True,
            "allowed": [0, 1],
            "task": "cvr",
        },
        {"name": "user", "role": "user", "hash_buckets": 50, "embedding_dim": 4},
        {"name": "tags", "role": "user", "hash_buckets": 40, "embedding_dim": 4, "separator": "|"},
        {"name": "brand", "role": "item", "hash_buckets": 30, "embedding_dim": 4},
    ]
    for column in columns:
        column.update(changes.get(str(column["name"]), {}))
    return DatasetSchema.model_validate(
        {
            "name": "small",
            "user_column": "user",
            "splits": {"train": "a", "test": "b"},
            "columns": columns,
        }
    )


@pytest.fixture
def schema() -> DatasetSchema:
    return small_schema()


@pytest.fixture
def make_schema() -> Callable[..., DatasetSchema]:
    return small_schema


@pytest.fixture
def make_batch() -> Callable[..., dict[str, Any]]:
    return random_batch


@pytest.fixture
def make_split() -> Callable[..., MemorySplit]:
    return MemorySplit


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("data"), seed=0)


@pytest.fixture(scope="session")
def other_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same rows, hashed with another seed."""
    return prepared(tmp_path_factory.mktemp("other"), seed=1)


def prepared(folder: Path, seed: int) -> Path:
    rng = np.random.default_rng(4)
    for name, rows in (("a", 1000), ("b", 300)):
        lines = []
        for user, brand, tags in rng.integers(0, [40, 25, 4], (rows, 3)).tolist():
            clk = int(rng.random() < 0.1 + 0.6 * (brand % 3 == 0))
            buy = int(rng.random() < 0.3 * clk)
            entries = "|".join(map(str, rng.integers(0, 30, tags)))
            lines.append(f"{clk},{buy},u{user},{entries},b{brand}\n")
        (folder / name).write_text("".join(lines))
    prepare(PrepareJob(folder, folder / "shards", small_schema(), seed=seed))
    return folder


Float64s = NDArray[np.float64]


class Rules:
    """The update rules in float64; `step` counts from 1, and slots come in `initial` order."""

    def __init__(self) -> None:
        self.initial: dict[OptimizerName, list[float]] = {
            "adagrad": [0.1],
            "adagraddecay": [0.1, 0.0],
            "adam": [0.0, 0.0],
            "adamasync": [0.0, 0.0],
            "gradientdescent": [],
        }

    def options(self, name: OptimizerName) -> TrainConfig:
        options: dict[str, Any] = {"learning_rate": 0.05, "initial_accumulator": 0.1}
        if name == "adagraddecay":
            options |= {"accumulator_decay_steps": 3, "accumulator_decay_rate": 0.6}
        return TrainConfig(optimizer=name, **options)

    def update(
        self, name: OptimizerName, w: Float64s, slots: list[Float64s], g: Float64s, step: int
    ) -> tuple[Float64s, list[Float64s]]:
        match name:
            case "adagrad":
                return self.adagrad(w, slots[0], g)
            case "adagraddecay":
                accumulator, decays = slots
                late = decays < step // 3
                accumulator = np.where(late, np.maximum(accumulator * 0.6, 0.1), accumulator)
                w, slots = self.adagrad(w, accumulator, g)
                return w, [*slots, np.full_like(decays, step // 3)]
            case "adam" | "adamasync":
                m = 0.9 * slots[0] + 0.1 * g
                v = 0.999 * slots[1] + 0.001 * g * g
                rate = 0.05 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
                return w - rate * m / (np.sqrt(v) + 1e-8), [m, v]
            case "gradientdescent":
                return w - 0.05 * g, []

    @staticmethod
    def adagrad(w: Float64s, a: Float64s, g: Float64s) -> tuple[Float64s, list[Float64s]]:
        a = a + g * g
        return w - 0.05 * g / np.sqrt(a), [a]


@pytest.fixture
def rules() -> Rules:
    return Rules()


@pytest.fixture(scope="session")
def trained(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a short run on `dataset`."""
    return short_run(dataset, tmp_path_factory.mktemp("run") / "run")


def short_run(data: Path, path: Path, **options: Any) -> Path:
    fields = {"steps": 30, "batch_size": 64, **options}
    run, _ = train(TrainConfig(data_location=str(data), checkpoint=str(path), **fields))
    return run.path


PLAIN_TENSORFLOW = """
import csv, importlib.util, json, sys
assert importlib.util.find_spec("smt_model") is None, "this project is on the path"
# What a server does not have either, and TensorFlow takes seconds to import.
sys.modules.update(dict.fromkeys(("jax", "matplotlib", "pandas")))
import numpy as np, tensorflow as tf
model, log, names, output = sys.argv[1:]
serve = tf.saved_model.load(model).signatures["serving_default"]
rows = list(csv.reader(open(log, encoding="utf-8")))
texts = dict(zip(json.loads(names), zip(*rows)))
texts = {name: tf.constant(texts[name]) for name in serve.structured_input_signature[1]}
np.savez(output, **{name: value.numpy() for name, value in serve(**texts).items()})
"""


def predict_in_plain_tensorflow(
    model: Path, log: Path, names: list[str], output: Path
) -> dict[str, Any]:
    """Predict in the interpreter below this environment, with its packages but for ours."""
    base = sys._base_executable  # type: ignore[attr-defined]
    # As PYTHONPATH the folder's .pth files, which lead to this project, are not read.
    packages = {"PYTHONPATH": sysconfig.get_path("purelib"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    theirs = {name: value for name, value in os.environ.items() if name != ONEDNN}
    command = [base, "-c", PLAIN_TENSORFLOW, *map(str, (model, log, json.dumps(names), output))]
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=theirs | packages,
        cwd=output.parent,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    with np.load(output) as found:
        return dict(found)


@pytest.fixture(scope="session")
def in_plain_tensorflow() -> Callable[..., dict[str, Any]]:
    """Return a function that predicts for a log, without this project on the path."""
    return predict_in_plain_tensorflow

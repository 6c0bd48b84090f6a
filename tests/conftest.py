"""Logs to prepare, ways to prepare and read them, and the command line, for all tests."""

import os
import random
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings

from smt_features import Dataset, blocks, open_shards
from smt_features.manifest import PrepareOptions
from smt_features.pipeline import row_blocks
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_features.sources import Source
from smt_schemas import DatasetSchema, taobao

# Examples are few and the machine may be busy: time limits would only make tests flaky.
settings.register_profile(
    "smt", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("smt")

# What tests train in their own process is compared with what commands train: see smt_model.runtime.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "taobao"


def pytest_collection_finish() -> None:
    """Undo what JAX, which TensorFlow imports where it is installed, set for processes of tests."""
    os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)


class Outcome(NamedTuple):
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def real_rows() -> Path:
    """Return the folder of the real Taobao rows."""
    if not (REAL / "taobao_train_data").is_file():
        pytest.skip(f"the real Taobao rows are not at {REAL}; they are not part of the project")
    return REAL


@pytest.fixture(scope="session")
def mixed_schema() -> DatasetSchema:
    """Return a schema with everything that the Taobao log does not have."""
    size = {"hash_buckets": 50, "embedding_dim": 4}
    columns: list[dict[str, Any]] = [
        {"name": "click", "role": "label", "type": "int", "required": True},
        {"name": "user", "role": "user", "required": True, **size},
        {"name": "kind", "role": "item", "allowed": ["a", "b"], "null_tokens": ["-"], **size},
        {"name": "slot", "role": "item", "type": "int", "required": True, "minimum": 1, **size},
        {"name": "age", "role": "user", "type": "int", "minimum": -5, "maximum": 120, **size},
        {"name": "score", "role": "item", "type": "int", "allowed": [1, 5, 7], "minimum": 2},
        {"name": "far", "role": "item", "type": "int", "minimum": -(10**17), **size},
        {"name": "any", "role": "item", "type": "int", "null_tokens": ["NA"], **size},
        {"name": "tags", "role": "user", "separator": ";", "required": True, **size},
        {"name": "numbers", "role": "user", "separator": "|", "type": "int", **size},
        {"name": "dotted", "role": "user", "separator": ".", "type": "int", **size},
        {"name": "note", "role": "ignore", "required": True},
    ]
    columns[0] |= {"allowed": [0, 1], "task": "ctr"}
    columns[3] |= {"encoding": "identity"}
    columns[5] |= size
    return DatasetSchema.model_validate(
        {
            "name": "mixed",
            "user_column": "user",
            "splits": {"train": "mixed_log", "test": "mixed_test"},
            "columns": columns,
        }
    )


@pytest.fixture(scope="session")
def log_schema() -> Callable[..., DatasetSchema]:
    """Return a function that makes a schema of hashed text features from their names."""

    def make(*names: str, **fields: Any) -> DatasetSchema:
        size = {"hash_buckets": 50, "embedding_dim": 4}
        columns = [{"name": name, "role": "user", **size} for name in names]
        parts = {"name": "log", "splits": {"train": "log", "test": "log_test"}}
        return DatasetSchema.model_validate(parts | {"columns": columns} | fields)

    return make


@pytest.fixture(scope="session")
def log_lines() -> Callable[..., list[str]]:
    """Return a function that makes valid lines of a Taobao log: rows, and a seed."""

    def make(rows: int, seed: int = 0) -> list[str]:
        chance = random.Random(seed)
        return [_line(chance) for _ in range(rows)]

    return make


@pytest.fixture(scope="session")
def prepared_in() -> Callable[..., Dataset]:
    """Return `prepared` with a folder to work in as first argument."""

    def run(
        base: Path,
        train: list[str] | Path,
        test: list[str] | None = None,
        *,
        folder: str = "data",
        schema: DatasetSchema | None = None,
        seed: int = 0,
        max_bad_rows: int = 0,
        **options: Any,
    ) -> Dataset:
        schema = schema or taobao()
        directory = train if isinstance(train, Path) else base / folder
        output = base / folder / "shards"
        if not isinstance(train, Path):
            directory.mkdir(parents=True, exist_ok=True)
            for stem, lines in zip(schema.splits.values(), (train, test), strict=True):
                if lines is not None:
                    (directory / stem).write_text("".join(f"{line}\n" for line in lines))
        job = PrepareJob(
            directory,
            output,
            schema,
            PrepareOptions(**options),
            seed=seed,
            max_bad_rows=max_bad_rows,
        )
        prepare(job)
        return open_shards(output, verify=True)

    return run


@pytest.fixture
def prepared(tmp_path: Path, prepared_in: Callable[..., Dataset]) -> Callable[..., Dataset]:
    """Return a function that prepares lines of a log (or a folder) and opens the dataset.

    Options of the shards and of the job are keyword arguments.
    """
    return partial(prepared_in, tmp_path)


@pytest.fixture(scope="session")
def read_rows(
    tmp_path_factory: pytest.TempPathFactory, log_schema: Callable[..., DatasetSchema]
) -> Callable[..., list[list[str] | str]]:
    """Return a function that reads bytes as a log: for each line its cells or the broken rule."""
    path = tmp_path_factory.mktemp("rows") / "log"

    def read(
        data: bytes,
        columns: int = 3,
        *,
        kind: str = "csv",
        block_bytes: int = blocks.BLOCK_BYTES,
        **csv: Any,
    ) -> list[list[str] | str]:
        path.write_bytes(data)
        schema = log_schema(*(f"c{number}" for number in range(columns)), csv=csv)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(blocks, "BLOCK_BYTES", block_bytes)
            return [
                block.refused.get(row) or list(cells)
                for block in row_blocks(Source("train", 0, path, "log", kind), schema)
                for row, cells in enumerate(block.cells.iter_rows())
            ]

    return read


@pytest.fixture
def smt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Return a function that runs `smt` with some arguments."""
    from smt_cli.main import run

    def call(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["smt", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            run()
        out, err = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Outcome(end.value.code, out, err)

    return call


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut text sources into blocks of 4 kB, so that small files have many."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 4096)


def _line(chance: random.Random) -> str:
    """Return a line with the ranges and the empties of the real file."""

    def maybe(share: float, otherwise: str, empty: str = "") -> str:
        return empty if chance.random() < share else otherwise

    def tags() -> str:
        entries = [str(chance.randrange(4000)) for _ in range(chance.randrange(1, 5))]
        return "|".join(entry for entry in entries for _ in range(chance.randrange(1, 12)))

    user = [maybe(0.04, str(chance.randrange(high))) for high in (97, 13, 3, 7)]
    user.append(maybe(0.53, str(chance.randrange(4))))
    user += [maybe(0.04, str(chance.randrange(high))) for high in (4, 2)]
    user.append(maybe(0.24, str(chance.randrange(5))))
    cells = [
        str(int(chance.random() < 0.1)),
        str(int(chance.random() < 0.01)),
        chance.choice(["430548_1007", "430539_1007"]),
        *(str(chance.randrange(1, 900_000)) for _ in range(4)),
        maybe(0.32, str(chance.randrange(400_000)), "NULL"),
        str(chance.randrange(200)),
        *user,
        maybe(0.42, tags()),
        maybe(0.42, tags()),
        str(chance.randrange(50)),
    ]
    return ",".join(cells)

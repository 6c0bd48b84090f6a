"""PyTorch reads datasets: the batches of `Split.batches`, whatever the loader does."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from smt_features import Bags, Batch, Dataset, Split

torch = pytest.importorskip("torch", reason="the extra `examples` is not installed")

ORDER: dict[str, Any] = {"seed": 4, "epoch": 2}


@pytest.fixture(scope="module")
def split(
    tmp_path_factory: pytest.TempPathFactory,
    log_lines: Callable[..., list[str]],
    prepared_in: Callable[..., Dataset],
) -> Split:
    folder = tmp_path_factory.mktemp("dataset")
    options = {"keys": True, "rows_per_group": 40, "rows_per_shard": 100}
    return prepared_in(folder, log_lines(250), **options)["train"]


def loader(split: Split, workers: int, context: str | None = None, **order: Any) -> Any:
    batches = split.to_torch(16, **ORDER, **order)
    return torch.utils.data.DataLoader(
        batches, batch_size=None, num_workers=workers, multiprocessing_context=context
    )


def assert_same(tensors: list[Any], batches: list[Batch]) -> None:
    assert len(tensors) == len(batches)
    for tensor, batch in zip(tensors, batches, strict=True):
        assert tensor.keys() == batch.keys()
        for name, values in batch.items():
            parts = values if isinstance(values, Bags) else [values]
            found = tensor[name] if isinstance(values, Bags) else [tensor[name]]
            for mine, theirs in zip(found, parts, strict=True):
                np.testing.assert_array_equal(mine.numpy(), theirs)
                assert mine.numpy().dtype == theirs.dtype


@pytest.mark.parametrize("shuffle", [True, False])
def test_tensors_equal_the_batches(split: Split, shuffle: bool) -> None:
    tensors = list(split.to_torch(16, **ORDER, shuffle=shuffle))

    assert_same(tensors, list(split.batches(16, **ORDER, shuffle=shuffle)))


@pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker processes")
@pytest.mark.parametrize(
    ("workers", "context"), [(0, None), (1, "fork"), (3, "fork"), (2, "spawn")]
)
def test_a_loader_gives_the_same_batches_with_any_number_of_processes(
    split: Split, workers: int, context: str | None
) -> None:
    tensors = list(loader(split, workers, context))

    assert_same(tensors, list(split.batches(16, **ORDER)))


@pytest.mark.parametrize("start", [1, 5, 16])
def test_a_loader_resumes_at_any_step(split: Split, start: int) -> None:
    resumed = loader(split, 2, start=start)

    assert len(resumed) == 16 - start
    assert_same(list(resumed), list(split.batches(16, **ORDER))[start:])


def test_a_shard_by_itself_knows_its_length(split: Split) -> None:
    one = split.to_torch(16, **ORDER, shard=2)

    assert len(one) == len(list(one)) == 4  # 250 rows in shards of 100


def test_ranks_share_the_rows_in_equal_steps(split: Split) -> None:
    parts = [list(loader(split, 2, worker=(rank, 3))) for rank in range(3)]

    assert [len(part) for part in parts] == [6, 6, 6]
    for rank, part in enumerate(parts):
        assert_same(part, list(split.batches(16, **ORDER, worker=(rank, 3))))


def test_a_list_is_what_embedding_bag_takes(split: Split) -> None:
    batch = next(iter(split.to_torch(16)))
    bags = batch["tag_brand_list"]
    table = torch.arange(100_000.0)[:, None]

    sums = torch.nn.functional.embedding_bag(
        bags.ids,
        table,
        bags.row_splits,
        mode="sum",
        per_sample_weights=bags.counts.float(),
        include_last_offset=True,
    )

    rows = zip(bags.row_splits[:-1].tolist(), bags.row_splits[1:].tolist(), strict=True)
    expected = [int((bags.ids[a:b].long() * bags.counts[a:b]).sum()) for a, b in rows]
    assert sums[:, 0].tolist() == expected


def test_reading_imports_no_tensorflow(split: Split) -> None:
    code = (
        "import sys; from smt_features import open_shards;"
        f"rows = open_shards({str(split.directory)!r})['train'];"
        "print(len(list(rows.to_torch(100))), 'tensorflow' in sys.modules)"
    )

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout == "3 False\n"

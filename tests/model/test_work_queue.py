"""Shards as pieces of work, and a process that works on them."""

from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smt_features import Split, open_shards
from smt_features.manifest import PrepareOptions
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_model.checkpoint import read_state
from smt_model.config import TrainConfig
from smt_model.run_directory import RunDirectory
from smt_model.trainer import Trainer
from smt_model.training import train
from smt_model.work_queue import QueueState, Work
from smt_schemas import DatasetSchema

CONFIG = TrainConfig(batch_size=70, workqueue=True)


@pytest.fixture
def shards(dataset: Path, schema: DatasetSchema, tmp_path: Path) -> Path:
    """1,000 rows in shards of 300, 300, 300 and 100: 5, 5, 5 and 2 batches of 70."""
    options = PrepareOptions(rows_per_shard=300, rows_per_group=100)
    prepare(PrepareJob(dataset, tmp_path / "shards", schema, options))
    return tmp_path / "shards"


@pytest.fixture
def split(shards: Path) -> Split:
    return open_shards(shards)["train"]


def left(work: Work, state: QueueState, batches: int) -> list[tuple[int, ...]]:
    stretches = work.left(state)
    return rows(islice(chain.from_iterable(some.batches() for some in stretches), batches))


def rows(batches: Any) -> list[tuple[int, ...]]:
    names = ("clk", "buy", "user", "brand")
    return [
        tuple(map(int, row))
        for batch in batches
        for row in np.stack([batch[name] for name in names], axis=1)
    ]


def test_the_pieces_of_an_epoch_hold_every_row_once(split: Split) -> None:
    work = Work(split, CONFIG)
    assert work.steps_per_epoch == 17
    assert sorted(map(work.batches_of, range(4))) == [2, 5, 5, 5]
    whole = rows(split.batches(1000))
    for epoch in (0, 1):
        pieces = [list(work.read(number, 0)) for number in range(4 * epoch, 4 * epoch + 4)]
        assert [len(piece) for piece in pieces] == [
            work.batches_of(number) for number in range(4 * epoch, 4 * epoch + 4)
        ]
        assert sorted(row for piece in pieces for row in rows(piece)) == sorted(whole)


def test_a_piece_goes_on_where_it_was_left(split: Split) -> None:
    work = Work(split, CONFIG)
    assert rows(work.read(1, 2)) == rows(list(work.read(1, 0))[2:])


def test_what_is_left_after_some_steps_is_what_comes_next(split: Split) -> None:
    work = Work(split, CONFIG)
    begin = QueueState(following=3, begun={0: 4, 2: 1})
    everything = left(work, begin, 60)
    for steps in range(40):
        state = begin.after(steps, work)
        done = left(work, begin, steps)
        assert left(work, state, 60 - steps) == everything[len(done) :]
        assert state == begin.after(steps // 2, work).after(steps - steps // 2, work)


def test_pieces_until_a_step_have_it_and_one_less_has_not(split: Split) -> None:
    work = Work(split, CONFIG)
    for steps in range(1, 60):
        number = work.pieces_until(steps)
        batches = [work.batches_of(piece) for piece in range(number)]
        assert sum(batches) >= steps > sum(batches[:-1])


def test_rows_are_counted_evenly_over_the_shards(shards: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"data_location": str(shards)})
    trainer = Trainer(config, open_shards(shards), RunDirectory(tmp_path))
    samples = []
    for step in range(18):
        trainer.step = step
        samples.append(trainer.samples)
    assert samples[17] == 1000
    assert samples == sorted(samples)


def test_one_process_takes_the_shards_one_by_one_and_resumes_in_the_middle(
    shards: Path, tmp_path: Path
) -> None:
    def run(name: str, *stops: int) -> RunDirectory:
        for steps in stops:
            config = CONFIG.model_copy(
                update={
                    "data_location": str(shards),
                    "checkpoint": str(tmp_path / name),
                    "steps": steps,
                }
            )
            directory, _ = train(config)
        return directory

    at_once, in_parts = run("at once", 40), run("in parts", 8, 19, 40)
    first, second = (found.newest_checkpoint() for found in (at_once, in_parts))
    assert read_state(first) == read_state(second).model_copy(
        update={"options": read_state(first).options, "pending": read_state(first).pending}
    )
    assert (state := read_state(first).queue) is not None
    assert state.following >= 9  # 17 steps an epoch: 40 are two epochs of four shards, and six
    (file,), (other,) = first.glob("*.safetensors"), second.glob("*.safetensors")
    assert file.read_bytes() == other.read_bytes()

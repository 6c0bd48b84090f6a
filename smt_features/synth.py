"""Synthetic Taobao-like logs of any size, with a known click probability."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from smt_features.files import published, writing
from smt_features.lock import locked
from smt_features.parallel import ordered_map
from smt_features.synth_clicks import AucCounter, ClickModel, calibrated
from smt_features.synth_frame import to_frame
from smt_features.synth_rows import draw_rows
from smt_features.synth_users import UserBlock, allot_users
from smt_features.synth_world import World, build_world
from smt_schemas import UsageError, UserError, taobao

Progress = Callable[[str, int, int], None]

PROBABILITIES = pa.schema(
    [("line", pa.int64()), ("click_probability", pa.float32()), ("buy_probability", pa.float32())]
)


@dataclass(frozen=True)
class SynthSplit:
    """What was written for one split; ``best_auc`` is that of the true click probability."""

    name: str
    path: Path
    rows: int
    users: int
    clicks: int
    buys: int
    best_auc: float | None
    probabilities: Path | None


def synthesize(
    directory: Path,
    rows: int,
    *,
    seed: int = 0,
    test_fraction: float = 0.2,
    probabilities: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> list[SynthSplit]:
    """Write ``taobao_train_data`` and ``taobao_test_data`` into a folder.

    The same rows, seed and fraction give the same bytes. Memory does not grow with the rows,
    beyond some 40 bytes for each user (at most 1.06 million users).

    Parameters
    ----------
    directory
        Created when missing.
    rows
        Rows of both splits together.
    test_fraction
        Share of the rows in the test split, which has users of its own.
    probabilities
        Also write ``probabilities_<split>.parquet``: line (1-based), click probability and buy
        probability (click and buy) of each row.
    progress
        Called with a split's name, the rows written so far and the rows in all.

    Raises
    ------
    UsageError
        For fewer than two rows, a negative seed, or a fraction that leaves a split empty.
    UserError
        When a file exists and ``overwrite`` is false, or the folder cannot be written.
    """
    sizes = _split_rows(rows, seed, test_fraction)
    schema = taobao()
    paths = {name: directory / schema.splits[name] for name in sizes}
    sides = {name: directory / f"probabilities_{name}.parquet" for name in sizes}
    with locked(directory, "folder"):
        _refuse_existing([*paths.values(), *sides.values()], overwrite)

        world = build_world(rows, _stream(seed, 0))
        model = calibrated(world, _stream(seed, 1))
        blocks = allot_users(_stream(seed, 2), sizes)
        report = []
        for number, name in enumerate(sizes):
            writer = _SplitWriter(paths[name], sides[name], probabilities=probabilities)
            with writer:
                for frame in _frames(world, model, blocks[name], (seed, 3 + number)):
                    writer.add(frame)
                    if progress:
                        progress(name, writer.rows, sizes[name])
            report.append(writer.report(name, sum(len(block.ids) for block in blocks[name])))
    return report


def _split_rows(rows: int, seed: int, test_fraction: float) -> dict[str, int]:
    if rows < 2:
        msg = f"--rows is {rows}; two splits need at least 2 rows"
        raise UsageError(msg)
    if seed < 0:
        msg = f"--seed is {seed}; it must be 0 or more"
        raise UsageError(msg)
    if not 0 < test_fraction < 1:
        msg = f"--test-fraction is {test_fraction}; it must lie between 0 and 1"
        raise UsageError(msg)
    test = min(max(round(rows * test_fraction), 1), rows - 1)
    return {"train": rows - test, "test": test}


def _refuse_existing(paths: list[Path], overwrite: bool) -> None:
    existing = [str(path) for path in paths if path.exists()]
    if existing and not overwrite:
        msg = f"{', '.join(existing)} would be overwritten; pass --overwrite, or another folder"
        raise UserError(msg)


def _stream(seed: int, *position: int) -> np.random.Generator:
    """Return the random numbers of one part of the work, independent of all others."""
    return np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence([seed, *position])))


def _frames(
    world: World, model: ClickModel, blocks: list[UserBlock], position: tuple[int, int]
) -> Iterator[pl.DataFrame]:
    """Draw the rows of each block, on all cores; the thread that draws a block is of no matter."""

    def draw(number: int) -> pl.DataFrame:
        rng = _stream(*position, number)
        rows = draw_rows(rng, world, blocks[number])
        click_probability, buy_probability = model.probabilities(world, rows)
        click = rng.random(len(click_probability)) < click_probability
        buy = click & (rng.random(len(click)) * click_probability < buy_probability)
        return to_frame(world, rows, click, buy).with_columns(
            click_probability=click_probability, buy_probability=buy_probability
        )

    return ordered_map(draw, range(len(blocks)))


@contextmanager
def _removed(path: Path) -> Iterator[None]:
    """Remove a file, if it is there, when what is done meanwhile has succeeded."""
    yield
    with writing(path):
        path.unlink(missing_ok=True)


class _SplitWriter:
    """Writes a split under temporary names and publishes it when all of it is there."""

    def __init__(self, path: Path, side: Path, *, probabilities: bool) -> None:
        self._path, self._side = path, side if probabilities else None
        self._old_side = side
        self._auc = AucCounter()
        self.rows = 0
        self._clicks = self._buys = 0

    def __enter__(self) -> None:
        with ExitStack() as stack:
            part = stack.enter_context(published(self._path))
            self._text: BinaryIO = stack.enter_context(part.open("wb"))
            # Left in the other order: rows are never published beside other rows' probabilities.
            if self._side is None:
                stack.enter_context(_removed(self._old_side))
            else:
                part = stack.enter_context(published(self._side))
                writer = pq.ParquetWriter(part, PROBABILITIES, compression="zstd")
                self._parquet = stack.enter_context(writer)
            self._stack = stack.pop_all()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def add(self, frame: pl.DataFrame) -> None:
        """Append the 20 columns as text, and count; the last two columns go to the side file."""
        cells = frame.drop("click_probability", "buy_probability")
        cells.write_csv(self._text, include_header=False, quote_style="never")
        clicked = frame["clk"].to_numpy() == 1
        self._auc.add(frame["click_probability"].to_numpy(), clicked)
        if self._side is not None:
            lines = pl.int_range(self.rows + 1, self.rows + len(frame) + 1, eager=True)
            known = frame.select(lines.alias("line"), "click_probability", "buy_probability")
            self._parquet.write_table(known.to_arrow().cast(PROBABILITIES))
        self.rows += len(frame)
        self._clicks += int(clicked.sum())
        self._buys += int(frame["buy"].sum())

    def report(self, name: str, users: int) -> SynthSplit:
        """Return what was written."""
        return SynthSplit(
            name=name,
            path=self._path,
            rows=self.rows,
            users=users,
            clicks=self._clicks,
            buys=self._buys,
            best_auc=self._auc.auc(),
            probabilities=self._side,
        )

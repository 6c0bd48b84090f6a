"""Measures how time, memory and bytes grow with one property of a job at a time.

    python -m smt_bench.growth DATA rows|columns|buckets|width

DATA holds a raw log such as `smt synth` writes. Each line of the table is a dataset of its own,
made from the log's first rows with a changed schema, on which a model is trained.
"""

import argparse
import json
import re
import tempfile
from collections.abc import Iterable
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from smt_bench.logs import smt
from smt_bench.processes import Run, measure
from smt_schemas import UserError, taobao

ROWS = 200_000
STEPS = 300
SIZES = {
    "rows": (50_000, 100_000, 200_000, 400_000, 800_000),
    "columns": (6, 12, 18),
    "buckets": (10_000, 100_000, 1_000_000, 4_000_000),
    "width": (8, 16, 32, 64),
}
FILE = taobao().splits["train"]
HEADINGS = (
    *("prepare s", "prepare MiB", "shards kB"),
    *("train steps/s", "train MiB", "checkpoint MB"),
)


class Job(NamedTuple):
    """What is measured: the rows of a log, and the schema that they are prepared by."""

    rows: int
    schema: str


def job(what: str, size: int) -> Job:
    """Return the usual job with one property changed.

    ``buckets`` are those of the seven features that have 100,000, ``columns`` are the first
    features of the log, of which the lists are the 16th and 17th, and ``width`` is that of every
    embedding.
    """
    text = files("smt_schemas").joinpath("taobao.toml").read_text(encoding="utf-8")
    match what:
        case "rows":
            return Job(size, text)
        case "buckets":
            return Job(ROWS, text.replace("hash_buckets = 100_000", f"hash_buckets = {size}"))
        case "width":
            return Job(ROWS, text.replace("embedding_dim = 16", f"embedding_dim = {size}"))
    head, *columns = text.split("[[columns]]")
    labels = len(taobao().labels)
    columns[labels + size :] = map(_ignored, columns[labels + size :])
    if size < [column.name for column in taobao().features].index("user_id") + 1:
        head = re.sub(r"^user_column = .*$", "", head, flags=re.MULTILINE)
    return Job(ROWS, "[[columns]]".join([head, *columns]))


def measured(job: Job, data: Path, folder: Path) -> list[str]:
    """Return the figures of a job, in the order of the headings; training is at batch 512.

    Raises
    ------
    UserError
        When the log has too few rows.
    """
    raw = folder / "raw"
    raw.mkdir()
    rows = 0
    # Line by line: what this process holds would count as memory of those that it starts.
    with (data / FILE).open("rb") as source, (raw / FILE).open("wb") as first:
        for line in islice(source, job.rows):
            first.write(line)
            rows += 1
    if rows < job.rows:
        msg = f"{data / FILE} has {rows:,} rows; {job.rows:,} are needed."
        raise UserError(msg)
    (folder / "schema.toml").write_text(job.schema, encoding="utf-8")
    prepared = measure(smt("prepare", raw, "--schema", folder / "schema.toml"))
    run = folder / "run"
    trained = measure(
        smt("train", "--data-location", raw, "--checkpoint", run, "--steps", STEPS, "--no-eval")
    )
    return [*_preparing(prepared, raw / "shards"), *_training(trained, run)]


def _ignored(column: str) -> str:
    name = re.search(r"^name = .*$", column, re.MULTILINE)
    assert name, "a column has a name"
    return f'\n{name.group()}\nrole = "ignore"\n\n'


def _preparing(run: Run, shards: Path) -> list[str]:
    size = _bytes_of(shards.rglob("part-*"))
    return [f"{run.seconds:.2f}", f"{run.peak_mib:,.0f}", f"{size / 1e3:,.0f}"]


def _training(run: Run, directory: Path) -> list[str]:
    lines = (directory / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rate = json.loads(lines[-1])["steps_per_second"]
    checkpoint = _bytes_of((directory / "checkpoints").rglob("*"))
    return [f"{rate:.1f}", f"{run.peak_mib:,.0f}", f"{checkpoint / 1e6:.1f}"]


def _bytes_of(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())


def main() -> None:
    """Print a Markdown table, line by line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("data", type=Path, help="folder of a raw log")
    options.add_argument("what", choices=SIZES)
    arguments = options.parse_args()
    print("|", " | ".join((arguments.what, *HEADINGS)), "|")
    print("|", " | ".join(["---:"] * (len(HEADINGS) + 1)), "|")
    for size in SIZES[arguments.what]:
        with tempfile.TemporaryDirectory() as folder:
            figures = measured(job(arguments.what, size), arguments.data, Path(folder))
        print("|", " | ".join([f"{size:,}", *figures]), "|", flush=True)


if __name__ == "__main__":
    main()

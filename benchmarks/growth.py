"""Measures how time, memory and bytes grow with one property of a job at a time."""

import json
import re
import statistics
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from smt_bench.contenders import chosen
from smt_bench.logs import smt
from smt_bench.processes import measure
from smt_bench.result import Figure, Report, Row, machine
from smt_schemas import UserError, taobao

ROWS = 200_000
STEPS = 300
PARTS = 4
IN_PARTS = f"rows in {PARTS} parts"
SIZES = {
    "rows": (50_000, 200_000, 800_000),
    "columns": (6, 12, 18),
    "buckets": (10_000, 100_000, 1_000_000, 4_000_000),
    "width": (8, 16, 32, 64),
    IN_PARTS: (500_000, 1_000_000, 2_000_000),
}
FILE = taobao().splits["train"]
COLUMNS = {
    "prepare s": 2,
    "prepare MiB": 0,
    "shards kB": 0,
    "train steps/s": 1,
    "train MiB": 0,
    "checkpoint MB": 1,
    "a part s": 2,
    "merge s": 2,
    "merge MiB": 0,
}


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes
    ----------
    data
        Folder of a raw log such as `smt synth` writes; a job takes its first training rows.
    runs
        Runs of each job, in turn.
    only
        Names of tables; none for all.
    """

    data: Path
    runs: int = 3
    only: Sequence[str] = ()


class Job(NamedTuple):
    """What is measured: the rows of a log, the schema they are prepared by, in how many parts."""

    rows: int
    schema: str
    parts: int = 1


def growth(options: Options, say: Callable[[str], None]) -> Report:
    """Prepare and train at every size, and return what was measured.

    A job that is in several tables is measured once.

    Raises
    ------
    UsageError
        When there is no table of a name.
    UserError
        When the log has too few rows, or a command fails.
    """
    lines = [(what, size) for what in chosen(options.only, SIZES) for size in SIZES[what]]
    found: dict[Job, list[dict[str, float]]] = {job(*line): [] for line in lines}
    for turn in range(options.runs):
        for each, done in found.items():
            with tempfile.TemporaryDirectory() as folder:
                done.append(measured(each, options.data, Path(folder)))
            figures = ", ".join(f"{name} {value:,.1f}" for name, value in done[-1].items())
            say(f"{turn + 1}/{options.runs}  {each.rows:,} rows: {figures}")
    rows = [
        Row(name=f"{size:,}", settings={"growth": what}, figures=_figures(found[job(what, size)]))
        for what, size in lines
    ]
    return Report(command="growth", machine=machine(), columns=COLUMNS, rows=rows)


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
            return Job(ROWS, text.replace("hash_buckets = 100_000", f"hash_buckets = {size:_}"))
        case "width":
            return Job(ROWS, text.replace("embedding_dim = 16", f"embedding_dim = {size}"))
        case "columns":
            return Job(ROWS, _first_features(text, size))
    return Job(size, text, PARTS)


def measured(job: Job, data: Path, folder: Path) -> dict[str, float]:
    """Return the figures of one run of a job by their columns; training is at batch 512.

    Raises
    ------
    UserError
        When there is no log, or it has too few rows, or a command fails.
    """
    if not (data / FILE).is_file():
        msg = f"{data} has no {FILE}, uncompressed. Make one: smt synth {data} --rows 2500000"
        raise UserError(msg)
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
    schema = folder / "schema.toml"
    schema.write_text(job.schema, encoding="utf-8")
    if job.parts > 1:
        return _in_parts(raw, schema, job.parts)
    return _preparing(raw, schema) | _training(raw, folder / "run")


def _first_features(text: str, size: int) -> str:
    head, *columns = text.split("[[columns]]")
    labels = len(taobao().labels)
    columns[labels + size :] = map(_ignored, columns[labels + size :])
    if size < [column.name for column in taobao().features].index("user_id") + 1:
        head = re.sub(r"^user_column = .*$", "", head, flags=re.MULTILINE)
    return "[[columns]]".join([head, *columns])


def _ignored(column: str) -> str:
    name = re.search(r"^name = .*$", column, re.MULTILINE)
    assert name, "a column has a name"
    return f'\n{name.group()}\nrole = "ignore"\n\n'


def _preparing(raw: Path, schema: Path) -> dict[str, float]:
    run = measure(smt("prepare", raw, "--schema", schema))
    size = _bytes_of((raw / "shards").rglob("part-*"))
    return {"prepare s": run.seconds, "prepare MiB": run.peak_mib, "shards kB": size / 1e3}


def _in_parts(raw: Path, schema: Path, parts: int) -> dict[str, float]:
    command = ("prepare", raw, "--schema", schema)
    made = [measure(smt(*command, "--part", f"{part + 1}/{parts}")) for part in range(parts)]
    merged = measure(smt(*command, "--merge", parts))
    return {
        "a part s": statistics.median(run.seconds for run in made),
        "merge s": merged.seconds,
        "merge MiB": merged.peak_mib,
    }


def _training(raw: Path, directory: Path) -> dict[str, float]:
    job = ("--data-location", raw, "--checkpoint", directory, "--steps", STEPS, "--no-eval")
    run = measure(smt("train", *job))
    lines = (directory / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    size = _bytes_of((directory / "checkpoints").rglob("*"))
    return {
        "train steps/s": json.loads(lines[-1])["steps_per_second"],
        "train MiB": run.peak_mib,
        "checkpoint MB": size / 1e6,
    }


def _bytes_of(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())


def _figures(runs: list[dict[str, float]]) -> dict[str, Figure]:
    return {name: Figure.of(run[name] for run in runs) for name in runs[0]}

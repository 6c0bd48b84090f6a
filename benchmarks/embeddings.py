"""Measures the kinds of embeddings side by side: rate, memory, test AUC, size on disk.

    python benchmarks/embeddings.py DATA [--batch-sizes 512 4096] [--runs 1] [--only NAME …]
    python benchmarks/embeddings.py RAW --divide-buckets 100 --only static EV

DATA is a dataset with keys (`smt prepare --keys`), trained on for one epoch with `smt train`, each
run a process of its own, all in turn. With `--divide-buckets` it is a folder with a raw Taobao log
instead, which is prepared first, with so many times fewer buckets. The rate is the median of those
that the run reports every 100 steps; the checkpoint is that of the end, optimizer slots included.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from smt_bench.processes import Command, Run, in_turn, measure
from smt_schemas import DatasetSchema, taobao

SETTINGS = "--epochs 1 --optimizer adam --learning-rate 0.002"
VARIANTS = {
    "static": "",
    "EV": "--ev",
    "EV, counter": "--ev --ev-filter counter",
    "EV, cbf": "--ev --ev-filter cbf",
    "adaptive": "--adaptive-emb",
    "multi-hash": "--multihash",
    "EV, dynamic": "--ev --dynamic-ev",
}


class Variant(NamedTuple):
    """A kind of embeddings at a batch size."""

    name: str
    batch_size: int

    def __str__(self) -> str:
        """Return what the table calls it."""
        return f"{self.name}, {self.batch_size}"


class Figures(NamedTuple):
    """What a run tells of itself."""

    rate: float
    auc: float
    checkpoint_mb: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[512, 4096])
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--divide-buckets", type=int, metavar="N")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, data = Path(name), arguments.data
        if arguments.divide_buckets:
            data = prepared_tight(data, folder, arguments.divide_buckets)
        variants = [
            Variant(name, size) for size in arguments.batch_sizes for name in arguments.only
        ]
        measure_all(variants, data, folder, arguments.runs)


def measure_all(variants: list[Variant], data: Path, folder: Path, runs: int) -> None:
    figures: dict[Variant, list[Figures]] = {variant: [] for variant in variants}

    def command(variant: Variant, turn: int) -> Command:
        run = folder / f"{variants.index(variant)}-{turn}"
        options = f"{SETTINGS} {VARIANTS[variant.name]} --batch-size {variant.batch_size}"
        where = ("--data-location", data, "--checkpoint", run, "--json")
        return Command([*SMT, "train", *options.split(), *where])

    def figure(run: Run) -> str:
        directory = max(folder.glob("*-*"), key=lambda path: path.stat().st_mtime)
        variant = variants[int(directory.name.split("-")[0])]
        figures[variant].append(found := read(directory, run))
        return f"{found.rate:.1f} steps/s, click AUC {found.auc:.4f}"

    done, failed = in_turn(
        variants, command, runs, lambda line: print(line, file=sys.stderr), figure
    )
    print("| embeddings, batch | steps/s | of static | peak memory | click AUC | checkpoint |")
    print("| --- | --- | --- | --- | --- | --- |")
    for variant, found in done.items():
        rate = statistics.median(each.rate for each in figures[variant])
        static = figures.get(Variant("static", variant.batch_size), [])
        share = rate / statistics.median(each.rate for each in static) if static else 1.0
        peak = max(run.peak_mib for run in found)
        last = figures[variant][-1]
        print(
            f"| {variant} | {rate:.1f} | {share:.0%} | {peak:,.0f} MiB | {last.auc:.4f} "
            f"| {last.checkpoint_mb:.0f} MB |"
        )
    for variant, why in failed.items():
        print(f"| {variant} | failed: {why} | | | | |")


SMT = [sys.executable, "-P", "-m", "smt_cli"]


def read(directory: Path, run: Run) -> Figures:
    """Return the figures of a run; its directory holds them, and what it printed."""
    lines = map(json.loads, (directory / "metrics.jsonl").read_text().splitlines())
    rates = [line["steps_per_second"] for line in lines if "steps_per_second" in line]
    files = directory.glob("checkpoints/*/*.safetensors")
    size = sum(file.stat().st_size for file in files) / 1e6
    return Figures(
        statistics.median(rates[1:] or rates), json.loads(run.output)["tasks"]["ctr"]["auc"], size
    )


def prepared_tight(raw: Path, folder: Path, divisor: int) -> Path:
    """Prepare a raw Taobao log with keys and few buckets."""
    fields = taobao().model_dump(exclude_none=True)
    for column in fields["columns"]:
        if "hash_buckets" in column:
            column["hash_buckets"] = max(2, column["hash_buckets"] // divisor)
    schema = folder / "tight.toml"
    schema.write_text(to_toml(DatasetSchema.model_validate(fields)))
    output = folder / "shards"
    options = ("--schema", schema, "--output", output, "--keys", "--no-statistics")
    measure(Command([*SMT, "prepare", raw, *options]))
    return output


def to_toml(schema: DatasetSchema) -> str:
    """Return a schema as TOML, whose values JSON spells alike."""
    fields = schema.model_dump(mode="json", exclude_none=True, exclude={"columns", "csv", "drift"})
    lines = [f"{name} = {value}" for name, value in named(fields) if not value.startswith("{")]
    lines += ["[splits]", *(f"{name} = {value}" for name, value in named(schema.splits))]
    for column in schema.columns:
        lines += ["[[columns]]"]
        lines += [f"{n} = {v}" for n, v in named(column.model_dump(exclude_none=True))]
    return "\n".join(lines) + "\n"


def named(fields: Mapping[str, object]) -> list[tuple[str, str]]:
    return [(name, json.dumps(value)) for name, value in fields.items()]


if __name__ == "__main__":
    main()

"""What commands print."""

import json
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from smt_features.parts import PartRecord
    from smt_features.prepare import Prepared
    from smt_features.synth import SynthSplit


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(value, indent=2))


def size(count: float) -> str:
    """Return a number of bytes as a person writes it, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def prepared_as_json(result: "Prepared") -> dict[str, Any]:
    """Return what `smt prepare --json` prints."""
    manifest = result.manifest
    return {
        "dataset": str(result.directory),
        "digest": manifest.digest,
        "was_current": result.was_current,
        "rows_read": result.rows_read,
        "rows_published": result.rows_read - manifest.rejected_rows,
        "rows_rejected": manifest.rejected_rows,
        "source_bytes": sum(source.bytes for source in manifest.sources),
        "splits": {
            name: {
                "rows": split.rows,
                "label_counts": split.label_counts,
                "shards": {fmt: len(shards) for fmt, shards in split.shards.items()},
                "bytes": {
                    fmt: sum(s.bytes for s in shards) for fmt, shards in split.shards.items()
                },
            }
            for name, split in manifest.splits.items()
        },
    }


def print_part(record: "PartRecord", part: str, *, as_json: bool) -> None:
    """Print what `smt prepare --part` did."""
    if as_json:
        print_json(record.model_dump(mode="json"))
        return
    read = sum(record.rows.values())
    typer.echo(f"Part {part}: {read:,} rows read, {record.rejected_rows:,} rejected")


def print_prepared(result: "Prepared", seconds: float) -> None:
    """Print what `smt prepare` did."""
    manifest = result.manifest
    if result.was_current:
        typer.echo(f"{result.directory} is up to date: same raw files, schema and options.")
    for name, split in manifest.splits.items():
        rates = "  ".join(
            f"{label} {count / split.rows:.3%}" for label, count in split.label_counts.items()
        )
        files = "  ".join(
            f"{fmt}: {_count(len(shards), 'shard')}, {size(sum(shard.bytes for shard in shards))}"
            for fmt, shards in split.shards.items()
        )
        typer.echo(f"{name:>8}  {split.rows:>12,} rows  {rates}  {files}")
    published = result.rows_read - manifest.rejected_rows
    typer.echo(
        f"{result.rows_read:,} rows read = {published:,} published + "
        f"{manifest.rejected_rows:,} rejected"
    )
    if result.rejected.rows:
        typer.echo(result.rejected.summary(manifest.dataset_schema))
        typer.echo(f"All of them: {result.directory / 'rejected.parquet'}")
    if not result.was_current:
        rate = result.rows_read / seconds
        typer.echo(f"Dataset: {result.directory} in {seconds:.1f} s ({rate:,.0f} rows/s)")


def synthesized_as_json(splits: "list[SynthSplit]") -> dict[str, Any]:
    """Return what `smt synth --json` prints."""
    return {
        split.name: {
            "path": str(split.path),
            "rows": split.rows,
            "users": split.users,
            "clicks": split.clicks,
            "buys": split.buys,
            "best_click_auc": split.best_auc,
            "probabilities": str(split.probabilities) if split.probabilities else None,
        }
        for split in splits
    }


def print_synthesized(splits: "list[SynthSplit]", seconds: float) -> None:
    """Print what `smt synth` wrote."""
    for split in splits:
        typer.echo(
            f"{split.name:>8}  {split.rows:>12,} rows  {split.users:,} users  "
            f"clk {split.clicks / split.rows:.3%}  buy {split.buys / split.rows:.3%}  "
            f"{split.path} ({size(split.path.stat().st_size)})"
        )
        if split.probabilities:
            typer.echo(f"{'':>8}  probabilities of each row: {split.probabilities}")
    test = splits[-1]
    if test.best_auc is None:
        typer.echo("Best attainable click AUC: undefined, the test split has one class only")
    else:
        typer.echo(f"Best attainable click AUC on the {test.name} split: {test.best_auc:.4f}")
    rows = sum(split.rows for split in splits)
    typer.echo(f"{rows:,} rows in {seconds:.1f} s ({rows / seconds:,.0f} rows/s)")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"

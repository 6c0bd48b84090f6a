"""Drift as terminal tables of at most 100 columns."""

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from smt_cli.tables import console, table
from smt_features.statistics.text import percent, printable

if TYPE_CHECKING:
    from smt_features.statistics.drift_model import ColumnDrift, Distance, Drift

NAMES = {
    "null_rate": "null rate",
    "new_values": "new values",
    "psi": "PSI",
    "jensen_shannon": "JS",
    "l_infinity": "L-inf",
    "label_rate": "label rate",
}

NOTE = (
    "null rate and L-inf: change of a share; new values: rows with a value that the reference "
    "lacks, beyond chance; PSI, JS (bits): distance of the most frequent values; label rate: "
    "log of the ratio. Red: beyond the schema's threshold plus noise. All numbers: --column NAME"
)


def print_drift(drift: "list[Drift]", *, details: bool) -> None:
    """Print how far each split has moved, with all numbers of every column or without."""
    out = console()
    for part in drift:
        verdict = f"{len(part.drifted)} of {len(part.columns)} columns have drifted"
        out.print(Text(f"{part.current} against {part.reference}: {verdict}", style="bold"))
        if details:
            for column in part.columns:
                out.print(_details(column), "")
                out.print(_categories(column), "")
        else:
            out.print(_overview(part), "")
    if drift and not details:
        out.print(Text(NOTE, style="dim"))


def _overview(drift: "Drift") -> Table:
    result = table("column", *NAMES.values(), "verdict")
    for column in drift.columns:
        found: dict[str, Distance] = {d.measure: d for d in column.distances}
        result.add_row(
            Text(column.name),
            *(_value(found.get(measure)) for measure in NAMES),
            Text("drift", style="bold red") if column.drifted else "",
        )
    return result


def _value(distance: "Distance | None") -> Text:
    if distance is None:
        return Text("")
    if distance.value is None:
        return Text("-")
    return Text(f"{distance.value:.3f}", style="red" if distance.drifted else "")


def _details(column: "ColumnDrift") -> Table:
    result = table("measure", "reference", "current", "value", "noise", "threshold", "verdict")
    for distance in column.distances:
        result.add_row(
            NAMES[distance.measure],
            "" if distance.reference is None else percent(distance.reference),
            "" if distance.current is None else percent(distance.current),
            "-" if distance.value is None else f"{distance.value:.4f}",
            f"{distance.noise:.4f}",
            f"{distance.threshold:.4f}",
            Text("drift", style="bold red") if distance.drifted else "",
        )
    return result


def _categories(column: "ColumnDrift") -> Table:
    result = table("value", "reference", "share", "current", "share ")
    for category in column.categories:
        result.add_row(
            Text("all others" if category.value is None else printable(category.value, 40)),
            f"{category.reference:,}",
            percent(category.reference / max(column.reference_rows, 1)),
            f"{category.current:,}",
            percent(category.current / max(column.current_rows, 1)),
        )
    return result

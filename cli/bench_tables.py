"""The tables of `smt bench`, on a terminal and in Markdown."""

from typing import TYPE_CHECKING

import typer

from smt_cli.tables import console, table

if TYPE_CHECKING:
    from smt_bench.result import Report, Row

VERSIONS = ("tensorflow", "polars", "keras", "torch", "pandas")


def print_report(report: "Report") -> None:
    """Print the tables of a report, at most 100 columns wide."""
    terminal = console()
    typer.echo(_machine(report))
    for rows in report.tables():
        columns = _columns(report, rows)
        shown = table("", *columns)
        for row in rows:
            cells = [_cell(row, name, digits) for name, digits in columns.items()]
            shown.add_row(row.name, *(cell.replace(" ±", "\n±") for cell in cells))
        typer.echo(f"\n{_title(rows)}")
        terminal.print(shown)
        for row in rows:
            if row.failed:
                typer.echo(f"{row.name}: {row.failed}")
    typer.echo(f"\n{_note(report)}")


def markdown(report: "Report") -> str:
    """Return the tables of a report as Markdown."""
    parts = [_machine(report)]
    for rows in report.tables():
        columns = _columns(report, rows)
        lines = [
            f"**{_title(rows)}**\n",
            _line(["", *columns]),
            _line(["---", *["---:"] * len(columns)]),
        ]
        for row in rows:
            cells = [_cell(row, name, digits) for name, digits in columns.items()]
            lines.append(_line([_named(row), *cells]))
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, _note(report)])


def _machine(report: "Report") -> str:
    """Return what the figures depend on."""
    machine = report.machine
    found = [(name, machine["packages"][name]) for name in VERSIONS]
    versions = ", ".join(f"{name} {version}" for name, version in found if version[0].isdigit())
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB, "
        f"{' '.join(machine['cpu_flags'])}\nPython {machine['python']}, {versions}"
    )


def _title(rows: "list[Row]") -> str:
    settings = rows[0].settings.items()
    return ", ".join(
        f"{name} {value:,}" if isinstance(value, int) else f"{name}: {value}"
        for name, value in settings
    )


def _columns(report: "Report", rows: "list[Row]") -> dict[str, int]:
    """Return the columns in which some row has a figure, with their digits."""
    filled = {name for row in rows for name in row.figures}
    return {name: digits for name, digits in report.columns.items() if name in filled}


def _cell(row: "Row", name: str, digits: int) -> str:
    return row.figures[name].text(digits) if name in row.figures else "-"


def _named(row: "Row") -> str:
    return f"{row.name}: {row.failed}" if row.failed else row.name


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _note(report: "Report") -> str:
    runs = max(
        (len(found.runs) for row in report.rows for found in row.figures.values()), default=0
    )
    if runs < 2:
        return "One run each."
    return f"Medians of {runs} runs, ± half of what the lowest and the highest are apart."

import pytest

from smt_bench.result import Figure, Report, Row
from smt_cli.bench_tables import markdown, print_report

MACHINE = {
    "cpu": "Abacus 9",
    "cpu_flags": ["avx2"],
    "cores": 2,
    "memory_bytes": 24 << 30,
    "python": "3.11.7",
    "packages": {"tensorflow": "2.21.0", "polars": "2.1.0", "keras": "3.15.1", "torch": "2.13.0"}
    | {"pandas": "not installed"},
}
COLUMNS = ("accuracy", "AUC", "click AUC", "steps/s", "samples/s", "first step s", "memory MiB")


def report(*rows: Row) -> Report:
    digits = dict.fromkeys(COLUMNS, 2) | {"samples/s": 0, "unused": 1}
    return Report(command="standalone", machine=MACHINE, columns=digits, rows=list(rows))


def row(name: str, *runs: float, failed: str | None = None) -> Row:
    figures = {column: Figure.of(runs) for column in COLUMNS} if runs else {}
    return Row(name=name, settings={"batch size": 4096}, figures=figures, failed=failed)


FOUND = report(row("smt FP32", 1e5, 1.1e5, 1.4e5), row("TF 1.15.5", failed="no Python 3.7"))


def test_the_terminal_shows_at_most_100_columns(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(FOUND)

    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0] == "Abacus 9, 2 cores, 24 GiB, avx2"
    assert "pandas" not in lines[1]
    assert "batch size 4,096" in lines
    cells = next(line for line in lines if line.startswith("smt FP32")).split()
    assert cells == ["smt", "FP32", *["110,000.00"] * 4, "110,000", *["110,000.00"] * 2]
    assert "TF 1.15.5: no Python 3.7" in lines


def test_markdown_has_a_cell_for_each_figure() -> None:
    lines = markdown(FOUND).splitlines()

    assert f"|  | {' | '.join(COLUMNS)} |" in lines
    cell, rounded = "110,000.00 ±20,000.00", "110,000 ±20,000"
    assert f"| smt FP32 | {' | '.join([cell] * 4)} | {rounded} | {cell} | {cell} |" in lines
    assert f"| TF 1.15.5: no Python 3.7 | {' | '.join('-' * 7)} |" in lines
    assert lines[-1].startswith("Medians of 3 runs")

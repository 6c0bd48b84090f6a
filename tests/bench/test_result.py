import pytest

from smt_bench.result import Figure, Report, Row, ratios
from smt_bench.script import Pace


def test_a_figure_is_the_median_with_its_range() -> None:
    figure = Figure.of([3.0, 1.0, 2.5])

    assert (figure.median, figure.low, figure.high) == (2.5, 1.0, 3.0)
    assert figure.text(2) == "2.50 ±1.00"
    assert Figure.of([1234.56]).text(1) == "1,234.6"


def test_ratios_are_taken_within_each_turn() -> None:
    # A machine that is half as fast in the second turn changes no ratio.
    assert ratios([10, 5], [5, 2.5]).runs == [2, 2]


def test_rows_with_equal_settings_make_a_table() -> None:
    rows = [Row(name=name, settings={"batch size": size}) for size in (1, 2) for name in "ab"]
    report = Report(command="standalone", machine={}, columns={}, rows=[*rows[::2], *rows[1::2]])

    names = [[(row.name, row.settings["batch size"]) for row in table] for table in report.tables()]

    assert names == [[("a", 1), ("b", 1)], [("a", 2), ("b", 2)]]


def test_the_rate_leaves_out_the_first_eighth_of_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two slow steps of sixteen, then ten a second.
    times = iter([5.0, 10.0, *(10 + step / 10 for step in range(1, 15))])
    monkeypatch.setattr("time.time", lambda: next(times))
    pace = Pace(16)

    for step in range(1, 17):
        pace.tick(step)

    assert pace.figures["rate"] == pytest.approx(10)
    assert pace.figures["first_step_at"] == 5.0

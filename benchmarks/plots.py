"""Draws what benchmarks and runs have measured, as SVG.

    smt bench standalone none --batch-size 128 --batch-size 512 --json > sizes.json
    smt bench standalone none --batch-size 512 --cores 1 --cores 2 --json > cores.json
    python -m smt_bench.plots FOLDER --report sizes.json --report cores.json --run result/FP32 …

The lines of reports that ran on all cores give `speed-batch-size.svg`, those with a number of
cores `speed-cores.svg`: a plot for each log. Run directories of `smt train --eval-steps` give
`auc-steps.svg`.
"""

import argparse
from pathlib import Path
from typing import Any

try:
    import matplotlib as mpl
    from matplotlib.figure import Figure as Picture
    from matplotlib.ticker import FuncFormatter, NullLocator
except ModuleNotFoundError as error:
    msg = f"{error.name} is not installed; run: pip install 'simple-multitask[bench]'"
    raise SystemExit(msg) from error

from smt_bench.result import Report, Row
from smt_model.run_directory import RunDirectory

SIZE = (8.0, 4.2)
UNITS = {"batch size": "batch size (rows a step)", "cores": "cores"}
SETTINGS = {
    "svg.hashsalt": "smt",  # the same picture is the same file
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.titlesize": "medium",
    "grid.color": "#dddddd",
    "font.size": 10,
}
COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#9c6b4e")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--report", type=Path, action="append", default=[])
    parser.add_argument("--run", type=Path, action="append", default=[])
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    reports = [Report.model_validate_json(path.read_bytes()) for path in arguments.report]
    rows = [row for report in reports for row in report.rows if not row.failed]
    bound = [row for row in rows if "cores" in row.settings]
    free = [row for row in rows if "cores" not in row.settings]
    with mpl.rc_context(SETTINGS):
        if free:
            save(speed(free, "batch size"), arguments.folder / "speed-batch-size.svg")
        if bound:
            save(speed(bound, "cores"), arguments.folder / "speed-cores.svg")
        if arguments.run:
            save(auc_against_steps(arguments.run), arguments.folder / "auc-steps.svg")


def speed(rows: list[Row], setting: str) -> Picture:
    """Return samples a second against a setting, with the range over the runs; a plot a log."""
    logs = list(dict.fromkeys(row.settings["data"] for row in rows))
    names = list(dict.fromkeys(row.name for row in rows))
    picture = Picture((SIZE[0] + 3 * (len(logs) - 1), SIZE[1]), layout="constrained")
    (plots,) = picture.subplots(1, len(logs), sharey=True, squeeze=False)
    for axes, log in zip(plots, logs, strict=True):
        axes.set(title=log, xlabel=UNITS[setting])
        found = [row for row in rows if row.settings["data"] == log]
        for name, colour in zip(names, COLOURS, strict=False):
            draw(axes, [row for row in found if row.name == name], setting, colour)
        if setting == "batch size":
            axes.set_xscale("log", base=2)
        ticks = sorted({int(row.settings[setting]) for row in found})
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    plots[0].set(ylabel="samples a second", ylim=(0, None))
    # Beside the lines, where it hides none of them.
    plots[-1].legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return picture


def draw(axes: Any, rows: list[Row], setting: str, colour: str) -> None:
    """Draw the medians of a contender as a line, and each range of its runs as a bar."""
    if not rows:
        return
    line = sorted(rows, key=lambda row: int(row.settings[setting]))
    places = [int(row.settings[setting]) for row in line]
    found = [row.figures["samples/s"] for row in line]
    medians = [figure.median for figure in found]
    axes.plot(places, medians, "o-", color=colour, label=line[0].name)
    axes.vlines(places, [f.low for f in found], [f.high for f in found], color=colour)


def auc_against_steps(runs: list[Path]) -> Picture:
    """Return the click AUC of the evaluations of runs."""
    picture = Picture(SIZE, layout="constrained")
    axes: Any = picture.add_subplot(xlabel="steps", ylabel="click AUC on the test rows")
    for run, colour in zip(runs, COLOURS, strict=False):
        found = RunDirectory(run).metrics.evaluations()
        aucs = [evaluation.tasks["ctr"].auc for evaluation in found]
        axes.plot(
            [evaluation.step for evaluation in found], aucs, ".-", color=colour, label=run.name
        )
    # Beside the lines, where it hides none of them.
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return picture


def save(picture: Picture, path: Path) -> None:
    picture.savefig(path, metadata={"Date": None})
    print(path)


if __name__ == "__main__":
    main()

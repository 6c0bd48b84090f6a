"""Draws what benchmarks and runs have measured, as SVG.

    smt bench standalone --batch-size 128 --batch-size 512 --json > sizes.json
    python -m smt_bench.plots FOLDER [--report sizes.json …] [--run result/fp32 …]

A report with several batch sizes gives `speed-batch-size.svg`, one with several numbers of cores
`speed-cores.svg`, of its first log. Run directories of `smt train --eval-steps` give
`auc-steps.svg`.
"""

import argparse
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import FuncFormatter, NullLocator

from smt_bench.result import Report, Row
from smt_model.run_directory import RunDirectory

SIZE = (7.0, 4.2)
SETTINGS = {
    "svg.hashsalt": "smt",  # the same picture is the same file
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
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
    with mpl.rc_context(SETTINGS):
        for path in arguments.report:
            report = Report.model_validate_json(path.read_bytes())
            for setting, label in (("batch size", "rows of a batch"), ("cores", "cores")):
                if len({row.settings.get(setting) for row in report.rows}) > 1:
                    name = f"speed-{setting.replace(' ', '-')}.svg"
                    save(speed(report, setting, label), arguments.folder / name)
        if arguments.run:
            save(auc_against_steps(arguments.run), arguments.folder / "auc-steps.svg")


def speed(report: Report, setting: str, label: str) -> Picture:
    """Return samples a second against a setting, with the range over the runs."""
    picture, axes = empty(label, "samples a second")
    log = report.rows[0].settings["data"]
    rows = [row for row in report.rows if row.settings["data"] == log and not row.failed]
    for name, colour in zip(dict.fromkeys(row.name for row in rows), COLOURS, strict=False):
        line = sorted(
            (row for row in rows if row.name == name), key=lambda row: position(row, setting)
        )
        at = [position(row, setting) for row in line]
        found = [row.figures["samples/s"] for row in line]
        axes.plot(at, [figure.median for figure in found], "o-", color=colour, label=name)
        axes.vlines(at, [f.low for f in found], [f.high for f in found], color=colour)
    if setting == "batch size":
        axes.set_xscale("log", base=2)
    ticks = sorted({position(row, setting) for row in rows})
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.legend(frameon=False)
    return picture


def auc_against_steps(runs: list[Path]) -> Picture:
    """Return the click AUC of the evaluations of runs."""
    picture, axes = empty("steps", "click AUC on the test rows")
    for run, colour in zip(runs, COLOURS, strict=False):
        found = RunDirectory(run).metrics.evaluations()
        aucs = [evaluation.tasks["ctr"].auc for evaluation in found]
        axes.plot(
            [evaluation.step for evaluation in found], aucs, ".-", color=colour, label=run.name
        )
    axes.legend(frameon=False)
    return picture


def position(row: Row, setting: str) -> int:
    return int(row.settings[setting])


def empty(x: str, y: str) -> tuple[Picture, Any]:
    picture = Picture(SIZE, layout="constrained")
    axes = picture.add_subplot(xlabel=x, ylabel=y)
    return picture, axes


def save(picture: Picture, path: Path) -> None:
    picture.savefig(path, metadata={"Date": None})
    print(path)


if __name__ == "__main__":
    main()

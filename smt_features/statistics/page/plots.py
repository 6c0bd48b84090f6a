"""Plots as SVG inside the page; its style colours them, light and dark."""

import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from smt_features.statistics.column_model import BucketLoad, Coverage, Fill, LabelRate
from smt_features.statistics.text import compact, percent

WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 14, 36
"""Room around the axes, in pixels."""

RATE_WIDTH = 120


def coverage_plot(coverage: Sequence[Coverage], distinct: int) -> Markup:
    """Plot the share of rows that the most frequent values hold, over their number (log)."""
    last = max(coverage[-1].values, 2)
    points = [(_log_x(point.values, last), _y(point.share), point) for point in coverage]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    ticks = [10**power for power in range(len(str(last))) if 10**power <= last]
    marks = _join(
        Markup('<circle cx="{:.1f}" cy="{:.1f}" r="3.5"><title>{}</title></circle>').format(
            x, y, f"{point.values:,} values: {percent(point.share)}"
        )
        for x, y, point in points
    )
    first = coverage[0]
    return _figure(
        f"Share of rows over the most frequent values: the first holds {percent(first.share)}, "
        f"all {distinct:,} hold everything",
        _frame(
            [(_log_x(tick, last), compact(tick)) for tick in ticks],
            [(_y(share), f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)],
            "most frequent values (log scale)",
        )
        + Markup('<polyline class="line" points="{}"/>').format(line)
        + Markup('<g class="mark">{}</g>').format(marks),
    )


def fill_plot(fill: Sequence[Fill]) -> Markup:
    """Plot how many buckets hold so many values: bars measured, ticks of a uniform hash."""
    used = fill[1:]
    largest = max(10.0, *(max(item.buckets, item.expected) for item in used))
    powers = range(math.ceil(math.log10(largest)) + 1)

    def y(number: float) -> float:
        # A bar of one bucket is to be seen: the axis begins at one half.
        share = math.log10(max(number, 0.5) / 0.5) / (math.log10(largest / 0.5))
        return _y(min(share, 1.0))

    step = (WIDTH - LEFT - RIGHT) / len(used)
    bars = []
    for number, item in enumerate(used):
        x, width = LEFT + step * (number + 0.18), step * 0.64
        top = y(item.buckets) if item.buckets else _y(0)
        text = f"{item.buckets:,} buckets with {item.values} values; uniform: {item.expected:,.1f}"
        bars.append(
            Markup(
                '<g><title>{}</title><rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" '
                'height="{:.1f}"/><line class="expected" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" '
                'y2="{:.1f}"/></g>'
            ).format(
                text,
                "alone" if item.values == 1 else "shared",
                *(x, top, width, _y(0) - top),
                *(x - step * 0.1, x + width + step * 0.1, y(item.expected), y(item.expected)),
            )
        )
    labels = [f"{item.values}" for item in used]
    if len(used) > 1:
        labels[-1] += "+"
    shared = sum(item.buckets for item in used[1:])
    return _figure(
        f"Buckets by the number of their values: {used[0].buckets:,} hold one, {shared:,} hold "
        f"several, {fill[0].buckets:,} are empty",
        _frame(
            [(LEFT + step * (number + 0.5), text) for number, text in enumerate(labels)],
            [(y(10**power), compact(10**power)) for power in powers if 10**power <= largest],
            "values in a bucket (buckets: log scale)",
        )
        + _join(bars),
    )


def load_plot(loads: Sequence[BucketLoad]) -> Markup:
    """Plot the rows of every bucket of a small table."""
    largest = max(load.rows for load in loads) or 1
    step = (WIDTH - LEFT - RIGHT) / len(loads)
    bars = _join(
        Markup(
            '<rect class="{}" x="{:.2f}" y="{:.1f}" width="{:.2f}" height="{:.1f}">'
            "<title>{}</title></rect>"
        ).format(
            "alone" if load.values == 1 else "shared",
            LEFT + step * (bucket + 0.1),
            _y(load.rows / largest),
            step * 0.8,
            _y(0) - _y(load.rows / largest),
            f"bucket {bucket}: {load.rows:,} rows of {load.values:,} values",
        )
        for bucket, load in enumerate(loads)
    )
    empty = sum(load.values == 0 for load in loads)
    shared = sum(load.values > 1 for load in loads)
    ticks = sorted({0, len(loads) // 2, len(loads) - 1})
    return _figure(
        f"Rows of each of the {len(loads)} buckets: {shared} are shared by several values, "
        f"{empty} are empty",
        _frame(
            [(LEFT + step * (tick + 0.5), str(tick)) for tick in ticks],
            [(_y(share), compact(round(largest * share))) for share in (0, 0.5, 1)],
            "bucket (rows)",
        )
        + bars,
    )


def rate_plot(rate: LabelRate, highest: float, overall: float | None) -> Markup:
    """Plot a rate with its interval, beside the rate of the whole split where it is known."""

    def x(share: float) -> float:
        return 4 + (RATE_WIDTH - 8) * min(share / highest, 1.0)

    line = Markup("")
    if overall is not None:
        line = Markup(
            '<line class="overall" x1="{all:.1f}" x2="{all:.1f}" y1="0" y2="14"/>'
        ).format(all=x(overall))
    text = f"{rate.rate:.2%}, 95% interval {rate.low:.2%} to {rate.high:.2%}"
    return Markup(
        '<svg class="rate" viewBox="0 0 {width} 14" width="{width}" height="14" role="img" '
        'aria-label="{text}">{line}'
        '<line class="interval" x1="{low:.1f}" x2="{high:.1f}" y1="7" y2="7"/>'
        '<circle cx="{rate:.1f}" cy="7" r="3.5"/></svg>'
    ).format(
        width=RATE_WIDTH,
        text=text,
        line=line,
        low=x(rate.low),
        high=x(rate.high),
        rate=x(rate.rate),
    )


def share_bar(share: float, largest: float, kind: str = "") -> Markup:
    """Return a bar as long as a share is beside the largest."""
    width = 100 * min(share / largest, 1.0) if largest else 0.0
    return Markup('<span class="bar {}" style="width:{:.1f}%"></span>').format(kind, width)


def _figure(text: str, content: Markup) -> Markup:
    return Markup(
        '<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(WIDTH, HEIGHT, text, content)


def _frame(
    across: Iterable[tuple[float, str]], up: Iterable[tuple[float, str]], name: str
) -> Markup:
    """Return the axes: ticks with their texts, and the name of the horizontal one."""
    lines = _join(
        Markup(
            '<line class="grid" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>'
            '<text class="end" x="{}" y="{below:.1f}">{}</text>'
        ).format(LEFT, WIDTH - RIGHT, LEFT - 6, text, y=y, below=y + 4)
        for y, text in up
    )
    ticks = _join(
        Markup('<text class="middle" x="{:.1f}" y="{}">{}</text>').format(
            x, HEIGHT - BOTTOM + 15, text
        )
        for x, text in across
    )
    label = Markup('<text class="middle name" x="{:.0f}" y="{}">{}</text>').format(
        (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, name
    )
    return Markup("{}{}{}").format(lines, ticks, label)


def _log_x(number: int, last: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * math.log(number) / math.log(last)


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share


def _join(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)

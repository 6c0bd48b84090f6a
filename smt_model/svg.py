"""Small charts as inline SVG: axes, lines, bars and points, coloured by the page's CSS."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from math import floor, log10

WIDTH, HEIGHT = 420, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 12, 10, 46

STYLE = """
svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; fill: currentColor; }
svg text { text-anchor: middle; }
svg .tick { text-anchor: end; }
svg .grid { stroke: currentColor; stroke-opacity: 0.15; }
svg .line { fill: none; stroke: var(--mark); stroke-width: 2; stroke-linejoin: round; }
svg .reference { fill: none; stroke: currentColor; stroke-opacity: 0.55; stroke-dasharray: 4 4; }
svg .bar { fill: var(--mark); }
svg .point { fill: var(--mark); }
svg .whisker { stroke: var(--mark); stroke-width: 1.5; }
"""
"""The CSS of the charts; the page defines ``--mark``."""


@dataclass(frozen=True)
class Axis:
    """A linear axis from `low` to `high`; `ticks` are chosen unless given."""

    label: str
    low: float
    high: float
    ticks: Sequence[float] = ()

    def at(self, value: float) -> float:
        """Return where a value lies, 0 at `low` and 1 at `high`."""
        return (value - self.low) / (self.high - self.low)

    @property
    def marks(self) -> Sequence[float]:
        """The ticks."""
        return self.ticks or _round_ticks(self.low, self.high)


@dataclass
class Chart:
    """A chart that marks are added to.

    Attributes
    ----------
    description
        What a screen reader says.
    x, y
        The axes.
    """

    description: str
    x: Axis
    y: Axis
    _marks: list[str] = field(default_factory=list)

    def line(self, xs: Iterable[float], ys: Iterable[float], kind: str = "line") -> None:
        """Add a line; `kind` is ``line`` or ``reference``."""
        points = " ".join(f"{self._x(x):.1f},{self._y(y):.1f}" for x, y in zip(xs, ys, strict=True))
        self._marks.append(f'<polyline class="{kind}" points="{points}"/>')

    def bar(self, x: float, height: float, width: float, note: str) -> None:
        """Add a bar around `x`, with a note that shows under the pointer."""
        left, right = self._x(x - width / 2), self._x(x + width / 2)
        top, bottom = self._y(height), self._y(self.y.low)
        self._marks.append(
            f'<rect class="bar" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
            f'height="{bottom - top:.1f}"><title>{escape(note)}</title></rect>'
        )

    def point(self, x: float, y: float, low: float, high: float, note: str) -> None:
        """Add a point with its interval, and a note that shows under the pointer."""
        left = f"{self._x(x):.1f}"
        self._marks.append(
            f'<line class="whisker" x1="{left}" x2="{left}" y1="{self._y(low):.1f}" '
            f'y2="{self._y(high):.1f}"/><circle class="point" cx="{left}" '
            f'cy="{self._y(y):.1f}" r="3.5"><title>{escape(note)}</title></circle>'
        )

    def to_svg(self) -> str:
        """Return the chart as an SVG element."""
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'aria-label="{escape(self.description)}">{self._axes()}{"".join(self._marks)}</svg>'
        )

    def _x(self, value: float) -> float:
        return _LEFT + self.x.at(value) * (WIDTH - _LEFT - _RIGHT)

    def _y(self, value: float) -> float:
        return HEIGHT - _BOTTOM - self.y.at(value) * (HEIGHT - _TOP - _BOTTOM)

    def _axes(self) -> str:
        bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
        across, down = (_LEFT + right) / 2, (_TOP + bottom) / 2
        grid = "".join(
            f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
            for y in map(self._y, self.y.marks)
        )
        names = [
            _text(f'x="{_LEFT - 6}" y="{self._y(tick) + 4:.1f}" class="tick"', f"{tick:g}")
            for tick in self.y.marks
        ]
        names += [
            _text(f'x="{self._x(tick):.1f}" y="{bottom + 16}"', f"{tick:g}")
            for tick in self.x.marks
        ]
        names.append(_text(f'x="{across}" y="{HEIGHT - 8}"', self.x.label))
        names.append(_text(f'transform="translate(12 {down}) rotate(-90)"', self.y.label))
        return grid + "".join(names)


def _text(where: str, text: str) -> str:
    return f"<text {where}>{escape(text)}</text>"


def _round_ticks(low: float, high: float) -> list[float]:
    """Return four to ten multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / 4
    power = 10.0 ** floor(log10(rough))
    step = max(factor * power for factor in (1, 2, 5) if factor * power <= rough)
    first, last = floor(low / step), floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1) if n * step >= low]

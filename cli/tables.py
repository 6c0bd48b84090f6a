"""What the tables of statistics have in common."""

import sys

from rich import box
from rich.console import Console
from rich.table import Table

WIDTH = 100


def console() -> Console:
    """Return a console of at most 100 columns."""
    # Beyond a terminal there is no width to fit in.
    width = Console().width if sys.stdout.isatty() else WIDTH
    return Console(width=min(width, WIDTH), highlight=False)


def table(*names: str) -> Table:
    """Return a table whose first column is of names and the others of numbers."""
    result = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    # Only the first column gives way when a table is too wide: a cut number is a wrong number.
    result.add_column(names[0], overflow="ellipsis")
    for name in names[1:]:
        result.add_column(name, justify="right", no_wrap=True)
    return result


def percent(share: float) -> str:
    """Return a share as a percentage that keeps the difference from 0% and from 100%."""
    if share in (0, 1):
        return f"{share:.0%}"
    if 0 < share < 0.0005:
        return "<0.1%"
    if 0.9995 <= share < 1:
        return ">99.9%"
    return f"{share:.1%}"


def compact(number: int) -> str:
    """Return a large number in three digits: 1,600,000 is 1.6 M."""
    if number < 10_000:
        return f"{number:,}"
    for unit in ("k", "M", "G"):
        number_in_unit = number / 1000 ** (" kMG".index(unit))
        if number_in_unit < 999.5:
            return f"{number_in_unit:.3g} {unit}"
    return f"{number / 1e12:.3g} T"


def printable(text: str, length: int) -> str:
    """Return a text for the terminal: control characters escaped, long ones cut."""
    escaped = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
    return escaped if len(escaped) <= length else escaped[: length - 1] + "…"

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

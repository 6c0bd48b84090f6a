"""The statistics as one page that needs no network: tables, plots and drift."""

import base64
import hashlib
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from smt_features.files import published
from smt_features.statistics.model import Statistics
from smt_features.statistics.page.plots import (
    coverage_plot,
    fill_plot,
    load_plot,
    rate_plot,
    share_bar,
)
from smt_features.statistics.text import compact, percent, printable

MEASURES = {
    "null_rate": "null rate",
    "new_values": "new values",
    "psi": "PSI",
    "jensen_shannon": "Jensen-Shannon",
    "l_infinity": "L∞",
    "label_rate": "label rate",
}


def write_page(statistics: Statistics, path: Path, *, title: str) -> None:
    """Write the page of some statistics; ``title`` names them.

    Raises
    ------
    UserError
        When the file cannot be written.
    """
    with published(path) as temporary:
        temporary.write_text(render(statistics, title=title), encoding="utf-8")


def render(statistics: Statistics, *, title: str) -> str:
    """Return the page: HTML with its style, script and plots inside.

    Values of the log are escaped, and the page's policy lets no script run but its own.
    """
    files = resources.files(__package__)
    script = (files / "script.js").read_text(encoding="utf-8")
    environment = Environment(
        loader=PackageLoader(__package__, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "compact": compact,
        "visible": lambda text: printable(text, 60) or "(empty)",
    }
    environment.globals |= {
        "coverage_plot": coverage_plot,
        "fill_plot": fill_plot,
        "load_plot": load_plot,
        "rate_plot": rate_plot,
        "share_bar": share_bar,
        "measures": MEASURES,
    }
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("template.html").render(
        statistics=statistics,
        title=title,
        style=(files / "style.css").read_text(encoding="utf-8"),
        script=script,
        script_digest=digest,
    )

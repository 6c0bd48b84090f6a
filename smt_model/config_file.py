"""Reads the options of a run from a file: TOML, or the ``config.json`` of another run."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from smt_model.config import TrainConfig
from smt_model.ev.options import EvOptions
from smt_schemas import UserError

_LENGTH = frozenset({"steps", "epochs"})
_SIMILAR = 0.5
"""Least similarity (0 to 1) of a name that is proposed for an unknown one."""


def read_config(path: Path | None, given: Mapping[str, Any]) -> TrainConfig:
    """Return the options of a file, those that are given before it, defaults after it.

    Names are those of the options of ``smt train`` with underscores or hyphens
    (``batch_size = 512``), and ``evaluate = false`` for ``--no-eval``. A file whose name ends
    in ``.json`` holds JSON, any other TOML.

    Parameters
    ----------
    path
        The file, if there is one.
    given
        What was typed. A length (``steps``, ``epochs``) replaces the file's, whichever it is.

    Raises
    ------
    UserError
        When the file cannot be read, or names an unknown option: with the nearest known one.
    UsageError
        When a value is out of range.
    """
    options = _options(path) if path else {}
    if given.keys() & _LENGTH:
        options = {name: value for name, value in options.items() if name not in _LENGTH}
    return TrainConfig.from_options(**{**options, **given})


def _options(path: Path) -> dict[str, Any]:
    options = _named(_read(path), TrainConfig.model_fields, str(path))
    if isinstance(columns := options.get("columns"), dict):
        options["columns"] = {
            name: _named(values, EvOptions.model_fields, f"{path}, column {name}")
            if isinstance(values, dict)
            else values
            for name, values in columns.items()
        }
    return options


def _named(values: Mapping[str, Any], known: Iterable[str], where: str) -> dict[str, Any]:
    """Return options by their names with underscores, all of them known ones."""
    options = {name.replace("-", "_"): value for name, value in values.items()}
    names = sorted(known)
    for name in options:
        if name not in names:
            near = get_close_matches(name, names, n=1, cutoff=_SIMILAR)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known are: {', '.join(names)}."
            msg = f"{where}: unknown option {name!r}. {hint}"
            raise UserError(msg)
    return options


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        msg = f"Cannot read {path}: {error.strerror}"
        raise UserError(msg) from error
    except ValueError as error:  # TOML, JSON and UTF-8 errors are all of this kind
        msg = f"{path} is not {'JSON' if path.suffix == '.json' else 'TOML'}: {error}"
        raise UserError(msg) from error
    if not isinstance(values, dict):
        msg = f"{path} does not hold options by name."
        raise UserError(msg)
    return values

"""``metrics.jsonl``: one JSON object a line, each with its ``step``."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from smt_features.files import published
from smt_model.report import Evaluation
from smt_schemas import UserError

_EVALUATION = "split"
"""The key that only the lines of evaluations have."""


class MetricsLog:
    """The figures of a run, in the order of its steps.

    Parameters
    ----------
    path
        The file; it may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, values: Mapping[str, Any]) -> None:
        """Append a line and sync it, so that no checkpoint is ahead of the log.

        Raises
        ------
        UserError
            When it cannot be written.
        """
        line = json.dumps(values, allow_nan=False)
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            msg = f"Cannot write {self._path}: {error.strerror}"
            raise UserError(msg) from error

    def evaluations(self) -> list[Evaluation]:
        """Return the evaluations that were logged.

        Raises
        ------
        UserError
            When the file cannot be read.
        """
        return [
            Evaluation.model_validate(values)
            for values in map(json.loads, self._lines())
            if _EVALUATION in values
        ]

    def cut(self, step: int) -> None:
        """Drop the lines of later steps, and one that a killed run left half-written.

        Raises
        ------
        UserError
            When the file cannot be read or written.
        """
        lines = self._lines()
        kept = [line for line in lines if json.loads(line)["step"] <= step]
        if self._path.exists():
            with published(self._path) as path:
                path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")

    def _lines(self) -> list[str]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            msg = f"Cannot read {self._path}: {error}"
            raise UserError(msg) from error
        lines = text.split("\n")[:-1]  # what follows the last line end is a line half-written
        for number, line in enumerate(lines, start=1):
            _require_metrics(line, f"{self._path}, line {number}")
        return lines


def _require_metrics(line: str, where: str) -> None:
    try:
        values = json.loads(line)
        if not isinstance(values["step"], int):
            raise TypeError  # noqa: TRY301 - one message for all that a line can be instead
        if _EVALUATION in values:
            Evaluation.model_validate(values)
    except (ValueError, TypeError, KeyError, ValidationError) as error:
        msg = f"{where} is not a line of metrics. Delete the line to go on without it."
        raise UserError(msg) from error

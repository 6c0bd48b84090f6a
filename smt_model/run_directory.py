"""The directory of a run: config.json, metrics.jsonl, TensorBoard events, checkpoints."""

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from smt_model.config import TrainConfig
from smt_schemas import UserError

CONFIG = "config.json"
METRICS = "metrics.jsonl"
CHECKPOINTS = "checkpoints"
_PREFIX = "step-"


class RunDirectory:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, config: TrainConfig) -> Self:
        """Make the directory of a new run and write its configuration.

        Raises
        ------
        UserError
            When it already holds a run, or cannot be made.
        """
        path = Path(config.checkpoint) if config.checkpoint else _new_path(Path(config.output_dir))
        if (path / CONFIG).exists():
            msg = f"{path} already holds a run; give --checkpoint another directory."
            raise UserError(msg)
        try:
            path.mkdir(parents=True, exist_ok=True)
            (path / CONFIG).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            msg = f"Cannot make the run directory {path}: {error.strerror}"
            raise UserError(msg) from error
        return cls(path)

    @property
    def config(self) -> TrainConfig:
        """The options of the run."""
        return TrainConfig.from_json(self.path / CONFIG)

    def log(self, values: Mapping[str, Any]) -> None:
        """Append a line to metrics.jsonl.

        Raises
        ------
        UserError
            When it cannot be written.
        """
        line = json.dumps(values, allow_nan=False)
        try:
            with (self.path / METRICS).open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            msg = f"Cannot write {self.path / METRICS}: {error.strerror}"
            raise UserError(msg) from error

    def checkpoint(self, step: int) -> Path:
        """Return where the checkpoint of a step belongs."""
        return self.path / CHECKPOINTS / f"{_PREFIX}{step:010d}"

    def checkpoints(self) -> list[Path]:
        """Return the complete checkpoints, oldest first."""
        return sorted((self.path / CHECKPOINTS).glob(f"{_PREFIX}*"))

    def newest_checkpoint(self) -> Path:
        """Return the newest checkpoint.

        Raises
        ------
        UserError
            When there is none.
        """
        found = self.checkpoints()
        if not found:
            msg = f"{self.path} has no checkpoint."
            raise UserError(msg)
        return found[-1]

    def prune(self, keep: int) -> None:
        """Delete all checkpoints but the newest `keep`, and what a killed run left half-written.

        Raises
        ------
        UserError
            When one cannot be deleted.
        """
        partial = (self.path / CHECKPOINTS).glob(f".{_PREFIX}*")
        for path in [*self.checkpoints()[:-keep], *partial]:
            try:
                shutil.rmtree(path)
            except OSError as error:
                msg = f"Cannot delete the old checkpoint {path}: {error.strerror}"
                raise UserError(msg) from error


def _new_path(output: Path) -> Path:
    stem = f"model_SimpleMultiTask_{int(time.time())}"
    path, number = output / stem, 1
    while path.exists():
        number += 1
        path = output / f"{stem}-{number}"
    return path

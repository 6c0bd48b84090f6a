"""The directory of a run: config.json, metrics.jsonl, TensorBoard events, checkpoints."""

import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from smt_features.files import published
from smt_model.config import TrainConfig
from smt_model.metrics_log import MetricsLog
from smt_schemas import UserError

CONFIG = "config.json"
METRICS = "metrics.jsonl"
CHECKPOINTS = "checkpoints"
_FULL, _DELTA = "step-", "delta-"
_DIGITS = "[0-9]" * 10
"""Of a step. Whatever else lies there, such as a copy that someone made, is left alone."""


class RunDirectory:
    """The files of one run.

    Attributes
    ----------
    path
        The directory.
    metrics
        Its metrics.jsonl.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metrics = MetricsLog(path / METRICS)

    @property
    def config(self) -> TrainConfig:
        """The options of the run."""
        return TrainConfig.from_json(self.path / CONFIG)

    def write_config(self, config: TrainConfig) -> None:
        """Write the options of the run.

        Raises
        ------
        UserError
            When they cannot be written.
        """
        with published(self.path / CONFIG) as path:
            path.write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def checkpoint(self, step: int) -> Path:
        """Return where the full checkpoint of a step belongs."""
        return self.path / CHECKPOINTS / f"{_FULL}{step:010d}"

    def delta(self, step: int) -> Path:
        """Return where the delta of a step belongs."""
        return self.path / CHECKPOINTS / f"{_DELTA}{step:010d}"

    def checkpoints(self) -> list[Path]:
        """Return the full checkpoints, oldest first."""
        return sorted((self.path / CHECKPOINTS).glob(f"{_FULL}{_DIGITS}"))

    def deltas(self) -> list[Path]:
        """Return the deltas, oldest first."""
        return sorted((self.path / CHECKPOINTS).glob(f"{_DELTA}{_DIGITS}"))

    @property
    def kept_steps(self) -> frozenset[int]:
        """The steps of the full checkpoints."""
        return frozenset(map(_step, self.checkpoints()))

    def restorable(self) -> list[Path]:
        """Return full checkpoints and deltas, oldest first; a full one behind its step's delta."""
        return sorted([*self.deltas(), *self.checkpoints()], key=_step)

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

    def prune(self, keep: int, best: int | None = None) -> None:
        """Delete old checkpoints and deltas, and what a killed run left half-written.

        Of deltas stays the newest one, while no full checkpoint is newer.

        Parameters
        ----------
        keep
            How many of the newest stay.
        best
            A step whose checkpoint stays besides.

        Raises
        ------
        UserError
            When one cannot be deleted.
        """
        spared = None if best is None else self.checkpoint(best)
        full = self.checkpoints()
        _delete(path for path in full[:-keep] if path != spared)
        deltas = self.deltas()
        stale = [path for path in deltas if path != deltas[-1] or _step(path) <= _step(full[-1])]
        _delete(stale)
        for kind in (_FULL, _DELTA):
            _delete((self.path / CHECKPOINTS).glob(f".{kind}*"))

    def rewind(self, step: int) -> None:
        """Delete the checkpoints and drop the metrics of all later steps.

        Raises
        ------
        UserError
            When one cannot be deleted, or the metrics cannot be read or written.
        """
        _delete(path for path in self.restorable() if _step(path) > step)
        self.metrics.cut(step)


def new_run(output: Path) -> Path:
    """Return a path for a run that starts now."""
    stem = f"model_SimpleMultiTask_{int(time.time())}"
    path, number = output / stem, 1
    while path.exists():
        number += 1
        path = output / f"{stem}-{number}"
    return path


def _step(path: Path) -> int:
    return int(path.name.rpartition("-")[2])


def _delete(checkpoints: Iterable[Path]) -> None:
    for path in checkpoints:
        try:
            shutil.rmtree(path)
        except OSError as error:
            msg = f"Cannot delete the checkpoint {path}: {error.strerror}"
            raise UserError(msg) from error

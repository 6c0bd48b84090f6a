"""One checkpoint: a directory with ``state.json`` and a file of tensors.

Tensors are named by feature and layer (``embedding/brand``, ``tower/ctr/0/kernel``,
``…/accumulator``), never by how features share tables, so that every mode reads them all.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, NonNegativeInt, StringConstraints, ValidationError

from smt_model.ev.saved import KeyPart, key_parts, restore_keys
from smt_model.model import MultiTaskModel
from smt_model.optimizer import Optimizer
from smt_model.origin import Origin
from smt_model.parts import Part, TablePart, parts
from smt_model.tensors import Shape, file_digest, read_tensors, write_tensors
from smt_model.work_queue import QueueState
from smt_schemas import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

STATE = "state.json"
TENSORS = "tensors-00000-of-00001.safetensors"
FileName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
"""A file in the directory of the checkpoint itself, never a path."""

Kept = Part | TablePart | KeyPart
"""An array of a checkpoint."""

_NAMED = 3
"""Differences that a message names."""


class DamagedError(UserError):
    """A checkpoint is not whole, so that an older one has to do."""


class FileRecord(BaseModel):
    """A file of the checkpoint.

    Attributes
    ----------
    bytes
        Its size.
    sha256
        Of its contents, in hexadecimal.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    bytes: NonNegativeInt
    sha256: str


class Pending(BaseModel):
    """The losses of the steps that no line of metrics.jsonl holds yet.

    Attributes
    ----------
    steps
        How many there are.
    sums
        Their sums: of the loss, then of each task's; none before the first step.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: NonNegativeInt = 0
    sums: tuple[float, ...] = ()


class Base(BaseModel):
    """The full checkpoint that a delta is for.

    Attributes
    ----------
    step
        Its step.
    sha256
        Of its file of tensors, in hexadecimal.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    step: NonNegativeInt
    sha256: str


class State(BaseModel):
    """Everything of a checkpoint that is not a tensor.

    Attributes
    ----------
    format, version
        What tells a reader that it can read the document.
    step
        Updates done.
    epoch, epoch_step
        Where the data goes on: the next batch is number `epoch_step` of that epoch.
    options
        The options of the run that decide the weights.
    origin
        The data.
    pending
        Where the mean losses of the next report start from.
    bf16_native
        Whether a run with ``--bf16`` uses BF16 kernels, which is measured at its start; None
        without. The other kind gives other bits.
    queue
        With ``--workqueue``, the shards that are left; None without.
    files
        The files of tensors.
    base
        Of a delta.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["smt-checkpoint"] = "smt-checkpoint"
    version: Literal[1] = 1
    step: NonNegativeInt
    epoch: NonNegativeInt
    epoch_step: NonNegativeInt
    options: dict[str, Any]
    origin: Origin
    pending: Pending = Pending()
    bf16_native: bool | None = None
    queue: QueueState | None = None
    files: dict[FileName, FileRecord] = {}
    base: Base | None = None


def save(directory: Path, state: State, model: MultiTaskModel, optimizer: Optimizer) -> Base:
    """Write a full checkpoint, and return what deltas for it name.

    Raises
    ------
    UserError
        As `publish`.
    """
    kept: list[Kept] = [*parts(model, optimizer), *key_parts(model, optimizer)]
    return base_of(publish(directory, state, kept))


def publish(directory: Path, state: State, kept: Sequence[Kept]) -> State:
    """Write a checkpoint aside, sync it, and rename it to `directory`.

    Parameters
    ----------
    directory, state
        Where, and all that is not a tensor.
    kept
        The tensors.

    Returns
    -------
    State
        With the record of the file of tensors.

    Raises
    ------
    UserError
        When it cannot be written, or a value is not finite; nothing is left behind and older
        checkpoints stay.
    """
    aside = directory.with_name(f".{directory.name}.partial")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        shapes = [Shape(part.name, part.dtype, part.shape) for part in kept]
        digest = write_tensors(aside / TENSORS, shapes, (_finite(part) for part in kept))
        record = FileRecord(bytes=(aside / TENSORS).stat().st_size, sha256=digest)
        written = state.model_copy(update={"files": {TENSORS: record}})
        _write_state(aside / STATE, written)
        # Only now, so that the file system commits once for all of them.
        for path in (aside / TENSORS, aside / STATE, aside):
            _sync(path)
        aside.rename(directory)
        _sync(directory.parent)
    except OSError as error:
        msg = f"Cannot save the checkpoint {directory}: {error.strerror}. Earlier ones are kept."
        raise UserError(msg) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return written


def base_of(state: State) -> Base:
    """Return what deltas for a full checkpoint name."""
    return Base(step=state.step, sha256=state.files[TENSORS].sha256)


def read_state(directory: Path) -> State:
    """Read a checkpoint's state and check all its files against their digests.

    Raises
    ------
    DamagedError
        When a file is missing or damaged.
    UserError
        When a file cannot be read: it may well be sound.
    """
    try:
        envelope = json.loads((directory / STATE).read_bytes())
        state = State.model_validate(envelope["state"])
        sound = envelope["sha256"] == _digest(_sorted(envelope["state"])) and all(
            (directory / name).stat().st_size == record.bytes
            and file_digest(directory / name) == record.sha256
            for name, record in state.files.items()
        )
    except FileNotFoundError as error:
        msg = f"The checkpoint {directory} is damaged: {error.filename} is missing"
        raise DamagedError(msg) from error
    except OSError as error:
        raise _unreadable(directory, error) from error
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        msg = f"The checkpoint {directory} is damaged: {STATE} is not a checkpoint's state"
        raise DamagedError(msg) from error
    if not sound:
        msg = f"The checkpoint {directory} is damaged: a file differs from its digest"
        raise DamagedError(msg)
    return state


def read_arrays(directory: Path, state: State) -> "dict[str, NDArray[np.generic]]":
    """Return the tensors of a checkpoint whose state was read, mapped from disk.

    Raises
    ------
    UserError
        When a header does not describe its file, or a file is gone since.
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    try:
        for name in state.files:
            arrays |= read_tensors(directory / name)
    except OSError as error:
        raise _unreadable(directory, error) from error
    except ValueError as error:
        msg = f"The checkpoint {directory} is damaged: {error}"
        raise UserError(msg) from error
    return arrays


def restore(
    directory: Path, state: State, model: MultiTaskModel, optimizer: Optimizer | None = None
) -> None:
    """Load the tensors of a checkpoint whose state was read.

    Parameters
    ----------
    directory, state
        The checkpoint.
    model, optimizer
        What takes the values; a model made without slots comes without an optimizer.

    Raises
    ------
    UserError
        When a tensor is missing or has another shape, naming it.
    """
    arrays = read_arrays(directory, state)
    kept = list(parts(model, optimizer))
    if wrong := [problem for part in kept if (problem := _problem(part, arrays))]:
        msg = f"The checkpoint {directory} is of another model: " + "; ".join(wrong[:_NAMED])
        raise UserError(msg)
    for part in kept:
        part.write(arrays[part.name])
    try:
        restore_keys(model, optimizer, arrays)
    except KeyError as error:
        msg = f"The checkpoint {directory} is of another model: {error.args[0]} is missing"
        raise UserError(msg) from error
    if optimizer is not None:
        optimizer.step.assign(state.step)


def _unreadable(directory: Path, error: OSError) -> UserError:
    return UserError(f"Cannot read the checkpoint {directory}: {error.strerror} ({error.filename})")


def _finite(part: Kept) -> "Iterator[NDArray[np.generic]]":
    for values in part.pieces():
        whole = np.ascontiguousarray(values)  # to look through columns would take longer
        if whole.dtype.kind == "f" and not np.isfinite(whole).all():
            msg = f"{part.name} is no longer finite, so it is not saved. Lower --learning-rate."
            raise UserError(msg)
        yield whole


def _problem(part: Part, arrays: "dict[str, NDArray[np.generic]]") -> str | None:
    if part.name not in arrays:
        return f"{part.name} is missing"
    array = arrays[part.name]
    if (array.shape, array.dtype) == (part.shape, part.dtype):
        return None
    return f"{part.name} is {array.dtype}{array.shape} against {part.dtype}{part.shape}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _sorted(state: dict[str, Any]) -> str:
    return json.dumps(state, sort_keys=True)


def _write_state(path: Path, state: State) -> None:
    # Not `dump`, nor indented: either takes ten times as long.
    text = _sorted(state.model_dump(mode="json"))
    path.write_text(f'{{"sha256": "{_digest(text)}", "state": {text}}}', encoding="utf-8")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

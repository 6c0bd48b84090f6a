"""The model card: what a model is, what it was made of and how good it was found to be."""

from pathlib import Path
from typing import Any, Literal

import tensorflow as tf
from pydantic import BaseModel, ConfigDict

from smt_model.checkpoint import FileRecord
from smt_model.loading import TrainedModel
from smt_model.model import MultiTaskModel
from smt_model.report import Evaluation
from smt_model.tensors import file_digest
from smt_schemas import Column

JSON_NAME = "model_card.json"
MARKDOWN_NAME = "MODEL_CARD.md"

_PLACES = {"data_location", "output_dir", "checkpoint", "init_from"}
"""Options that say where things lie on one machine; a card is read on others."""


class FeatureCard(BaseModel):
    """How one input is encoded.

    Attributes
    ----------
    separator
        That of a list.
    keys
        How many keys own a vector; None where each bucket has one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: str
    encoding: str
    buckets: int
    dim: int
    separator: str | None
    keys: int | None = None


class ModelCard(BaseModel):
    """What goes with an exported model, ``model_card.json``.

    Attributes
    ----------
    step
        Training steps of the weights.
    schema_name, schema_digest, hash
        How inputs are read and encoded.
    dataset
        Digest of the manifest of the data, which names every shard and source by its digest.
    features
        The inputs, by name.
    tasks
        Name of each output to the label column whose probability it is.
    metrics
        The evaluation of these weights during the run; None when there was none.
    options
        Those of the training run, but for paths.
    checkpoint
        The files that the weights come from, with the folders of the checkpoint and, if there is
        one, of the delta.
    files
        The files of the export, by their path in it.
    tensorflow
        Version that wrote the model.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["smt-model-card"] = "smt-model-card"
    version: Literal[1] = 1
    step: int
    schema_name: str
    schema_digest: str
    hash: dict[str, int | str]
    dataset: str
    features: dict[str, FeatureCard]
    tasks: dict[str, str]
    metrics: Evaluation | None
    options: dict[str, Any]
    checkpoint: dict[str, FileRecord]
    files: dict[str, FileRecord]
    tensorflow: str


def describe_model(trained: TrainedModel, directory: Path) -> ModelCard:
    """Return the card of a model that was exported to a folder.

    Raises
    ------
    UserError
        When the run's metrics cannot be read.
    """
    schema, state = trained.schema, trained.state
    found = [each for each in trained.run.metrics.evaluations() if each.step == state.step]
    return ModelCard(
        step=state.step,
        schema_name=schema.name,
        schema_digest=schema.digest,
        hash=state.origin.hash,
        dataset=state.origin.dataset,
        features={column.name: _feature(column, trained.model) for column in schema.features},
        tasks=schema.tasks,
        metrics=found[-1] if found else None,
        options=trained.config.model_dump(mode="json", exclude=_PLACES),
        checkpoint=trained.start.files,
        files=_files(directory),
        tensorflow=tf.__version__,
    )


def _feature(column: Column, model: MultiTaskModel) -> FeatureCard:
    owned = model.keys_of(column.name)
    return FeatureCard(
        role=column.role,
        encoding=column.encoding,
        buckets=column.buckets,
        dim=column.dim,
        separator=column.separator,
        keys=len(owned[0].owners) if owned else None,
    )


def to_markdown(card: ModelCard) -> str:
    """Return the card for people to read."""
    tasks = [f"- `{task}`: P({label} = 1 | impression)" for task, label in card.tasks.items()]
    features = [
        f"| `{name}` | {feature.role} | {feature.encoding} | {_vectors(feature)} | "
        f"{feature.dim} | {_code(feature.separator)} |"
        for name, feature in card.features.items()
    ]
    metrics = "Not evaluated during the run."
    if card.metrics:
        metrics = f"```\n{card.metrics.text()}\n```"
    options = [f"| {name} | {value} |" for name, value in card.options.items()]
    files = [f"| {name} | {file.bytes:,} | `{file.sha256}` |" for name, file in card.files.items()]
    hashed = " ".join(f"{name} {value}" for name, value in card.hash.items())
    return f"""# Model card: SimpleMultiTask on {card.schema_name}

Click and conversion probabilities of an ad impression: shared embeddings, a tower for each
task. Weights after {card.step:,} training steps; written with TensorFlow {card.tensorflow}.

## Outputs

{_lines(tasks)}

Each is a probability over all impressions, not over clicks. Inputs are not validated:
`smt predict` does that.

## Inputs

| feature | of | encoding | vectors of | width | separator |
| --- | --- | --- | --- | --- | --- |
{_lines(features)}

Hash: {hashed}. Different texts may share a bucket; the model cannot tell them apart then.
Keys are not shared.

## Metrics

{metrics}

## Data

- dataset (manifest): `{card.dataset}`
- schema {card.schema_name}: `{card.schema_digest}`

## Training options

| option | value |
| --- | --- |
{_lines(options)}

## Files

| file | bytes | SHA-256 |
| --- | --- | --- |
{_lines(files)}
"""


def _lines(lines: list[str]) -> str:
    return "\n".join(lines)


def _vectors(feature: FeatureCard) -> str:
    return f"{feature.buckets:,} buckets" if feature.keys is None else f"{feature.keys:,} keys"


def _code(separator: str | None) -> str:
    # A pipe would end the cell of the table, even in code.
    return "" if separator is None else f"`{separator}`".replace("|", "\\|")


def _files(directory: Path) -> dict[str, FileRecord]:
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    return {
        path.relative_to(directory).as_posix(): FileRecord(
            bytes=path.stat().st_size, sha256=file_digest(path)
        )
        for path in paths
    }

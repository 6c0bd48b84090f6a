"""Exports a trained model: a SavedModel, its model card, and its embeddings."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from smt_features import open_shards
from smt_features.key_texts import texts_of
from smt_model.embedding_export import TextsOf, write_embeddings
from smt_model.loading import TrainedModel, load_run
from smt_model.model_card import (
    JSON_NAME,
    MARKDOWN_NAME,
    ModelCard,
    describe_model,
    to_markdown,
)
from smt_model.origin import Origin
from smt_model.progress import tell
from smt_model.serving import ServingModel
from smt_schemas import UserError

EMBEDDINGS = "embeddings"
"""Folder of the embeddings in an export."""

_SAVED_MODEL = "saved_model.pb"


def export_run(
    run: Path, target: Path, *, embeddings: bool = False, overwrite: bool = False
) -> ModelCard:
    """Export the newest checkpoint of a run to a folder; call `runtime.start_tensorflow` before.

    Parameters
    ----------
    run
        Directory of the run.
    target
        Folder to make. TensorFlow Serving wants its name to be a number.
    embeddings
        Also write each feature's vectors as Parquet.
    overwrite
        Replace an earlier export.

    Returns
    -------
    ModelCard
        The card that lies in the folder.

    Raises
    ------
    UserError
        When the run cannot be read, or the target exists or cannot be written; nothing is
        left behind then, and an earlier export stays.
    """
    _require_free(target, overwrite=overwrite)
    trained = load_run(run)
    with _published(target) as folder:
        serving = ServingModel(trained)
        tf.saved_model.save(serving, str(folder), signatures=serving.signatures())
        if embeddings:
            write_embeddings(trained.model, folder / EMBEDDINGS, _key_texts(trained))
        card = describe_model(trained, folder)
        (folder / JSON_NAME).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (folder / MARKDOWN_NAME).write_text(to_markdown(card), encoding="utf-8")
    return card


def _replace(target: Path, aside: Path, old: Path) -> None:
    if target.exists():
        shutil.rmtree(old, ignore_errors=True)  # of a process that was killed before its end
        target.rename(old)
    try:
        aside.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _key_texts(trained: TrainedModel) -> TextsOf | None:
    """Return what knows the texts of keys, if the data of the run does; say so if it does not."""
    if not trained.model.embedding_variables:
        return None
    where = trained.config.data_location
    try:
        dataset = open_shards(where)
    except UserError as error:
        tell(f"{error} Keys are exported without their texts.")
        return None
    trained.state.origin.require_same(Origin.of(dataset), f"The model in {trained.run.path}")
    records = dataset.manifest.key_texts
    if records is None:
        tell(f"{where} was prepared without --key-texts: keys are exported without their texts.")
        return None
    return lambda name, keys: texts_of(dataset.directory, records[name], keys).to_arrow()


def _require_free(target: Path, *, overwrite: bool) -> None:
    is_folder = target.is_dir()
    if target.resolve() == Path.cwd():
        msg = f"{target} is the current folder. Give --to another one."
        raise UserError(msg)
    if not target.exists() or (is_folder and not any(target.iterdir())):
        return
    if not (is_folder and (target / _SAVED_MODEL).is_file()):
        msg = f"{target} exists and is no export. Give --to another folder."
        raise UserError(msg)
    if not overwrite:
        msg = f"{target} holds an export already. Give --to another folder, or --overwrite."
        raise UserError(msg)


@contextmanager
def _published(target: Path) -> Iterator[Path]:
    """Yield a folder beside the target that takes its place when all went well."""
    aside = target.with_name(f".{target.name}.partial")
    old = target.with_name(f".{target.name}.old")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        yield aside
        _replace(target, aside, old)
    except (OSError, tf.errors.OpError) as error:
        why = error.message if isinstance(error, tf.errors.OpError) else error.strerror
        msg = f"Cannot write {target}: {why}. Free some space or choose another folder."
        raise UserError(msg) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)

"""Turns raw logs into shards and reads them back. Never imports TensorFlow."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smt_features.batch import Bags, Batch
    from smt_features.dataset import Dataset, open_shards
    from smt_features.memory import keep_freed_memory
    from smt_features.split import Split

__all__ = ["Bags", "Batch", "Dataset", "Split", "keep_freed_memory", "open_shards"]

_MODULES = {
    "Bags": "batch",
    "Batch": "batch",
    "Dataset": "dataset",
    "Split": "split",
    "keep_freed_memory": "memory",
    "open_shards": "dataset",
}


def __getattr__(name: str) -> object:
    """Import on first use: a command begins its work while Polars is still being imported."""
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)

"""Turns raw logs into shards and reads them back. Never imports TensorFlow."""

from smt_features.batch import Bags, Batch
from smt_features.dataset import Dataset, open_shards
from smt_features.split import Split

__all__ = ["Bags", "Batch", "Dataset", "Split", "open_shards"]

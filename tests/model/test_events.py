from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from smt_model.config import TrainConfig
from smt_model.events import EventWriter
from smt_model.training import train


def events(directory: Path) -> list[Any]:
    (file,) = directory.glob("events.out.tfevents.*")
    records = tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
    return [tf.compat.v1.Event.FromString(record) for record in records]


def test_a_histogram_counts_every_value_once(tmp_path: Path) -> None:
    values = np.random.default_rng(3).normal(size=(40, 25)).astype(np.float32)

    EventWriter(tmp_path).histograms(7, {"x": values, "same": np.zeros(5, np.float32)})

    found, same = (value.histo for value in events(tmp_path)[1].summary.value)
    assert (found.num, sum(found.bucket)) == (1000, 1000)
    assert found.min == values.min()
    assert found.max == found.bucket_limit[-1] == values.max()
    assert found.sum == pytest.approx(values.sum(dtype=np.float64))
    assert found.sum_squares == pytest.approx(np.square(values, dtype=np.float64).sum())
    below = int((values.astype(np.float64) < found.bucket_limit[9]).sum())
    assert sum(found.bucket[:10]) == below
    assert (same.num, sum(same.bucket), same.max) == (5, 5, 0)


def test_each_checkpoint_comes_with_what_the_layers_gave(dataset: Path, tmp_path: Path) -> None:
    config = TrainConfig(
        data_location=str(dataset), checkpoint=str(tmp_path), steps=8, save_steps=4, batch_size=64
    )
    train(config)

    values = {
        (event.step, value.tag): value
        for event in events(tmp_path)
        for value in event.summary.value
    }
    for step in (4, 8):
        for layer, units in enumerate((256, 196, 128, 64, 1)):
            name = f"tower/ctr/{layer}"
            histogram = values[step, f"{name}/activation"].histo
            zeros = values[step, f"{name}/fraction_of_zero_values"].simple_value
            assert histogram.num == 64 * units
            # ReLU gives nothing below zero, and zero for about half of the units.
            assert (histogram.min == 0 and 0.2 < zeros < 0.8) or layer == 4
    assert values[8, "test/AUC"].simple_value > 0

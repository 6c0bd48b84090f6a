"""What a run records of itself."""

from pathlib import Path

import numpy as np

from smt_model.checkpoint import Pending
from smt_model.recorder import Recorder
from smt_model.run_directory import RunDirectory


def test_a_share_without_rows_has_no_histogram(tmp_path: Path) -> None:
    recorder = Recorder(RunDirectory(tmp_path), ["ctr"], 0, 0, Pending())
    layers = {"some": np.ones((2, 3), np.float32), "none": np.empty((0, 3), np.float32)}

    recorder.activations(1, layers)

    (events,) = tmp_path.glob("events.out.tfevents.*")
    assert b"some/activation" in events.read_bytes()
    assert b"none/activation" not in events.read_bytes()

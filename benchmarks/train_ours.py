"""Trains as `smt train` does for some seconds and prints its rate.

    python benchmarks/train_ours.py DATA [--seconds 3] [--from-memory] [--options JSON]

Options are those of `smt_model.config.TrainConfig`. Losses are computed and fetched, and the
input is read from the shards, but for `--from-memory`: then it is made before the first step.
"""

import argparse
import json
import tempfile
from itertools import cycle, islice
from pathlib import Path

from pace import Pace

IN_MEMORY = 200
"""Batches, used over and over."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Steps a second of training.")
    parser.add_argument("data", help="shards folder, or the data folder")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--from-memory", action="store_true")
    parser.add_argument("--options", type=json.loads, default={})
    arguments = parser.parse_args()
    from smt_model import runtime

    runtime.start_tensorflow()
    from smt_features import open_shards
    from smt_model.config import TrainConfig
    from smt_model.run_directory import RunDirectory
    from smt_model.trainer import Trainer

    pace = Pace(arguments.seconds)
    config = TrainConfig(data_location=arguments.data, steps=10**9, **arguments.options)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(config, open_shards(arguments.data), RunDirectory(Path(folder)))
        with trainer.batches(trainer.total) as batches:
            ready = iter(batches)
            if arguments.from_memory:
                ready = cycle(list(islice(ready, IN_MEMORY)))
            while pace.goes_on:
                trainer.advance(ready)
                pace.tick(trainer.step)
    print(pace.line())


if __name__ == "__main__":
    main()

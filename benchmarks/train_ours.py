"""Trains as `smt train` does and prints its rate.

    python -m smt_bench.train_ours DATA [--steps 500] [--from-memory] [--options JSON]

Options are those of `smt_model.config.TrainConfig`. Losses are computed and fetched, and the
input is read from the shards, but for `--from-memory`: then it is made before the first step.
"""

import json
import tempfile
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from smt_bench.script import Pace, parser, write_predictions

IN_MEMORY = 200
"""Batches, used over and over."""


def main() -> None:
    options = parser("Steps a second of training.")
    options.add_argument("--from-memory", action="store_true")
    options.add_argument("--options", type=json.loads, default={})
    arguments = options.parse_args()
    from smt_model import runtime
    from smt_model.config import TrainConfig

    more = arguments.options
    if more.get("optimizer", "adagrad") == "adagrad":
        more = {"initial_accumulator": arguments.initial_accumulator, **more}
    config = TrainConfig(
        data_location=arguments.data,
        steps=arguments.steps,
        batch_size=arguments.batch_size,
        seed=arguments.seed,
        **more,
    )
    runtime.start_tensorflow(op_fusion=config.op_fusion and not config.tf)
    from smt_features import open_shards
    from smt_model.evaluation import Evaluator
    from smt_model.run_directory import RunDirectory
    from smt_model.trainer import Trainer

    pace = Pace(config.steps)
    dataset = open_shards(config.data_location)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(config, dataset, RunDirectory(Path(folder)))
        with trainer.batches(trainer.total) as batches:
            ready = iter(batches)
            if arguments.from_memory:
                ready = cycle(list(islice(ready, IN_MEMORY)))
            while trainer.step < trainer.total:
                trainer.advance(ready)
                pace.tick(trainer.step)
    print(json.dumps(pace.figures))
    if arguments.predictions:
        found = Evaluator(trainer.model).predictions(dataset, "test")
        labels = np.stack(list(found.labels.values()), axis=1)
        write_predictions(arguments.predictions, labels, found.logits)


if __name__ == "__main__":
    main()

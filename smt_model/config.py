"""Every option of a training run; a run directory keeps it as ``config.json``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from smt_model.ev.options import EvOptions
from smt_model.task_weight import parse_task_weight
from smt_schemas import DatasetSchema, UsageError, UserError

OptimizerName = Literal["adagrad", "adagraddecay", "adam", "adamasync", "gradientdescent"]
OPTIMIZERS: tuple[OptimizerName, ...] = get_args(OptimizerName)
ScheduleName = Literal["constant", "cosine", "exponential"]
StrategyName = Literal["parameter-server", "multi-worker", "none"]

DEFAULT_EPOCHS = 1000
"""What ``--steps 0`` means when no number of epochs is given, as in DeepRec's script."""

FREE = frozenset(
    {
        *("data_location", "output_dir", "checkpoint", "steps", "epochs"),
        *("save_steps", "incremental_ckpt", "keep_checkpoint_max", "evaluate", "eval_steps"),
        *("early_stop_metric", "early_stop_patience", "timeline"),
        *("inter", "intra", "allocator", "smartstaged", "ev_capacity"),
        *("strategy", "startup_timeout", "input_layer_partitioner", "dense_layer_partitioner"),
    }
)
"""Options that do not decide the weights after a given step: a resumed run may change them."""


class TrainConfig(EvOptions):
    """The options of a run. The defaults are those of DeepRec's documented command.

    Attributes
    ----------
    data_location
        Folder of the shards, or the data folder that holds it.
    output_dir
        Folder under which a run directory is made.
    checkpoint
        The run directory itself; by default ``<output_dir>/model_SimpleMultiTask_<time>``.
    init_from
        Directory of a run whose tables and towers this one starts with, where they fit.
    steps, epochs
        Length of the run; 0 steps means `epochs`, and without those 1000 epochs.
    batch_size
        Rows a step; `micro_batch` cuts them into parts.
    optimizer, learning_rate, initial_accumulator
        The update rule; the accumulator is Adagrad's.
    accumulator_decay_steps, accumulator_decay_rate
        Every so many steps, `adagraddecay` multiplies its accumulators by the rate.
    lr_schedule, warmup_steps
        The learning rate rises for `warmup_steps`, then stays or falls (`smt_model.schedule`).
    lr_decay_steps, lr_decay_rate
        How long it falls, 0 for the rest of the run; and, if exponentially, by what factor.
    clip_norm
        Bound of the L2 norm of the gradient of a step; 0 for none.
    task_weight
        Factors of the tasks' losses, ``ctr=1,cvr=10``; 1 for those left out.
    micro_batch
        Into how many parts a batch is cut; their gradients add up to one update.
    l2_regularization
        Factor λ of the term ``λ · ½ Σ kernel²`` over the tower kernels, added to the loss.
    seed
        Decides the initial values and the order of the rows.
    shuffle
        Whether each epoch has a row order of its own; otherwise that of the shards.
    bf16
        BF16 arithmetic in the towers; variables, last layer, loss and metrics stay FP32.
    ev_capacity
        Keys that a table has room for; memory is used for those that exist.
    columns
        Other values of the options in `EvOptions`, by feature; those of the schema included once
        a run has begun.
    emb_fusion
        One embedding table for all features of a width; otherwise a table for each feature.
    op_fusion
        TensorFlow's graph optimisation. The losses agree to 1e-5.
    smartstaged
        Batches are read and their ids worked on in a thread, while the towers compute.
    async_embedding
        A batch's lookup may run before the update of the batch ahead of it.
    tf
        The plain reference path: none of these four, one tape, one step a call.
    save_steps
        Steps between checkpoints; 0 saves one, at the end.
    incremental_ckpt
        Seconds between deltas, which hold what has changed since the newest full checkpoint;
        0 for none.
    keep_checkpoint_max
        How many of the newest checkpoints stay on disk; the best one stays besides.
    evaluate
        Whether the test split is evaluated at the end.
    eval_steps
        Steps between evaluations on the way; 0 for none.
    early_stop_metric
        ``TASK.auc``, ``TASK.gauc`` or ``TASK.log_loss`` of these evaluations: training ends
        when it has not improved for `early_stop_patience` of them.
    early_stop_patience
        Evaluations without improvement that end the run.
    timeline
        Steps between profiler traces; 0 for none.
    inter, intra
        Threads that run operations side by side, and threads inside one operation;
        0 leaves the choice to `smt_model.runtime`. `inter` changes no bit; `intra` may change
        the last ones, since TensorFlow cuts the sums of a matrix product by it.
    allocator
        Library that allocates memory; None for the system's.
    strategy
        How the processes of TF_CONFIG train together; None for what fits them.
    startup_timeout
        Seconds to wait for all of them to appear.
    workqueue
        Hand out the shards of an epoch to whoever is free, each once.
    input_layer_partitioner, dense_layer_partitioner
        Bytes that a slice of an embedding table (in MiB) or of a tower's variable (in KiB) has at
        least when it is divided among parameter servers; 0 leaves it whole.
    """

    data_location: str = "data"
    output_dir: str = "result"
    checkpoint: str | None = None
    init_from: str | None = None
    steps: NonNegativeInt = 0
    epochs: PositiveInt | None = None
    batch_size: PositiveInt = 512
    optimizer: OptimizerName = "adagrad"
    learning_rate: PositiveFloat = 0.1
    initial_accumulator: PositiveFloat = 0.1
    accumulator_decay_steps: PositiveInt = 100_000
    accumulator_decay_rate: float = Field(default=0.9, gt=0, le=1)
    lr_schedule: ScheduleName = "constant"
    warmup_steps: NonNegativeInt = 0
    lr_decay_steps: NonNegativeInt = 0
    lr_decay_rate: float = Field(default=0.1, gt=0, le=1)
    clip_norm: NonNegativeFloat = 0.0
    task_weight: str | None = None
    micro_batch: PositiveInt = 1
    l2_regularization: NonNegativeFloat = 0.0
    seed: int = Field(default=2021, ge=0, lt=2**31)
    shuffle: bool = True
    bf16: bool = False
    ev_capacity: PositiveInt = 1 << 24
    columns: dict[str, dict[str, Any]] = Field(default={})
    emb_fusion: bool = True
    op_fusion: bool = True
    smartstaged: bool = True
    async_embedding: bool = False
    tf: bool = False
    save_steps: NonNegativeInt = 0
    incremental_ckpt: NonNegativeFloat = 0.0
    keep_checkpoint_max: PositiveInt = 1
    evaluate: bool = True
    eval_steps: NonNegativeInt = 0
    early_stop_metric: str | None = Field(default=None, pattern=r"^.+\.(auc|gauc|log_loss)$")
    early_stop_patience: PositiveInt = 3
    timeline: NonNegativeInt = 0
    inter: NonNegativeInt = 0
    intra: NonNegativeInt = 0
    allocator: Literal["jemalloc"] | None = None
    strategy: StrategyName | None = None
    startup_timeout: PositiveInt = 300
    workqueue: bool = False
    input_layer_partitioner: NonNegativeInt = 8
    dense_layer_partitioner: NonNegativeInt = 16

    @field_validator("task_weight")
    @classmethod
    def _weights(cls, text: str | None) -> str | None:
        if text is not None:
            parse_task_weight(text)
        return text

    @model_validator(mode="after")
    def _columns_make_sense(self) -> Self:
        for name, values in self.columns.items():
            try:
                self.changed(values)
            except ValidationError as error:
                msg = f"column {name}: {problems(error)}"
                raise ValueError(msg) from error
        return self

    @model_validator(mode="after")
    def _parts_have_rows(self) -> Self:
        if self.micro_batch > self.batch_size:
            msg = "a batch has fewer rows (batch-size) than micro-batch would cut it into"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _plain(self) -> Self:
        """Refuse with the reference path what it does not have."""
        wanted = {
            "async-embedding": self.async_embedding,
            "clip-norm": self.clip_norm,
            "micro-batch": self.micro_batch > 1,
            "multihash": self._any_feature("multihash"),
        }
        refused = [f"--{name}" for name, given in wanted.items() if given]
        if self.tf and refused:
            msg = f"--tf, the plain reference path, goes without {' and '.join(refused)}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.steps and self.epochs:
            msg = "steps and epochs exclude each other"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _stops_by_evaluations(self) -> Self:
        if self.early_stop_metric and not (self.evaluate and self.eval_steps):
            msg = "early-stop-metric needs evaluations on the way; give eval-steps too"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _keys_have_a_table(self) -> Self:
        if self._any_feature("owns_vectors") and (self.tf or not self.emb_fusion):
            msg = "ev and adaptive-emb keep keys in the fused table: no --tf, no --no-emb-fusion"
            raise ValueError(msg)
        if self._any_feature("ev_elimination") and not self.save_steps:
            msg = "ev-elimination drops keys every save-steps; give those, too"
            raise ValueError(msg)
        return self

    @classmethod
    def from_options(cls, **options: object) -> Self:
        """Check the options of a command line.

        Raises
        ------
        UsageError
            When a value is out of range; the text names the option as it is typed.
        """
        try:
            return cls.model_validate(options)
        except ValidationError as error:
            raise UsageError(problems(error)) from error

    @classmethod
    def from_json(cls, path: Path) -> Self:
        """Read the ``config.json`` of a run.

        Raises
        ------
        UserError
            When the file cannot be read or holds something else.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            msg = f"Cannot read {path}: {error.strerror}. Is this the directory of a run?"
            raise UserError(msg) from error
        except ValidationError as error:
            msg = f"{path} is not the configuration of a run: {problems(error)}"
            raise UserError(msg) from error

    def with_options_of(self, schema: DatasetSchema) -> Self:
        """Return these options with those that a schema has for its columns.

        What is set for a column here goes before what its schema says, and either goes before
        what is set for all columns.

        Raises
        ------
        UsageError
            When options of the schema are unknown, out of range or make no sense together.
        """
        columns = {c.name: dict(c.embedding_options or {}) for c in schema.features}
        for name, values in self.columns.items():
            columns[name] = columns.get(name, {}) | values
        found = {name: values for name, values in columns.items() if values}
        if found == self.columns:
            return self
        return type(self).from_options(**{**self.model_dump(), "columns": found})

    def deciding(self) -> dict[str, Any]:
        """Return the options that decide the weights, as JSON values.

        The length is one of them when the learning rate falls until the end of the run, and so
        are the checkpoints when keys are dropped with them, and all that decides which steps
        make a call when lookups run ahead within it.
        """
        free = set(FREE)
        if self.lr_schedule != "constant" and not self.lr_decay_steps:
            free -= {"steps", "epochs"}
        if self._any_feature("ev_elimination"):
            free -= {"save_steps"}
        if self.async_embedding:
            free -= {"steps", "epochs", "save_steps", "eval_steps", "timeline"}
        return self.model_dump(mode="json", exclude=free)

    def _any_feature(self, name: str) -> bool:
        columns = [self.changed(values) for values in self.columns.values()]
        return any(getattr(options, name) for options in [self, *columns])

    def differences(self, deciding: Mapping[str, Any]) -> list[str]:
        """Return, in words, how a run's deciding options (kept against these) differ.

        An option that the run did not know yet counts with its default. One that decides on one
        side alone does so by another that differs, which is named.
        """
        known = type(self)().deciding() | dict(deciding)
        ours = self.deciding()
        return [
            f"{option(name)} {known[name]} against {ours[name]}"
            for name in sorted(known.keys() & ours.keys())
            if known[name] != ours[name]
        ]

    def total_steps(self, steps_per_epoch: int) -> int:
        """Return the number of steps of the whole run."""
        return self.steps or (self.epochs or DEFAULT_EPOCHS) * steps_per_epoch


def option(name: str) -> str:
    """Return the option of a field as it is typed."""
    return "--" + name.replace("_", "-")


def problems(error: ValidationError) -> str:
    """Return what Pydantic refused, with options as they are typed."""
    found = []
    for item in error.errors(include_url=False):
        where = option(str(item["loc"][0])) + ": " if item["loc"] else ""
        found.append(where + item["msg"].removeprefix("Value error, "))
    return "; ".join(found)

"""`smt train`: a model from shards."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from smt_cli.startup import importing


def command(
    context: typer.Context,
    *,
    data_location: Annotated[
        Path, typer.Option(help="Shards folder, or the data folder that holds it.")
    ] = Path("data"),
    output_dir: Annotated[
        Path, typer.Option(help="Folder under which the run directory is made.")
    ] = Path("result"),
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint",
            "--checkpoint-dir",
            help="The run directory itself; default <output-dir>/model_SimpleMultiTask_<time>. "
            "A run that it holds is gone on with.",
        ),
    ] = None,
    init_from: Annotated[
        Path | None,
        typer.Option(help="Run to start from: its tables and towers, where they fit."),
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps to train; 0 means --epochs.")] = 0,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the data; 1000 when --steps is 0 too.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Rows a step.")] = 512,
    optimizer: Annotated[
        str, typer.Option(help="adagrad, adagraddecay, adam, adamasync or gradientdescent.")
    ] = "adagrad",
    learning_rate: Annotated[float, typer.Option(help="Learning rate.")] = 0.1,
    initial_accumulator: Annotated[
        float, typer.Option(help="What Adagrad's squared gradients start from.")
    ] = 0.1,
    accumulator_decay_steps: Annotated[
        int, typer.Option(help="Steps between decays of adagraddecay's squared gradients.")
    ] = 100_000,
    accumulator_decay_rate: Annotated[
        float, typer.Option(help="What a decay multiplies them by.")
    ] = 0.9,
    lr_schedule: Annotated[
        str,
        typer.Option(help="The learning rate after the warm-up: constant, cosine, exponential."),
    ] = "constant",
    warmup_steps: Annotated[
        int, typer.Option(help="Steps in which the learning rate rises from 0.")
    ] = 0,
    lr_decay_steps: Annotated[
        int, typer.Option(help="Steps in which it falls; 0 for the rest of the run.")
    ] = 0,
    lr_decay_rate: Annotated[
        float, typer.Option(help="What an exponential fall multiplies it by in those steps.")
    ] = 0.1,
    clip_norm: Annotated[
        float, typer.Option(help="Bound of the gradient's L2 norm, of all variables; 0 for none.")
    ] = 0.0,
    task_weight: Annotated[
        str | None,
        typer.Option(help="Factors of the tasks' losses: ctr=1,cvr=10. 1 for those left out."),
    ] = None,
    micro_batch: Annotated[
        int, typer.Option(help="Parts of a batch, whose gradients make one update.")
    ] = 1,
    l2_regularization: Annotated[
        float, typer.Option(help="Factor of half the sum of squared tower kernels in the loss.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Decides initial values and row order.")] = 2021,
    shuffle: Annotated[
        bool, typer.Option(help="Each epoch in an order of its own, or all as the shards are.")
    ] = True,
    bf16: Annotated[bool, typer.Option("--bf16", help="BF16 arithmetic in the towers.")] = False,
    ev: Annotated[
        bool, typer.Option(help="A vector for each key of hashed features; needs shards with keys.")
    ] = False,
    adaptive_emb: Annotated[
        bool, typer.Option(help="A vector for each frequent key; the others share buckets.")
    ] = False,
    adaptive_threshold: Annotated[
        int, typer.Option(help="Occurrences that make a key frequent.")
    ] = 3,
    ev_filter: Annotated[
        str | None,
        typer.Option(help="Admit keys by count: counter (exact) or cbf (in fixed memory)."),
    ] = None,
    filter_freq: Annotated[int, typer.Option(help="Occurrences until a key is admitted.")] = 3,
    cbf_expected_keys: Annotated[
        int, typer.Option(help="Keys of a feature that the cbf filter is made for.")
    ] = 1_000_000,
    cbf_false_positive_rate: Annotated[
        float, typer.Option(help="Share of keys that it may admit early.")
    ] = 0.01,
    ev_elimination: Annotated[
        str | None,
        typer.Option(help="Drop keys at checkpoints: gstep (not seen lately) or l2 (small)."),
    ] = None,
    steps_to_live: Annotated[
        int, typer.Option(help="Steps without a key after which gstep drops it.")
    ] = 4000,
    l2_threshold: Annotated[
        float, typer.Option(help="Half the sum of squares below which l2 drops a vector.")
    ] = 0.03,
    dynamic_ev: Annotated[
        bool, typer.Option(help="With --ev: vectors that grow by blocks as their keys come.")
    ] = False,
    dynamic_ev_block_size: Annotated[int, typer.Option(help="Components of a block.")] = 4,
    dynamic_ev_blocks: Annotated[
        int, typer.Option(help="Blocks of a whole vector; both multiply to embedding_dim.")
    ] = 4,
    dynamic_ev_growth: Annotated[
        int, typer.Option(help="A key gets its next block when it came so many times as often.")
    ] = 10,
    multihash: Annotated[
        bool,
        typer.Option(help="Two small tables, by quotient and remainder of the bucket, for one."),
    ] = False,
    multihash_divisor: Annotated[
        int, typer.Option(help="What buckets are divided by: so many remainders.")
    ] = 10,
    multihash_operation: Annotated[
        str, typer.Option(help="What makes one vector of two: add, mul or concat.")
    ] = "add",
    ev_capacity: Annotated[
        int, typer.Option(help="Keys there is room for; only those that exist take memory.")
    ] = 1 << 24,
    emb_fusion: Annotated[
        bool, typer.Option(help="One embedding table for all features. Same losses.")
    ] = True,
    op_fusion: Annotated[
        bool, typer.Option(help="TensorFlow's graph optimisation. Losses agree to 1e-5.")
    ] = True,
    smartstaged: Annotated[
        bool, typer.Option(help="Make batches in a thread, ahead. Same losses.")
    ] = True,
    async_embedding: Annotated[
        bool,
        typer.Option(
            "--async-embedding",
            help="Look up a batch before the one ahead of it is updated: stale by one step.",
        ),
    ] = False,
    tf: Annotated[
        bool, typer.Option("--tf", help="The plain reference path, without the four above.")
    ] = False,
    save_steps: Annotated[
        int, typer.Option(help="Steps between checkpoints; 0 saves at the end only.")
    ] = 0,
    incremental_ckpt: Annotated[
        float,
        typer.Option(help="Seconds between deltas, with what changed since; 0 for none."),
    ] = 0.0,
    keep_checkpoint_max: Annotated[
        int, typer.Option(help="Newest checkpoints to keep; the best one stays besides.")
    ] = 1,
    evaluate: Annotated[
        bool, typer.Option("--eval/--no-eval", help="Evaluate the test split at the end.")
    ] = True,
    eval_steps: Annotated[
        int, typer.Option(help="Steps between evaluations on the way; 0 for none.")
    ] = 0,
    early_stop_metric: Annotated[
        str | None,
        typer.Option(
            help="TASK.auc, TASK.gauc or TASK.log_loss: stop when it improves no more, and keep "
            "the best checkpoint. Needs --eval-steps."
        ),
    ] = None,
    early_stop_patience: Annotated[
        int, typer.Option(help="Evaluations without improvement that end the run.")
    ] = 3,
    timeline: Annotated[int, typer.Option(help="Steps between profiler traces; 0 for none.")] = 0,
    inter: Annotated[
        int, typer.Option(help="Operations run side by side; 0 chooses. Same losses always.")
    ] = 0,
    intra: Annotated[
        int, typer.Option(help="Threads in an operation; 0 chooses. May change last bits.")
    ] = 0,
    allocator: Annotated[
        str | None,
        typer.Option(help="jemalloc: allocate memory with that library, where it is installed."),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            help="How the processes of TF_CONFIG train together: parameter-server, multi-worker, "
            "or none, which ignores it; default what fits them."
        ),
    ] = None,
    startup_timeout: Annotated[
        int, typer.Option(help="Seconds to wait for all of them to appear.")
    ] = 300,
    workqueue: Annotated[
        bool, typer.Option(help="Hand out the shards of an epoch to whoever is free, each once.")
    ] = False,
    input_layer_partitioner: Annotated[
        int,
        typer.Option(
            help="MiB of a slice of an embedding table on a parameter server, at least; 0 for "
            "whole tables."
        ),
    ] = 8,
    dense_layer_partitioner: Annotated[
        int,
        typer.Option(
            help="KiB of a slice of a tower's variable on a parameter server, at least; 0 for "
            "whole variables."
        ),
    ] = 16,
    resume: Annotated[
        Path | None,
        typer.Option(help="Go on with the run in this directory, with its options."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file of options, or a run's config.json; typed options win."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the metrics as JSON.")] = False,
) -> None:
    """Train the click and conversion towers on shards.

    The spelling of DeepRec's script (--batch_size, --no_eval) is understood too.
    """
    with importing():
        from smt_model import allocators, runtime
        from smt_model.config_file import read_config
        from smt_model.distributed.cluster import Cluster
        from smt_model.effect import OF_RUN, require_effect

    if resume and (config or checkpoint):
        from smt_schemas import UsageError

        msg = "--resume goes on in a run's directory with its options: no --config, no --checkpoint"
        raise UsageError(msg)
    file = resume / "config.json" if resume else config
    options = read_config(file, _given(context))
    cluster = Cluster.of(os.environ) if options.strategy != "none" else None
    if not cluster:  # before TensorFlow starts, which takes seconds
        require_effect(options, resume or options.checkpoint, OF_RUN)
    if options.allocator:
        allocators.use(options.allocator)
    with importing():
        runtime.start_tensorflow(
            options.inter, options.intra, op_fusion=options.op_fusion and not options.tf
        )
        from smt_model.interruption import StopRequestedError
        from smt_model.training import train

    try:
        if cluster:
            from smt_model.distributed.run import train_in_cluster

            run, result = train_in_cluster(options, cluster, resume)
        else:
            run, result = train(options, resume)
    except StopRequestedError as stopped:
        raise typer.Exit(stopped.exit_code) from stopped
    if json:
        typer.echo(result.model_dump_json(indent=2) if result else "{}")
        return
    if result:
        typer.echo(result.text())
    if run:
        typer.echo(f"Run: {run.path}")


def _given(context: typer.Context) -> dict[str, Any]:
    """Return the options of training that were typed."""
    from smt_model.config import TrainConfig

    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in context.params.items()
        if name in TrainConfig.model_fields and _is_typed(context, name)
    }


def _is_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"

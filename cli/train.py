"""`smt train`: a model from shards."""

from pathlib import Path
from typing import Annotated

import typer


def command(
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
            help="The run directory itself; default <output-dir>/model_SimpleMultiTask_<time>.",
        ),
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps to train; 0 means --epochs.")] = 0,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the data; 1000 when --steps is 0 too.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Rows a step, or a micro-batch.")] = 512,
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
        int, typer.Option(help="Batches whose gradients add up to one update.")
    ] = 1,
    l2_regularization: Annotated[
        float, typer.Option(help="Factor of half the sum of squared tower kernels in the loss.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Decides initial values and row order.")] = 2021,
    bf16: Annotated[bool, typer.Option("--bf16", help="BF16 arithmetic in the towers.")] = False,
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
    keep_checkpoint_max: Annotated[int, typer.Option(help="Newest checkpoints to keep.")] = 1,
    no_eval: Annotated[bool, typer.Option("--no-eval", help="Skip the test split.")] = False,
    inter: Annotated[
        int, typer.Option(help="Operations run side by side; 0 chooses. Same losses always.")
    ] = 0,
    intra: Annotated[
        int, typer.Option(help="Threads in an operation; 0 chooses. Same losses always.")
    ] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the metrics as JSON.")] = False,
) -> None:
    """Train the click and conversion towers on shards.

    The spelling of DeepRec's script (--batch_size, --no_eval) is understood too.
    """
    from smt_model import runtime
    from smt_model.config import TrainConfig

    config = TrainConfig.from_options(
        data_location=str(data_location),
        output_dir=str(output_dir),
        checkpoint=None if checkpoint is None else str(checkpoint),
        steps=steps,
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,
        learning_rate=learning_rate,
        initial_accumulator=initial_accumulator,
        accumulator_decay_steps=accumulator_decay_steps,
        accumulator_decay_rate=accumulator_decay_rate,
        lr_schedule=lr_schedule,
        warmup_steps=warmup_steps,
        lr_decay_steps=lr_decay_steps,
        lr_decay_rate=lr_decay_rate,
        clip_norm=clip_norm,
        task_weight=task_weight,
        micro_batch=micro_batch,
        l2_regularization=l2_regularization,
        seed=seed,
        bf16=bf16,
        emb_fusion=emb_fusion,
        op_fusion=op_fusion,
        smartstaged=smartstaged,
        async_embedding=async_embedding,
        tf=tf,
        save_steps=save_steps,
        keep_checkpoint_max=keep_checkpoint_max,
        evaluate=not no_eval,
        inter=inter,
        intra=intra,
    )
    runtime.start_tensorflow(inter, intra, op_fusion=op_fusion and not tf)
    from smt_model.training import train

    if config.bf16:
        from smt_model.bf16 import kernels

        typer.echo(kernels().text, err=True)
    run, result = train(config)
    if json:
        typer.echo(result.model_dump_json(indent=2) if result else "{}")
        return
    if result:
        typer.echo(result.text())
    typer.echo(f"Run: {run.path}")

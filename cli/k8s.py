"""`smt k8s`: manifests for Kubernetes."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Run smt on Kubernetes.", no_args_is_help=True)


class ManifestKind(StrEnum):
    """Kinds of jobs; `smt_model.k8s.options.Kind` says what they are."""

    tfjob = "tfjob"
    jobset_ps = "jobset-ps"
    jobset_multi_worker = "jobset-multi-worker"
    indexed_job = "indexed-job"
    prepare = "prepare"


@app.callback()
def k8s() -> None:
    """Run smt on Kubernetes."""


@app.command("render")
def render(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(help="After --: more of the command line of smt train, or smt prepare."),
    ] = None,
    *,
    kind: Annotated[
        ManifestKind,
        typer.Option(
            help="tfjob: Kubeflow's operator. jobset-ps, jobset-multi-worker: JobSet, with "
            "parameter servers or in step. indexed-job: in step, nothing to install. "
            "prepare: smt prepare in parts."
        ),
    ] = ManifestKind.tfjob,
    name: Annotated[
        str | None, typer.Option(help="Of the job.", show_default="trainer or smt-prepare")
    ] = None,
    image: Annotated[str, typer.Option(help="Container image.")] = "simple-multitask:latest",
    workers: Annotated[int, typer.Option(help="Pods that train, or parts to prepare.")] = 10,
    ps: Annotated[
        int | None, typer.Option(help="Parameter servers of tfjob and jobset-ps.", show_default="4")
    ] = None,
    bf16: Annotated[bool, typer.Option("--bf16", help="Train in BF16.")] = False,
    claim: Annotated[
        str, typer.Option(help="PersistentVolumeClaim with data and results.")
    ] = "deeprec",
    cpu: Annotated[int, typer.Option(help="Cores that a pod asks for.")] = 4,
    memory: Annotated[str, typer.Option(help="Memory that a pod asks for, and its limit.")] = "8Gi",
    output: Annotated[
        Path | None, typer.Option(help="File to write.", show_default="standard output")
    ] = None,
) -> None:
    """Write the manifest of a job."""
    from smt_features.files import published
    from smt_model.k8s.options import manifest_options
    from smt_model.k8s.render import render

    options = manifest_options(
        kind=kind.value,
        name=name,
        image=image,
        workers=workers,
        ps=ps,
        bf16=bf16,
        claim=claim,
        cpu=cpu,
        memory=memory,
        arguments=tuple(arguments or ()),
    )
    text = render(options)
    if output is None:
        typer.echo(text, nl=False)
        return
    with published(output) as temporary:
        temporary.write_text(text, encoding="utf-8")
    typer.echo(f"Wrote {output}. Next: kubectl apply -f {output}")

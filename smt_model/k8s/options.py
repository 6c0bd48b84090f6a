"""What a manifest is made from."""

import re
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)

from smt_model.config import problems
from smt_schemas import UsageError

Kind = Literal["tfjob", "jobset-ps", "jobset-multi-worker", "indexed-job", "prepare"]
"""``tfjob`` is for Kubeflow's training operator v1, ``jobset-ps`` and ``jobset-multi-worker`` are
for the JobSet controller, ``indexed-job`` trains with nothing installed in the cluster, and
``prepare`` is `smt prepare` in parts."""

MAX_PODS = 10_000
SERVERS = 4
"""Parameter servers, unless told otherwise: as many as DeepRec's manifests have."""

_WITH_SERVERS = ("tfjob", "jobset-ps")


def _matches(pattern: str, rule: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            msg = f"{text!r} is not {rule}"
            raise ValueError(msg)
        return text

    return AfterValidator(check)


Name = Annotated[
    str,
    # With -worker-0-9999 behind it, it still is a host name.
    _matches(r"[a-z]([-a-z0-9]{,38}[a-z0-9])?", "a name of a-z, 0-9 and -, at most 40 characters"),
]
Image = Annotated[str, _matches(r"[^\s]+", "an image")]
Claim = Annotated[str, _matches(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?", "a name of a-z, 0-9, - and .")]
Memory = Annotated[str, _matches(r"[1-9][0-9]*(Mi|Gi|Ti|M|G|T)", "an amount such as 512Mi or 8Gi")]


class ManifestOptions(BaseModel):
    """What `smt k8s render` may be told; every pod of a manifest gets the same.

    Attributes
    ----------
    kind
        What runs the job.
    name
        Name of the job; by default ``trainer``, as DeepRec calls it, or ``smt-prepare``.
    image
        What ``distribute_k8s/Dockerfile`` builds, by the name that the cluster pulls it by.
    workers
        Pods that train, or parts that are prepared side by side.
    ps
        Parameter servers of ``tfjob`` (with 0, workers train in step) and ``jobset-ps``; None
        for `SERVERS`.
    bf16
        Train with ``--bf16``.
    claim
        The PersistentVolumeClaim with data and results. Each pod mounts it, so that it must be
        ReadWriteMany where pods run on several nodes.
    cpu, memory
        What a pod asks for: cores, and memory as Kubernetes writes it, which is its limit, too.
    arguments
        More of the command line of `smt train` or `smt prepare`.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    kind: Kind = "tfjob"
    name: Name | None = None
    image: Image = "simple-multitask:latest"
    workers: PositiveInt = Field(default=10, le=MAX_PODS)
    ps: NonNegativeInt | None = Field(default=None, le=MAX_PODS)
    bf16: bool = False
    claim: Claim = "deeprec"
    cpu: PositiveInt = 4
    memory: Memory = "8Gi"
    arguments: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.ps is not None and self.kind not in _WITH_SERVERS:
            msg = f"ps is for {' and '.join(_WITH_SERVERS)}; {self.kind} has no parameter servers"
            raise ValueError(msg)
        if self.kind == "jobset-ps" and not self.servers:
            msg = "jobset-ps needs parameter servers; without them it is jobset-multi-worker"
            raise ValueError(msg)
        if self.kind == "prepare" and self.bf16:
            msg = "bf16 is about training, and prepare trains nothing"
            raise ValueError(msg)
        return self

    @property
    def job(self) -> str:
        """Name of the job."""
        return self.name or ("smt-prepare" if self.kind == "prepare" else "trainer")

    @property
    def servers(self) -> int:
        """Parameter servers of this kind of job."""
        if self.kind not in _WITH_SERVERS:
            return 0
        return SERVERS if self.ps is None else self.ps


def manifest_options(**values: object) -> ManifestOptions:
    """Return checked options.

    Raises
    ------
    UsageError
        When one is refused, with its name and the reason.
    """
    try:
        return ManifestOptions.model_validate(values)
    except ValidationError as error:
        raise UsageError(problems(error)) from error

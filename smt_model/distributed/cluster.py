"""Reads ``TF_CONFIG``: which processes there are, and which of them this one is.

https://www.tensorflow.org/guide/distributed_training#TF_CONFIG
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    ValidationError,
    model_validator,
)

from smt_schemas import UsageError

VARIABLE = "TF_CONFIG"

Role = Literal["chief", "worker", "ps", "evaluator"]

_ADDRESS = re.compile(r"(?P<host>[^\s:/\[\]]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")
_MAX_PORT = 65_535


@dataclass(frozen=True)
class Task:
    """One process of a cluster.

    Attributes
    ----------
    role, index
        Its role, and its number among those of the role.
    address
        ``host:port``; empty for an evaluator that the cluster does not list.
    """

    role: Role
    index: int
    address: str

    @property
    def text(self) -> str:
        """The process in words."""
        return f"{self.role} {self.index}" + (f" ({self.address})" if self.address else "")

    @property
    def host(self) -> str:
        """Name or number of its machine, as a socket takes it."""
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.address.rpartition(":")[2])


def _is_address(text: str) -> str:
    found = _ADDRESS.fullmatch(text)
    if not found or not 0 < int(found["port"]) <= _MAX_PORT:
        msg = f"{text!r} is not HOST:PORT"
        raise ValueError(msg)
    return text


class _Own(BaseModel):
    model_config = ConfigDict(strict=True)  # what Kubeflow adds is no concern of ours

    type: Role
    index: NonNegativeInt = 0


class Cluster(BaseModel):
    """The processes of a job.

    Attributes
    ----------
    addresses
        Those of each role, in the order of their index.
    own
        Role and index of this process.
    """

    model_config = ConfigDict(strict=True)

    addresses: dict[Role, list[Annotated[str, AfterValidator(_is_address)]]] = Field(
        alias="cluster", min_length=1
    )
    own: _Own = Field(alias="task")

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self | None:
        """Return the cluster that the environment describes; None for a process by itself.

        Raises
        ------
        UsageError
            When the description makes no sense; the text names the field.
        """
        text = environment.get(VARIABLE, "").strip()
        if not text:
            return None
        try:
            found = json.loads(text)
        except ValueError as error:
            msg = f"{VARIABLE} is not JSON: {error}"
            raise UsageError(msg) from error
        if isinstance(found, dict) and not found.get("cluster"):
            return None
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            raise UsageError("; ".join(map(_problem, error.errors(include_url=False)))) from error

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        first: dict[str, str] = {}
        for task in self.tasks:
            where = f"cluster.{task.role}[{task.index}]"
            if task.address in first:
                msg = f"{where}: {task.address} is {first[task.address]} already"
                raise ValueError(msg)
            first[task.address] = where
        role, index = self.own.type, self.own.index
        known = self.addresses.get(role, [])
        if index >= len(known) and (known or role != "evaluator"):
            msg = f"task.index: there is no {role} {index}; cluster.{role} has {len(known)}"
            raise ValueError(msg)
        if not self.trainers:
            msg = "cluster: there is no chief and no worker"
            raise ValueError(msg)
        if len(self.addresses.get("chief", [])) > 1:
            msg = "cluster.chief: there is one chief at most"
            raise ValueError(msg)
        return self

    @property
    def tasks(self) -> list[Task]:
        """All processes that the cluster lists."""
        return [
            Task(role, index, address)
            for role, addresses in self.addresses.items()
            for index, address in enumerate(addresses)
        ]

    @property
    def task(self) -> Task:
        """The process that reads this."""
        known = self.addresses.get(self.own.type, [])
        address = known[self.own.index] if self.own.index < len(known) else ""
        return Task(self.own.type, self.own.index, address)

    @property
    def trainers(self) -> list[Task]:
        """The processes that train: the chief, if there is one, then the workers."""
        return self.of_role("chief") + self.of_role("worker")

    @property
    def chief(self) -> Task:
        """The process that saves: worker 0 where no chief is listed."""
        return self.trainers[0]

    @property
    def has_evaluator(self) -> bool:
        """Whether a process evaluates besides."""
        return bool(self.addresses.get("evaluator"))

    def of_role(self, role: Role) -> list[Task]:
        """Return the processes of a role."""
        return [task for task in self.tasks if task.role == role]


def _problem(error: Any) -> str:
    """Return one of Pydantic's findings, with the field as it stands in the JSON."""
    message = error["msg"].removeprefix("Value error, ")
    where = ""
    for part in error["loc"]:
        if part == "[key]":
            message = "there is no such role; the roles are chief, worker, ps and evaluator"
        elif isinstance(part, int):
            where += f"[{part}]"
        else:
            where += f".{part}" if where else str(part)
    return f"{VARIABLE}: {where}: {message}" if where else f"{VARIABLE}: {message}"

"""Starts `smt train` in a container: cluster, threads and allocator first.

``distribute_k8s/launch.py`` calls it. Nothing here loads TensorFlow.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from smt_model import allocators
from smt_model.k8s.tf_config import tf_config
from smt_model.runtime import TOWERS_SIDE_BY_SIDE
from smt_schemas import UserError

THREADS = ("OMP_NUM_THREADS", "POLARS_MAX_THREADS")
"""Variables that libraries take the number of their threads from: pyarrow and Polars."""


def launch(arguments: Sequence[str]) -> NoReturn:
    """Become `smt train` with these arguments.

    The process is replaced, so that signals reach `smt train`, and its exit code is the
    container's. Wrong settings end it with one message and code 1.
    """
    try:
        environment, arguments = set_up(os.environ, arguments)
    except UserError as error:
        sys.exit(f"Error: {error}")
    if task := environment.get("TF_CONFIG"):
        print(f"TF_CONFIG={task}", flush=True)  # noqa: T201
    command = [sys.executable, "-m", "smt_cli", "train", *arguments]
    os.execve(sys.executable, command, environment)  # noqa: S606


def set_up(given: Mapping[str, str], arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return environment and arguments of `smt train`.

    All variables are passed on, START_STATISTIC_STEP and STOP_STATISTIC_STEP among them; what is
    set is left alone.

    Parameters
    ----------
    given
        The environment. ``TF_CONFIG``, or what it is derived from (`tf_config`);
        ``MEM_USAGE_STRATEGY``, a name of `allocators.STRATEGIES`; ``SMT_CPUS``, the cores that
        this container asked for, where programs see those of the whole node.
    arguments
        What follows ``launch.py``.

    Raises
    ------
    UserError
        When a variable is wrong.
    """
    environment = dict(given)
    if (config := tf_config(given)) is not None:
        environment["TF_CONFIG"] = config
    environment |= allocators.strategy(given)
    if "SMT_CPUS" not in given:
        return environment, list(arguments)
    cores = _cores(given["SMT_CPUS"])
    for name in THREADS:
        environment.setdefault(name, str(cores))
    return environment, _with_threads(arguments, cores)


def _cores(text: str) -> int:
    if not text.isdecimal() or not int(text):
        msg = f"SMT_CPUS={text} is not a number of cores."
        raise UserError(msg)
    return int(text)


def _with_threads(arguments: Sequence[str], cores: int) -> list[str]:
    """Return arguments with ``--intra``, as `smt train` chooses it, unless it is there."""
    if any(argument.partition("=")[0] == "--intra" for argument in arguments):
        return list(arguments)
    return [f"--intra={max(1, cores // TOWERS_SIDE_BY_SIDE)}", *arguments]

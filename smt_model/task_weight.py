"""Reads ``--task-weight ctr=1,cvr=10``."""

import math
from collections.abc import Collection

from smt_schemas import UsageError


def parse_task_weight(text: str) -> dict[str, float]:
    """Return the weight of each task that a text names.

    Raises
    ------
    ValueError
        When it is not of the form ``task=weight,task=weight`` with positive finite weights.
    """
    weights: dict[str, float] = {}
    for item in text.split(","):
        task, _, number = item.partition("=")
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not task.strip() or task.strip() in weights or not 0 < weight < math.inf:
            msg = f"{item!r} in {text!r} is not TASK=WEIGHT with a positive weight, once a task"
            raise ValueError(msg)
        weights[task.strip()] = weight
    return weights


def task_weights(text: str | None, tasks: Collection[str]) -> tuple[float, ...]:
    """Return the weight of each task, in their order; 1 for those that `text` leaves out.

    Raises
    ------
    UsageError
        When it names a task that there is not.
    """
    weights = parse_task_weight(text) if text else {}
    if unknown := [task for task in weights if task not in tasks]:
        msg = f"--task-weight: there is no task {unknown[0]!r}, only {', '.join(tasks)}."
        raise UsageError(msg)
    return tuple(weights.get(task, 1.0) for task in tasks)

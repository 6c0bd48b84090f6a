"""Waits until all processes of a job are there, and finds out which of them are not."""

import errno
import socket
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

from smt_model.distributed.cluster import VARIABLE, Cluster, Task
from smt_schemas import UsageError, UserError

_PROBE_SECONDS = 2.0
_PAUSE_SECONDS = 0.2
_BACKLOG = 1024
_THREADS = 16


def meet(cluster: Cluster, peers: Iterable[Task], seconds: float) -> None:
    """Listen at this process's port until all peers listen at theirs.

    The port is free again afterwards, for TensorFlow's own server: its libraries wait without
    end for a process that never appears, and do not say for which.

    Raises
    ------
    UsageError
        When another program has the port.
    UserError
        When a peer does not appear in time, naming all that did not.
    """
    deadline = time.monotonic() + seconds
    with _listening(cluster.task) if cluster.task.address else nullcontext():
        missing = list(peers)
        while missing := absent(missing):
            if time.monotonic() > deadline:
                names = ", ".join(task.text for task in missing)
                msg = (
                    f"Waited {seconds:g} s for {names}: nothing listens there. Start it, look at "
                    f"its output, or raise --startup-timeout."
                )
                raise UserError(msg)
            time.sleep(_PAUSE_SECONDS)


def absent(tasks: list[Task]) -> list[Task]:
    """Return those of some processes at whose address nothing accepts a connection."""
    with ThreadPoolExecutor(_THREADS) as threads:
        answers = list(threads.map(_answers, tasks))
    return [task for task, answer in zip(tasks, answers, strict=True) if not answer]


def _answers(task: Task) -> bool:
    try:
        with socket.create_connection((task.host, task.port), _PROBE_SECONDS):
            return True
    except OSError:
        return False


@contextmanager
def _listening(task: Task) -> Iterator[None]:
    family = socket.AF_INET6 if ":" in task.host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("", task.port))
        except OSError as error:
            why = "another program has it" if error.errno == errno.EADDRINUSE else error.strerror
            msg = (
                f"{VARIABLE}: cluster.{task.role}[{task.index}]: port {task.port} of this machine "
                f"cannot be used: {why}."
            )
            raise UsageError(msg) from error
        # Nobody is answered: that the system accepts connections is all that peers look for.
        listener.listen(_BACKLOG)
        yield

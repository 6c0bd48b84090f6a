"""Says which process was lost when TensorFlow says that one was."""

import atexit
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from smt_model.distributed.cluster import Task
from smt_model.distributed.rendezvous import absent
from smt_model.run_directory import RunDirectory
from smt_schemas import UserError

_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)
"""What calls to a process that is gone fail with."""


@contextmanager
def explained(peers: list[Task], run: RunDirectory) -> Iterator[None]:
    """Turn the failure of a call to another process into a message.

    Raises
    ------
    UserError
        Naming the processes that are lost, and what to do.
    """
    try:
        yield
    except _LOST as error:
        found = re.search(r"/job:(\w+)/replica:0/task:(\d+)", error.message)
        named = [peer for peer in peers if found and found.groups() == (peer.role, str(peer.index))]
        lost = absent(peers) or named
        names = ", ".join(peer.text for peer in lost) or "another process"
        msg = (
            f"The connection to {names} is lost, so training stops. Start all processes again "
            f"with the same options: they go on from the newest checkpoint in {run.path}."
        )
        # Closing a session waits for the process that is gone, without end.
        atexit.register(_leave)
        raise UserError(msg) from error


def _leave() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)

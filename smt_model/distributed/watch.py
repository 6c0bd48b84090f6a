"""Notices that a process is gone, while nothing is asked of it."""

import socket
import threading
import time
from types import TracebackType
from typing import Self

from smt_model.distributed.cluster import Task
from smt_schemas import UserError

_EVERY_SECONDS = 1.0
_REFUSALS = 3
"""Refused connections in a row: the machine is there, and the process is not."""
_PATIENCE_SECONDS = 60.0
"""Without any answer; a network may come back."""


class Watch:
    """Looks for a process now and then, in a thread inside the ``with`` block.

    Attributes
    ----------
    lost
        Whether it is gone; it may come back.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._stop = threading.Event()
        self.lost = False
        self._thread = threading.Thread(target=self._look, name="smt-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()

    def check(self) -> None:
        """Raise when the process is gone.

        Raises
        ------
        UserError
        """
        if self.lost:
            msg = (
                f"{self._task.text} is lost, so this process ends. Start all processes again with "
                "the same options: they go on from the newest checkpoint."
            )
            raise UserError(msg)

    def _look(self) -> None:
        refusals, answered = 0, time.monotonic()
        while not self._stop.wait(_EVERY_SECONDS):
            try:
                with socket.create_connection((self._task.host, self._task.port), 2.0):
                    refusals, answered = 0, time.monotonic()
            except ConnectionRefusedError:
                refusals += 1
            except OSError:
                refusals = 0
            silent = time.monotonic() - answered
            self.lost = refusals >= _REFUSALS or silent > _PATIENCE_SECONDS

"""A signal that one worker alone knows of."""

import signal

import pytest

from smt_model.distributed.agreement import SharedInterruption
from smt_model.interruption import StopRequestedError


def test_a_signal_waits_until_all_workers_know_of_it() -> None:
    with SharedInterruption() as interruption:
        with interruption.at_once():
            signal.raise_signal(signal.SIGTERM)
        interruption.check()
        assert interruption.wish == 1
        assert interruption.agrees(1)
        with pytest.raises(StopRequestedError), interruption.at_once():
            pytest.fail("work that all have given up")

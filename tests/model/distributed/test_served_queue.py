"""The queue on a server, as two workers with graphs and sessions of their own see it."""

from collections.abc import Iterator
from typing import Any

import pytest
import tensorflow as tf

from smt_model.distributed.served_queue import FINISHED, Record, ServedQueue
from smt_model.work_queue import QueueState

DEVICE = "/job:localhost/task:0"


class Worker:
    """One worker's graph and session."""

    def __init__(self, target: str, number: int) -> None:
        self._graph = tf.Graph()
        with self._graph.as_default():
            self.session = tf.compat.v1.Session(target)
            self.queue = ServedQueue(self.session, DEVICE, 4, number)
            self._record = self.queue.record()
            self.initialise = tf.compat.v1.global_variables_initializer()

    def records(self, piece: int, position: int, *, finishes: bool = False) -> bool:
        fed = dict(zip(self.queue.fed, Record(piece, position, finishes), strict=True))
        return bool(self.session.run(self._record, fed))


@pytest.fixture
def workers() -> Iterator[list[Worker]]:
    server = tf.distribute.Server.create_local_server()
    made = [Worker(server.target, number) for number in range(2)]
    made[0].session.run(made[0].initialise)
    yield made
    for worker in made:
        worker.session.close()


def test_a_queue_that_became_shorter_leaves_out_what_is_behind_its_end(
    workers: list[Worker],
) -> None:
    (first, _) = workers
    first.queue.fill(QueueState(following=9, begun={2: 1, 7: 3}))
    assert first.queue.claim() == (2, 1)
    assert first.queue.claim() is None


def test_each_piece_is_handed_out_once_in_order(workers: list[Worker]) -> None:
    first, second = workers
    claimed = [worker.queue.claim() for worker in (first, second, second, first)]
    assert claimed == [(0, 0), (1, 0), (2, 0), (3, 0)]
    assert first.queue.claim() is None
    assert first.queue.owners().tolist() == [0, 1, 1, 0]


def test_what_a_lost_worker_had_begun_goes_on_where_it_was(workers: list[Worker]) -> None:
    first, second = workers
    assert first.queue.claim() == (0, 0)
    assert first.records(0, 0)
    assert first.records(0, 1)
    assert second.queue.release(0) == 1
    assert second.queue.claim() == (0, 2)
    # The lost one comes back: its batch is not counted, and it hears that.
    assert not first.records(0, 2)
    assert second.records(0, 2, finishes=True)
    assert second.queue.owners()[0] == FINISHED


def test_a_batch_of_a_piece_that_was_claimed_twice_counts_once(workers: list[Worker]) -> None:
    first, _ = workers
    first.queue.claim()
    first.queue.release(0)
    assert first.queue.claim() == (0, 0)
    assert first.records(0, 0)  # made before it was taken for lost
    assert not first.records(0, 0)  # and again
    assert first.records(0, 1)


def test_a_batch_without_a_piece_changes_nothing(workers: list[Worker]) -> None:
    assert not workers[0].records(-1, 0, finishes=True)
    assert workers[0].queue.state() == QueueState()


def test_the_state_is_what_is_left_and_fills_a_queue_again(workers: list[Worker]) -> None:
    first, second = workers
    for worker, batches, finishes in ((first, 3, True), (second, 1, False), (first, 0, False)):
        piece, _ = worker.queue.claim() or (None, None)
        assert piece is not None
        for batch in range(batches):
            assert worker.records(piece, batch, finishes=finishes and batch == batches - 1)
    state = second.queue.state()
    assert state == QueueState(following=3, begun={1: 1, 2: 0})
    first.queue.fill(state)
    assert first.queue.state() == QueueState(following=2, begun={1: 1})  # the same: 2 was not begun
    claimed: list[Any] = [worker.queue.claim() for worker in (first, second, first, second)]
    assert claimed == [(1, 1), (2, 0), (3, 0), None]

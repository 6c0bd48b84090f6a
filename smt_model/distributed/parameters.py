"""A model's variables on parameter servers, as one worker sees them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from smt_model.config import TrainConfig
from smt_model.distributed.cluster import Cluster
from smt_model.distributed.served_progress import ServedProgress
from smt_model.distributed.served_queue import Record, ServedQueue
from smt_model.distributed.served_variable import Piece, ServedVariable, located
from smt_model.distributed.server_graph import ENDED, Held, ServerGraph
from smt_model.distributed.slices import Slice, dealt
from smt_model.model import MultiTaskModel
from smt_model.optimizer import Optimizer

Floats = NDArray[np.float32]
Int32s = NDArray[np.int32]

_MIB, _KIB = 1 << 20, 1 << 10


class Pulled(NamedTuple):
    """Values from the servers.

    Attributes
    ----------
    dense
        Those of the dense variables, for each server one after the other.
    vectors
        float32 [U, dim] for each table.
    """

    dense: list[Floats]
    vectors: list[Floats]


class Pushed(NamedTuple):
    """What the servers say to a push.

    Attributes
    ----------
    step
        Updates done by all workers, on all servers.
    ended
        Whether the chief ended the run.
    is_mine
        Whether the piece of the batch still was this worker's.
    """

    step: int
    ended: bool
    is_mine: bool


class Parameters:
    """Pulls values from the servers and pushes gradients to them.

    Parameters
    ----------
    config, total_steps
        Decide the slices and the update rule.
    model
        Whose tables are `ServedVariable` s; its dense variables hold what was pulled last.
    cluster
        The processes.
    target
        Of this process's TensorFlow server.
    pieces
        Of the queue of work; 1 where there is none.

    Attributes
    ----------
    progress, queue
        Where the run stands, and what is left to do.
    sizes
        Dense values on each server.
    table_slices, dense_slices
        Where the rows of each table and of each dense variable are.
    """

    def __init__(
        self,
        config: TrainConfig,
        total_steps: int,
        model: MultiTaskModel,
        cluster: Cluster,
        target: str,
        pieces: int,
    ) -> None:
        v1 = tf.compat.v1
        own = cluster.task
        self._own = f"/job:{own.role}/task:{own.index}"
        shapes = [tuple(variable.shape) for variable in model.dense_variables]
        tables = [tuple(table.packed.shape) for table in model.tables]
        minima = [config.input_layer_partitioner * _MIB] * len(tables)
        minima += [config.dense_layer_partitioner * _KIB] * len(shapes)
        servers = len(cluster.of_role("ps"))
        slices = dealt([*tables, *shapes], minima, servers)  # the largest first
        self.table_slices, self.dense_slices = slices[: len(tables)], slices[len(tables) :]
        self._graph = tf.Graph()
        with self._graph.as_default():
            dims = [table.layout.dim for table in model.tables]
            self._servers = [
                ServerGraph(
                    server,
                    config,
                    total_steps,
                    _held(self.dense_slices, shapes, server),
                    _held(self.table_slices, tables, server),
                    [dims[held.number] for held in _held(self.table_slices, tables, server)],
                )
                for server in range(servers)
            ]
            self.sizes = [server.flat.shape[0] for server in self._servers]
            self.session = v1.Session(
                target, config=v1.ConfigProto(device_filters=["/job:ps", self._own])
            )
            workers, worker = len(cluster.trainers), cluster.trainers.index(own)
            self.progress = ServedProgress(self.session, self._servers, workers, worker)
            self.queue = ServedQueue(self.session, self._servers[0].device, pieces, worker)
            self._initialise = v1.global_variables_initializer()
            self._pull, self._push = self._exchange(model)
            self._loads, self._load = self._loading()

    def adopt(self, model: MultiTaskModel, optimizer: Optimizer) -> None:
        """Let the tables, and the slots and counts of an optimizer, be what lies on the servers."""
        with self._graph.as_default():
            for number, table in enumerate(model.tables):
                self._connect(table.packed, self._table_pieces(number))
                self._adopt_count(optimizer, table, self._table_keys(number))
            for number, variable in enumerate(model.dense_variables):
                pieces = self._dense_pieces(number)
                for slot in optimizer.initial:
                    served = ServedVariable(variable.shape)
                    slots = [
                        Piece(part, self._servers[part.server].optimizer.slots[slot][held.ref()])
                        for part, held in pieces
                    ]
                    self._connect(served, slots)
                    optimizer.slots[slot][variable.ref()] = served
                keys = [(part.server, held.ref()) for part, held in pieces]
                self._adopt_count(optimizer, variable.ref(), keys)

    def initialise(self) -> None:
        """Make the variables, with no values yet."""
        self.session.run(self._initialise)

    def load(self, dense: Sequence[Floats]) -> None:
        """Give the dense variables their values."""
        self.session.run(self._load, dict(zip(self._loads, dense, strict=True)))

    def pull(self, rows: Sequence[Int32s]) -> Pulled:
        """Return all dense values, and the vectors of some rows of each table."""
        return Pulled(*self._pull(*rows))

    def push(
        self,
        dense: Sequence[Floats],
        rows: Sequence[Int32s],
        gradients: Sequence[Floats],
        record: Record,
    ) -> Pushed:
        """Update the servers' variables, and let the queue take note of the batch."""
        _, step, ending, is_mine = self._push(*dense, *rows, *gradients, *record)
        return Pushed(int(step), ending == ENDED, bool(is_mine))

    def _exchange(self, model: MultiTaskModel) -> tuple[Any, Any]:
        """Return what pulls and what pushes, as functions of arrays."""
        v1, servers = tf.compat.v1, self._servers
        with tf.device(self._own):
            flat = [v1.placeholder(tf.float32, server.flat.shape) for server in servers]
            rows = [v1.placeholder(tf.int32, [None]) for _ in model.tables]
            gradients = [
                v1.placeholder(tf.float32, [None, table.layout.dim]) for table in model.tables
            ]
        vectors = []
        pushed: list[list[tuple[tf.Tensor, tf.Tensor]]] = [[] for _ in servers]
        for slices, numbers, gradient in zip(self.table_slices, rows, gradients, strict=True):
            local, positions = located(numbers, slices, self._own)
            found = []
            for part, asked, position in zip(slices, local, positions, strict=True):
                server = servers[part.server]
                found.append(server.vectors(len(pushed[part.server]), asked))
                with tf.device(self._own):
                    pushed[part.server].append((asked, tf.gather(gradient, position)))
            with tf.device(self._own):
                vectors.append(tf.dynamic_stitch(positions, found))
        updates = [
            server.update(values, *zip(*parts, strict=True) if parts else ([], []))
            for server, values, parts in zip(servers, flat, pushed, strict=True)
        ]
        with tf.device(servers[0].device), tf.control_dependencies(updates):
            is_mine = self.queue.record()
            step, ending = self.progress.count()
        with tf.device(self._own):
            dense = [tf.identity(server.flat) for server in servers]
        return (
            self.session.make_callable([dense, vectors], rows),
            self.session.make_callable(
                [updates, step, ending, is_mine],
                [*flat, *rows, *gradients, *self.queue.fed],
            ),
        )

    def _loading(self) -> tuple[list[tf.Tensor], list[tf.Operation]]:
        with tf.device(self._own):
            flat = [
                tf.compat.v1.placeholder(tf.float32, server.flat.shape) for server in self._servers
            ]
        return flat, [s.load(values) for s, values in zip(self._servers, flat, strict=True)]

    def _connect(self, served: ServedVariable, pieces: Sequence[Piece]) -> None:
        served.connect(self.session, pieces, self._own)

    def _adopt_count(
        self, optimizer: Optimizer, counted: object, keys: Sequence[tuple[int, object]]
    ) -> None:
        counts = [self._servers[server].optimizer.counts.get(key) for server, key in keys]
        if None in counts:
            return
        served = ServedVariable([1], tf.int64)
        # Each slice is updated at every step, so all have the same count.
        pieces = [Piece(Slice(s, 0, 1), count) for (s, _), count in zip(keys, counts, strict=True)]
        self._connect(served, pieces)
        optimizer.counts[counted] = served

    def _table_pieces(self, number: int) -> list[Piece]:
        return [
            Piece(part, self._servers[part.server].packed[self._position(part.server, number)])
            for part in self.table_slices[number]
        ]

    def _table_keys(self, number: int) -> list[tuple[int, object]]:
        slices = self.table_slices[number]
        return [(part.server, self._position(part.server, number)) for part in slices]

    def _dense_pieces(self, number: int) -> list[Piece]:
        found = []
        for part in self.dense_slices[number]:
            before = self.dense_slices[:number]
            position = sum(part.server == other.server for parts in before for other in parts)
            found.append(Piece(part, self._servers[part.server].dense[position]))
        return found

    def _position(self, server: int, table: int) -> int:
        """Return the position of a table's slice among those of a server."""
        before = self.table_slices[:table]
        return sum(server == part.server for parts in before for part in parts)


def _held(
    slices: Sequence[Sequence[Slice]], shapes: Sequence[tuple[int, ...]], server: int
) -> list[Held]:
    return [
        Held(number, (part.stop - part.start, *shape[1:]))
        for number, (parts, shape) in enumerate(zip(slices, shapes, strict=True))
        for part in parts
        if part.server == server
    ]

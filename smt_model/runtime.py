"""Loads TensorFlow: quietly, with its thread pools set, or with a word on how to install it."""

import os
from importlib.util import find_spec

from smt_schemas import UserError

TOWERS_SIDE_BY_SIDE = 2


def require_tensorflow() -> None:
    """Prepare for ``import tensorflow``; call it before the first such import.

    TensorFlow's own log is silenced, unless ``SMT_DEBUG`` (which ``--debug`` sets) is 1.

    Raises
    ------
    UserError
        When TensorFlow is not installed.
    """
    if find_spec("tensorflow") is None:
        msg = "TensorFlow is not installed; run: pip install 'simple-multitask[train]'"
        raise UserError(msg)
    if os.environ.get("SMT_DEBUG") != "1":
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def configure(inter: int, intra: int) -> None:
    """Set TensorFlow's thread pools; call it before the first operation.

    On two cores, two operations side by side (the two towers) with one thread each take
    40% of the time that one operation with two threads takes.

    Parameters
    ----------
    inter
        Operations that run at the same time; 0 for two.
    intra
        Threads inside an operation; 0 for the cores divided by two.
    """
    import tensorflow as tf

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = tf.config.threading
    threads.set_inter_op_parallelism_threads(inter or TOWERS_SIDE_BY_SIDE)
    threads.set_intra_op_parallelism_threads(intra or max(1, (cores or 1) // TOWERS_SIDE_BY_SIDE))
    # The remapper fuses matrix products with what follows, into kernels that are slower here.
    tf.config.optimizer.set_experimental_options({"remapping": False})

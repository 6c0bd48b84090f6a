"""Loads TensorFlow: quietly, with its thread pools set, or with a word on how to install it."""

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec

from smt_features.cores import usable_cores
from smt_schemas import UserError

TOWERS_SIDE_BY_SIDE = 2

_NOT_NEEDED = ("jax", "keras", "pandas")
"""What TensorFlow imports where it is installed and does without where it is not.

Keras alone is a fourth of the time that TensorFlow's import takes; with JAX, pandas and
Matplotlib, which Keras imports, two fifths to a half. ``tf.keras`` is there all the same: it is
imported when it is first used.
"""


def start_tensorflow(inter: int = 0, intra: int = 0, *, op_fusion: bool = True) -> None:
    """Import TensorFlow and set its thread pools; call it before any other use of it.

    TensorFlow's own log is silenced, unless ``SMT_DEBUG`` (which ``--debug`` sets) is 1; oneDNN's
    kernels are used, unless ``TF_ENABLE_ONEDNN_OPTS`` says otherwise; and Keras is not imported
    before it is used. A process that has imported TensorFlow itself keeps what it has; without
    AVX-512 its sums then differ in their last bits.
    On two cores, two operations side by side (the two towers) with one thread each take
    40% of the time that one operation with two threads takes.

    Parameters
    ----------
    inter
        Operations that run at the same time; 0 for two.
    intra
        Threads inside an operation; 0 for the cores divided by two.
    op_fusion
        Let TensorFlow optimise its graphs; otherwise they run as they are written.

    Raises
    ------
    UserError
        When TensorFlow is not installed.
    """
    if find_spec("tensorflow") is None:
        msg = "TensorFlow is not installed; run: pip install 'simple-multitask[train]'"
        raise UserError(msg)
    if "tensorflow" not in sys.modules:
        _import_tensorflow()
    import tensorflow as tf

    threads = tf.config.threading
    threads.set_inter_op_parallelism_threads(inter or TOWERS_SIDE_BY_SIDE)
    threads.set_intra_op_parallelism_threads(intra or max(1, usable_cores() // TOWERS_SIDE_BY_SIDE))
    # The remapper fuses matrix products with what follows, into kernels that are slower here.
    tf.config.optimizer.set_experimental_options(
        {"remapping": False, "disable_meta_optimizer": not op_fusion}
    )


def _import_tensorflow() -> None:
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # faster products, off without AVX-512
    quiet = os.environ.get("SMT_DEBUG") != "1"
    if quiet:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _hidden(_NOT_NEEDED), _held_back_stderr() if quiet else nullcontext():
        import tensorflow  # noqa: F401


@contextmanager
def _hidden(names: Iterable[str]) -> Iterator[None]:
    """Let imports of modules fail as if they were not installed; what is imported stays."""
    hidden = dict.fromkeys(name for name in names if name not in sys.modules)
    sys.modules.update(hidden)  # type: ignore[arg-type]  # None is what Python's import looks for
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def _held_back_stderr() -> Iterator[None]:
    # TensorFlow's libraries write to the file descriptor before any log level applies to them.
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            aside.seek(0)
            os.write(kept, aside.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)

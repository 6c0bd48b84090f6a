"""Traces single calls of the training step with TensorFlow's profiler."""

import gzip
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from smt_schemas import UserError

DIRECTORY = "timeline"
_HOST_DETAILS = 2
"""Trace the operations too, not only what the program marks."""


@contextmanager
def traced(run: Path, step: int) -> Iterator[None]:
    """Trace the block, and write what it did as that of a step.

    Below ``timeline/step-<step>/`` of the run lies the profile that TensorBoard's profile
    plugin opens, and beside it ``step-<step>.trace.json.gz``, the same events in the format of
    Chrome's ``about:tracing`` and of Perfetto (ui.perfetto.dev opens it).

    Raises
    ------
    UserError
        When the files cannot be written.
    """
    # A directory for each trace: the profiler names its own by the second.
    directory = run / DIRECTORY / f"step-{step:010d}"
    options = tf.profiler.experimental.ProfilerOptions(
        host_tracer_level=_HOST_DETAILS, python_tracer_level=0, device_tracer_level=0
    )
    with _writing(directory):
        # A run that was killed after this step traces it again; two profiles are not converted.
        shutil.rmtree(directory, ignore_errors=True)
        tf.profiler.experimental.start(str(directory), options)
    try:
        yield
    except BaseException:
        tf.profiler.experimental.stop(save=False)
        raise
    with _writing(directory):
        tf.profiler.experimental.stop()
        trace = _chrome_trace(sorted(directory.rglob("*.xplane.pb")))
        directory.with_suffix(".trace.json.gz").write_bytes(gzip.compress(trace, mtime=0))


@contextmanager
def _writing(directory: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        msg = f"Cannot write the timeline {directory}: {error}"
        raise UserError(msg) from error


def _chrome_trace(profiles: list[Path]) -> bytes:
    # The public interface only talks to TensorBoard's plugin, which is not a dependency.
    from tensorflow.python.profiler.internal import _pywrap_profiler_plugin

    trace, is_whole = _pywrap_profiler_plugin.xspace_to_tools_data(
        [str(path) for path in profiles], "trace_viewer@", {}
    )
    if not is_whole:
        msg = f"TensorFlow cannot convert {profiles}"
        raise OSError(msg)
    return trace  # type: ignore[no-any-return]

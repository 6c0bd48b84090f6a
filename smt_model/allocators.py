"""Runs the process on another memory allocator."""

import os
import sys
from ctypes.util import find_library

from smt_schemas import UserError

MALLOC_CONF = "background_thread:true,metadata_thp:auto,dirty_decay_ms:20000,muzzy_decay_ms:20000"
"""What DeepRec's script sets: freed pages are kept for 20 seconds."""


def use(name: str) -> None:
    """Start the process again with the allocator, unless it runs on it already.

    Allocators are chosen by the loader, before the program starts, so that nothing less than
    a new start helps. ``MALLOC_CONF`` is left alone when it is set.

    Raises
    ------
    UserError
        When its library is not installed.
    """
    preloaded = os.environ.get("LD_PRELOAD", "")
    if f"lib{name}" in preloaded:
        return
    library = find_library(name)
    if library is None:
        msg = f"--allocator {name}: the library is not installed (Debian: apt install lib{name}2)."
        raise UserError(msg)
    environment = os.environ | {"LD_PRELOAD": f"{library} {preloaded}".strip()}
    environment.setdefault("MALLOC_CONF", MALLOC_CONF)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606

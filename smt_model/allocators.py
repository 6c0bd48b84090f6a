"""Runs the process on another memory allocator."""

import os
import sys
from collections.abc import Mapping
from ctypes.util import find_library

from smt_schemas import UserError

MALLOC_CONF = "background_thread:true,metadata_thp:auto,dirty_decay_ms:20000,muzzy_decay_ms:20000"
"""What DeepRec's script sets: freed pages are kept for 20 seconds."""

_AT_ONCE = "dirty_decay_ms:0,muzzy_decay_ms:0"
_AFTER = "background_thread:true,metadata_thp:auto,dirty_decay_ms:{0},muzzy_decay_ms:{0}"

STRATEGIES: Mapping[str, str | None] = {
    "min": _AT_ONCE,
    "mid": "background_thread:true,dirty_decay_ms:10000,muzzy_decay_ms:10000",
    "max": _AFTER.format(240_000),
    "251": _AFTER.format(60_000),
    "xmin": _AT_ONCE,
    "xmid": None,
    "244": None,
}
"""MALLOC_CONF by MEM_USAGE_STRATEGY, as DeepRec's ``launch.py`` sets it; None for jemalloc's own.

DeepRec runs ``xmin``, ``xmid`` and ``244`` on jemalloc 2.4.4. Here there is one jemalloc, of
version 5, whose settings for the same are given: ``decay_time:0`` is called as above since.
"""


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
    environment = os.environ | _preload(os.environ, name, f"--allocator {name}")
    environment.setdefault("MALLOC_CONF", MALLOC_CONF)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606


def strategy(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what MEM_USAGE_STRATEGY adds to the environment of a process.

    Without it, or with ``close``, that is nothing. ``MALLOC_CONF`` is left alone when it is set.

    Raises
    ------
    UserError
        When the strategy is unknown, or jemalloc is not installed.
    """
    name = environment.get("MEM_USAGE_STRATEGY", "close")
    if name == "close":
        return {}
    if name not in STRATEGIES:
        msg = f"MEM_USAGE_STRATEGY={name} is unknown: {', '.join(['close', *STRATEGIES])}."
        raise UserError(msg)
    added = _preload(environment, "jemalloc", f"MEM_USAGE_STRATEGY={name}")
    if (settings := STRATEGIES[name]) and "MALLOC_CONF" not in environment:
        added["MALLOC_CONF"] = settings
    return added


def _preload(environment: Mapping[str, str], name: str, asked: str) -> dict[str, str]:
    """Return LD_PRELOAD with an allocator's library before what is there."""
    library = find_library(name)
    if library is None:
        msg = f"{asked}: lib{name} is not installed (Debian: apt install lib{name}2)."
        raise UserError(msg)
    return {"LD_PRELOAD": f"{library} {environment.get('LD_PRELOAD', '')}".strip()}

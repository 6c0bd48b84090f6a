"""Describes the machine and the installation, without loading anything heavy."""

import os
import platform
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from smt_features.cores import usable_cores

PACKAGES = ("tensorflow", "numpy", "polars", "polars-hash", "pyarrow", "mmh3", "pydantic", "typer")
"""Packages whose versions matter."""

CPU_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16")
"""Instructions on which the speed of training depends."""

VARIABLES = (
    *("TF_CONFIG", "TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA"),
    *("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "_RJEM_MALLOC_CONF"),
    *("LD_PRELOAD", "MALLOC_CONF", "START_STATISTIC_STEP", "STOP_STATISTIC_STEP"),
)
"""Environment variables that change what the program does."""


def environment(packages: Iterable[str] = PACKAGES) -> dict[str, Any]:
    """Return versions, processor, memory and environment variables.

    Parameters
    ----------
    packages
        Whose versions to tell.

    Returns
    -------
    dict
        ``cores`` are those this process may use; ``cpu_flags`` names the vector instructions
        that matter, and ``memory_bytes`` is what the machine has. What cannot be found out is
        None (a version: ``not installed``).
    """
    cpu = _cpu_info()
    flags = cpu.get("flags", "").split()
    return {
        "smt": _version("simple-multitask"),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpu": cpu.get("model name", platform.processor() or None),
        "cpu_flags": [flag for flag in CPU_FLAGS if flag in flags],
        "cores": usable_cores(),
        "memory_bytes": _memory(),
        "packages": {name: _version(name) for name in packages},
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _cpu_info(path: Path = Path("/proc/cpuinfo")) -> dict[str, str]:
    """Return what Linux says of the first core; nothing on other systems."""
    if not path.is_file():
        return {}
    first = path.read_text(encoding="utf-8").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None

"""How many cores there are to work on."""

import os


def usable_cores() -> int:
    """Return how many cores this process may use, which ``taskset`` and cpusets can restrict.

    A quota of processor time, as containers have it, restricts no cores and is not looked at.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

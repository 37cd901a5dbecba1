"""How many processor cores there are to work on."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """CPU cores that this process may use; where the system does not tell, all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

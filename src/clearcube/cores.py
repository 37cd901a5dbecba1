"""How many processor cores there are to work on."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Cores that this process may use, at least one; where the system does not tell, those that there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

"""Threads that networks compute with."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch


class _Users:
    """Who is inside, over all threads of the process: a thread that comes later must not take their count for usual."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.usual = 0
        self.own = threading.local()


_USERS = _Users()


def _process_wide() -> int:
    """The count that new threads get; this one may remember an earlier one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(torch.get_num_threads).result()


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """So many threads for torch while the context lasts; afterwards as many as before, whatever other threads do."""
    torch.get_num_threads()  # a thread that has not asked yet would take the process-wide count at its first operation
    with _USERS.lock:
        if not _USERS.inside:
            _USERS.usual = _process_wide()
        _USERS.inside += 1
    before = getattr(_USERS.own, "count", None)
    _USERS.own.count = count
    torch.set_num_threads(count)
    try:
        yield
    finally:
        _USERS.own.count = before
        with _USERS.lock:
            _USERS.inside -= 1
            torch.set_num_threads(before or _USERS.usual)

"""Running tasks: on threads of this process or on a cluster, with each result reported as it comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any

import dask
from dask.delayed import Delayed, delayed

from clearcube.cores import usable_cores
from clearcube.errors import InputError

THREADS = "threads"
ANSWER_WITHIN_S = 20.0
"""Seconds that a dask scheduler has to answer."""
LARGEST_GRAPH = "500MB"
"""Size of tasks from which dask warns."""


@dataclass(frozen=True)
class Workers:
    """Where tasks run.

    scheduler : `threads`, or the address of a running dask scheduler (`tcp://host:port`).
    count : number of threads; None = one for each core that the process may use. A cluster has its own.
    """

    scheduler: str = THREADS
    count: int | None = None

    def __post_init__(self) -> None:
        if self.scheduler != THREADS and "://" not in self.scheduler:
            raise InputError(
                f"scheduler {self.scheduler!r} is not known: give 'threads' or an address, tcp://host:port"
            )
        if self.count is not None and self.count < 1:
            raise InputError(f"workers is {self.count}: at least one is needed")

    def run(self, tasks: Sequence[Delayed], on_result: Callable[[Any], None]) -> None:
        """Run the tasks and hand over each result, one at a time, in the order in which they end."""
        if not tasks:
            return
        if self.scheduler == THREADS:
            _run_on_threads(tasks, on_result, self.count or usable_cores())
        else:
            _run_on_cluster(tasks, on_result, self.scheduler)


def _run_on_threads(tasks: Sequence[Delayed], on_result: Callable[[Any], None], count: int) -> None:
    lock = Lock()

    def report(result: Any) -> None:
        with lock:
            on_result(result)

    pool = ThreadPoolExecutor(count)
    try:
        dask.compute(*[delayed(report, pure=False)(task) for task in tasks], scheduler="threads", pool=pool)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _run_on_cluster(tasks: Sequence[Delayed], on_result: Callable[[Any], None], address: str) -> None:
    from distributed import Client, as_completed

    try:
        client = Client(address, set_as_default=False, timeout=ANSWER_WITHIN_S)
    except (OSError, ValueError) as error:
        raise InputError(f"no dask scheduler answers at {address} ({error}); start one or use 'threads'") from error
    large = {"distributed.admin.large-graph-warning-threshold": LARGEST_GRAPH}
    with client, dask.config.set(large):  # a small cube's mask goes with the tasks, which no user need be warned of
        futures = client.compute(list(tasks))
        try:
            for future in as_completed(futures, loop=client.loop):
                on_result(future.result())
        finally:
            client.cancel(futures)

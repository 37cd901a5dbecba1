"""Work on many items in threads, few of them in hand at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from clearcube.stopping import Stop

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    stop: Stop | None = None,
    on_stop: Callable[[], None] = lambda: None,
) -> Iterator[Result]:
    """Results as they come; so many items are in hand at once and no more, however many there are.

    stop : is asked when something ends this before its time; what is in hand is waited for. on_stop : is called then.
    """
    with ThreadPoolExecutor(workers) as pool:
        pending: set[Future[Result]] = set()
        try:
            for item in items:
                pending.add(pool.submit(work, item))
                if len(pending) >= workers:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            yield from (future.result() for future in pending)
        except BaseException:
            if stop is not None:
                stop.ask()
                on_stop()
            raise

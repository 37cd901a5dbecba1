"""What commands show: progress, tables, bar charts in text."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from clearcube.progress import ReportProgress

BLOCKS = " ▏▎▍▌▋▊▉█"
LINE_EVERY_S = 5.0


@contextmanager
def progress(quiet: bool) -> Iterator[ReportProgress]:
    """A function that takes (phase, done, total): a bar with rate and time left on a terminal, plain lines else."""
    if quiet:
        yield lambda phase, done, total: None
    elif sys.stderr.isatty():
        with _bar() as report:
            yield report
    else:
        yield _lines()


@contextmanager
def _bar() -> Iterator[ReportProgress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:>10}"), BarColumn(), TaskProgressColumn(show_speed=False))
    rate = TextColumn("{task.fields[rate]}")
    with Progress(*columns, rate, TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        tasks: dict[str, tuple[TaskID, float, int]] = {}

        def report(phase: str, done: int, total: int) -> None:
            if phase not in tasks:
                tasks[phase] = bars.add_task(phase, total=total, rate=""), time.monotonic(), done
            task, start, first = tasks[phase]
            bars.update(task, completed=done, rate=_rate(done - first, time.monotonic() - start, phase))

        yield report


def _lines() -> ReportProgress:
    """Plain lines: at the beginning and end of a phase, and every few seconds between."""
    last: dict[str, tuple[float, float, int]] = {}

    def report(phase: str, done: int, total: int) -> None:
        now = time.monotonic()
        start, shown, first = last.get(phase, (now, 0.0, done))
        if done >= total or now - shown > LINE_EVERY_S:
            elapsed, since = now - start, done - first
            left = f", {elapsed / since * (total - done):.0f} s left" if since > 0 and done < total else ""
            typer.echo(f"{phase} {100 * done / max(total, 1):.0f} %{_rate(since, elapsed, phase)}{left}", err=True)
            shown = now
        last[phase] = (start, shown, first)

    return report


def _rate(done: int, elapsed: float, phase: str) -> str:
    """Pixels (each with all its dates) a second, of those done since the first report, from which time counts."""
    if phase != "filling" or elapsed <= 0 or done == 0:
        return ""
    return f" {done / elapsed / 1e6:.3g} million pixels/s"


def bar(share: float, width: int = 30) -> str:
    """A bar of text for a share from 0 to 1.

    >>> bar(0.5, 4)
    '██  '
    """
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return (BLOCKS[-1] * full + (BLOCKS[rest] if rest else "")).ljust(width)

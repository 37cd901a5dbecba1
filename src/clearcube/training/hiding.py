"""Artificial gaps: which observed pixels a sample hides from the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from clearcube.gaps import MaskBank
    from clearcube.training.config import SamplingConfig

    Bools = NDArray[np.bool_]

RUN_DAYS = (10.0, 90.0)
"""Shortest and longest run of hidden dates, days."""
END_DAYS = (5.0, 60.0)
"""The same at the start or end of the series."""
LARGEST_SHARE = 0.6
"""Of a series' days that a run may take."""


def draw_hidden(
    rng: Generator, observed: Bools, days: NDArray[np.int64], bank: MaskBank, config: SamplingConfig
) -> Bools:
    """Observed pixels to hide, (T, H, W) bool: one kind of gap, sometimes two.

    observed (T, H, W) bool; days (T,) ascending; bank: shapes of clouds. May be empty where little is observed.
    """
    kinds: tuple[tuple[float, Callable[[], Bools]], ...] = (
        (config.partial, lambda: _partial(rng, observed, bank)),
        (config.frames_hidden, lambda: _frames(rng, observed)),
        (config.runs, lambda: _run(rng, observed, days)),
        (config.ends, lambda: _end(rng, observed, days)),
    )
    weights = np.array([weight for weight, _ in kinds])
    count = 2 if rng.random() < config.second_gap else 1
    hidden = np.zeros_like(observed)
    for kind in rng.choice(len(kinds), count, p=weights / weights.sum()):
        hidden |= kinds[kind][1]()
    return hidden & observed


def _some_dates(rng: Generator, observed: Bools) -> NDArray[np.intp]:
    """A fifth to a half of the dates that see a good part of the ground, one at least; none where there are none."""
    seen = np.flatnonzero(observed.mean(axis=(1, 2)) > 0.3)
    if seen.size < 2:
        return seen[:0]
    count = max(1, round(seen.size * rng.uniform(0.2, 0.5)))
    return np.asarray(rng.choice(seen, count, replace=False))


def _partial(rng: Generator, observed: Bools, bank: MaskBank) -> Bools:
    """Shapes of clouds over some dates."""
    hidden = np.zeros_like(observed)
    for date in _some_dates(rng, observed):
        hidden[date] = ~bank.draw(rng, (observed.shape[1], observed.shape[2]))
    return hidden


def _frames(rng: Generator, observed: Bools) -> Bools:
    """Some dates as a whole."""
    hidden = np.zeros_like(observed)
    hidden[_some_dates(rng, observed)] = True
    return hidden


def _run(rng: Generator, observed: Bools, days: NDArray[np.int64]) -> Bools:
    """All dates of a run of days within the series."""
    span = float(days[-1] - days[0])
    length = min(rng.uniform(*RUN_DAYS), LARGEST_SHARE * span)
    start = days[0] + rng.uniform(0, span - length)
    return _dates(observed, (days >= start) & (days <= start + length))


def _end(rng: Generator, observed: Bools, days: NDArray[np.int64]) -> Bools:
    """The first or the last days."""
    length = min(rng.uniform(*END_DAYS), LARGEST_SHARE * float(days[-1] - days[0]))
    at_start = rng.random() < 0.5
    return _dates(observed, days - days[0] < length if at_start else days[-1] - days < length)


def _dates(observed: Bools, chosen: Bools) -> Bools:
    return np.broadcast_to(chosen[:, None, None], observed.shape)

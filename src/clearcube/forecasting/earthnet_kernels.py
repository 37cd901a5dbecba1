"""Trends and distances of distributions, pixel by pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clearcube.compilation import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def slopes(predicted: Floats, target: Floats, clear: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Least-squares slopes (N,) of series (T, N) with two clear dates at least, over the span of the clear dates.

    The target's is of its clear dates, the prediction's of all dates between the first and the last of them.
    """
    steps = np.arange(len(clear))[:, None]
    first, last = clear.argmax(axis=0), len(clear) - 1 - clear[::-1].argmax(axis=0)
    time = (steps - first) / (last - first)
    span = (steps >= first) & (steps <= last)
    return _slope(time, predicted, span), _slope(time, target, clear)


def _slope(time: Floats, values: Floats, counted: NDArray[np.bool_]) -> Floats:
    """Least-squares slope (N,) of the counted dates, (T, N)."""
    count = counted.sum(axis=0)
    t = np.where(counted, time - np.where(counted, time, 0.0).sum(axis=0) / count, 0.0)
    return np.asarray((t * values).sum(axis=0) / (t * t).sum(axis=0))


@compiled()
def pixel_distances(predicted: Floats, target: Floats, clear: NDArray[np.bool_]) -> Floats:
    """Wasserstein distance (N,) of all predicted and of the clear target values, (N, T); NaN below two clear dates.

    The area between the two distribution functions, step by step over the sorted values of both.
    """
    pixels, times = predicted.shape
    out = np.full(pixels, np.nan)
    for p in range(pixels):
        kept = target[p][clear[p]]
        if kept.size < 2:
            continue
        mine, theirs = np.sort(predicted[p]), np.sort(kept)
        i = j = 0
        area, before = 0.0, min(mine[0], theirs[0])
        while i < times or j < kept.size:
            take_mine = j == kept.size or (i < times and mine[i] <= theirs[j])
            value = mine[i] if take_mine else theirs[j]
            area += (value - before) * abs(i / times - j / kept.size)
            before = value
            if take_mine:
                i += 1
            else:
                j += 1
        out[p] = area
    return out

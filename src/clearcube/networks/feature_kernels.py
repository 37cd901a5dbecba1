"""The features of a network's input as loops over pixels, for arrays in the processor's memory.

What `features` defines operation by operation over whole maps, computed for one segment of neighbouring pixels after
the other, so that everything about them stays in the cache. Inner loops run along the segment without branches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clearcube.compilation import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Bools = NDArray[np.bool_]

SEGMENT = 512
"""Pixels that are worked through together."""
_ZERO = np.float32(0)
_ONE = np.float32(1)
_NOWHERE = np.float32(np.inf)


@compiled()
def series_kernel(
    given: Floats,
    valid: Bools,
    days: Floats,
    never: np.float32,
    largest: np.float32,
    values: Floats,
    before: Floats,
    after: Floats,
    interpolation: Floats,
    difference: Floats,
    anomaly: Floats,
    position: Floats,
    start: int,
    stop: int,
) -> None:
    """Fill the fields of `features.Series` for the pixels from `start` to `stop`.

    given, values, interpolation, difference, anomaly : (T, N, B, P); valid, before, after, position : (T, N, P);
    days : (T, N). never, largest : `features.NEVER_DAYS` and `features.LARGEST_ANOMALY`.
    """
    times, samples, bands, _ = given.shape
    following = np.empty((times, SEGMENT), np.float32)
    for n in range(samples):
        for x in range(start, stop, SEGMENT):
            end = min(x + SEGMENT, stop)
            _find_neighbours(valid, days, n, x, end, never, before, after, position)
            for b in range(bands):
                carry_back(given, valid, n, b, x, end, following)
                previous = np.zeros(end - x, np.float32)
                for t in range(times):
                    row, seen = given[t, n, b, x:end], valid[t, n, x:end]
                    earlier, later, share = before[t, n, x:end], after[t, n, x:end], position[t, n, x:end]
                    value, between = values[t, n, b, x:end], interpolation[t, n, b, x:end]
                    error = anomaly[t, n, b, x:end]
                    _differ(previous, following[t], earlier, later, never, difference[t, n, b, x:end])
                    _mask(row, seen, value)
                    interpolate(value, seen, share, previous, following[t], between)
                    _compare(value, seen, between, largest, error)
                    _ignore_lone(earlier, later, never, error)


@compiled()
def neighbours_kernel(
    valid: Bools,
    days: Floats,
    never: np.float32,
    before: Floats,
    after: Floats,
    position: Floats,
    start: int,
    stop: int,
) -> None:
    """Days to the neighbours of the pixels from `start` to `stop`, and the position between; all (T, N, P)."""
    for n in range(valid.shape[1]):
        for x in range(start, stop, SEGMENT):
            end = min(x + SEGMENT, stop)
            _find_neighbours(valid, days, n, x, end, never, before, after, position)


@compiled()
def _find_neighbours(
    valid: Bools,
    days: Floats,
    n: int,
    x: int,
    end: int,
    never: np.float32,
    before: Floats,
    after: Floats,
    position: Floats,
) -> None:
    """Days to the previous and to the next valid date, and the position between them."""
    times = len(days)
    held = np.full(end - x, _NOWHERE)
    for t in range(times - 1, -1, -1):
        day, seen, row = days[t, n], valid[t, n, x:end], after[t, n, x:end]
        for i in range(end - x):
            kept = held[i]
            row[i] = min(kept - day, never)
            held[i] = day if seen[i] else kept
    held[:] = -_NOWHERE
    for t in range(times):
        day, seen = days[t, n], valid[t, n, x:end]
        since, until, share = before[t, n, x:end], after[t, n, x:end], position[t, n, x:end]
        for i in range(end - x):
            kept, later = held[i], until[i]
            earlier = min(day - kept, never)
            between = np.divide(earlier, earlier + later)  # unlike /, no branch for a divisor of 0
            between = between if later < never else _ZERO
            since[i] = earlier
            share[i] = between if earlier < never else _ONE
            held[i] = day if seen[i] else kept


@compiled()
def carry_back(given: Floats, valid: Bools, n: int, b: int, x: int, end: int, following: Floats) -> None:
    """At each date the next later valid value of a band, (T, >= end - x); 0 where there is none."""
    held = np.zeros(end - x, np.float32)
    for t in range(len(given) - 1, -1, -1):
        row, value, seen = following[t], given[t, n, b, x:end], valid[t, n, x:end]
        for i in range(end - x):
            kept, new = held[i], value[i]
            row[i] = kept
            held[i] = new if seen[i] else kept


@compiled()
def _differ(
    previous: Floats, following: Floats, before: Floats, after: Floats, never: np.float32, difference: Floats
) -> None:
    for i in range(len(difference)):
        step = following[i] - previous[i]
        difference[i] = step if (before[i] < never) & (after[i] < never) else _ZERO


@compiled()
def _mask(given: Floats, valid: Bools, values: Floats) -> None:
    for i in range(len(given)):
        value = given[i]
        values[i] = value if valid[i] else _ZERO


@compiled()
def _compare(values: Floats, valid: Bools, interpolation: Floats, largest: np.float32, anomaly: Floats) -> None:
    for i in range(len(values)):
        error = min(max(values[i] - interpolation[i], -largest), largest)
        anomaly[i] = error if valid[i] else _ZERO


@compiled()
def _ignore_lone(before: Floats, after: Floats, never: np.float32, anomaly: Floats) -> None:
    for i in range(len(anomaly)):
        error = anomaly[i]
        anomaly[i] = error if (before[i] < never) | (after[i] < never) else _ZERO


@compiled()
def interpolate(
    given: Floats, valid: Bools, position: Floats, previous: Floats, following: Floats, out: Floats
) -> None:
    """One date and band: between the previous valid value, which is brought up to date, and the following one."""
    for i in range(len(given)):
        left, new = previous[i], given[i]
        out[i] = left + position[i] * (following[i] - left)
        previous[i] = new if valid[i] else left

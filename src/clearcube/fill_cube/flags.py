"""Where every value of a window comes from, and what its arrays must hold for that: compiled loops over pixels.

Pixels are worked through in segments of a frame. The loop over a row of pixels is a function of its own wherever it
can be: so it is compiled to instructions that handle many pixels each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clearcube.compilation import compiled
from clearcube.cube import Source
from clearcube.gaps import NEVER, count_row, steps_between

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float32]
    Days = NDArray[np.int16]
    Flags = NDArray[np.uint8]

SEGMENT = 4096
"""Pixels that are worked through together."""
NO_LIMIT = np.iinfo(np.int32).max

_UNFILLED, _OBSERVED = np.uint8(Source.UNFILLED), np.uint8(Source.OBSERVED)
_INTERPOLATED, _EXTRAPOLATED = np.uint8(Source.INTERPOLATED), np.uint8(Source.EXTRAPOLATED)


def flag_pixels(
    observed: Bools,
    dates: NDArray[np.datetime64],
    acquired: Bools | None = None,
    *,
    inner_limit: int | None = None,
    end_limit: int | None = None,
) -> tuple[Flags, Days]:
    """Source and days to the nearest observation on either side, (T, H, W) each, as in `Filled`.

    observed (T, H, W), dates (T,) datetime64[D] ascending, acquired (T,): the dates of the series itself, None = all.
    Gaps that are longer than the limits, in days, between two observations and at the ends of the series, are UNFILLED;
    None = no limit. A date before or after the series makes the gap there as long as it is itself away.
    """
    shape = observed.shape
    source, nearest = np.empty(shape, np.uint8), np.empty(shape, np.int16)
    limits = np.array([NO_LIMIT if limit is None else min(limit, NO_LIMIT) for limit in (inner_limit, end_limit)])
    own = dates if acquired is None else dates[acquired]
    ends = np.stack([dates - own[0], own[-1] - dates]).astype(np.int32).clip(min=0)
    flat = (shape[0], -1)
    seen = np.ascontiguousarray(observed).reshape(flat)
    _flag(seen, steps_between(dates), ends, limits.astype(np.int32), source.reshape(flat), nearest.reshape(flat))
    return source, nearest


def usable_pixels(reflectance: Floats, observed: Bools) -> Bools:
    """The observed pixels whose every band is finite, (T, H, W); reflectance (T, B, H, W), observed (T, H, W)."""
    usable = observed.copy()
    _drop_infinite(_flat(np.ascontiguousarray(reflectance)), usable.reshape(len(usable), -1))
    return usable


def keep_observed(mean: Floats, reflectance: Floats, source: Flags) -> None:
    """Put the reflectance into the mean, (T, B, H, W) contiguous, wherever the source (T, H, W) is OBSERVED."""
    _keep(_flat(np.ascontiguousarray(reflectance)), source.reshape(len(source), -1), _flat(mean))


def blank_unfilled(values: Floats, source: Flags) -> None:
    """Put NaN into the values, (T, B, H, W) contiguous, wherever the source (T, H, W) is UNFILLED."""
    _blank(source.reshape(len(source), -1), _flat(values))


def _flat(values: Floats) -> Floats:
    """(T, B, H, W) as (T, B, P)."""
    return values.reshape(*values.shape[:2], -1)


@compiled()
def _nearest_row(before: Days, after: Days, nearest: Days) -> None:
    """The smaller of the two where both are there, else the one that is, else NEVER."""
    for x in range(len(nearest)):
        b, a = before[x], after[x]
        low, high = (b, a) if b < a else (a, b)
        nearest[x] = high if low < 0 else low


@compiled()
def _source_row(before: Days, after: Days, ends: NDArray[np.int32], limits: NDArray[np.int32], source: Flags) -> None:
    """Flags of a row from the days before and after, the days from the start and to the end (2,), and the limits."""
    from_start, to_end, inner_limit, end_limit = ends[0], ends[1], limits[0], limits[1]
    for x in range(len(source)):
        b, a = before[x], after[x]
        one, other = b == NEVER, a == NEVER
        length = (from_start if one else np.int32(b)) + (to_end if other else np.int32(a))
        limit = end_limit if one | other else inner_limit
        flag = _EXTRAPOLATED if one | other else _INTERPOLATED
        flag = _UNFILLED if (one & other) | (length > limit) else flag
        source[x] = _OBSERVED if b == 0 else flag


@compiled()
def _flag(
    observed: Bools, steps: Days, ends: NDArray[np.int32], limits: NDArray[np.int32], source: Flags, nearest: Days
) -> None:
    """Sources and days (T, P); observed (T, P), steps and ends (2, T), limits (2,) inner and at the ends."""
    times, pixels = observed.shape
    after = np.empty((times, SEGMENT), np.int16)
    before = np.empty((2, SEGMENT), np.int16)
    for start in range(0, pixels, SEGMENT):
        stop = min(start + SEGMENT, pixels)
        width = stop - start
        nearer = before[0]
        nearer[:] = NEVER
        for t in range(times - 1, -1, -1):
            count_row(observed[t, start:stop], nearer, steps[1, t], width, after[t])
            nearer = after[t]
        for t in range(times):
            days = before[1 - t % 2]
            count_row(observed[t, start:stop], before[t % 2], steps[0, t], width, days)
            _nearest_row(days, after[t], nearest[t, start:stop])
            _source_row(days, after[t], ends[:, t].copy(), limits, source[t, start:stop])


@compiled()
def _drop_row(values: Floats, usable: Bools) -> None:
    """Make False where the value is infinite or NaN."""
    for x in range(len(usable)):
        usable[x] &= np.abs(values[x]) < np.inf


@compiled()
def _drop_infinite(reflectance: Floats, usable: Bools) -> None:
    """Make False where a band is infinite or NaN: reflectance (T, B, P), usable (T, P)."""
    for t in range(reflectance.shape[0]):
        for band in range(reflectance.shape[1]):
            _drop_row(reflectance[t, band], usable[t])


@compiled()
def _keep_row(kept: Floats, source: Flags, mean: Floats) -> None:
    """Take what is kept where the source is OBSERVED."""
    for x in range(len(mean)):
        value, other = kept[x], mean[x]
        mean[x] = value if source[x] == _OBSERVED else other


@compiled()
def _keep(reflectance: Floats, source: Flags, mean: Floats) -> None:
    """`keep_observed` of (T, B, P) arrays."""
    for t in range(mean.shape[0]):
        for band in range(mean.shape[1]):
            _keep_row(reflectance[t, band], source[t], mean[t, band])


@compiled()
def _blank_row(source: Flags, values: Floats) -> None:
    """NaN where the source is UNFILLED."""
    for x in range(len(values)):
        value = values[x]
        values[x] = np.float32(np.nan) if source[x] == _UNFILLED else value


@compiled()
def _blank(source: Flags, values: Floats) -> None:
    """`blank_unfilled` of (T, B, P) arrays."""
    for t in range(values.shape[0]):
        for band in range(values.shape[1]):
            _blank_row(source[t], values[t, band])

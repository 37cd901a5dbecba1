"""Series of pixels for the baselines: their last values, what lies between dates, what goes on beyond them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clearcube.errors import InputError
from clearcube.methods.harmonic import fitted_pixels, noise_of
from clearcube.methods.sampling import absolute_days

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.filler import Block
    from clearcube.forecasting.episode import Days, Floats

SHIFT_DAYS = 365
"""Whole days that stand for a year when a series is shifted by years."""
NEAR_DAYS = 16
"""Farthest that an observation may lie outside the period a year before."""
WAVES = 1
"""Waves of the harmonic extrapolation: the year alone; shorter ones swing beyond a short context."""
NOISE_PIXELS = 2048


def last_value(values: Floats) -> Floats:
    """The last of (T, H, W) that is not NaN, for each pixel; NaN where all are."""
    there = np.isfinite(values)
    last = len(values) - 1 - there[::-1].argmax(axis=0)
    return np.asarray(np.take_along_axis(values, last[None], axis=0)[0])


def days_since_seen(context: Block, dates: Days) -> NDArray[np.int64]:
    """Days (Th, H, W) from the last observation of each pixel to dates after the context.

    A pixel that was never observed counts as observed on the context's first date.
    """
    seen = context.observed & np.isfinite(context.reflectance).all(axis=1)
    last = np.where(seen.any(axis=0), len(seen) - 1 - seen[::-1].argmax(axis=0), 0)
    days: NDArray[np.int64] = (dates[:, None, None] - context.dates[last]).astype(np.int64)
    return days


def years_before(dates: Days, target_dates: Days) -> list[np.timedelta64]:
    """The whole years, in days, by which the target's period may be shifted to lie within the context.

    Raises
    ------
    InputError : there are none.
    """
    near = np.timedelta64(NEAR_DAYS, "D")
    years: list[np.timedelta64] = []
    for number in range(1, int((target_dates[-1] - dates[0]).astype(int)) // SHIFT_DAYS + 1):
        shift = np.timedelta64(number * SHIFT_DAYS, "D")
        if dates[0] - near <= target_dates[0] - shift and target_dates[-1] - shift <= dates[-1] + near:
            years.append(shift)
    if not years:
        raise InputError(
            f"seasonal forecasts need the year before: {target_dates[0]} to {target_dates[-1]} less {SHIFT_DAYS} days, "
            f"but the context is of {dates[0]} to {dates[-1]}; give a longer context or use persistence"
        )
    return years


def interpolated(values: Floats, dates: Days, wanted: Days) -> Floats:
    """Values (T, H, W) at other dates (Th,), straight between the neighbours that are not NaN and level beyond them.

    NaN for pixels without any value.
    """
    at, days = absolute_days(wanted), absolute_days(dates)
    series = values.reshape(len(values), -1)
    out = np.full((len(wanted), series.shape[1]), np.nan, np.float32)
    there = np.isfinite(series)
    for pixel in np.flatnonzero(there.any(axis=0)):
        kept = there[:, pixel]
        out[:, pixel] = np.interp(at, days[kept], series[kept, pixel])
    return out.reshape(len(wanted), *values.shape[1:])


def mean_of_years(years: Floats) -> Floats:
    """Mean over the years (Y, T, H, W) that have a value."""
    there = np.isfinite(years)
    count = there.sum(axis=0)
    total = np.where(there, years, np.float32(0)).sum(axis=0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan), np.float32)


def carried_on(values: Floats, days: NDArray[np.float64], wanted: NDArray[np.float64]) -> Floats:
    """The fit to (T, 2, P), NaN = nothing there, at days that come later, (Th, 2, P)."""
    there = np.asarray(np.isfinite(values).all(axis=1))
    given = np.where(there[:, None], values, np.float32(0))
    every = slice(None, None, max(values.shape[2] // NOISE_PIXELS, 1))
    noise = noise_of(np.ascontiguousarray(given[:, :, every]), np.ascontiguousarray(there[:, every]), days, WAVES)
    later = np.zeros((len(wanted), *given.shape[1:]), np.float32)
    series, seen = (
        np.concatenate([given, later]),
        np.concatenate([there, np.zeros((len(wanted), there.shape[1]), bool)]),
    )
    return fitted_pixels(series, seen, np.concatenate([days, wanted]), noise, WAVES)[len(days) :]

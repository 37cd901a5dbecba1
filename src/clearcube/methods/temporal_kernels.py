"""Filling in time between two observations, for all bands at once, at nearly the speed of memory.

Neighbours and weights are found once for a row of pixels and serve all bands; then each band of the row is read
once and written once. Inner loops run along x without branches, so that one instruction handles many pixels, and use
IEEE arithmetic without reordering, so that a pixel's result does not depend on the window it is in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from clearcube.compilation import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Bools = NDArray[np.bool_]

LAST, NEXT, NEAREST, LINEAR = range(4)
"""Rules: which share of the value comes from the observation after."""
_NOTHING = np.float32(np.inf)


@compiled()
def _row_shares(observed: Bools, days: Floats, rule: int, share: Floats) -> None:
    """Share (T, W) of the observation after at each pixel and date of a row; 0 where observed or at the ends.

    observed (T, W), days (T,) whole numbers; `rule` is one of LAST, NEXT, NEAREST, LINEAR.
    """
    times, width = observed.shape
    side = np.full(width, _NOTHING)
    for t in range(times - 1, -1, -1):
        day, seen, row = days[t], observed[t], share[t]
        for x in range(width):
            side[x] = day if seen[x] else side[x]
            row[x] = side[x] - day
    side[:] = -_NOTHING
    for t in range(times):
        day, seen, row = days[t], observed[t], share[t]
        for x in range(width):
            side[x] = day if seen[x] else side[x]
            before, after = day - side[x], row[x]
            inner = (before > 0) & (before < _NOTHING) & (after < _NOTHING)
            value = np.float32(0)
            if rule == LINEAR:
                value = np.divide(before, before + after)  # unlike /, no branch for a divisor of 0
            elif rule == NEAREST:
                value = np.float32(1) if after < before else np.float32(0)
            elif rule == NEXT:
                value = np.float32(1)
            row[x] = value if inner else np.float32(0)


@compiled()
def _fill_row(values: Floats, observed: Bools, share: Floats, out: Floats, after: Floats) -> None:
    """Fill one band of a row: values, observed, share, out and the scratch `after` are (T, W)."""
    times, width = observed.shape
    held = np.full(width, np.float32(np.nan))
    for t in range(times - 1, -1, -1):
        seen, value, row = observed[t], values[t], after[t]
        for x in range(width):
            held[x] = value[x] if seen[x] else held[x]
            row[x] = held[x]
    for t in range(times):
        seen, later, part, row = observed[t], after[t], share[t], out[t]
        for x in range(width):
            held[x] = later[x] if seen[x] else held[x]
            between = held[x] + (later[x] - held[x]) * part[x]
            kept = held[x] if part[x] == 0 else between
            row[x] = later[x] if part[x] == 1 else kept


@compiled()
def _fill_rows(reflectance: Floats, observed: Bools, days: Floats, rule: int, out: Floats, y: int) -> None:
    """Fill row y of all bands."""
    times, bands, _, width = reflectance.shape
    share, after = np.empty((times, width), np.float32), np.empty((times, width), np.float32)
    _row_shares(observed[:, y], days, rule, share)
    for b in range(bands):
        _fill_row(reflectance[:, b, y], observed[:, y], share, out[:, b, y], after)


@compiled()
def fill_serial(reflectance: Floats, observed: Bools, days: Floats, rule: int, out: Floats) -> None:
    """Fill by the rule: reflectance and out (T, B, H, W), observed (T, H, W), days (T,) whole numbers.

    Observed pixels keep their bits, never observed ones become NaN; values where not observed have no influence.
    Contiguous arrays. On one thread, for tasks that others run beside.
    """
    for y in range(reflectance.shape[2]):
        _fill_rows(reflectance, observed, days, rule, out, y)


@compiled(parallel=True)
def fill_parallel(reflectance: Floats, observed: Bools, days: Floats, rule: int, out: Floats) -> None:
    """`fill_serial` on all cores, for calls from one thread on arrays in memory."""
    for y in numba.prange(reflectance.shape[2]):
        _fill_rows(reflectance, observed, days, rule, out, y)

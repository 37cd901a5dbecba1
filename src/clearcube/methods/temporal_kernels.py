"""Filling in time between two observations, for all bands at once, at nearly the speed of memory.

Frames are worked through in segments of neighbouring pixels. Which observations a pixel lies between is found once
for a segment and serves all bands; then each band of it is read once and written once. Inner loops run along the
segment without branches, so that one instruction handles many pixels (values are loaded before they are chosen
from, which the compiler needs for that), and use IEEE arithmetic in the order written, so that a pixel's result does
not depend on the window it is in.
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
SEGMENT_BYTES = 1 << 19
"""Memory that the values of one band and segment take: rows long enough to be streamed, two such buffers in cache."""
PARTS = 32
"""Parts that a parallel call is divided into, so that no thread waits long for the slowest."""
_NOTHING = np.float32(np.inf)


@compiled()
def _find_shares(observed: Bools, days: Floats, rule: int, start: int, width: int, share: Floats) -> None:
    """Share (T + 1, >= width) of the observation after, for `width` pixels from `start`; 0 where observed, at the ends.

    observed (T, P), days (T,) whole numbers; `rule` is one of LAST, NEXT, NEAREST, LINEAR.
    """
    times = len(days)
    share[times] = _NOTHING
    for t in range(times - 1, -1, -1):
        day, seen, row, later = days[t], observed[t, start : start + width], share[t], share[t + 1]
        for x in range(width):
            kept = later[x]
            row[x] = day if seen[x] else kept
    held = np.full((2, width), -_NOTHING)
    for t in range(times):
        day, seen, row = days[t], observed[t, start : start + width], share[t]
        old, new = held[t % 2], held[1 - t % 2]
        for x in range(width):
            kept, after = old[x], row[x] - day
            kept = day if seen[x] else kept
            new[x] = kept
            before = day - kept
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
def _fill_band(
    reflectance: Floats,
    observed: Bools,
    share: Floats,
    band: int,
    start: int,
    width: int,
    later: Floats,
    out: Floats,
) -> None:
    """Fill `width` pixels of a band from `start`; share and the scratch `later` are (T + 1, >= width).

    What is held is read from one row and written to another: a row updated in place would be stored under a mask,
    which is slow.
    """
    times = len(share) - 1
    later[times] = np.float32(np.nan)
    for t in range(times - 1, -1, -1):
        seen, value = observed[t, start : start + width], reflectance[t, band, start : start + width]
        row, following = later[t], later[t + 1]
        for x in range(width):
            here, kept = value[x], following[x]
            row[x] = here if seen[x] else kept
    held = np.empty((2, width), np.float32)
    for x in range(width):
        held[0, x] = later[0, x]  # before the first observation, the first
    for t in range(times):
        seen, value, part = observed[t, start : start + width], later[t], share[t]
        old, new, row = held[t % 2], held[1 - t % 2], out[t, band, start : start + width]
        for x in range(width):
            to, kept, w = value[x], old[x], part[x]
            kept = to if seen[x] else kept
            new[x] = kept
            between = kept + (to - kept) * w
            between = kept if w == 0 else between
            row[x] = to if w == 1 else between


@compiled()
def _fill_part(
    reflectance: Floats, observed: Bools, days: Floats, rule: int, out: Floats, first: int, last: int
) -> None:
    """Fill the pixels [first, last) of all bands, segment by segment: reflectance and out (T, B, P), observed (T, P).

    Buffers are made once: large ones come from the operating system each time, one thread after the other.
    """
    times, bands, _ = reflectance.shape
    longest = max(min(SEGMENT_BYTES // (4 * times) // 64 * 64, last - first), 64)
    share, later = np.empty((times + 1, longest), np.float32), np.empty((times + 1, longest), np.float32)
    for start in range(first, last, longest):
        width = min(longest, last - start)
        _find_shares(observed, days, rule, start, width, share)
        for band in range(bands):
            _fill_band(reflectance, observed, share, band, start, width, later, out)


@compiled()
def fill_serial(reflectance: Floats, observed: Bools, days: Floats, rule: int, out: Floats) -> None:
    """Fill by the rule: reflectance and out (T, B, P), observed (T, P), days (T,) whole numbers; contiguous.

    Observed pixels keep their bits, never observed ones become NaN; values where not observed have no influence.
    On one thread, for tasks that others run beside.
    """
    _fill_part(reflectance, observed, days, rule, out, 0, reflectance.shape[2])


@compiled(parallel=True)
def fill_parallel(reflectance: Floats, observed: Bools, days: Floats, rule: int, out: Floats) -> None:
    """`fill_serial` on all cores, for calls from one thread on arrays in memory."""
    pixels = reflectance.shape[2]
    for i in numba.prange(PARTS):
        _fill_part(reflectance, observed, days, rule, out, i * pixels // PARTS, (i + 1) * pixels // PARTS)

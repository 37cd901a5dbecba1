"""Cells of the error model: bins of the days to the observations before and after, found and looked up fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from clearcube.compilation import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

EDGES = (0, 3, 6, 9, 12, 17, 22, 32, 42, 62, 92)
"""Lower edges, in days, of the bins of days to an observation; the last has no upper edge."""
SIDES = len(EDGES)
LEADING = SIDES * SIDES
TRAILING = LEADING + SIDES
OBSERVED = TRAILING + SIDES
NEVER_SEEN = OBSERVED + 1
CELLS = NEVER_SEEN + 1
"""Cells: before x after (interior), after (leading), before (trailing), observed, never observed."""

SEGMENT = 2048
"""Pixels that are worked through together."""
PARTS = 32
"""Parts that a parallel call is divided into."""

_NOTHING = np.uint8(255)
"""Days to an observation that is not there."""
_BEYOND = np.array([*EDGES[1:], _NOTHING], np.uint8)
"""How many of these the days reach is their bin; SIDES stands for "no observation on this side"."""


def binned_steps(days: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Days since the date before and to the date after, (2, T), at most the last edge; 0 where there is none."""
    steps = np.minimum(np.diff(days), EDGES[-1])
    return np.stack([np.append(0, steps), np.append(steps, 0)]).astype(np.uint8)


@compiled()
def _count_binned_row(
    seen: NDArray[np.bool_], nearer: NDArray[np.uint8], step: np.uint8, width: int, days: NDArray[np.uint8]
) -> None:
    """Days to an observation, at most the last edge, `step` days after a row where they are `nearer`.

    As `gaps.count_row`, but days beyond the last edge are of one bin anyway: so all arithmetic fits into a byte, and
    one instruction handles twice as many pixels.
    """
    room = np.uint8(EDGES[-1] - step)
    for x in range(width):
        kept = nearer[x]
        longer = np.uint8(kept + step) if kept < room else np.uint8(EDGES[-1])
        longer = _NOTHING if kept == _NOTHING else longer
        days[x] = np.uint8(0) if seen[x] else longer


@compiled()
def _find_bins(days: NDArray[np.uint8], width: int, bins: NDArray[np.uint8]) -> None:
    """Bins of a row of days."""
    for x in range(width):
        reached = np.uint8(0)
        for edge in _BEYOND:
            reached += np.uint8(days[x] >= edge)
        bins[x] = reached


@compiled()
def _join_bins(
    seen: NDArray[np.bool_],
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    width: int,
    cells: NDArray[np.uint8],
) -> None:
    """Cells of a row from the bins before and after."""
    for x in range(width):
        b, a = before[x], after[x]
        one_side = np.uint8(NEVER_SEEN) if b == SIDES else np.uint8(b + np.uint8(TRAILING))
        both = np.uint8(b * np.uint8(SIDES) + a)  # LEADING + a where b is SIDES
        cell = one_side if a == SIDES else both
        cells[x] = np.uint8(OBSERVED) if seen[x] else cell


@compiled()
def _find_cells(
    observed: NDArray[np.bool_],
    steps: NDArray[np.uint8],
    start: int,
    width: int,
    after: NDArray[np.uint8],
    cells: NDArray[np.uint8],
) -> None:
    """Cells (T, >= width) of `width` pixels from `start`; observed (T, P), steps (2, T), scratch `after` as cells."""
    times, stop = len(cells), start + width
    before = np.full((2, width), _NOTHING)
    nearer, bins, bins_after = before[0], np.empty(width, np.uint8), np.empty(width, np.uint8)
    for t in range(times - 1, -1, -1):
        _count_binned_row(observed[t, start:stop], nearer, steps[1, t], width, after[t])
        nearer = after[t]
    for t in range(times):
        seen, days = observed[t, start:stop], before[1 - t % 2]
        _count_binned_row(seen, before[t % 2], steps[0, t], width, days)
        _find_bins(days, width, bins)
        _find_bins(after[t], width, bins_after)
        _join_bins(seen, bins, bins_after, width, cells[t])


@compiled()
def _look_up_part(
    observed: NDArray[np.bool_],
    steps: NDArray[np.uint8],
    table: NDArray[np.float32],
    out: NDArray[np.float32],
    first: int,
    last: int,
) -> None:
    """`look_up` for the pixels [first, last)."""
    times, bands, _ = out.shape
    after, cells = np.empty((times, SEGMENT), np.uint8), np.empty((times, SEGMENT), np.uint8)
    for start in range(first, last, SEGMENT):
        width = min(SEGMENT, last - start)
        _find_cells(observed, steps, start, width, after, cells)
        for t in range(times):
            for b in range(bands):
                cell, std, row = cells[t], table[b], out[t, b, start : start + width]
                for x in range(width):
                    row[x] = std[cell[x]]


@compiled()
def look_up(
    observed: NDArray[np.bool_], steps: NDArray[np.uint8], table: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """Write table (B, cells) at the cell of every pixel and date: observed (T, P), steps (2, T), out (T, B, P)."""
    _look_up_part(observed, steps, table, out, 0, out.shape[2])


@compiled(parallel=True)
def look_up_parallel(
    observed: NDArray[np.bool_], steps: NDArray[np.uint8], table: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """`look_up` on all cores, for calls from one thread on arrays in memory."""
    pixels = out.shape[2]
    for i in numba.prange(PARTS):
        _look_up_part(observed, steps, table, out, i * pixels // PARTS, (i + 1) * pixels // PARTS)


def cells_of(observed: NDArray[np.bool_], days: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The cell of every pixel and date: observed (T, H, W), days (T,) -> (T, H, W) uint8."""
    cells = np.empty((len(days), observed[0].size), np.uint8)
    seen = np.ascontiguousarray(observed).reshape(cells.shape)
    _find_cells(seen, binned_steps(days), 0, seen.shape[1], np.empty_like(cells), cells)
    return cells.reshape(observed.shape)

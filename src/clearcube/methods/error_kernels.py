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

_BIN = np.searchsorted(EDGES, np.arange(EDGES[-1] + 1), side="right").astype(np.int32) - 1
"""Days, at most the last edge -> bin."""


def _cell_table() -> NDArray[np.uint8]:
    """Cell of (bin before, bin after), where the bin SIDES stands for "no observation on this side"."""
    cells = np.empty((SIDES + 1, SIDES + 1), np.uint8)
    cells[:SIDES, :SIDES] = np.arange(LEADING).reshape(SIDES, SIDES)
    cells[SIDES, :SIDES] = np.arange(LEADING, TRAILING)
    cells[:SIDES, SIDES] = np.arange(TRAILING, OBSERVED)
    cells[SIDES, SIDES] = NEVER_SEEN
    return cells


_CELL = _cell_table().ravel()


@compiled()
def _find_cells(
    observed: NDArray[np.bool_], days: NDArray[np.int64], start: int, width: int, cells: NDArray[np.uint8]
) -> None:
    """Cells (T, >= width) of `width` pixels from `start`; observed (T, P), days (T,)."""
    times, nothing = len(days), days[0] - 1
    day_seen = np.full(width, nothing)
    for t in range(times - 1, -1, -1):
        day, seen, row = days[t], observed[t, start : start + width], cells[t]
        for x in range(width):
            kept = day_seen[x]
            kept = day if seen[x] else kept
            day_seen[x] = kept
            row[x] = SIDES if kept == nothing else _BIN[min(kept - day, EDGES[-1])]
    day_seen[:] = nothing
    for t in range(times):
        day, seen, row = days[t], observed[t, start : start + width], cells[t]
        for x in range(width):
            kept = day_seen[x]
            kept = day if seen[x] else kept
            day_seen[x] = kept
            side = SIDES if kept == nothing else _BIN[min(day - kept, EDGES[-1])]
            row[x] = OBSERVED if seen[x] else _CELL[side * (SIDES + 1) + row[x]]


@compiled()
def _look_up_part(
    observed: NDArray[np.bool_],
    days: NDArray[np.int64],
    table: NDArray[np.float32],
    out: NDArray[np.float32],
    first: int,
    last: int,
) -> None:
    """`look_up` for the pixels [first, last)."""
    times, bands, _ = out.shape
    cells = np.empty((times, SEGMENT), np.uint8)
    for start in range(first, last, SEGMENT):
        width = min(SEGMENT, last - start)
        _find_cells(observed, days, start, width, cells)
        for t in range(times):
            for b in range(bands):
                cell, std, row = cells[t], table[b], out[t, b, start : start + width]
                for x in range(width):
                    row[x] = std[cell[x]]


@compiled()
def look_up(
    observed: NDArray[np.bool_], days: NDArray[np.int64], table: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """Write table (B, cells) at the cell of every pixel and date: observed (T, P), days (T,), out (T, B, P)."""
    _look_up_part(observed, days, table, out, 0, out.shape[2])


@compiled(parallel=True)
def look_up_parallel(
    observed: NDArray[np.bool_], days: NDArray[np.int64], table: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """`look_up` on all cores, for calls from one thread on arrays in memory."""
    pixels = out.shape[2]
    for i in numba.prange(PARTS):
        _look_up_part(observed, days, table, out, i * pixels // PARTS, (i + 1) * pixels // PARTS)


@compiled()
def _all_cells(observed: NDArray[np.bool_], days: NDArray[np.int64], cells: NDArray[np.uint8]) -> None:
    """Cells (T, P) of all pixels."""
    _find_cells(observed, days, 0, observed.shape[1], cells)


def cells_of(observed: NDArray[np.bool_], days: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The cell of every pixel and date: observed (T, H, W), days (T,) -> (T, H, W) uint8."""
    cells = np.empty((len(days), observed[0].size), np.uint8)
    _all_cells(np.ascontiguousarray(observed).reshape(cells.shape), days, cells)
    return cells.reshape(observed.shape)

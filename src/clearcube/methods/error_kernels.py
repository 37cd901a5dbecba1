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
def _row_cells(observed: NDArray[np.bool_], days: NDArray[np.int64], cells: NDArray[np.uint8]) -> None:
    """Cells (T, W) of a row of pixels, observed (T, W)."""
    times, width = observed.shape
    after = np.full(width, -1, np.int64)
    for t in range(times - 1, -1, -1):
        for x in range(width):
            if observed[t, x]:
                after[x] = days[t]
            cells[t, x] = SIDES if after[x] < 0 else _BIN[min(after[x] - days[t], EDGES[-1])]
    before = np.full(width, -1, np.int64)
    for t in range(times):
        for x in range(width):
            if observed[t, x]:
                before[x] = days[t]
                cells[t, x] = OBSERVED
            else:
                side = SIDES if before[x] < 0 else _BIN[min(days[t] - before[x], EDGES[-1])]
                cells[t, x] = _CELL[side * (SIDES + 1) + cells[t, x]]


@compiled()
def _look_up_row(
    observed: NDArray[np.bool_],
    days: NDArray[np.int64],
    table: NDArray[np.float32],
    out: NDArray[np.float32],
    y: int,
) -> None:
    """Row y of the std: observed (T, H, W), out (T, B, H, W)."""
    times, bands, _, width = out.shape
    cells = np.empty((times, width), np.uint8)
    _row_cells(observed[:, y], days, cells)
    for t in range(times):
        for b in range(bands):
            for x in range(width):
                out[t, b, y, x] = table[b, cells[t, x]]


@compiled()
def look_up(
    observed: NDArray[np.bool_], days: NDArray[np.int64], table: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """Write table (B, cells) at the cell of every pixel and date: observed (T, H, W), days (T,), out (T, B, H, W)."""
    for y in range(out.shape[2]):
        _look_up_row(observed, days, table, out, y)


@compiled(parallel=True)
def look_up_parallel(
    observed: NDArray[np.bool_], days: NDArray[np.int64], table: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """`look_up` on all cores, for calls from one thread."""
    for y in numba.prange(out.shape[2]):
        _look_up_row(observed, days, table, out, y)


@compiled()
def _frame_cells(observed: NDArray[np.bool_], days: NDArray[np.int64], cells: NDArray[np.uint8]) -> None:
    for y in range(observed.shape[1]):
        row = np.empty((observed.shape[0], observed.shape[2]), np.uint8)
        _row_cells(observed[:, y], days, row)
        cells[:, y] = row


def cells_of(observed: NDArray[np.bool_], days: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The cell of every pixel and date: observed (T, H, W), days (T,) -> (T, H, W) uint8."""
    cells = np.empty(observed.shape, np.uint8)
    _frame_cells(np.ascontiguousarray(observed), days, cells)
    return cells

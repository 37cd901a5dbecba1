"""Cells: the squares of 128 x 128 pixels that the published networks were made for, and how their fills are joined.

Cells lie on a grid of the whole frame and overlap. Whoever fills a window that begins on this grid and sees one cell
around it meets the same cells, so the fill does not depend on windows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from clearcube.filler import Block, cut

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

CELL = 128
"""Side of a cell, pixels."""
STEP = 96
"""Distance of neighbouring cells, pixels."""


def cell_starts(length: int) -> list[int]:
    """First pixels of the cells along a side: every `STEP`, the last one ends with the side.

    >>> cell_starts(100), cell_starts(128), cell_starts(300)
    ([0], [0], [0, 96, 172])
    """
    last = max(length - CELL, 0)
    return [*range(0, last, STEP), last]


def by_cells(block: Block, fill: Callable[[Block], Floats]) -> Floats:
    """The fill (T, B, H, W) of a block, cell by cell; passes smoothly from one to the next where they overlap."""
    height, width = block.observed.shape[1:]
    total = np.zeros_like(block.reflectance)
    weights = np.zeros((height, width), np.float32)
    for top in cell_starts(height):
        for left in cell_starts(width):
            place = (slice(top, top + CELL), slice(left, left + CELL))
            part = cut(block, place)
            weight = _ramp(part.observed.shape[1])[:, None] * _ramp(part.observed.shape[2])
            total[(..., *place)] += weight * fill(part)
            weights[place] += weight
    total /= weights
    return total


def _ramp(length: int) -> Floats:
    """(length,) weights that rise from both ends over the overlap of cells."""
    inside = np.arange(1, length + 1, dtype=np.float32)
    return np.minimum(np.minimum(inside, inside[::-1]), CELL - STEP)

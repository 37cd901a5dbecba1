"""Windows and halos: pure geometry over a frame of height x width pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels, rows [top, bottom) and columns [left, right)."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices into an array of the frame."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, halo: int, frame: tuple[int, int], multiple: int = 1) -> Window:
        """The window with `halo` more pixels on every side, cut at the edge of the frame (height, width).

        Above and to the left it grows further to a multiple of `multiple`.

        >>> Window(100, 200, 0, 50).grown(32, (256, 256), 16)
        Window(top=64, bottom=232, left=0, right=82)
        """
        top, left = (max(start - halo, 0) // multiple * multiple for start in (self.top, self.left))
        return Window(top, min(self.bottom + halo, frame[0]), left, min(self.right + halo, frame[1]))

    def within(self, outer: Window) -> tuple[slice, slice]:
        """Row and column slices of this window into an array of the outer one.

        >>> Window(4, 8, 4, 8).within(Window(2, 10, 0, 12))
        (slice(2, 6, None), slice(4, 8, None))
        """
        rows = slice(self.top - outer.top, self.bottom - outer.top)
        return rows, slice(self.left - outer.left, self.right - outer.left)

    def moved(self, down: int, right: int) -> Window:
        """The window so many pixels farther down and to the right."""
        return Window(self.top + down, self.bottom + down, self.left + right, self.right + right)

    def intersection(self, other: Window) -> Window | None:
        """The pixels that both have, or None."""
        top, bottom = max(self.top, other.top), min(self.bottom, other.bottom)
        left, right = max(self.left, other.left), min(self.right, other.right)
        return Window(top, bottom, left, right) if top < bottom and left < right else None


def in_cells(size: int, cell: int) -> int:
    """The side of windows of at least `size` pixels that are made of whole cells.

    >>> in_cells(200, 128), in_cells(200, 1)
    (256, 200)
    """
    return -(-size // cell) * cell


def windows(frame: tuple[int, int], size: int) -> list[Window]:
    """Windows of at most size x size pixels that cover the frame (height, width) once, row by row.

    >>> len(windows((5, 4), 2))
    6
    """
    height, width = frame
    return [
        Window(top, min(top + size, height), left, min(left + size, width))
        for top in range(0, height, size)
        for left in range(0, width, size)
    ]


SAMPLE_SIDE, SAMPLE_PER_SIDE = 64, 4
"""Windows of the sample that a filler prepares on: side in pixels, and how many along each side of the frame."""


def sample_windows(frame: tuple[int, int]) -> list[Window]:
    """The windows of the sample that a filler prepares on, spread evenly over the frame without overlap.

    Along a side that is shorter than all of its windows, one is as long as the side. Depends on the frame alone, so
    every run samples alike.
    """
    rows = _spread(frame[0], SAMPLE_SIDE, SAMPLE_PER_SIDE)
    columns = _spread(frame[1], SAMPLE_SIDE, SAMPLE_PER_SIDE)
    return [Window(top, bottom, left, right) for top, bottom in rows for left, right in columns]


def windows_that_saw_most(seen: NDArray[np.integer]) -> list[Window]:
    """As many windows as of the usual sample, where the pixels were observed most often: seen (H, W), how often each.

    For a frame whose sample saw nothing.
    """
    starts = [range(0, length, SAMPLE_SIDE) for length in seen.shape]
    counts = np.add.reduceat(np.add.reduceat(seen, starts[0], axis=0), starts[1], axis=1)
    best = np.sort(np.argsort(-counts, axis=None, kind="stable")[: SAMPLE_PER_SIDE**2])
    corners = [(starts[0][i], starts[1][j]) for i, j in zip(*np.unravel_index(best, counts.shape), strict=True)]
    return [_sample_window(*corner, *seen.shape) for corner in corners]


def _sample_window(top: int, left: int, height: int, width: int) -> Window:
    """The window of the sample that begins here, moved into the frame of this height and width."""
    top, left = (max(min(start, length - SAMPLE_SIDE), 0) for start, length in ((top, height), (left, width)))
    return Window(top, min(top + SAMPLE_SIDE, height), left, min(left + SAMPLE_SIDE, width))


def _spread(length: int, size: int, count: int) -> list[tuple[int, int]]:
    """At most `count` intervals of `size` within [0, length), evenly spaced; the whole of a short one."""
    if length <= size * count:
        return [(0, length)]
    starts = [round((i + 0.5) * length / count - size / 2) for i in range(count)]
    return [(start, start + size) for start in starts]

"""Kinds of gaps: estimates err alike within one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import maximum_filter

from clearcube.gaps import NEVER, days_to_observation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]

NEAR_PIXELS = 24
"""A date counts as seen at a pixel if something so many pixels away (in rows and in columns) was observed."""
LENGTHS = (22, 46)
"""Gaps of so many days and more are of a longer kind."""
AT_END = len(LENGTHS) + 1
GAP_KINDS = 2 * (AT_END + 1)
"""Gaps by length, and those at an end; each on dates seen nearby, and on dates not seen."""


def gap_kinds(observed: Bools, dates: NDArray[np.datetime64]) -> NDArray[np.uint8]:
    """Kind of the gap of each pixel and date, (T, H, W) in 0..GAP_KINDS-1; meaningless where observed (T, H, W)."""
    before, after = days_to_observation(observed, dates)
    at_end = (before == NEVER) | (after == NEVER)
    length = np.searchsorted(LENGTHS, before.astype(np.int32) + after, side="right")
    kind = np.where(at_end, AT_END, length).astype(np.uint8)
    side = 2 * NEAR_PIXELS + 1
    near = maximum_filter(observed.astype(np.uint8), (1, side, side), mode="constant") > 0
    return np.asarray(kind + np.where(near, 0, GAP_KINDS // 2).astype(np.uint8))

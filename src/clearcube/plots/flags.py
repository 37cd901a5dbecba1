"""How the flags of `source` look: the colours that rasters have too, and markers beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Patch

from clearcube.cube import Source
from clearcube.writers.rasters import COLOURS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.plots.pictures import Picture

HATCHES = {
    Source.INTERPOLATED: "",
    Source.EXTRAPOLATED: "////",
    Source.INVENTED: "....",
    Source.REPLACED: "xxxx",
    Source.SMOOTHED: "----",
    Source.FORECAST: "\\\\\\\\",
}
"""Tell flags apart in grey, where colours do not."""
MARKERS = {
    Source.OBSERVED: "o",
    Source.INTERPOLATED: "s",
    Source.EXTRAPOLATED: ">",
    Source.INVENTED: "*",
    Source.REPLACED: "X",
    Source.SMOOTHED: "D",
    Source.FORECAST: "P",
}


def colour(flag: Source) -> tuple[float, float, float, float]:
    """A flag's colour, 0 to 1."""
    red, green, blue, alpha = (part / 255 for part in COLOURS[flag])
    return red, green, blue, alpha


def picture(flags: NDArray[np.uint8]) -> Picture:
    """Colours (y, x, 4) of flags (y, x)."""
    return np.array([colour(flag) for flag in Source])[flags]


def patches(flags: NDArray[np.uint8]) -> list[Any]:
    """Entries of a legend for the flags that occur."""
    return [
        Patch(facecolor=colour(Source(flag)), edgecolor="0.4", hatch=HATCHES.get(Source(flag)), label=name_of(flag))
        for flag in np.unique(flags)
    ]


def name_of(flag: int) -> str:
    """A flag's name as the metadata has it."""
    return Source(flag).name.lower()

"""What grows on a pixel: the land-cover classes of three legends in the few that forecasts are scored by."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from clearcube.simulation.landcover import CROPS, LandCover

if TYPE_CHECKING:
    from numpy.typing import NDArray

VEGETATION = ("tree", "shrub", "grass", "crop", "unknown", "other")
"""Classes: ESA WorldCover's 10, 20, 30 and 40; pixels of cubes without land cover; what is not scored."""
OTHER = VEGETATION.index("other")
UNKNOWN = VEGETATION.index("unknown")

_WORLDCOVER = {10: "tree", 20: "shrub", 30: "grass", 40: "crop", 50: "urban", 60: "bare", 70: "snow", 80: "water"}
_EARTHNET = {
    62: "urban",
    73: "crop",
    75: "crop",
    82: "tree",
    83: "tree",
    102: "grass",
    103: "shrub",
    104: "shrub",
    121: "bare",
    123: "snow",
    162: "water",
}
_SIMULATED = {
    **{int(cover): "crop" for cover in CROPS},
    **{int(cover): "grass" for cover in (LandCover.CUT_GRASS, LandCover.GRASSLAND)},
    **{int(cover): "tree" for cover in (LandCover.BROADLEAF, LandCover.CONIFER)},
    **{int(cover): cover.name.lower() for cover in (LandCover.WATER, LandCover.URBAN, LandCover.BARE, LandCover.SNOW)},
}
LEGENDS: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {
        "worldcover": MappingProxyType(_WORLDCOVER),
        "earthnet": MappingProxyType(_EARTHNET),
        "simulated": MappingProxyType(_SIMULATED),
    }
)
"""Legend (`Episode.classes`) -> code -> kind of land, as coarse as ESA WorldCover; other codes, interpolated ones among
them, are of no kind. Kinds that are not in `VEGETATION` are not scored."""


def vegetation_of(landcover: NDArray[np.integer] | None, classes: str, frame: tuple[int, int]) -> NDArray[np.intp]:
    """Index into `VEGETATION` of every pixel, (H, W): `unknown` everywhere without land cover or legend.

    landcover : (H, W) codes of the legend `classes`. frame : H, W.
    """
    if landcover is None or classes not in LEGENDS:
        return np.full(frame, UNKNOWN, np.intp)
    found = np.full(frame, OTHER, np.intp)
    for code, name in LEGENDS[classes].items():
        if name in VEGETATION:
            found[landcover == code] = VEGETATION.index(name)
    return found


def legend_of(landcover: NDArray[np.integer]) -> str:
    """The legend that codes (H, W) most likely belong to, for cubes that do not tell.

    Codes up to 11, others than 0 and 10 among them, are the simulation's; else the legend that explains more pixels.
    """
    if landcover.size and landcover.max() <= max(LandCover) and not np.isin(landcover, (0, 10)).all():
        return "simulated"
    shares = {name: np.isin(landcover, list(LEGENDS[name])).mean() for name in ("worldcover", "earthnet")}
    return max(shares, key=lambda name: float(shares[name]))

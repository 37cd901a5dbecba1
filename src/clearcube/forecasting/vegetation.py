"""What grows on a pixel: the land-cover classes of three legends in the few that forecasts are scored by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from clearcube.landcover import EARTHNET_CLASSES, WORLDCOVER_CLASSES
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
_SIMULATED_NAMES = {int(cover): cover.name.lower() for cover in LandCover}
KINDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "tree": ("tree", "treed", "forest", "wood", "broadleaf", "conifer", "mangrove"),
        "shrub": ("shrub", "scrub", "heath"),
        "grass": ("grass", "pasture", "meadow"),
        "crop": ("crop", "arable", "cereal", "maize", "wheat", "rapeseed", "beet", "beetroot", "agricult"),
        "urban": ("urban", "built", "artificial", "settlement"),
        "bare": ("bare", "sand", "rock"),
        "snow": ("snow", "ice", "glacier"),
        "water": ("water", "sea", "seawater", "lake", "river"),
    }
)
"""Kind of land -> how words of the names of such classes begin, or what they are (`WHOLE_WORDS`)."""
WHOLE_WORDS = frozenset({"tree", "beet", "ice", "sea"})
"""Words of `KINDS` that count as they are and in the plural: longer ones mean something else (treeless, seasonal)."""


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
    """The legend that codes (H, W) most likely belong to, where nothing but them is known.

    Codes up to 11, others than 0 and 10 among them, are the simulation's; else as `public_legend_of`.
    """
    if landcover.size and landcover.max() <= max(LandCover) and not np.isin(landcover, (0, 10)).all():
        return "simulated"
    return public_legend_of(landcover)


def public_legend_of(landcover: NDArray[np.integer]) -> str:
    """The legend that explains most codes (H, W), the simulation's left out; "" where none explains any.

    Codes of classes that are of no kind (wetland, marsh) tell it too.
    """
    classes = {"worldcover": WORLDCOVER_CLASSES, "earthnet": EARTHNET_CLASSES}
    shares = {name: float(np.isin(landcover, list(codes)).mean()) for name, codes in classes.items()}
    best = max(shares, key=lambda name: shares[name])
    return best if shares[best] > 0 else ""


def named_landcover(landcover: NDArray[np.integer], names: Mapping[int, str]) -> tuple[NDArray[np.integer], str] | None:
    """Codes (H, W) and the legend that they are of, by the names of the classes; None where no name tells anything.

    Names of the simulation's classes, by its numbers, leave the codes as they are. Others are told by their words
    (`KINDS`) and become ESA WorldCover's codes, 0 where no word is known.
    """
    if names and all(_SIMULATED_NAMES.get(code) == name for code, name in names.items()):
        return landcover, "simulated"
    kinds = {code: kind for code, name in names.items() if (kind := kind_of(name))}
    if not kinds:
        return None
    codes = {kind: code for code, kind in _WORLDCOVER.items()}
    found = np.zeros(landcover.shape, np.int16)
    for code, kind in kinds.items():
        found[landcover == code] = codes[kind]
    return found, "worldcover"


def kind_of(name: str) -> str:
    """The kind of land that the name of a class tells; "" where it tells none.

    >>> kind_of("deciduous_forest"), kind_of("Built-up"), kind_of("clouds"), kind_of("Seasonally flooded grassland")
    ('tree', 'urban', '', 'grass')
    """
    for word in re.findall("[a-z]+", name.lower()):
        for kind, known in KINDS.items():
            if any(_is_of(word, one) for one in known):
                return kind
    return ""


def _is_of(word: str, known: str) -> bool:
    """Whether a word is one of `KINDS`: begins like it, or is it."""
    return word in (known, f"{known}s") if known in WHOLE_WORDS else word.startswith(known)

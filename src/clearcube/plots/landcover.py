"""The map of land cover: a colour, a number and a name for each class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colors
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from scipy.ndimage import distance_transform_edt

from clearcube.plots.panels import show

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

WORDS = {
    "water": "#08306b",
    "conifer": "#00441b",
    "tree": "#1b6e35",
    "broadleaf": "#3a9150",
    "mangrove": "#145a5a",
    "sclerophyll": "#6b7a1e",
    "shrub": "#9a7b2f",
    "heath": "#a5648f",
    "cut": "#dcf0a8",
    "grass": "#a1d76a",
    "herb": "#b8e186",
    "crop": "#f6d860",
    "cultivated": "#f6d860",
    "cereal": "#f6e27a",
    "maize": "#e8a33d",
    "rapeseed": "#fff04d",
    "beet": "#c4713b",
    "vineyard": "#8c3b6b",
    "wetland": "#5ab4ac",
    "marsh": "#5ab4ac",
    "peat": "#7b5c8a",
    "moss": "#d9d9a0",
    "built": "#c0392b",
    "urban": "#c0392b",
    "artificial": "#c0392b",
    "bare": "#e3d3b8",
    "snow": "#f2fbff",
}
"""Word in the name of a class -> its colour; the first word that occurs counts."""
OTHERS = ("#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677", "#882255", "#aa4499")
"""Colours of further classes (Tol 2021)."""
UNKNOWN = "#ffffff"
ROOM = 3.0
"""Least distance in pixels from the edge of a region to the number within it, in a map of 128 pixels."""


@dataclass(frozen=True)
class LandCover:
    """A class as it is drawn."""

    code: int
    number: int
    name: str
    colour: str


def classes_in(maps: Iterable[NDArray[np.integer]], names: Mapping[int, str]) -> dict[int, LandCover]:
    """Code -> class, for the codes that occur in maps (y, x), numbered from 1.

    names : code -> name. A code without a name is called by its number, but for 0: no class.
    """
    codes = sorted({int(code) for codes in maps for code in np.unique(codes)})
    found = {}
    for number, code in enumerate((code for code in codes if code in names or code), start=1):
        name = names.get(code, f"class {code}")
        colour = next((value for word, value in WORDS.items() if word in name), OTHERS[number % len(OTHERS)])
        found[code] = LandCover(code, number, name.replace("_", " "), colour)
    return found


def draw_map(axis: Axes, codes: NDArray[np.integer], classes: Mapping[int, LandCover]) -> None:
    """Draw a map (y, x) with the number of each class in the middle of its widest region."""
    picture = np.empty((*codes.shape, 3))
    picture[:] = colors.to_rgb(UNKNOWN)
    room = ROOM * max(codes.shape) / 128
    for code, each in classes.items():
        picture[codes == code] = colors.to_rgb(each.colour)
        depth = distance_transform_edt(np.pad(codes == code, 1))[1:-1, 1:-1]
        row, column = np.unravel_index(depth.argmax(), depth.shape)
        if depth[row, column] >= room:
            stroke = [withStroke(linewidth=1.4, foreground="white")]
            style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 6, "fontweight": "bold"}
            axis.text(float(column), float(row), str(each.number), path_effects=stroke, **style)
    show(axis, picture)


def handles(classes: Mapping[int, LandCover]) -> list[Patch]:
    """Entries of a legend."""
    return [
        Patch(facecolor=each.colour, edgecolor="0.4", linewidth=0.4, label=f"{each.number} {each.name}")
        for each in classes.values()
    ]

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
UNKNOWN, UNKNOWN_NAME = "#ffffff", "unknown"
ROOM = 3.0
"""Least distance in pixels from the edge of a region to the number within it, in a map of 128 pixels."""


@dataclass(frozen=True)
class Map:
    """Land cover of a place: codes (y, x), and code -> name of the class."""

    codes: NDArray[np.integer]
    names: Mapping[int, str]

    def classes(self) -> dict[int, str]:
        """Code -> name of the classes that occur: a number where there is no name; nothing of 0 without a name."""
        found = (int(code) for code in np.unique(self.codes))
        return {code: self.names.get(code, f"class {code}") for code in found if code in self.names or code}

    @property
    def complete(self) -> bool:
        """Whether every pixel has a class."""
        return bool(np.isin(self.codes, list(self.classes())).all())


@dataclass(frozen=True)
class ClassStyle:
    """A class as it is drawn."""

    number: int
    name: str
    colour: str


def classes_of(maps: Iterable[Map]) -> dict[str, ClassStyle]:
    """Name -> class, for all that occur, numbered from 1 in the order of codes."""
    names = dict.fromkeys(name for _, name in sorted(each for one in maps for each in one.classes().items()))
    found = {}
    for number, name in enumerate(names, start=1):
        colour = next((value for word, value in WORDS.items() if word in name), OTHERS[number % len(OTHERS)])
        found[name] = ClassStyle(number, name.replace("_", " "), colour)
    return found


def draw_map(axis: Axes, drawn: Map, classes: Mapping[str, ClassStyle]) -> None:
    """Draw a map with the number of each class in the middle of its widest region."""
    picture = np.empty((*drawn.codes.shape, 3))
    picture[:] = colors.to_rgb(UNKNOWN)
    room = ROOM * max(drawn.codes.shape) / 128
    for code, name in drawn.classes().items():
        picture[drawn.codes == code] = colors.to_rgb(classes[name].colour)
        depth = distance_transform_edt(np.pad(drawn.codes == code, 1))[1:-1, 1:-1]
        row, column = np.unravel_index(depth.argmax(), depth.shape)
        if depth[row, column] >= room:
            stroke = [withStroke(linewidth=1.4, foreground="white")]
            style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 6, "fontweight": "bold"}
            axis.text(float(column), float(row), str(classes[name].number), path_effects=stroke, **style)
    show(axis, picture)


def handles(classes: Mapping[str, ClassStyle], *, complete: bool) -> list[Patch]:
    """Entries of a legend, one of them for pixels without a class unless all maps are `complete`."""
    entries = [(each.colour, f"{each.number} {each.name}") for each in classes.values()]
    entries += [] if complete else [(UNKNOWN, UNKNOWN_NAME)]
    return [Patch(facecolor=colour, edgecolor="0.4", linewidth=0.4, label=label) for colour, label in entries]

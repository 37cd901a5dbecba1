"""Land cover: the codes of the legends that are known, and what a cube's own flags call its classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EARTHNET_CLASSES = {
    62: "artificial",
    73: "cultivated",
    75: "vineyard",
    82: "broadleaf",
    83: "conifer",
    102: "herbaceous",
    103: "heath",
    104: "sclerophyllous",
    105: "marsh",
    106: "peat bog",
    121: "bare",
    123: "snow",
    162: "water",
}
"""Codes of the land cover that goes with EarthNet2021."""
WORLDCOVER_CLASSES = {
    10: "tree cover",
    20: "shrubland",
    30: "grassland",
    40: "cropland",
    50: "built-up",
    60: "bare or sparse",
    70: "snow and ice",
    80: "water",
    90: "wetland",
    95: "mangroves",
    100: "moss and lichen",
}
"""Codes of ESA WorldCover; others (interpolated ones) are none."""


def flag_names(attrs: Mapping[Any, Any]) -> dict[int, str]:
    """Code -> name by CF flags; nothing where they are not there, or do not fit each other."""
    values = np.ravel(np.asarray(attrs.get("flag_values", ())))
    names = str(attrs.get("flag_meanings", "")).split()
    return {int(value): name for value, name in zip(values, names, strict=True)} if len(values) == len(names) else {}


def class_names(codes: NDArray[np.integer], attrs: Mapping[Any, Any] | None = None) -> dict[int, str]:
    """Code -> name of the classes of a land cover (H, W).

    As its CF flags say, else by the codes of EarthNet2021 or ESA WorldCover, whichever know more of it.
    """
    tables: tuple[dict[int, str], ...] = (EARTHNET_CLASSES, WORLDCOVER_CLASSES)
    return flag_names(attrs or {}) or max(tables, key=lambda table: float(np.isin(codes, list(table)).mean()))

"""The figure of sequences: land cover, dates as true colour with their gaps, filled, NDVI; one below the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clearcube.cube import dates_of
from clearcube.errors import InputError
from clearcube.plots import landcover as lc
from clearcube.plots.canvas import in_style
from clearcube.plots.panels import Legend
from clearcube.plots.pictures import day_labels
from clearcube.plots.rows import GAP, LEFT, RIGHT, TITLE, Row, Shown, draw_rows, rows_height
from clearcube.plots.sheet import Sheet, panel_height

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

WIDTH = 5.7
"""Inches that the dates share; their panels are within `PANELS`."""
PANELS = (0.5, 1.2)
LETTER = 0.16
MAP = 1.1
"""Width of the map of land cover in inches."""
BETWEEN = 0.08


@dataclass(frozen=True)
class Filling:
    """One sequence of the figure.

    filled : what `clearcube.fill` gives. cube : the input; its dates may differ; with `landcover` (y, x) or without.
    names : code of land cover -> name of the class.
    """

    filled: xr.Dataset
    cube: xr.Dataset
    names: Mapping[int, str]


@in_style
def sequence_figure(fillings: Sequence[Filling], dates: int = 10) -> Figure:
    """Sequences one below the other, with letters where there are several.

    Each: the map of land cover (where known; the legend is at the foot); dates as true colour (without blue: false
    colour, else one band in grey) labelled with the day of the year, gaps outlined; the filled dates in the same
    colours; their NDVI (where the bands allow) with a colour bar. Hatched is what has no value.

    dates : number of dates of each, spread over the series.

    Raises
    ------
    InputError : there is no sequence, or an input does not belong to its filled cube.
    """
    if not fillings:
        raise InputError("no sequence to draw; give at least one filled cube")
    drawn = [Shown.of(each.filled, each.cube, dates) for each in fillings]
    maps = [
        None if each.landcover is None else lc.Map(each.landcover, filling.names)
        for each, filling in zip(drawn, fillings, strict=True)
    ]
    classes = lc.classes_of(each for each in maps if each is not None)
    columns = max(each.chosen.sizes["time"] for each in drawn)
    width = float(np.clip(WIDTH / columns - GAP, *PANELS))
    letter = LETTER if len(drawn) > 1 else 0.0
    beside = letter + (MAP + 2 * GAP if classes else 0.0)
    parts = [each.rows() for each in drawn]
    heights = [_height(each, rows, width) for each, rows in zip(drawn, parts, strict=True)]
    across = max(beside + LEFT + columns * (width + GAP) + RIGHT, 3.2)
    gaps, holes = any(each.gaps for each in drawn), any(each.holes for each in drawn)
    complete = not classes or all(each.complete for each in maps if each is not None)
    legend = Legend.of(lc.handles(classes, complete=complete), gaps=gaps, holes=holes)
    sheet = Sheet.sized(across, sum(heights) + BETWEEN * len(drawn) + legend.height(across))
    top = 0.02
    for number, (each, drawn_map, rows, height) in enumerate(zip(drawn, maps, parts, heights, strict=True)):
        if letter:
            sheet.text(0.02, top, _letter(number), fontsize=9, fontweight="bold")
        if drawn_map is not None and classes:
            _draw_landcover(sheet, (letter + GAP, top), drawn_map, classes)
        draw_rows(sheet, (beside, top), width, each.frame, rows, day_labels(dates_of(each.chosen)))
        top += height + BETWEEN
    legend.draw(sheet.figure)
    return sheet.figure


def _letter(number: int) -> str:
    """A, B, ... Z, A1, ..."""
    return chr(ord("A") + number % 26) + (str(number // 26) if number >= 26 else "")


def _height(shown: Shown, rows: list[Row], width: float) -> float:
    """Height of a sequence in inches."""
    landcover = 0.0 if shown.landcover is None else TITLE + panel_height(MAP, shown.frame) + GAP
    return max(rows_height(len(rows), width, shown.frame), landcover)


def _draw_landcover(
    sheet: Sheet, corner: tuple[float, float], drawn: lc.Map, classes: Mapping[str, lc.ClassStyle]
) -> None:
    height = panel_height(MAP, (drawn.codes.shape[0], drawn.codes.shape[1]))
    axis = sheet.panel(corner[0], corner[1] + TITLE, MAP, height)
    axis.set_title("land cover", pad=2, fontsize=7)
    lc.draw_map(axis, drawn, classes)

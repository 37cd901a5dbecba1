"""Rows of pictures, a column for each date: the input with its gaps outlined, filled, NDVI, source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.cube import OBSERVED_DIMS, dates_of, ndvi
from clearcube.errors import InputError
from clearcube.plots import flags
from clearcube.plots.grids import on_grid_of
from clearcube.plots.panels import NDVI_STYLE, NDVI_TICKS, hatch, outline_gaps, show
from clearcube.plots.pictures import Rendering, has_ndvi, spread_dates, thinned
from clearcube.plots.sheet import Sheet, panel_height

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

GAP = 0.03
"""Inches between panels."""
TITLE = 0.16
"""Inches of the line of dates above the panels."""
LEFT, RIGHT = 0.38, 0.36
"""Inches of the names of the rows on the left and the colour bar on the right."""


@dataclass(frozen=True)
class Row:
    """A row of pictures.

    pictures : one for each date; None = there is none. style : of `imshow`. ticks : of a colour bar; none without.
    over : draws over the panel of a date, by its position.
    """

    label: str
    pictures: Sequence[Any]
    style: Mapping[str, Any] = field(default_factory=dict)
    ticks: tuple[float, ...] = ()
    over: Callable[[Axes, int], None] | None = None


@dataclass(frozen=True)
class Shown:
    """What is shown of a cube, loaded.

    chosen : the filled cube at its chosen dates, thinned. days : the input at each of them, None where it has none.
    landcover : (y, x) codes of the input, or None.
    """

    chosen: xr.Dataset
    days: tuple[xr.Dataset | None, ...]
    landcover: NDArray[np.integer] | None = None

    @classmethod
    def of(cls, filled: xr.Dataset, cube: xr.Dataset | None, dates: int) -> Shown:
        """At most so many dates, spread over the filled ones.

        Raises
        ------
        InputError : the input shows other pixels, or has none of the filled dates.
        """
        chosen = thinned(filled.isel(time=spread_dates(filled.sizes["time"], dates))).load()
        if cube is None:
            return cls(chosen, ())
        small = thinned(on_grid_of(cube, filled))
        index = {date: position for position, date in enumerate(dates_of(cube))}
        if not index.keys() & set(dates_of(filled)):
            raise InputError(
                f"the input ({dates_of(cube)[0]} to {dates_of(cube)[-1]}) has none of the dates of the filled cube "
                f"({dates_of(filled)[0]} to {dates_of(filled)[-1]}); give the input that was filled"
            )
        found = [index.get(date) for date in dates_of(chosen)]
        days = tuple(None if position is None else small.isel(time=position).load() for position in found)
        return cls(chosen, days, small["landcover"].values if "landcover" in small else None)

    @property
    def frame(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.chosen.sizes["y"], self.chosen.sizes["x"]

    def observed(self, t: int) -> NDArray[np.bool_]:
        """What was observed at a date, (y, x): nothing where the input has no such date."""
        day = self.days[t]
        return np.zeros(self.frame, bool) if day is None else np.asarray(day["observed"].values)

    def rows(self) -> list[Row]:
        """The input (where given) with its gaps outlined, filled in the same colours, NDVI (where the bands allow)."""
        rendering = Rendering.of(self.chosen)
        rows = []
        if self.days:
            pictures = [None if day is None else rendering.picture(day) for day in self.days]
            label = f"input\n{rendering.label}"
            rows.append(Row(label, pictures, over=lambda axis, t: outline_gaps(axis, self.observed(t))))
        times = range(self.chosen.sizes["time"])
        label = "filled" if self.days else f"filled\n{rendering.label}"
        rows.append(Row(label, [rendering.picture(self.chosen.isel(time=t)) for t in times]))
        if has_ndvi(self.chosen):
            rows.append(Row("NDVI", list(ndvi(self.chosen).values), NDVI_STYLE, NDVI_TICKS))
        return rows

    @property
    def gaps(self) -> bool:
        """Whether a gap is outlined."""
        return any(not self.observed(t).all() for t in range(len(self.days)))

    @property
    def holes(self) -> bool:
        """Whether something has no value."""
        given = [*self.days, self.chosen]
        return any(each is None or not np.isfinite(each["reflectance"].values).all() for each in given)


def source_row(chosen: xr.Dataset) -> Row:
    """Where each value comes from, in colours and, for what is not observed or interpolated, hatched."""
    source = chosen["source"].transpose(*OBSERVED_DIMS).values

    def over(axis: Axes, t: int) -> None:
        for flag, pattern in flags.HATCHES.items():
            hatch(axis, source[t] == flag, pattern)

    return Row("source", [flags.picture(each) for each in source], over=over)


def rows_height(rows: int, width: float, frame: tuple[int, int]) -> float:
    """Inches that so many rows need with the line of dates, for panels of this width."""
    return TITLE + rows * (panel_height(width, frame) + GAP)


def draw_rows(
    sheet: Sheet, corner: tuple[float, float], width: float, frame: tuple[int, int], rows: list[Row], titles: list[str]
) -> None:
    """Draw rows whose first panel has its upper left corner `LEFT` and `TITLE` inches from this one.

    width : of a panel, inches. frame : (height, width) in pixels. titles : one for each column.
    """
    left, height = corner[0] + LEFT, panel_height(width, frame)
    for r, row in enumerate(rows):
        top = corner[1] + TITLE + r * (height + GAP)
        image = None
        for t, picture in enumerate(row.pictures):
            axis = sheet.panel(left + t * (width + GAP), top, width, height)
            image = show(axis, picture, **row.style) or image
            if row.over is not None:
                row.over(axis, t)
            if r == 0:
                axis.set_title(titles[t], pad=2, fontsize=7)
            if t == 0:
                axis.set_ylabel(row.label, fontsize=7, labelpad=2)
        if row.ticks and image is not None:
            bar = sheet.panel(left + len(row.pictures) * (width + GAP), top, 0.06, height)
            sheet.figure.colorbar(image, cax=bar, ticks=row.ticks).outline.set_linewidth(0.4)
            bar.tick_params(labelsize=6, length=2, pad=1.5)

"""The figure of one pixel of a filled cube."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.cube import crs_of, dates_of, ndvi, ndvi_bands
from clearcube.plots import Pixel, Series, on_grid_of, pixel_at, pixel_figure
from clearcube.readers.filled import open_filled
from clearcube.readers.filled_std import NDVI, std_of_pixel
from clearcube.readers.open import open_cube

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Values = NDArray[np.float64]


def figure_of_pixel(path: str, inputs: Sequence[str], at: tuple[float, float], opening: Mapping[str, Any]) -> Figure:
    """Series of the pixel that holds the point `at` (x, y in the coordinates of the cube); only it is read.

    path : a filled cube. inputs : what was filled, opened with `opening`; without them what is observed is known from
    the filled cube alone.

    Raises
    ------
    InputError : the point lies outside, the input has other pixels, or a file cannot be used.
    """
    filled = open_filled(path)
    row, column = pixel_at(filled, *at)
    place = {"y": [row], "x": [column]}
    mine = filled.isel(place).load()
    theirs = mine.isel(time=[])
    if inputs:
        theirs = on_grid_of(open_cube(list(inputs), **opening), filled).isel(place).load()
    values, given = _quantities(mine), _quantities(theirs)
    std = {name: each.astype(np.float64) for name, each in std_of_pixel(path, filled, row, column).items()}
    absent = np.full(theirs.sizes["time"], np.nan)
    return pixel_figure(
        Pixel(
            dates_of(mine),
            mine["source"].values[:, 0, 0],
            dates_of(theirs),
            theirs["observed"].values[:, 0, 0],
            [_series(name, values[name], std.get(name), given.get(name, absent)) for name in values],
            _title(mine, row, column),
        )
    )


def _series(name: str, filled: Values, std: Values | None, given: Values) -> Series:
    if name == NDVI:
        return Series("NDVI", filled, std, given, limits=(-1.0, 1.0))
    return Series(name, filled, std, given)


def _quantities(pixel: xr.Dataset) -> dict[str, Values]:
    """NDVI, where there are the bands, and every band, (T,) each."""
    bands = {
        str(name): pixel["reflectance"].values[:, position, 0, 0].astype(np.float64)
        for position, name in enumerate(pixel["band"].values)
    }
    if ndvi_bands(list(bands)) is None:
        return bands
    return {NDVI: ndvi(pixel).values[:, 0, 0].astype(np.float64), **bands}


def _title(pixel: xr.Dataset, row: int, column: int) -> str:
    x, y = (f"{float(pixel[axis].values[0]):.10g}" for axis in ("x", "y"))
    crs = crs_of(pixel)
    return f"pixel at {x}, {y} ({'no CRS' if crs is None else crs.to_string()}; row {row}, column {column})"

"""Which pixels a cube shows: whether they are those of another, and which one holds a point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clearcube.cube import SAME_PLACE, crs_of, order_along, steps_of
from clearcube.errors import InputError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray


def on_grid_of(cube: xr.Dataset, filled: xr.Dataset) -> xr.Dataset:
    """The input in the row and column order of the filled cube: rasters are written north up, inputs may be otherwise.

    Raises
    ------
    InputError : another size, or other places.
    """
    if any(cube.sizes[axis] != filled.sizes[axis] for axis in ("y", "x")):
        raise InputError(
            f"the input has {cube.sizes['y']} x {cube.sizes['x']} pixels and the filled cube "
            f"{filled.sizes['y']} x {filled.sizes['x']}; give the input that was filled"
        )
    orders = {}
    for axis, step in zip(("y", "x"), steps_of(filled), strict=True):
        mine, theirs = cube[axis].values, filled[axis].values
        order = order_along(mine, theirs, SAME_PLACE * abs(step) + 1e-9)
        if order is None:
            raise InputError(
                f"the input lies on another grid than the filled cube: {axis} begins at {mine[0]:.10g} and "
                f"{theirs[0]:.10g}; give the input that was filled"
            )
        orders[axis] = order
    return cube.isel(orders)


def pixel_at(cube: xr.Dataset, x: float, y: float) -> tuple[int, int]:
    """Row and column of the pixel that holds a point in the coordinates of the cube.

    Raises
    ------
    InputError : it lies outside the cube.
    """
    axes = cube["y"].values, cube["x"].values
    ends = [_ends(centres, step) for centres, step in zip(axes, steps_of(cube), strict=True)]
    row, column = (_nearest(*each) for each in zip(axes, ends, (y, x), strict=True))
    if row is None or column is None:
        (bottom, top), (left, right) = ends
        crs = crs_of(cube)
        unit = "pixels, it has no CRS" if crs is None else crs.to_string()
        raise InputError(
            f"the point {x:.10g},{y:.10g} lies outside the cube: X from {left:.10g} to {right:.10g}, Y from "
            f"{bottom:.10g} to {top:.10g} ({unit}); give --at X,Y within"
        )
    return row, column


def _ends(centres: NDArray[np.float64], step: float) -> tuple[float, float]:
    """Where the first and last pixel end, ascending."""
    return float(centres.min() - abs(step) / 2), float(centres.max() + abs(step) / 2)


def _nearest(centres: NDArray[np.float64], ends: tuple[float, float], value: float) -> int | None:
    """Index of the pixel that holds a coordinate; None outside."""
    return int(np.abs(centres - value).argmin()) if ends[0] <= value <= ends[1] else None

"""Whether two cubes show the same pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clearcube.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

TOLERANCE = 0.1
"""Largest distance of two grids that count as one, in pixels."""


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
    for axis in ("y", "x"):
        mine, theirs = cube[axis].values, filled[axis].values
        tolerance = TOLERANCE * abs(np.diff(theirs[:2]).sum()) + 1e-9
        if np.allclose(mine, theirs, rtol=0, atol=tolerance):
            continue
        if not np.allclose(mine[::-1], theirs, rtol=0, atol=tolerance):
            raise InputError(
                f"the input lies on another grid than the filled cube: {axis} begins at {mine[0]:.10g} and "
                f"{theirs[0]:.10g}; give the input that was filled"
            )
        cube = cube.isel({axis: slice(None, None, -1)})
    return cube

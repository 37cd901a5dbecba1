"""Where and when a store is: its grid, its dates, and the fields that belong to the place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from clearcube.errors import InputError
from clearcube.readers.crs import affine_coordinates
from clearcube.readers.decoding import mask_decoding
from clearcube.readers.landcover import WORLDCOVER_NAME, class_codes
from clearcube.readers.layout import Axes, time_variable
from clearcube.readers.names import is_degrees, is_y
from clearcube.readers.store_files import decoded_dates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Grid = tuple[NDArray[np.float64], NDArray[np.float64]]
    """Pixel-centre coordinates y (H,) and x (W,)."""

_LAND_COVER_NAMES = ("landcover", "land_cover", WORLDCOVER_NAME)
_ELEVATION_NAMES = ("elevation", "cop_dem", "nasa_dem", "alos_dem", "dem")


def grid_of(dataset: xr.Dataset, axes: Axes, where: str) -> Grid:
    """Pixel-centre coordinates y (H,) and x (W,); pixel indices where the store has none.

    Raises
    ------
    InputError : they neither ascend nor descend.
    """
    affine = affine_coordinates(dataset, dataset.sizes[axes.y], dataset.sizes[axes.x])
    both = []
    for position, dim in enumerate((axes.y, axes.x)):
        held = dataset.variables.get(dim)
        if held is not None and held.dims == (dim,) and held.dtype.kind in "iuf":
            values = held.values.astype(np.float64)
        else:
            values = np.arange(dataset.sizes[dim], dtype=np.float64) if affine is None else affine[position]
        steps = np.diff(values)
        if not ((steps > 0).all() or (steps < 0).all()):
            raise InputError(f"{where}: the coordinate '{dim}' neither ascends nor descends; sort the store along it")
        both.append(values)
    return both[0], both[1]


def times_of(dataset: xr.Dataset, axes: Axes, path: str) -> NDArray[np.datetime64]:
    """The time of each acquisition, (T,) datetime64[ns]."""
    name = time_variable(dataset, axes.time)
    if name is None:
        raise InputError(f"{path}: the dimension '{axes.time}' has no dates; add a coordinate with CF time units")
    times = decoded_dates(dataset, name, path)
    if np.isnat(times).any():
        raise InputError(f"{path}: '{name}' has missing dates; give every acquisition a date")
    return times


def geolocation_of(dataset: xr.Dataset, axes: Axes, grid: Grid) -> dict[str, xr.DataArray]:
    """Degrees of every pixel, `latitude` and `longitude` (y, x), of stores that have them beside other coordinates."""
    y, x = grid
    found: dict[str, xr.DataArray] = {}
    for name, stored in dataset.variables.items():
        if set(stored.dims) == {axes.y, axes.x} and stored.dtype.kind == "f" and is_degrees(name):
            role = "latitude" if is_y(name) else "longitude"
            field = stored.transpose(axes.y, axes.x).values
            attrs = {"standard_name": role, "units": "degrees_north" if role == "latitude" else "degrees_east"}
            found[role] = xr.DataArray(field, dims=("y", "x"), coords={"y": y, "x": x}, name=role, attrs=attrs)
    return found if len(found) == 2 else {}


def static_of(dataset: xr.Dataset, axes: Axes, grid: Grid) -> dict[str, xr.DataArray]:
    """Land cover (with its CF flags) and elevation, (y, x), the first that is found of each."""
    y, x = grid
    static: dict[str, xr.DataArray] = {}
    for role, candidates in (("landcover", _LAND_COVER_NAMES), ("elevation", _ELEVATION_NAMES)):
        for name in candidates:
            stored = dataset.variables.get(name)
            if role not in static and stored is not None and set(stored.dims) == {axes.y, axes.x}:
                values = mask_decoding(stored.attrs, stored.dtype).apply(stored.transpose(axes.y, axes.x).values)
                field = class_codes(values, name) if role == "landcover" else values
                flags = {key: value for key, value in stored.attrs.items() if str(key).startswith("flag_")}
                static[role] = xr.DataArray(field, dims=("y", "x"), coords={"y": y, "x": x}, name=role, attrs=flags)
    return static

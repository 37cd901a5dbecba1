"""Land cover of the place from a file of its own."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from clearcube.cube import order_along, pixel_steps
from clearcube.errors import InputError
from clearcube.landcover import WORLDCOVER_CLASSES
from clearcube.masks import TOUCH
from clearcube.readers.crs import affine_coordinates, find_crs, same_crs
from clearcube.readers.decoding import mask_decoding
from clearcube.readers.layout import Axes, role_of
from clearcube.readers.names import is_degrees
from clearcube.readers.sources import first_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Grid = tuple[NDArray[np.float64], NDArray[np.float64]]
    """Pixel-centre coordinates y (H,) and x (W,)."""

WORLDCOVER_NAME = "esawc_lc"
"""What GreenEarthNet's minicubes call ESA WorldCover; some hold interpolated codes."""
_NAMES = ("landcover", "land_cover", "lc", WORLDCOVER_NAME, "arr_0")


@dataclass(frozen=True)
class _Stored:
    """What a file holds.

    values : (..., y, x), NaN where it says that there is no data. name : of the array. flags : its CF flags.
    grid : its own pixel centres, None where it has none. crs : None = unknown.
    """

    values: NDArray[Any]
    name: str = ""
    flags: Mapping[str, Any] = field(default_factory=dict)
    grid: Grid | None = None
    crs: Any = None


def read_landcover(
    path: str, y: NDArray[np.float64], x: NDArray[np.float64], *, crs: Any = None, approximate: bool = False
) -> xr.DataArray:
    """Land-cover codes (y, x) int16, 0 = none, from npz, npy, NetCDF, Zarr or a raster of the cube's shape.

    No-data values as the file states them are none. CF flags, the names of the classes, come along. An axis that runs
    the other way than the cube's is turned. Files without coordinates have the cube's rows and columns in its order;
    so have files that lie elsewhere where that says nothing: in another CRS, with pixel numbers on either side, or
    beside an approximate cube.

    y, x : (H,), (W,) pixel centres of the cube. crs : the cube's, None = unknown.
    approximate : the cube is not quite where its coordinates say (EarthNet2021).

    Raises
    ------
    InputError : the file cannot be read, its shape is not the cube's, or it lies elsewhere.
    """
    if not os.path.exists(path):
        raise InputError(f"the land-cover file {path} does not exist; check the path")
    try:
        stored = _stored(path)
    except InputError:
        raise
    except Exception as error:  # five libraries, each with errors of its own
        raise InputError(f"the land-cover file {path} cannot be read ({type(error).__name__}: {error})") from error
    values = stored.values
    flat = values.reshape(values.shape[-2:]) if values.size == np.prod(values.shape[-2:]) else values
    if flat.shape != (len(y), len(x)):
        raise InputError(
            f"the land cover in {path} has the shape {values.shape}, the cube {len(y)} x {len(x)} pixels; give one of "
            "the same place and grid"
        )
    if flat.dtype.kind not in "iufb":
        raise InputError(f"the land cover in {path} is {flat.dtype}; it must be numbers (class codes)")
    codes = class_codes(flat, stored.name)
    if stored.grid is not None:
        telling = not approximate and same_crs(stored.crs, crs)
        codes = codes[_orders(stored.grid, (y, x), path, telling=telling)]
    attrs = {"long_name": "land cover", **stored.flags}
    return xr.DataArray(codes, dims=("y", "x"), coords={"y": y, "x": x}, attrs=attrs)


def class_codes(values: NDArray[Any], name: str) -> NDArray[np.int16]:
    """Codes as integers, 0 = none; of ESA WorldCover by its minicubes' name only classes that exist."""
    codes = np.nan_to_num(values.astype(np.float64), nan=0.0).astype(np.int16)
    if name == WORLDCOVER_NAME:
        codes[~np.isin(codes, list(WORLDCOVER_CLASSES))] = 0
    return codes


def _orders(own: Grid, cube: Grid, path: str, *, telling: bool) -> tuple[slice, slice]:
    """How rows and columns on the grid `own` are taken to be those of the cube.

    telling : whether the two grids can be compared.

    Raises
    ------
    InputError : the grids can be compared and differ in more than the direction of an axis.
    """
    found = []
    for axis, mine, theirs, step in zip("yx", own, cube, pixel_steps(*cube), strict=True):
        rounding = float(np.finfo(np.float32).eps * np.abs(theirs).max())  # of axes that were stored as float32
        order = order_along(mine, theirs, max(TOUCH * abs(step), rounding))
        if order is not None:
            found.append(order)
        elif telling and not _are_numbers(*own) and not _are_numbers(*cube):
            raise InputError(
                f"the land cover in {path} does not lie on the cube's pixels: its {axis} goes from {mine[0]:.10g} to "
                f"{mine[-1]:.10g}, the cube's from {theirs[0]:.10g} to {theirs[-1]:.10g}; give one of the same place, "
                "CRS and pixels, or warp it to them"
            )
    return (found[0], found[1]) if len(found) == 2 else (slice(None), slice(None))


def _are_numbers(y: NDArray[np.float64], x: NDArray[np.float64]) -> bool:
    """Whether coordinates only number rows and columns from 0 (or 0.5), up or down, and tell no place."""
    unit = np.allclose(np.abs(pixel_steps(y, x)), 1)
    return unit and all(min(abs(axis[0]), abs(axis[-1])) < 1 for axis in (y, x))


def _stored(path: str) -> _Stored:
    head = first_bytes(path, 6)
    if head[:6] == b"\x93NUMPY":
        return _Stored(np.load(path, allow_pickle=False))
    if head[:2] == b"PK" and zipfile.is_zipfile(path):
        with np.load(path, allow_pickle=False) as archive:
            name = _key(archive.files, path)
            return _Stored(archive[name], name)
    if head[:3] == b"CDF" or head[:4] == b"\x89HDF" or os.path.isdir(path):
        return _of_store(path)
    return _of_raster(path)


def _of_raster(path: str) -> _Stored:
    """The first band; without a grid where the file has no transform, or a rotated one."""
    from clearcube.readers.raster_files import opened

    with opened(path, quiet=True) as raster:
        values = raster.read(1, masked=True).astype(np.float64).filled(np.nan)
        t, crs = raster.transform, raster.crs
    if t.is_identity or t.b or t.d:
        return _Stored(values)
    rows, columns = (np.arange(count) + 0.5 for count in values.shape)
    return _Stored(values, grid=(t.f + t.e * rows, t.c + t.a * columns), crs=crs)


def _of_store(path: str) -> _Stored:
    from clearcube.readers.store_files import open_store

    dataset = open_store(path)
    fields = [str(name) for name, variable in dataset.variables.items() if variable.ndim >= 2]
    name = _key(fields, path)
    stored = dataset.variables[name]
    grid, crs = None, None
    roles = [role_of(dataset, dim) for dim in stored.dims]
    if roles.count("y") == roles.count("x") == 1:
        axes = Axes(None, str(stored.dims[roles.index("y")]), str(stored.dims[roles.index("x")]))
        stored = stored.transpose(..., axes.y, axes.x)
        grid = _grid_of(dataset, axes, path)
        crs = find_crs(dataset, stored, is_degrees(axes.y) and is_degrees(axes.x))
    values = stored.values
    if values.dtype.kind in "iuf":
        values = mask_decoding(stored.attrs, values.dtype).apply(values)
    flags = {str(key): value for key, value in stored.attrs.items() if str(key).startswith("flag_")}
    return _Stored(values, name, flags, grid, crs)


def _grid_of(dataset: xr.Dataset, axes: Axes, path: str) -> Grid | None:
    """The pixel centres that a store has; None where it has none."""
    from clearcube.readers.store_place import grid_of  # which reads land cover too

    held = {axes.y, axes.x} <= dataset.variables.keys()
    if not held and affine_coordinates(dataset, dataset.sizes[axes.y], dataset.sizes[axes.x]) is None:
        return None
    return grid_of(dataset, axes, path)


def _key(there: list[str], path: str) -> str:
    """The array that is land cover: by name, else the only one."""
    named = [name for name in _NAMES if name in there]
    if named or len(there) == 1:
        return named[0] if named else there[0]
    raise InputError(f"{path} has no array 'landcover'; it has {', '.join(there) or 'none'}")

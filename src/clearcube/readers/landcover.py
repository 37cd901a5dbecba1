"""Land cover of the place from a file of its own."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from clearcube.errors import InputError
from clearcube.landcover import WORLDCOVER_CLASSES
from clearcube.readers.decoding import mask_decoding
from clearcube.readers.names import is_x, is_y
from clearcube.readers.sources import first_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORLDCOVER_NAME = "esawc_lc"
"""What GreenEarthNet's minicubes call ESA WorldCover; some hold interpolated codes."""
_NAMES = ("landcover", "land_cover", "lc", WORLDCOVER_NAME, "arr_0")


def read_landcover(path: str, y: NDArray[np.float64], x: NDArray[np.float64]) -> xr.DataArray:
    """Land-cover codes (y, x) int16, 0 = none, from npz, npy, NetCDF, Zarr or a raster of the cube's shape.

    No-data values as the file states them are none. CF flags, the names of the classes, come along.

    Raises
    ------
    InputError : the file cannot be read, or its shape is not the cube's.
    """
    if not os.path.exists(path):
        raise InputError(f"the land-cover file {path} does not exist; check the path")
    try:
        values, name, attrs = _stored(path)
    except InputError:
        raise
    except Exception as error:  # five libraries, each with errors of its own
        raise InputError(f"the land-cover file {path} cannot be read ({type(error).__name__}: {error})") from error
    field = values.reshape(values.shape[-2:]) if values.size == np.prod(values.shape[-2:]) else values
    if field.shape != (len(y), len(x)):
        raise InputError(
            f"the land cover in {path} has the shape {values.shape}, the cube {len(y)} x {len(x)} pixels; give one of "
            "the same place and grid"
        )
    if field.dtype.kind not in "iufb":
        raise InputError(f"the land cover in {path} is {field.dtype}; it must be numbers (class codes)")
    attrs = {"long_name": "land cover"} | attrs
    return xr.DataArray(class_codes(field, name), dims=("y", "x"), coords={"y": y, "x": x}, attrs=attrs)


def class_codes(values: NDArray[Any], name: str) -> NDArray[np.int16]:
    """Codes as integers, 0 = none; of ESA WorldCover by its minicubes' name only classes that exist."""
    codes = np.nan_to_num(values.astype(np.float64), nan=0.0).astype(np.int16)
    if name == WORLDCOVER_NAME:
        codes[~np.isin(codes, list(WORLDCOVER_CLASSES))] = 0
    return codes


def _stored(path: str) -> tuple[NDArray[Any], str, dict[str, Any]]:
    """The array (..., y, x), NaN where it says that there is no data; its name; its CF flags."""
    head = first_bytes(path, 6)
    if head[:6] == b"\x93NUMPY":
        return np.load(path, allow_pickle=False), "", {}
    if head[:2] == b"PK" and zipfile.is_zipfile(path):
        with np.load(path, allow_pickle=False) as archive:
            name = _key(archive.files, path)
            return archive[name], name, {}
    if head[:3] == b"CDF" or head[:4] == b"\x89HDF" or os.path.isdir(path):
        return _of_store(path)
    from clearcube.readers.raster_files import opened

    with opened(path, quiet=True) as raster:
        return raster.read(1, masked=True).astype(np.float64).filled(np.nan), "", {}


def _of_store(path: str) -> tuple[NDArray[Any], str, dict[str, Any]]:
    from clearcube.readers.store_files import open_store

    dataset = open_store(path)
    fields = [str(name) for name, variable in dataset.variables.items() if variable.ndim >= 2]
    name = _key(fields, path)
    stored = dataset.variables[name]
    placed = {"y": [dim for dim in stored.dims if is_y(dim)], "x": [dim for dim in stored.dims if is_x(dim)]}
    if all(len(dims) == 1 for dims in placed.values()):
        stored = stored.transpose(..., placed["y"][0], placed["x"][0])
    values = stored.values
    if values.dtype.kind in "iuf":
        values = mask_decoding(stored.attrs, values.dtype).apply(values)
    return values, name, {key: value for key, value in stored.attrs.items() if str(key).startswith("flag_")}


def _key(there: list[str], path: str) -> str:
    """The array that is land cover: by name, else the only one."""
    named = [name for name in _NAMES if name in there]
    if named or len(there) == 1:
        return named[0] if named else there[0]
    raise InputError(f"{path} has no array 'landcover'; it has {', '.join(there) or 'none'}")

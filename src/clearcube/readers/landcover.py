"""Land cover of the place from a file of its own."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from clearcube.errors import InputError
from clearcube.readers.sources import first_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NAMES = ("landcover", "land_cover", "lc", "esawc_lc", "arr_0")


def read_landcover(path: str, y: NDArray[np.float64], x: NDArray[np.float64]) -> xr.DataArray:
    """Land-cover codes (y, x) int16, 0 = none, from npz, npy, NetCDF, Zarr or a raster of the cube's shape.

    Raises
    ------
    InputError : the file cannot be read, or its shape is not the cube's.
    """
    if not os.path.exists(path):
        raise InputError(f"the land-cover file {path} does not exist; check the path")
    try:
        values = np.asarray(_values(path))
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
    codes = np.nan_to_num(field.astype(np.float64), nan=0.0).astype(np.int16)
    return xr.DataArray(codes, dims=("y", "x"), coords={"y": y, "x": x}, attrs={"long_name": "land cover"})


def _values(path: str) -> NDArray[Any]:
    head = first_bytes(path, 6)
    if head[:6] == b"\x93NUMPY":
        return np.load(path, allow_pickle=False)  # type: ignore[no-any-return]
    if head[:2] == b"PK" and zipfile.is_zipfile(path):
        with np.load(path, allow_pickle=False) as archive:
            return archive[_key(archive.files, path)]  # type: ignore[no-any-return]
    if head[:3] == b"CDF" or head[:4] == b"\x89HDF" or os.path.isdir(path):
        from clearcube.readers.store_files import open_store

        dataset = open_store(path)
        fields = [str(name) for name, variable in dataset.variables.items() if variable.ndim >= 2]
        return np.asarray(dataset.variables[_key(fields, path)].values)
    import rasterio

    with rasterio.open(path) as raster:
        return raster.read(1)  # type: ignore[no-any-return]


def _key(there: list[str], path: str) -> str:
    """The array that is land cover: by name, else the only one."""
    named = [name for name in _NAMES if name in there]
    if named or len(there) == 1:
        return named[0] if named else there[0]
    raise InputError(f"{path} has no array 'landcover'; it has {', '.join(there) or 'none'}")

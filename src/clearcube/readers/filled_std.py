"""The std of what clearcube wrote and how its errors go together, whatever the format and layout."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.cube import dates_of
from clearcube.readers.decoding import mask_decoding
from clearcube.readers.names import canonical
from clearcube.readers.sources import is_zarr
from clearcube.readers.store_files import decoded_dates, is_netcdf, open_store

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    Stds = dict[str, NDArray[np.float32]]

NDVI = "ndvi"


def std_of_pixel(path: str, filled: xr.Dataset, row: int, column: int) -> Stds:
    """Band, and `ndvi` -> std (T,), as `std_within` of one pixel."""
    found = std_within(path, filled, slice(row, row + 1), slice(column, column + 1))
    return {name: values[:, 0, 0] for name, values in found.items()}


def std_within(path: str, filled: xr.Dataset, rows: slice, columns: slice) -> Stds:
    """Band as it is stored, and `ndvi` -> std (T, h, w) on the dates of the cube, unit 1, NaN where unfilled.

    A quantity whose std was not written has no entry.

    Parameters
    ----------
    path : what was opened as `filled`, with all of its bands. rows, columns : of the pixels, in its order.
    """
    if is_zarr(path) or is_netcdf(path):
        return _of_store(path, filled, rows, columns)
    return _of_rasters(path, filled, rows, columns)


def error_correlation(path: str, bands: Sequence[str]) -> NDArray[np.float64]:
    """(B, B) correlation of the errors of these bands, as clearcube wrote it; else the identity."""
    try:
        attrs = _attributes(path)
        measured = np.array(json.loads(attrs["prepared"])["error_correlation"], np.float64)
        written = [canonical(name) for name in json.loads(attrs["band_order"])]
        places = [written.index(band) for band in bands]
        return measured[np.ix_(places, places)]
    except (KeyError, TypeError, ValueError, IndexError):
        return np.eye(len(bands))


def _attributes(path: str) -> Mapping[str, Any]:
    """The global attributes of a store, or the tags of one of the rasters."""
    if is_zarr(path) or is_netcdf(path):
        return open_store(path).attrs
    import rasterio

    rasters = sorted(Path(path).glob("*.tif")) if os.path.isdir(path) else [Path(path)]
    if not rasters:
        return {}
    with rasterio.open(rasters[0]) as raster:
        tags: dict[str, str] = raster.tags()
    return tags


def _of_store(path: str, filled: xr.Dataset, rows: slice, columns: slice) -> Stds:
    dataset = open_store(path)
    bands = [str(name) for name in filled["band"].values]
    names = (*(f"{band}_std" for band in bands), "ndvi_std", "reflectance_std")
    there = {name: dataset.variables[name] for name in names if name in dataset.variables}
    there = {name: stored for name, stored in there.items() if {"time", "y", "x"} <= set(stored.dims)}
    if not there or "time" not in dataset.variables:
        return {}
    dates = decoded_dates(dataset, "time", path).astype("datetime64[D]")
    found: Stds = {}
    for name, stored in there.items():
        at = stored.isel(y=rows, x=columns).transpose("time", ..., "y", "x")
        values = mask_decoding(at.attrs, at.dtype).apply(at.values)
        kept = _on_dates(dates_of(filled), {date: values[t] for t, date in enumerate(dates)}, values[0])
        if name != "reflectance_std":
            found[name.removesuffix("_std")] = kept
        elif kept.ndim == 4 and kept.shape[1] == len(bands):
            found |= dict(zip(bands, np.moveaxis(kept, 1, 0), strict=True))
    return found


def _of_rasters(path: str, filled: xr.Dataset, rows: slice, columns: slice) -> Stds:
    stored: dict[str, dict[np.datetime64, NDArray[np.float32]]] = {}
    for date in dates_of(filled):
        for folder in ("std", "ndvi_std"):
            file = os.path.join(path, folder, f"{folder}_{str(date).replace('-', '')}.tif")
            if os.path.isfile(file):
                for label, values in _described(file, rows, columns).items():
                    name = NDVI if folder == "ndvi_std" else canonical(label)
                    stored.setdefault(name, {})[date] = values
    return {name: _on_dates(dates_of(filled), of, next(iter(of.values()))) for name, of in stored.items()}


def _described(file: str, rows: slice, columns: slice) -> Stds:
    """Description of each band of a raster -> its values (h, w), NaN where there are none."""
    import rasterio
    from rasterio.windows import Window

    with rasterio.open(file) as raster:
        window = Window.from_slices(rows, columns, height=raster.height, width=raster.width)
        stored = raster.read(window=window, masked=True).astype(np.float64)
        values = (stored * np.array(raster.scales)[:, None, None]).filled(np.nan).astype(np.float32)
        return {label: each for label, each in zip(raster.descriptions, values, strict=True) if label}


def _on_dates(
    dates: NDArray[np.datetime64], values: Mapping[np.datetime64, NDArray[np.float32]], like: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Values of the dates, (T, ...), NaN where there are none."""
    missing = np.full_like(like, np.nan)
    return np.array([values.get(date, missing) for date in dates], np.float32)

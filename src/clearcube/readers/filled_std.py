"""The std of one pixel of what clearcube wrote, whatever the format and layout."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from clearcube.cube import dates_of
from clearcube.readers.decoding import mask_decoding
from clearcube.readers.sources import is_zarr
from clearcube.readers.store_files import decoded_dates, is_netcdf, open_store

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

NDVI = "ndvi"


def std_of_pixel(path: str, filled: xr.Dataset, row: int, column: int) -> dict[str, NDArray[np.float64]]:
    """Band, and `ndvi` -> std (T,) on the dates of the cube, unit 1, NaN where unfilled.

    A quantity whose std was not written has no entry.

    Parameters
    ----------
    path : what `open_filled` opened as `filled`. row, column : of the pixel, in its order.
    """
    if is_zarr(path) or is_netcdf(path):
        return _of_store(path, filled, row, column)
    return _of_rasters(path, filled, row, column)


def _of_store(path: str, filled: xr.Dataset, row: int, column: int) -> dict[str, NDArray[np.float64]]:
    dataset = open_store(path)
    bands = [str(name) for name in filled["band"].values]
    dates = decoded_dates(dataset, "time", path).astype("datetime64[D]")
    found: dict[str, NDArray[np.float64]] = {}
    for name in (*(f"{band}_std" for band in bands), "ndvi_std", "reflectance_std"):
        stored = dataset.variables.get(name)
        if stored is None or not {"time", "y", "x"} <= set(stored.dims):
            continue
        at = stored.isel(y=row, x=column).transpose("time", ...)
        values = mask_decoding(at.attrs, at.dtype).apply(at.values)
        kept = _on_dates(dates_of(filled), {date: values[t] for t, date in enumerate(dates)}, values[0])
        parts = kept.T if name == "reflectance_std" else [kept]
        labels = bands if name == "reflectance_std" else [name.removesuffix("_std")]
        found |= dict(zip(labels, parts, strict=True))
    return found


def _of_rasters(path: str, filled: xr.Dataset, row: int, column: int) -> dict[str, NDArray[np.float64]]:
    import rasterio
    from rasterio.windows import Window

    found: dict[str, NDArray[np.float64]] = {}
    for folder in ("std", "ndvi_std"):
        values: dict[np.datetime64, NDArray[np.float32]] = {}
        labels = [str(name) for name in filled["band"].values] if folder == "std" else [NDVI]
        for date in dates_of(filled):
            file = os.path.join(path, folder, f"{folder}_{str(date).replace('-', '')}.tif")
            if os.path.isfile(file):
                with rasterio.open(file) as raster:
                    stored = raster.read(window=Window(column, row, 1, 1), masked=True)[:, 0, 0]
                    values[date] = (stored.astype(np.float64) * np.array(raster.scales)).filled(np.nan)
        if values:
            kept = _on_dates(dates_of(filled), values, next(iter(values.values())))
            found |= dict(zip(labels, kept.T, strict=True))
    return found


def _on_dates(
    dates: NDArray[np.datetime64], values: Mapping[np.datetime64, NDArray[np.floating]], like: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Values of the dates, (T, ...), NaN where there are none."""
    missing = np.full_like(like, np.nan, dtype=np.float64)
    return np.array([values.get(date, missing) for date in dates], np.float64)

"""A folder of Cloud-Optimized GeoTIFFs, one for each date and quantity, made from a complete store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.cube import Source, crs_of, pixel_steps, steps_of
from clearcube.errors import InputError
from clearcube.tiling import Window, windows
from clearcube.writers.encoding import NO_DATA, SCALE, TIME_CHUNK

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

FOLDERS = {
    "reflectance": ("", "reflectance"),
    "reflectance_std": ("std", "std"),
    "source": ("source", "source"),
    "days_to_observation": ("days", "days"),
    "ndvi": ("ndvi", "ndvi"),
    "ndvi_std": ("ndvi_std", "ndvi_std"),
    "contamination": ("contamination", "contamination"),
}
"""Variable -> (sub-folder, beginning of the file names)."""
SIDECAR = ".aux.xml"
"""End of the names of files that GDAL and QGIS put beside rasters that they have opened."""
COLOURS = {
    Source.UNFILLED: (0, 0, 0, 0),
    Source.OBSERVED: (0, 114, 178, 255),
    Source.INTERPOLATED: (230, 159, 0, 255),
    Source.EXTRAPOLATED: (213, 94, 0, 255),
    Source.INVENTED: (204, 121, 167, 255),
    Source.REPLACED: (0, 158, 115, 255),
    Source.SMOOTHED: (86, 180, 233, 255),
    Source.FORECAST: (240, 228, 66, 255),
}
"""Colours of the flags that stay apart for the colour-blind (Okabe and Ito 2008)."""
READ_SIZE = 1024
SMALLEST_BLOCK, LARGEST_BLOCK = 64, 512


def finish_cogs(stored: Path, target: Path, scratch: Path) -> None:
    """Write the folder of rasters of a complete store (layout `cube`).

    target : a folder that does not exist yet. Files are `reflectance_YYYYMMDD.tif` and, in sub-folders,
        `std/std_YYYYMMDD.tif`, `source/source_YYYYMMDD.tif`, `days/days_YYYYMMDD.tif` (`ndvi/`, `ndvi_std/`,
        `contamination/`).
    scratch : a folder for the rasters that are being made.
    """
    import xarray as xr

    with xr.open_zarr(stored, mask_and_scale=False, decode_coords="all", chunks=None) as complete:
        dataset = _north_up(complete)
        scratch.mkdir(exist_ok=True)
        for name, (folder, beginning) in FOLDERS.items():
            if name in dataset:
                (target / folder).mkdir(parents=True, exist_ok=True)
                _write_variable(dataset, name, target / folder, beginning, scratch)


def _north_up(dataset: xr.Dataset) -> xr.Dataset:
    """The data set from north to south and from west to east, as rasters are expected to be."""
    if crs_of(dataset) is None:
        return dataset
    y, x = dataset["y"].values, dataset["x"].values
    back = slice(None, None, -1)
    return dataset.isel({"y": back} if y[0] < y[-1] else {}).isel({"x": back} if x[0] > x[-1] else {})


def _write_variable(dataset: xr.Dataset, name: str, folder: Path, beginning: str, scratch: Path) -> None:
    """All dates of one variable, as many at a time as share chunks, so that each chunk is decoded once."""
    dates = dataset["time"].values.astype("datetime64[D]")
    for first in range(0, len(dates), TIME_CHUNK):
        group = dataset[name].isel(time=slice(first, first + TIME_CHUNK))
        names = [f"{beginning}_{str(date).replace('-', '')}.tif" for date in dates[first : first + TIME_CHUNK]]
        _write_plain(dataset, group, [scratch / each for each in names])
        for each in names:
            _make_cog(scratch / each, folder / each, name, _block_size(dataset.sizes["y"], dataset.sizes["x"]))


def _write_plain(dataset: xr.Dataset, group: xr.DataArray, paths: list[Path]) -> None:
    """Plain tiled GeoTIFFs of some dates, written window by window."""
    import rasterio

    with ExitStack() as stack:
        profile = _profile(dataset, group)
        files = [stack.enter_context(rasterio.open(path, "w", **profile)) for path in paths]
        for file, date in zip(files, group["time"].values.astype("datetime64[D]"), strict=True):
            _describe(file, dataset, group, str(date))
        for window, values in _parts(group):
            height, width = window.shape
            place = rasterio.windows.Window(window.left, window.top, width, height)
            for file, raster in zip(files, values, strict=True):
                file.write(raster if raster.ndim == 3 else raster[None], window=place)


def _parts(group: xr.DataArray) -> Iterator[tuple[Window, np.ndarray[Any, Any]]]:
    for window in windows((group.sizes["y"], group.sizes["x"]), READ_SIZE):
        rows, columns = window.slices
        yield window, group.isel(y=rows, x=columns).values


def _profile(dataset: xr.Dataset, group: xr.DataArray) -> dict[str, Any]:
    crs = crs_of(dataset)
    no_data = {"f": np.nan, "i": NO_DATA, "u": None}[group.dtype.kind]
    return {
        "driver": "GTiff",
        "dtype": group.dtype,
        "count": group.sizes.get("band", 1),
        "height": group.sizes["y"],
        "width": group.sizes["x"],
        "crs": crs,
        "transform": _transform(dataset),
        "nodata": -1 if group.name == "days_to_observation" else no_data,
        "tiled": True,
        "bigtiff": "if_safer",
    }


def is_raster_of_fill(path: Path) -> bool:
    """Whether a file, or a folder with all that is in it, is such as `finish_cogs` leaves, by its name."""
    places = {folder: beginning for folder, beginning in FOLDERS.values()}
    if path.is_dir():
        return path.name in places and all(_is_named(each, places[path.name]) for each in path.iterdir())
    return _is_named(path, places[""])


def _is_named(path: Path, beginning: str) -> bool:
    return path.name.startswith(f"{beginning}_") and path.name.removesuffix(SIDECAR).endswith(".tif")


def check_regular(y: NDArray[np.float64], x: NDArray[np.float64]) -> None:
    """Refuse pixels that no GeoTIFF can place: a fifth of their size or more beside where a regular grid has them.

    Raises
    ------
    InputError : they do.
    """
    for axis, centres, step in zip(("y", "x"), (y, x), pixel_steps(y, x), strict=True):
        steps = np.abs(np.diff(centres))
        if np.abs(centres - centres[0] - step * np.arange(len(centres))).max() > 0.2 * abs(step):
            raise InputError(
                f"the pixels are of several sizes along {axis} ({steps.min():g} to {steps.max():g}), "
                "which GeoTIFF cannot hold; write .nc or .zarr, or resample the input"
            )


def _transform(dataset: xr.Dataset) -> Any:
    """From pixels to coordinates."""
    from rasterio import Affine

    dy, dx = steps_of(dataset)
    return Affine(dx, 0.0, float(dataset["x"][0]) - dx / 2, 0.0, dy, float(dataset["y"][0]) - dy / 2)


def _describe(file: Any, dataset: xr.Dataset, group: xr.DataArray, date: str) -> None:
    """Band names, scale and tags."""
    bands = [str(band) for band in dataset["band"].values] if "band" in group.dims else [str(group.name)]
    file.descriptions = bands
    if "scale_factor" in group.attrs:
        file.scales = (SCALE,) * len(bands)
        file.offsets = (0.0,) * len(bands)
    for index, wavelength in enumerate(dataset["wavelength"].values if "band" in group.dims else (), start=1):
        if np.isfinite(wavelength):
            file.update_tags(index, wavelength_nm=f"{wavelength:g}")
    if group.name == "source":
        file.write_colormap(1, {int(flag): colour for flag, colour in COLOURS.items()})
    kept = {key: str(value) for key, value in dataset.attrs.items() if key not in ("_CRS",)}
    stamp = date.replace("-", ":") + " 00:00:00"
    file.update_tags(date=date, TIFFTAG_DATETIME=stamp, long_name=str(group.attrs.get("long_name", "")), **kept)
    if "flag_values" in group.attrs:
        values = np.atleast_1d(group.attrs["flag_values"])
        file.update_tags(flag_values=" ".join(map(str, values)), flag_meanings=group.attrs["flag_meanings"])


def _block_size(height: int, width: int) -> int:
    """Side of a block: small frames get small ones, so that they too have overviews.

    >>> _block_size(10980, 10980), _block_size(256, 200), _block_size(128, 128), _block_size(20, 24)
    (512, 128, 64, 64)
    """
    size = LARGEST_BLOCK
    while size > SMALLEST_BLOCK and 2 * size > max(height, width):
        size //= 2
    return size


def _make_cog(plain: Path, target: Path, name: str, block: int) -> None:
    """Turn a plain GeoTIFF into a cloud-optimized one and delete it."""
    import rasterio.shutil

    resampling = "nearest" if name in ("source", "days_to_observation") else "average"
    rasterio.shutil.copy(
        plain,
        target,
        driver="COG",
        compress="deflate",
        predictor="yes",
        blocksize=block,
        overview_resampling=resampling,
        bigtiff="if_safer",
    )
    plain.unlink()

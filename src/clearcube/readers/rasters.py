"""Raster series: GeoTIFF and JPEG 2000 files, one for each date or band, Sentinel-2 product folders, COG folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from clearcube.errors import InputError
from clearcube.readers.options import ReadOptions
from clearcube.readers.raster_arrays import mask_of, reflectance_of
from clearcube.readers.raster_contents import RasterFile, identify
from clearcube.readers.raster_files import JP2_MAGIC, TIFF_MAGIC, Grid, inspect
from clearcube.readers.raster_names import holds_no_reflectance, parse
from clearcube.readers.raster_series import Acquisition, band_order, choose, common_grid, group
from clearcube.readers.raw import RawSeries
from clearcube.readers.sources import RASTERS, described, folders_below, is_url, is_zarr


def recognises(paths: Sequence[str]) -> bool:
    """Whether all paths are raster files or folders that hold some (by suffix, else by a file's first bytes)."""
    return bool(paths) and all(_is_raster(path) for path in paths)


def read(paths: Sequence[str], options: ReadOptions) -> RawSeries:
    """Read rasters as one series, lazily: one task reads a window of one file.

    Dates and products come from names. Stored numbers become reflectance by the options, else by the files' own
    tags, else (integers of Sentinel-2 products) by quantification value and offset of each product; other integers
    stay as they are. Masks may be on a grid of their own. Where no bands are asked (`bands` is empty) the files may
    hold masks only: `reflectance` is then without bands, on the grid of the first mask.

    Raises
    ------
    InputError : a file is missing, damaged, without date, on another grid, or nothing tells its bands.
    """
    files = _files(paths, options)
    if options.bands == ():
        return _masks_alone(files, paths, options)
    acquisitions = group(files)
    if not acquisitions:
        raise InputError(f"{described(paths)}: there are masks, but no bands; name files with reflectance too")
    bands = band_order(acquisitions, options.bands)
    used = {id(file): file.info for each in acquisitions for file in (each.bands[band] for band in bands)}
    grid = common_grid(list(used.values()))
    return RawSeries(
        reflectance_of(acquisitions, bands, grid, options),
        tuple(acquisition.product for acquisition in acquisitions),
        masks=_masks(acquisitions, grid, options),
        crs=grid.crs,
        attrs={"source": f"{len(used)} raster files, {described(paths)}"},
    )


def _is_raster(path: str) -> bool:
    if os.path.isdir(path):
        return not is_zarr(path) and any(_is_raster_name(name) for _, names in folders_below(path) for name in names)
    if _is_raster_name(path.partition("?")[0] if is_url(path) else path):
        return True
    if is_url(path) or not os.path.isfile(path):
        return path.rstrip("/").upper().endswith(".SAFE")
    try:
        with open(path, "rb") as file:
            return file.read(12).startswith((*TIFF_MAGIC, *JP2_MAGIC))
    except OSError:
        return False


def _is_raster_name(name: str) -> bool:
    return name.lower().endswith(RASTERS) and not os.path.basename(name).startswith("._")


def _members(path: str) -> list[str]:
    """The raster files of a path, sorted.

    Raises
    ------
    InputError : it is a folder without any, or a product folder in it has none.
    """
    if not os.path.isdir(path):
        return [path]
    members = []
    for folder, names in folders_below(path):
        found = [os.path.join(folder, name) for name in names if _is_raster_name(name)]
        members += [member for member in found if not holds_no_reflectance(member)]
        if folder.upper().endswith(".SAFE") and not any(
            _is_raster_name(name) for _, below in folders_below(folder) for name in below
        ):
            raise InputError(f"{folder}: no images in this product folder; download the product again")
    if not members:
        raise InputError(f"{path}: no raster with reflectance in this folder (looked for {', '.join(RASTERS)})")
    return members


def _files(paths: Sequence[str], options: ReadOptions) -> list[RasterFile]:
    """All files with what they hold."""
    wanted = [*options.variables.values(), *([] if options.mask is None else [options.mask])]
    members = [(member, path.rstrip("/")) for path in paths for member in _members(path)]
    members = [(member, root) for member, root in members if not holds_no_reflectance(member)]
    names = [(member, parse(member, root, wanted)) for member, root in members]
    if not names:
        raise InputError(f"{described(paths)}: only previews and fields other than reflectance; name image files")
    return [identify(name, inspect(path), options) for path, name in choose(names, options.bands)]


def _masks(acquisitions: Sequence[Acquisition], grid: Grid, options: ReadOptions) -> dict[str, xr.DataArray]:
    names = sorted({name for acquisition in acquisitions for name in acquisition.masks})
    return {name: mask_of(name, acquisitions, grid, options) for name in names}


def _masks_alone(files: Sequence[RasterFile], paths: Sequence[str], options: ReadOptions) -> RawSeries:
    """The masks of files that are read for nothing else: the one that is named, else all."""
    asked = None if options.mask is None else options.mask.lower()
    names = {name for file in files for name in file.masks if asked in (None, name.lower())}
    if not names:
        there = ", ".join(sorted({name for file in files for name in (*file.masks, *file.bands)}))
        raise InputError(
            f"{described(paths)}: no mask '{options.mask}'; there are {there or 'no names'}. Name it as the file "
            "name or the band's description does, or by the number of the band"
        )
    holders = group([replace(file, bands=file.masks) for file in files if names & file.masks.keys()])
    grid = common_grid([each.masks[name].info for each in holders for name in sorted(names & each.masks.keys())[:1]])
    masks = {name: mask_of(name, holders, grid, options) for name in sorted(names)}
    first = next(iter(masks.values()))
    empty = first.expand_dims(band=0).transpose("time", "band", "y", "x").astype(np.float32)
    empty = empty.assign_coords(band=np.array([], dtype=str), wavelength=("band", np.array([], dtype=np.float64)))
    return RawSeries(empty, tuple(each.product for each in holders), masks=masks, crs=grid.crs)

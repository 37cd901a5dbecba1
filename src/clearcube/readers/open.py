"""The road from what a user has to a cube: read, select, mask, merge days, set on a calendar."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from clearcube import masks
from clearcube.cube import PIXEL_SIZE, Band, dates_of, new_cube
from clearcube.errors import InputError
from clearcube.readers.calendar import calendar, on_calendar
from clearcube.readers.formats import read_sources
from clearcube.readers.landcover import read_landcover
from clearcube.readers.mask_choice import brought_to, choose, judge
from clearcube.readers.mask_spec import MaskOptions, MaskSpec
from clearcube.readers.merging import check_products, merge_days
from clearcube.readers.options import ReadOptions
from clearcube.readers.raw import RawSeries
from clearcube.readers.selection import cut, dates_within, pixels_within
from clearcube.readers.sources import described, expand

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


GEOLOCATION = ("latitude", "longitude")
NONE_FOUND = "none found, every value counts as observed"
"""What a cube's attribute `mask` begins with where no mask was recognised, and none was asked for."""


def open_cube(
    paths: Paths,
    *,
    format: str | None = None,
    bands: Sequence[str] | Mapping[str, str | None] | str | None = None,
    bbox: Sequence[float] | None = None,
    time: str | tuple[object, object] | None = None,
    mask: str | MaskSpec | None = None,
    scl_keep: Iterable[int] = masks.SCL_KEEP,
    max_cloud_probability: float = masks.MAX_CLOUD_PROBABILITY,
    dilate: int = 0,
    scale: float | None = None,
    offset: float | None = None,
    nodata: float | None = None,
    landcover: str | os.PathLike[str] | None = None,
    every: str | None = None,
    dates: str | os.PathLike[str] | Iterable[object] | None = None,
    chunks: int = 2048,
) -> xr.Dataset:
    """Open a cube, lazily unless it is small and in one piece.

    Parameters
    ----------
    paths : one or several files, folders, globs or fsspec URLs, together one place.
    format : "earthnet", "store" (NetCDF, Zarr) or "rasters"; None = told by what the files hold.
    bands : names to take, in this order (common names or Sentinel-2 ids), or a mapping from names to the variables
        that hold them; None = all.
    bbox : left, bottom, right, top in the coordinates of the cube; pixels whose centres lie within are taken.
    time : "START/END", both inclusive, either may be left out.
    mask : [FILE:]VAR[=KIND], or "none"; None = the one that is recognised. Kinds: scl, probability, qa_pixel (of
        Landsat Collection 2), qa60, hls (the Fmask of HLS), clear (not 0 where clear), bad (0 where clear).
    scl_keep : scene classes that are usable.
    max_cloud_probability : largest usable cloud probability, in the mask's own unit.
    dilate : pixels by which clouds and shadows grow (a disc); missing data does not grow.
    scale, offset, nodata : reflectance = scale x stored + offset, no value where stored is `nodata`; None = as the
        source itself tells.
    landcover : file with the land cover of the place.
    every, dates : calendar of the output, a step such as "5d" or dates (a list, or a file with one a line). The cube
        then also has a coordinate `wanted` (time) bool, and an empty date where nobody acquired a wanted one.
    chunks : side in pixels of a dask chunk where the source's own chunks do not decide.

    Returns
    -------
    A cube (`clearcube.cube.check_cube`). Its attributes tell `mask`, `source_files`, `format`, `acquisitions` (how
    many there were before those of one day were merged) and, where only approximate, `georeference`.

    Raises
    ------
    InputError : the input cannot be used; the message says what, where and what to do.
    """
    spec = MaskSpec.parse(mask) if isinstance(mask, str) else mask
    options = _read_options(bands, scale, offset, nodata, spec, chunks)
    mask_options = MaskOptions(tuple(scl_keep), max_cloud_probability, dilate)
    sources = expand(paths)
    name, series = read_sources(sources, format, options)
    check_products(series.products)
    series = _within(_with_landcover(series, landcover), time)
    observed, reflectance, described_mask = _observed(series, spec, mask_options, bbox, described(sources))
    reflectance, observed = merge_days(reflectance, observed, series.products)
    if reflectance.sizes["time"] < 2 and "source" not in series.masks:  # of what was filled one date may be wanted
        raise InputError(
            f"{described(sources)}: only one date; a series needs at least two. Where each file is one date, name "
            "their folder"
        )
    attrs = {
        "format": name,
        **series.attrs,
        "mask": described_mask,
        "source_files": [os.fspath(source) for source in sources],
        "acquisitions": len(series.products),
    }
    cube = _cube(reflectance, observed, series, attrs, described(sources))
    return _on_calendar(cube, every, dates)


def _read_options(
    bands: Sequence[str] | Mapping[str, str | None] | str | None,
    scale: float | None,
    offset: float | None,
    nodata: float | None,
    spec: MaskSpec | None,
    chunks: int,
) -> ReadOptions:
    variables: dict[str, str] = {}
    if isinstance(bands, Mapping):
        variables = {name: variable for name, variable in bands.items() if variable is not None}
    wanted = (bands,) if isinstance(bands, str) else None if bands is None else tuple(bands)
    if wanted is not None and len(set(wanted)) < max(len(wanted), 1):
        raise InputError(f"bands is {list(wanted)}; name at least one band and each once")
    mask = spec.variable if spec is not None and spec.file is None else None
    return ReadOptions(wanted, variables, scale, offset, nodata, mask, chunks)


def _with_landcover(series: RawSeries, path: str | os.PathLike[str] | None) -> RawSeries:
    """The series with the land cover of a file, where one is given."""
    if path is None:
        return series
    y, x = (series.reflectance[axis].values for axis in ("y", "x"))
    field = read_landcover(os.fspath(path), y, x, crs=series.crs, approximate="georeference" in series.attrs)
    return replace(series, static={**series.static, "landcover": field})


def _within(series: RawSeries, time: str | tuple[object, object] | None) -> RawSeries:
    """The acquisitions of a period."""
    positions = dates_within(series.reflectance["time"].values, time)
    if len(positions) == len(series.products):
        return series
    products = tuple(series.products[position] for position in positions)
    times = series.reflectance["time"].values
    masks_within = {
        label: mask.isel(time=positions) if np.array_equal(mask["time"].values, times) else mask
        for label, mask in series.masks.items()
    }
    reflectance = series.reflectance.isel(time=positions)
    return replace(series, reflectance=reflectance, products=products, masks=masks_within)


def _observed(
    series: RawSeries, spec: MaskSpec | None, options: MaskOptions, bbox: Sequence[float] | None, where: str
) -> tuple[xr.DataArray, xr.DataArray, str]:
    """`observed` (time, y, x), the reflectance within the box, and the words for the mask that was used.

    Clouds just outside the box still grow into it.
    """
    wide = cut(series.reflectance, pixels_within(series.reflectance, bbox, options.dilate))
    wide = _finite(wide.chunk(band=-1) if wide.chunks is not None else wide)
    observed = wide.notnull().all("band")
    others = f" (not used: {', '.join(series.others)})" if series.others else ""
    words = "none" if spec is not None else f"{NONE_FOUND}{others}"
    mask_series, place = _mask_series(series, spec, where)
    chosen = choose(spec, mask_series, place)
    if chosen is not None:
        own, words = judge(chosen, options)
        _warn_of_idle(chosen.kind, options, where)
        judgement = brought_to(own, chosen, wide, series.crs, place)
        cloudy = judgement.cloudy if chosen.tells_missing else judgement.cloudy & wide.notnull().any("band")
        grown = masks.dilate(cloudy, options.dilate) if options.dilate else cloudy
        observed = observed & judgement.clear & ~grown
        words += f", clouds grown by {options.dilate} pixels" if options.dilate else ""
    inner = pixels_within(wide, bbox)
    return cut(observed.transpose("time", "y", "x"), inner), cut(wide, inner), words


def _warn_of_idle(kind: str, options: MaskOptions, where: str) -> None:
    """Warn of options that belong to another kind of mask."""
    usual = MaskOptions()
    for of, option in (("scl", "scl_keep"), ("probability", "max_probability")):
        if kind != of and getattr(options, option) != getattr(usual, option):
            name = "max_cloud_probability" if option == "max_probability" else option
            warnings.warn(f"{where}: the mask is no {of} mask, so {name} changes nothing", UserWarning, stacklevel=4)


def _mask_series(series: RawSeries, spec: MaskSpec | None, where: str) -> tuple[RawSeries, str]:
    """The series that holds the mask and what messages call it: the input itself, or a file of its own."""
    if spec is None or spec.file is None:
        return series, where
    sources = expand(spec.file)
    _, other = read_sources(sources, None, ReadOptions(bands=(), mask=spec.variable))
    return other, described(sources)


def _finite(reflectance: xr.DataArray) -> xr.DataArray:
    """The reflectance with NaN in place of infinities; warns when (and where) one is met."""
    finite: xr.DataArray = xr.apply_ufunc(
        _without_infinities, reflectance, dask="parallelized", output_dtypes=[np.float32], keep_attrs=True
    )
    return finite


def _without_infinities(values: NDArray[np.float32]) -> NDArray[np.float32]:
    infinite = np.isinf(values)
    if not infinite.any():
        return values
    warnings.warn("the input has infinite values; they count as not observed", UserWarning, stacklevel=2)
    return np.where(infinite, np.float32(np.nan), values)


def _cube(
    reflectance: xr.DataArray, observed: xr.DataArray, series: RawSeries, attrs: dict[str, Any], where: str
) -> xr.Dataset:
    """The cube itself, with what belongs to the place."""
    if series.crs is None:
        warnings.warn(f"{where}: no CRS is known; what is written of it will have none", UserWarning, stacklevel=3)
    names, wavelengths = reflectance["band"].values, reflectance["wavelength"].values
    cube = new_cube(
        reflectance.data,
        observed.data,
        reflectance["time"].values,
        [Band(str(name), float(nm)) for name, nm in zip(names, wavelengths, strict=True)],
        y=reflectance["y"].values,
        x=reflectance["x"].values,
        crs=series.crs,
        attrs=attrs,
    )
    for axis in ("y", "x"):
        if PIXEL_SIZE in reflectance[axis].attrs:
            cube[axis].attrs[PIXEL_SIZE] = reflectance[axis].attrs[PIXEL_SIZE]
    for name, field in series.static.items():
        part = field.sel(y=cube["y"].values, x=cube["x"].values, method="nearest")
        placed = {name: (("y", "x"), part.data, part.attrs)}
        cube = cube.assign_coords(placed) if name in GEOLOCATION else cube.assign(placed)
    return cube


def _on_calendar(
    cube: xr.Dataset, every: str | None, dates: str | os.PathLike[str] | Iterable[object] | None
) -> xr.Dataset:
    own = dates_of(cube)
    wanted = calendar(own[0], own[-1], every, dates)
    return cube if wanted is None else on_calendar(cube, wanted)

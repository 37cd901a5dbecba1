"""What is in an input: dates, bands, place, and how much of it was seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.cube import Band, bands_of, crs_of, dates_of, steps_of
from clearcube.errors import InputError
from clearcube.gaps import STRATA, STRATA_EDGES, gap_length
from clearcube.readers.open import open_cube
from clearcube.tiling import windows
from clearcube.workflows.first_look import some_observed

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

PART_SIZE = 512
"""Side of the squares that are looked at, pixels."""


@dataclass(frozen=True)
class CubeInfo:
    """A description of a cube.

    shape : dates, bands, height, width.
    crs : name of the coordinate reference system, or None.
    bounds : left, bottom, right, top in units of the CRS, outer edges of the pixels.
    resolution : pixel size in y and x, same units.
    clear_share : (T,) share of the pixels that are observed.
    gap_share : share of the missing pixels and dates that lie in gaps of each stratum of length in days.
    never_share : share of the pixels that are observed at no date.
    mask, source_format : what the reader said.
    values : in words, what observed values are in the middle of the cube, or why they are no reflectance.
    """

    shape: tuple[int, int, int, int]
    dates: NDArray[np.datetime64]
    bands: tuple[Band, ...]
    crs: str | None
    bounds: tuple[float, float, float, float]
    resolution: tuple[float, float]
    clear_share: NDArray[np.float64]
    gap_share: Mapping[str, float]
    never_share: float
    mask: str
    source_format: str
    values: str


def describe(inputs: Sequence[str], opening: Mapping[str, Any]) -> CubeInfo:
    """Open inputs and look at all of their masks, a window at a time.

    Raises
    ------
    InputError : as `open_cube`.
    """
    cube = open_cube(list(inputs), **opening)
    frame = (cube.sizes["y"], cube.sizes["x"])
    dates = dates_of(cube)
    seen = np.zeros(len(dates), dtype=np.int64)
    missing = np.zeros(len(STRATA), dtype=np.int64)
    never = 0
    for observed in _masks(cube):
        seen += observed.sum(axis=(1, 2))
        never += int((~observed.any(axis=0)).sum())
        lengths = gap_length(observed, dates)[~observed]
        missing += np.histogram(lengths, np.array(STRATA_EDGES))[0]
    pixels = frame[0] * frame[1]
    y, x = cube["y"].values, cube["x"].values
    step = steps_of(cube)
    crs = crs_of(cube)
    return CubeInfo(
        (len(dates), cube.sizes["band"], *frame),
        dates,
        bands_of(cube),
        None if crs is None else _crs_name(crs),
        _bounds(y, x, step),
        (abs(step[0]), abs(step[1])),
        seen / pixels,
        dict(zip(STRATA, (missing / max(missing.sum(), 1)).tolist(), strict=True)),
        never / pixels,
        str(cube.attrs.get("mask", "none")),
        str(cube.attrs.get("format", "unknown")),
        _values(cube),
    )


def _masks(cube: xr.Dataset) -> Iterator[NDArray[np.bool_]]:
    """`observed` (T, h, w) of one part of the cube after the other; what was decoded together is read together."""
    chunks = cube["observed"].chunksizes
    for rows in _spans(chunks.get("y", (cube.sizes["y"],))):
        for columns in _spans(chunks.get("x", (cube.sizes["x"],))):
            whole = cube["observed"].isel(y=rows, x=columns).values
            for window in windows(whole.shape[1:], PART_SIZE):
                yield whole[(..., *window.slices)]


def _spans(chunks: Sequence[int]) -> Iterator[slice]:
    """Whole chunks along an axis, as many at once as have `PART_SIZE` pixels."""
    start = stop = 0
    for length in chunks:
        stop += length
        if stop - start >= PART_SIZE:
            yield slice(start, stop)
            start = stop
    if stop > start:
        yield slice(start, stop)


def _values(cube: xr.Dataset) -> str:
    try:
        observed = some_observed(cube, "this input")
    except InputError as error:
        return str(error)
    if not observed.size:
        return "nothing is observed in the middle of the cube"
    low, middle, high = np.quantile(observed, (0.05, 0.5, 0.95))
    return f"{low:.3f} to {high:.3f}, median {middle:.3f} (9 of 10 observed values in the middle of the cube)"


def _crs_name(crs: Any) -> str:
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.to_wkt().split('"')[1])


def _bounds(
    y: NDArray[np.float64], x: NDArray[np.float64], step: tuple[float, float]
) -> tuple[float, float, float, float]:
    half_y, half_x = abs(step[0]) / 2, abs(step[1]) / 2
    return float(x.min() - half_x), float(y.min() - half_y), float(x.max() + half_x), float(y.max() + half_y)

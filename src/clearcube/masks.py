"""What "observed" means: from scene classes, cloud probability or plain masks to one polarity, True = usable.

Every function takes a mask as the sensor's producer delivers it, (time, y, x), and gives a `Judgement`. A mask may
lie on another grid than the bands: `on_grid` brings a judgement to the grid of the cube, `dilate` grows its clouds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from clearcube.cube import PIXEL_SIZE, steps_of
from clearcube.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCL_KEEP = (4, 5, 6, 7)
"""Scene classes that are usable by default: vegetation, bare, water, unclassified."""
SCL_CLOUDS = (3, 8, 9, 10)
"""Scene classes that are cloud or its shadow; they alone are grown by a dilation."""
MINICUBE_SCL_KEEP = (1, 2, 4, 5, 6, 7)
"""Scene classes that GreenEarthNet accepts besides its cloud mask."""
MAX_CLOUD_PROBABILITY = 40.0
"""Largest usable cloud probability, in the unit of the mask (percent for Sentinel-2)."""


@dataclass(frozen=True)
class Bits:
    """What the bits of a quality band mean, as sums of powers of two: cloud or shadow, and no data.

    no_data : the value that as a whole means no data.
    """

    cloudy: int
    missing: int = 0
    no_data: int | None = None


BITS = {
    "qa_pixel": Bits(cloudy=2 + 4 + 8 + 16, missing=1),
    "qa60": Bits(cloudy=1024 + 2048),
    "hls": Bits(cloudy=2 + 4 + 8, no_data=255),
}
"""Kind of quality band -> its bits. Landsat Collection 2: dilated cloud, cirrus, cloud, shadow, fill; QA60: opaque
cloud and cirrus; Fmask of Harmonized Landsat Sentinel-2: cloud, next to cloud, shadow."""
TOUCH = 1e-3
"""Share of a pixel by which footprints may overlap and still count as only touching."""


@dataclass(frozen=True)
class Judgement:
    """What a mask says of each pixel and date; both (time, y, x) bool.

    clear : True where the ground was seen.
    cloudy : True where it was not because of cloud or shadow (not for want of data); this is what `dilate` grows.
    """

    clear: xr.DataArray
    cloudy: xr.DataArray


def from_scl(scl: xr.DataArray, keep: Iterable[int] = SCL_KEEP) -> Judgement:
    """Judge by Sentinel-2 scene classes 0..11; 0 and NaN are no data.

    References
    ----------
    Sen2Cor configuration and user manual, scene classification; 3 shadow, 8 and 9 cloud, 10 cirrus.
    """
    kept = sorted(set(keep))
    return Judgement(scl.isin(kept), scl.isin(sorted(set(SCL_CLOUDS) - set(kept))))


def from_probability(probability: xr.DataArray, maximum: float = MAX_CLOUD_PROBABILITY) -> Judgement:
    """Judge by cloud probability: usable up to `maximum`, in the unit of the mask; NaN is no data."""
    return Judgement(probability <= maximum, probability > maximum)


def from_clear(clear: xr.DataArray) -> Judgement:
    """Judge by a mask that is not 0 where usable; NaN is no data, 0 is cloud."""
    return Judgement((clear != 0) & clear.notnull(), clear == 0)


def from_bad(bad: xr.DataArray) -> Judgement:
    """Judge by a mask that is 0 where usable; NaN is no data, anything else is cloud."""
    return Judgement(bad == 0, (bad != 0) & bad.notnull())


def from_bits(flags: xr.DataArray, kind: str) -> Judgement:
    """Judge by bits of a quality band, one of `BITS`; NaN is no data.

    References
    ----------
    USGS, Landsat 8-9 Collection 2 Level 2 science product guide (QA_PIXEL); Copernicus Sentinel-2 QA60 as Google Earth
    Engine delivers it; NASA, HLS product user guide (Fmask).
    """
    meaning, known = BITS[kind], flags.notnull()
    bits = flags.where(known, 0).astype(np.int64)
    missing = ~known | (bits & meaning.missing != 0)
    if meaning.no_data is not None:
        missing = missing | (bits == meaning.no_data)
    cloudy = ~missing & (bits & meaning.cloudy != 0)
    return Judgement(~missing & ~cloudy, cloudy)


def from_minicube(cloud_mask: xr.DataArray, scl: xr.DataArray | None) -> Judgement:
    """Judge by GreenEarthNet's `s2_dlmask` (0 clear, 1 cloud, 2 shadow, 3 snow, 4 other) with scene classes.

    References
    ----------
    Benson et al. (2024), Multi-modal learning for geospatial vegetation forecasting, CVPR.
    """
    clear, cloudy = cloud_mask < 1, cloud_mask.isin([1, 2])
    if scl is None:
        return Judgement(clear, cloudy)
    scene = from_scl(scl, MINICUBE_SCL_KEEP)
    return Judgement(clear & scene.clear, cloudy | scene.cloudy)


def from_codes(flags: xr.DataArray, codes: Iterable[int]) -> Judgement:
    """Judge by a flag that is one of `codes` where observed; nothing is called cloud, the flag does not tell why."""
    return Judgement(flags.isin(list(codes)), xr.zeros_like(flags, dtype=bool))


def on_grid(judgement: Judgement, placed: xr.DataArray, name: str) -> Judgement:
    """The judgement on the pixels of `placed` (..., y, x): bad if any part of a pixel is bad.

    Works for coarser, finer and shifted masks: a pixel takes all mask pixels that its footprint overlaps.

    Raises
    ------
    InputError : the mask `name` does not cover these pixels.
    """
    found = {
        dim: _overlaps(judgement.clear[dim], placed[dim], abs(step), name)
        for dim, step in zip(("y", "x"), steps_of(placed), strict=True)
    }
    if all(overlaps is None for overlaps in found.values()):
        return judgement
    unclear, cloudy = ~judgement.clear, judgement.cloudy
    for dim, overlaps in found.items():
        if overlaps is not None:
            unclear, cloudy = (_any_of(mask, dim, overlaps, placed[dim].values) for mask in (unclear, cloudy))
    return Judgement(~unclear, cloudy)


def dilate(cloudy: xr.DataArray, radius: int) -> xr.DataArray:
    """Grow True by a disc of `radius` pixels in each date, (time, y, x) bool; across chunk borders where lazy.

    A pixel becomes True when the centre of a True pixel is at most `radius` pixels away (Euclidean distance).
    """
    if radius == 0:
        return cloudy
    if cloudy.chunks is None:
        return cloudy.copy(data=_grown(cloudy.values, radius))
    chunks = cloudy.chunks
    depth = {0: 0} | {axis: min(radius, cloudy.shape[axis] - 1) for axis in (1, 2)}  # no chunk reaches farther
    grown = cloudy.data.map_overlap(_grown, depth=depth, boundary="none", radius=radius, dtype=bool)
    return cloudy.copy(data=grown.rechunk(chunks))


def _grown(cloudy: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """`cloudy` (T, H, W) grown by a disc; the distance transform costs the same for every radius."""
    from scipy.ndimage import distance_transform_edt

    grown = cloudy.copy()
    for date in grown:
        if date.any() and not date.all():
            date |= distance_transform_edt(~date) <= radius
    return grown


def _step(axis: xr.DataArray, fallback: float) -> float:
    """Size of a pixel along one axis; of a lone one as the axis says, else `fallback`."""
    if axis.size > 1:
        return abs(float(axis[-1] - axis[0])) / (axis.size - 1)
    return float(axis.attrs.get(PIXEL_SIZE, fallback))


def _overlaps(
    from_axis: xr.DataArray, to_axis: xr.DataArray, width: float, name: str
) -> list[NDArray[np.int64]] | None:
    """For each pixel of an axis the mask's pixels that it overlaps, as index arrays (H,) to be joined by "or".

    from_axis : centres of the mask's pixels. to_axis : of the pixels that are wanted, `width` wide. None where both
    are the same.
    """
    source, target, axis = from_axis.values, to_axis.values, str(to_axis.name)
    if len(source) == len(target) and np.abs(source - target).max() <= TOUCH * width:
        return None
    pixel = _step(from_axis, fallback=width)
    ascending = len(source) < 2 or source[-1] > source[0]
    first = (source[0] if ascending else source[-1]) - pixel / 2
    _check_cover(target, (first, first + pixel * len(source)), TOUCH * width, name, axis)
    margin = TOUCH * min(width, pixel)
    low = np.floor((target - width / 2 + margin - first) / pixel).astype(np.int64).clip(0, len(source) - 1)
    high = np.floor((target + width / 2 - margin - first) / pixel).astype(np.int64).clip(0, len(source) - 1)
    indices = [np.minimum(low + k, high) for k in range(int((high - low).max()) + 1)]
    return indices if ascending else [len(source) - 1 - index for index in indices]


def _check_cover(
    target: NDArray[np.float64], extent: tuple[float, float], tolerance: float, name: str, axis: str
) -> None:
    """Refuse a mask that ends before the centre of the outermost pixels."""
    if target.min() < extent[0] - tolerance or target.max() > extent[1] + tolerance:
        raise InputError(
            f"the mask {name} does not cover the cube: its {axis} goes from {extent[0]:.10g} to {extent[1]:.10g}, the "
            f"cube's from {target.min():.10g} to {target.max():.10g}; give a mask of the same place and CRS"
        )


def _any_of(
    mask: xr.DataArray, dim: str, overlaps: Sequence[NDArray[np.int64]], centres: NDArray[np.float64]
) -> xr.DataArray:
    """`mask` taken along `dim` at each of the index arrays and joined by "or"."""
    parts = [mask.isel({dim: index}).assign_coords({dim: centres}) for index in overlaps]
    joined = parts[0]
    for part in parts[1:]:
        joined = joined | part
    return joined

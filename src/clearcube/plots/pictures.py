"""Pictures of cubes: which bands, how bright, which dates; outlines of gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clearcube.cube import Source, bands_of, day_of_year, ndvi_bands
from clearcube.errors import InputError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    Picture = NDArray[np.float64]

TRUE_COLOUR, FALSE_COLOUR = "true colour", "false colour"
COMPOSITES = (
    (TRUE_COLOUR, ("red", "green", "blue")),
    (FALSE_COLOUR, ("nir", "red", "green")),
    (FALSE_COLOUR, ("nir08", "red", "green")),
)
"""What is shown as red, green and blue, the first that a cube has; a cube with neither is shown in grey, one band."""
SINGLE = ("red", "green", "nir", "nir08", "blue")
"""The band shown in grey, the first that a cube has; else its first."""
STRETCH = (2, 98)
"""Percentiles of the observed values that become black and white."""
DARKEST, BRIGHTEST = 0.0, 0.3
"""Black and white where nothing was observed, reflectance."""
GAMMA = 0.8
PIXELS = 512
"""Most pixels of a panel's side, more than are printed."""


@dataclass(frozen=True)
class Rendering:
    """How reflectance becomes colours: one for the input and the filled cube, so that both can be compared.

    bands : three (red, green, blue) or one (grey). label : what to call it.
    black, white : reflectance, one for each band.
    """

    bands: tuple[str, ...]
    label: str
    black: tuple[float, ...]
    white: tuple[float, ...]

    @classmethod
    def of(cls, filled: xr.Dataset) -> Rendering:
        """The rendering that suits the observed values of a filled cube (with `source`; loaded)."""
        names = [band.name for band in bands_of(filled)]
        single = next((name for name in SINGLE if name in names), names[0])
        label, bands = next((each for each in COMPOSITES if set(each[1]) <= set(names)), (single, (single,)))
        limits = [_limits(filled, names.index(band)) for band in bands]
        if label == TRUE_COLOUR:  # one stretch for the three keeps their balance
            limits = [(min(low for low, _ in limits), max(high for _, high in limits))] * 3
        black, white = zip(*limits, strict=True)
        return cls(bands, label, black, white)

    def picture(self, date: xr.Dataset) -> Picture:
        """Colours (y, x, 4), 0 to 1, of the reflectance (band, y, x) of one date; transparent where it has none."""
        names = [band.name for band in bands_of(date)]
        missing = [band for band in self.bands if band not in names]
        if missing:
            raise InputError(f"the input has no band '{missing[0]}' that the filled cube has; give what was filled")
        values = date["reflectance"].values[[names.index(band) for band in self.bands]].transpose(1, 2, 0)
        black, white = np.array(self.black), np.array(self.white)
        seen = np.isfinite(values).all(axis=-1)
        scaled = (np.nan_to_num(values.astype(np.float64)) - black) / np.maximum(white - black, 1e-6)
        colours = np.broadcast_to(np.clip(scaled, 0, 1) ** GAMMA, (*seen.shape, 3))
        return np.concatenate([colours, seen[..., None]], axis=-1)


def _limits(filled: xr.Dataset, band: int) -> tuple[float, float]:
    """Black and white of a band, from the observed values."""
    values = filled["reflectance"].values[:, band]
    observed = filled["source"].values == Source.OBSERVED
    shown = values[observed] if observed.any() else values
    shown = shown[np.isfinite(shown)]
    if not shown.size:
        return DARKEST, BRIGHTEST
    low, high = np.percentile(shown, STRETCH)
    return float(low), float(high)


def spread_dates(count: int, wanted: int) -> NDArray[np.int64]:
    """Indices of at most `wanted` of `count` dates, evenly spread, the first and the last among them.

    >>> spread_dates(30, 4).tolist()
    [0, 10, 19, 29]
    """
    return np.unique(np.linspace(0, count - 1, min(max(wanted, 1), count)).round().astype(np.int64))


def day_labels(dates: NDArray[np.datetime64]) -> list[str]:
    """Days of the year, with the year where it begins or changes.

    >>> day_labels(np.array(["2019-12-31", "2020-01-01", "2020-02-01"], "datetime64[D]"))
    ['2019: 365', '2020: 1', '32']
    """
    labels = []
    for i, date in enumerate(dates):
        year = date.astype("datetime64[Y]")
        day = int(day_of_year(date))
        begins = i == 0 or year != dates[i - 1].astype("datetime64[Y]")
        labels.append(f"{year}: {day}" if begins else str(day))
    return labels


def thinned(dataset: xr.Dataset) -> xr.Dataset:
    """Every n-th row and column, so that no side has more than `PIXELS`: a figure shows no more, memory holds no more.

    n depends on the frame's size alone.
    """
    step = -(-max(dataset.sizes["y"], dataset.sizes["x"]) // PIXELS)
    return dataset.isel(y=slice(None, None, step), x=slice(None, None, step))


def has_ndvi(dataset: xr.Dataset) -> bool:
    """Whether the cube has the bands of NDVI."""
    return ndvi_bands([band.name for band in bands_of(dataset)]) is not None


def outline(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The edges of all True pixels towards False ones and the frame's border: (N, 2, 2), two (x, y) points each.

    Pixel (row, column) lies between column -+ 0.5 and row -+ 0.5, as `imshow` draws it. Edges in one line are joined.

    >>> outline(np.array([[True, True]])).tolist()[:2]
    [[[-0.5, -0.5], [1.5, -0.5]], [[-0.5, 0.5], [1.5, 0.5]]]
    """
    padded = np.pad(mask, 1)
    horizontal = padded[:-1, 1:-1] != padded[1:, 1:-1]
    vertical = padded[1:-1, :-1] != padded[1:-1, 1:]
    line, start, end = runs(horizontal)
    across = np.stack([np.stack([start, line], -1), np.stack([end, line], -1)], 1)
    line, start, end = runs(vertical.T)
    down = np.stack([np.stack([line, start], -1), np.stack([line, end], -1)], 1)
    return np.concatenate([across, down]) - 0.5


def runs(edges: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Row, begin and end (exclusive) of each run of True within the rows."""
    steps = np.diff(np.pad(edges, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    line, start = np.nonzero(steps == 1)
    _, end = np.nonzero(steps == -1)
    return line, start, end

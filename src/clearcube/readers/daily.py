"""Daily axes on which a satellite came by every few days: which dates hold data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from clearcube.readers.decoding import band_decoding
from clearcube.readers.layout import StoreLayer
from clearcube.readers.options import ReadOptions

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHORTEST = 10
"""Dates from which on an axis of consecutive days is taken for a calendar rather than for acquisitions."""
MINICUBE_DATES = slice(4, None, 5)
"""Sentinel-2's dates on the daily axis of GreenEarthNet."""


def dates_with_data(
    dataset: xr.Dataset, layers: Sequence[StoreLayer], times: NDArray[np.datetime64], options: ReadOptions
) -> NDArray[np.int64]:
    """Positions of the dates to read, ascending: all, except on a daily axis of which most dates are empty.

    Such an axis keeps the dates that the variable `s2_avail` tells, else those with any value in any layer. On other
    axes a date without values is a lost acquisition and stays.
    """
    everything = np.arange(len(times))
    time = layers[0].axes.time
    steps = np.diff(np.sort(times.astype("datetime64[D]"))).astype(np.int64)
    if time is None or len(times) < SHORTEST or (steps != 1).any():
        return everything
    held = _available(dataset, time)
    if held is None:
        held = _any_value(dataset, layers, options)
    return np.flatnonzero(held) if 0 < 2 * held.sum() < len(times) else everything


def _available(dataset: xr.Dataset, time: str) -> NDArray[np.bool_] | None:
    """What an availability variable says of each date (T,); GreenEarthNet's rhythm is kept whole, lost dates too."""
    name = next((str(name) for name in dataset.variables if str(name).lower().endswith("_avail")), None)
    if name is None or dataset.variables[name].dims != (time,):
        return None
    held = np.asarray(dataset.variables[name].values > 0)
    rhythm = np.zeros_like(held)
    rhythm[MINICUBE_DATES] = True
    return rhythm if held.any() and not (held & ~rhythm).any() else held


def _any_value(dataset: xr.Dataset, layers: Sequence[StoreLayer], options: ReadOptions) -> NDArray[np.bool_]:
    """Whether any value of any layer is finite at each date (T,); reads what is stored together at once."""
    time = str(layers[0].axes.time)
    held = np.zeros(dataset.sizes[time], bool)
    for name in dict.fromkeys(layer.variable for layer in layers):
        stored = dataset.variables[name]
        decoding = band_decoding(stored.attrs, stored.dtype, options)
        for window in _stored_chunks(stored, time):
            part = stored[window]
            finite = np.isfinite(decoding.apply(np.asarray(part.values)))
            axes = tuple(axis for axis, dim in enumerate(part.dims) if dim != time)
            held[window[stored.dims.index(time)]] |= finite.any(axis=axes)
    return held


def _stored_chunks(stored: xr.Variable, time: str) -> list[tuple[slice, ...]]:
    """Windows that cover the variable along its stored chunks, else date by date."""
    preferred = stored.encoding.get("preferred_chunks") or {time: 1}
    windows: list[tuple[slice, ...]] = [()]
    for dim, size in zip(stored.dims, stored.shape, strict=True):
        step = int(preferred.get(dim, size))
        windows = [(*window, slice(start, start + step)) for window in windows for start in range(0, size, step)]
    return windows

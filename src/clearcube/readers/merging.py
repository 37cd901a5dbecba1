"""Several acquisitions of one day become one date: the first that saw a pixel gives its values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from clearcube.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def check_products(products: Sequence[str]) -> None:
    """Refuse the same product twice.

    Raises
    ------
    InputError : a name occurs twice.
    """
    seen: set[str] = set()
    for product in products:
        if product in seen:
            raise InputError(f"the product {product} is given twice; give each product once")
        seen.add(product)


def merge_days(
    reflectance: xr.DataArray, observed: xr.DataArray, products: Sequence[str]
) -> tuple[xr.DataArray, xr.DataArray]:
    """One date a day, ascending. Acquisitions of a day are taken by time, then by product name: a pixel has the
    values of the first that observed it, else of the first that has any value there.

    Parameters
    ----------
    reflectance : (time, band, y, x); `time` in any order, with the time of day.
    observed : (time, y, x) bool on the same acquisitions.
    products : names, one for each acquisition.
    """
    times = reflectance["time"].values
    order = np.array(sorted(range(len(times)), key=lambda position: (times[position], products[position])), dtype=int)
    days, first, counts = np.unique(times[order].astype("datetime64[D]"), return_index=True, return_counts=True)
    stamps = days.astype("datetime64[ns]")
    if counts.max() == 1:
        if (order != np.arange(len(order))).any():
            reflectance, observed = reflectance.isel(time=order), observed.isel(time=order)
        return reflectance.assign_coords(time=stamps), observed.assign_coords(time=stamps)
    several = np.flatnonzero(counts > 1)
    base = [part.isel(time=order[first]).assign_coords(time=stamps) for part in (reflectance, observed)]
    merged = _merged(reflectance, observed, [order[first[day] : first[day] + counts[day]] for day in several])
    merged = tuple(part.assign_coords(time=stamps[several]) for part in merged)
    return tuple(_replaced(whole, part, several) for whole, part in zip(base, merged, strict=True))  # type: ignore[return-value]


def _merged(
    reflectance: xr.DataArray, observed: xr.DataArray, groups: Sequence[NDArray[np.int64]]
) -> tuple[xr.DataArray, ...]:
    """One date for each group of acquisitions (positions in order of preference)."""
    result = [part.isel(time=[group[0] for group in groups]) for part in (reflectance, observed)]
    stamps = np.arange(len(groups))
    values, seen = (part.assign_coords(time=stamps) for part in result)
    for rank in range(1, max(len(group) for group in groups)):
        positions = [group[min(rank, len(group) - 1)] for group in groups]
        other_values = reflectance.isel(time=positions).assign_coords(time=stamps)
        other_seen = observed.isel(time=positions).assign_coords(time=stamps)
        nothing = values.isnull().all("band")
        take = ~seen & (other_seen | nothing)
        values = other_values.where(take, values).transpose(*reflectance.dims)
        seen = seen | other_seen
    return values, seen


def _replaced(whole: xr.DataArray, part: xr.DataArray, days: NDArray[np.int64]) -> xr.DataArray:
    """`whole` with the dates at `days` taken from `part`."""
    joined = xr.concat([whole, part], "time", coords="minimal", compat="override", join="override")
    positions = np.arange(whole.sizes["time"])
    positions[days] = whole.sizes["time"] + np.arange(len(days))
    return joined.isel(time=positions).assign_attrs(whole.attrs)

"""Masks that several files hold of the same acquisitions, as files of one band each do: each acquisition once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from clearcube.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def each_acquisition_once(masks: Sequence[tuple[xr.DataArray, str]], label: str) -> list[tuple[xr.DataArray, str]]:
    """The masks (with the names of their files) without the acquisitions that one before has; those must be the same.

    They are compared when they are read, so that opening reads nothing and a mask that is not used does not matter.
    """
    kept: list[tuple[xr.DataArray, str]] = []
    places: dict[tuple[np.datetime64, int], tuple[int, int]] = {}  # acquisition -> which of `kept`, position in it
    for mask, name in masks:
        again: dict[int, list[tuple[int, int]]] = {}  # which of `kept` -> positions in it and in the mask
        new: list[int] = []
        for position, acquisition in enumerate(_acquisitions(mask)):
            if acquisition in places:
                holder, place = places[acquisition]
                again.setdefault(holder, []).append((place, position))
            else:
                places[acquisition] = len(kept), len(new)
                new.append(position)
        for holder, pairs in again.items():
            before, name_before = kept[holder]
            kept[holder] = (_agreeing(before, mask, pairs, (label, name_before, name)), name_before)
        if new:
            kept.append((_selected(mask, new), name))
    return kept


def _acquisitions(mask: xr.DataArray) -> list[tuple[np.datetime64, int]]:
    """The instants of a mask; one that it has several times is numbered."""
    counts: Counter[np.datetime64] = Counter()
    acquisitions = []
    for instant in mask["time"].values:
        acquisitions.append((instant, counts[instant]))
        counts[instant] += 1
    return acquisitions


def _agreeing(
    mask: xr.DataArray, other: xr.DataArray, pairs: Sequence[tuple[int, int]], words: tuple[str, str, str]
) -> xr.DataArray:
    """The mask, of which the acquisitions at `pairs` (positions in it and in the other) are the same in the other.

    words : what the mask is called, its file and that of the other.

    Raises
    ------
    InputError : when it is read, and they are not the same.
    """
    positions = np.arange(mask.sizes["time"])
    for place, position in pairs:
        positions[place] = mask.sizes["time"] + position
    if len(pairs) == mask.sizes["time"]:
        whole = _selected(other, positions - mask.sizes["time"])
    else:  # compared with itself where the other has nothing
        both = xr.concat([mask, other], "time", coords="minimal", compat="override", join="override")
        whole = both.isel(time=positions)
    agreeing: xr.DataArray = xr.apply_ufunc(
        _only_same,
        mask,
        whole.assign_coords(time=mask["time"]),
        kwargs={"words": words},
        dask="parallelized",
        output_dtypes=[mask.dtype],
        keep_attrs=True,
    )
    return agreeing


def _only_same(mask: NDArray[Any], other: NDArray[Any], words: tuple[str, str, str]) -> NDArray[Any]:
    label, name, other_name = words
    if not np.array_equal(mask, other, equal_nan=True):
        raise InputError(
            f"the mask '{label}' of {other_name} differs from that of {name} on the same dates; say which one counts "
            f"with mask, {name}:{label} for instance"
        )
    return mask


def _selected(mask: xr.DataArray, positions: Sequence[int] | NDArray[np.int64]) -> xr.DataArray:
    """The mask at these positions in time; itself where these are all, in order."""
    return mask if np.array_equal(positions, np.arange(mask.sizes["time"])) else mask.isel(time=positions)

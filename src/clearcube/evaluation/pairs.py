"""A fill and its truth, side by side: made to fit, or refused with the difference named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from clearcube.cube import OBSERVED_DIMS, REFLECTANCE_DIMS
from clearcube.errors import InputError
from clearcube.gaps import scored


@dataclass(frozen=True)
class Pair:
    """A fill and its truth over the pixels that count.

    filled, truth : (T, B, H, W) reflectance, NumPy or dask, unit 1, NaN = no value.
    hidden : (T, H, W) bool, NumPy or dask: the pixels that count.
    bands : names of the B bands.
    """

    filled: Any
    truth: Any
    hidden: Any
    bands: tuple[str, ...]

    @property
    def lazy(self) -> bool:
        """Whether any of the arrays is not in memory."""
        return not all(isinstance(array, np.ndarray) for array in (self.filled, self.truth, self.hidden))

    def parts(self) -> Iterator[Pair]:
        """Date by date, so that work on arrays in memory needs little more memory; lazy arrays have their chunks."""
        if self.lazy:
            yield self
            return
        for t in range(len(self.filled)):
            date = slice(t, t + 1)
            yield replace(self, filled=self.filled[date], truth=self.truth[date], hidden=self.hidden[date])


def paired(filled: Any, truth: Any, hidden: Any, bands: Sequence[str] | None = None) -> Pair:
    """Put a fill and its truth side by side.

    Parameters
    ----------
    filled, truth : datasets with `reflectance`, DataArrays or arrays, (T, B, H, W). Where the truth is a dataset with
        `observed`, hidden pixels that are not observed elsewhere in it do not count.
    hidden : DataArray or array, (T, H, W) bool.
    bands : names of the bands, where they are not in the data.

    Raises
    ------
    InputError : shapes, dimensions, dates or bands differ, or `hidden` is not bool.
    """
    mine, theirs = _reflectance(filled, "filled"), _reflectance(truth, "truth")
    _check_coordinates(filled, truth)
    pixels = _array(hidden, OBSERVED_DIMS, "hidden")
    if mine.shape != theirs.shape:
        raise InputError(f"filled has the shape {mine.shape} and truth {theirs.shape}; select what both have")
    if pixels.shape != (mine.shape[0], *mine.shape[2:]):
        raise InputError(f"hidden has the shape {pixels.shape}, the reflectance has {mine.shape} (time, band, y, x)")
    if pixels.dtype != np.bool_:
        raise InputError(f"hidden is {pixels.dtype}, expected bool, True at the pixels to score")
    if isinstance(truth, xr.Dataset) and "observed" in truth:
        pixels = scored(_array(truth["observed"], OBSERVED_DIMS, "'observed' of truth"), pixels)
    return Pair(mine, theirs, pixels, _names(filled, truth, bands, mine.shape[1]))


def _reflectance(data: Any, what: str) -> Any:
    """The (T, B, H, W) array of a dataset, DataArray or array."""
    if isinstance(data, xr.Dataset):
        if "reflectance" not in data:
            raise InputError(f"{what} has no variable 'reflectance'; it has {sorted(map(str, data.data_vars))}")
        data = data["reflectance"]
    return _array(data, REFLECTANCE_DIMS, what)


def _array(data: Any, dims: tuple[str, ...], what: str) -> Any:
    """The NumPy or dask array of a DataArray of these dimensions, or of anything that is an array."""
    if isinstance(data, xr.DataArray):
        if data.dims != dims:
            raise InputError(f"{what} has the dimensions {data.dims}, needed are {dims}; transpose it")
        return data.data
    array = data if hasattr(data, "__array_function__") else np.asarray(data)
    if array.ndim != len(dims):
        raise InputError(f"{what} has {array.ndim} dimensions {array.shape}, needed are {len(dims)}: {', '.join(dims)}")
    return array


def _check_coordinates(filled: Any, truth: Any) -> None:
    """Raise where dates or bands are known on both sides and differ."""
    for name in ("time", "band"):
        mine, theirs = _coordinate(filled, name), _coordinate(truth, name)
        if mine is None or theirs is None or np.array_equal(mine, theirs):
            continue
        if len(mine) != len(theirs):
            alone = [f"{each} of {who}" for who, some in _alone(mine, theirs).items() for each in some[:1]]
            raise InputError(
                f"filled and truth differ in '{name}': {len(mine)} and {len(theirs)} entries"
                f"{', without counterpart is ' + ' and '.join(alone) if alone else ''}; select what both have"
            )
        position = int(np.flatnonzero(mine != theirs)[0])
        raise InputError(
            f"filled and truth differ in '{name}': entry {position} is {mine[position]} and {theirs[position]}; "
            "select what both have, in the same order"
        )


def _alone(mine: Any, theirs: Any) -> dict[str, Any]:
    """The entries of either that the other has not."""
    return {"filled": np.setdiff1d(mine, theirs), "truth": np.setdiff1d(theirs, mine)}


def _coordinate(data: Any, name: str) -> Any:
    """The values of a coordinate, None where there is none; dates as days."""
    if not isinstance(data, xr.Dataset | xr.DataArray) or name not in data.coords:
        return None
    values = data[name].values
    return values.astype("datetime64[D]") if np.issubdtype(values.dtype, np.datetime64) else values


def _names(filled: Any, truth: Any, bands: Sequence[str] | None, count: int) -> tuple[str, ...]:
    """The names of the bands: as given, else from the data, else their positions."""
    known = [values for values in (_coordinate(filled, "band"), _coordinate(truth, "band")) if values is not None]
    names = tuple(bands) if bands is not None else tuple(map(str, known[0] if known else range(count)))
    if len(names) != count:
        raise InputError(f"{len(names)} band names are given ({', '.join(names)}) for {count} bands")
    return names

"""How values are stored: float32 as they are, or int16 with a scale; chunks; compression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from clearcube.errors import InputError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

SCALE = 1e-4
"""Reflectance, std, NDVI or probability of one count in int16."""
NO_DATA = -32768
TIME_CHUNK = 32
"""Dates in a chunk: deep enough for series, few enough to read one date."""
EPOCH = "days since 1970-01-01"


@dataclass(frozen=True)
class OutputFormat:
    """What the user decides about the output.

    layout : `cube` = reflectance (time, band, y, x); `bands` = one (time, y, x) variable for each band.
    dtype : `float32`, or `int16` with scale 1e-4 (values beyond +-3.2767 are stored as these).
    zarr_format : 2 or 3.
    """

    layout: Literal["cube", "bands"] = "cube"
    dtype: Literal["float32", "int16"] = "float32"
    zarr_format: Literal[2, 3] = 2

    def __post_init__(self) -> None:
        known = {"layout": ("cube", "bands"), "dtype": ("float32", "int16"), "zarr_format": (2, 3)}
        for name, choices in known.items():
            value = getattr(self, name)
            if value not in choices:
                listed = " or ".join(str(choice) for choice in choices)
                raise InputError(f"{name.replace('_', '-')} is {value!r}; it must be {listed}")

    def encoded(self, values: NDArray[Any]) -> NDArray[Any]:
        """Float values as they are stored; integers come back as they are."""
        if self.dtype == "float32" or values.dtype.kind != "f":
            return values
        counts = np.rint(np.clip(values / SCALE, NO_DATA + 1, -NO_DATA - 1))
        return np.where(np.isnan(counts), NO_DATA, counts).astype(np.int16)

    def encoding(self, variable: xr.DataArray) -> dict[str, Any]:
        """Xarray encoding of a variable: type, fill value and scale. What has no dates (elevation) is never packed."""
        if variable.dtype.kind != "f":
            return {"dtype": variable.dtype, "_FillValue": None}
        if self.dtype == "float32" or "time" not in variable.dims:
            return {"dtype": np.dtype(np.float32), "_FillValue": np.float32(np.nan)}
        return {"dtype": np.dtype(np.int16), "_FillValue": np.int16(NO_DATA), "scale_factor": SCALE, "add_offset": 0.0}


def unpacked(counts: NDArray[np.int16]) -> NDArray[np.float32]:
    """Counts of int16 as float32, NaN where missing."""
    return np.where(counts == NO_DATA, np.nan, counts * SCALE).astype(np.float32)


def chunk_sizes(dims: tuple[str, ...], sizes: dict[str, int], window: int) -> tuple[int, ...]:
    """Chunk of a stored variable: up to `TIME_CHUNK` dates, one band, one window of pixels."""
    largest = {"time": TIME_CHUNK, "band": 1, "y": window, "x": window}
    return tuple(min(sizes[dim], largest[dim]) for dim in dims)

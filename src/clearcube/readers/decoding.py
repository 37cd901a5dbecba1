"""From stored numbers to values: no-data first, then scale and offset, by hand and alike for every variable.

Libraries that decode by themselves refuse integer variables whose fill value cannot become NaN, or decode them to
whatever type they please; here everything becomes float32 with NaN for "no value".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.readers.options import ReadOptions


_FILL_KEYS = ("_FillValue", "missing_value", "nodata")
"""Attributes that tell what means no value: CF's, and the one that cubes loaded from STAC have (odc-stac)."""


@dataclass(frozen=True)
class Decoding:
    """How stored numbers become values: value = scale x stored + offset, NaN where stored is one of `fills`.

    unsigned : the stored signed integers mean unsigned ones (NetCDF's `_Unsigned`).
    """

    fills: tuple[float, ...] = ()
    scale: float = 1.0
    offset: float = 0.0
    unsigned: bool = False

    def apply(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Values as float32, computed in float64 so that they are the nearest ones."""
        if self.unsigned and stored.dtype.kind == "i":
            stored = stored.view(f"u{stored.dtype.itemsize}")
        missing = np.zeros(stored.shape, bool)
        for fill in self.fills:
            missing |= stored == fill
        if self.scale == 1.0 and self.offset == 0.0:
            values = stored.astype(np.float32)
        else:
            values = (stored * np.float64(self.scale) + self.offset).astype(np.float32)
        values[missing] = np.nan
        return values


def band_decoding(attrs: Mapping[str, Any], dtype: np.dtype[Any], options: ReadOptions) -> Decoding:
    """How to decode a band: as its CF attributes say, or as the user says."""
    unsigned = _is_unsigned(attrs, dtype)
    fills = _fills(attrs, dtype, unsigned)
    if options.nodata is not None:
        fills.append(options.nodata)
    scale = options.scale if options.scale is not None else _number(attrs.get("scale_factor"), 1.0)
    offset = options.offset if options.offset is not None else _number(attrs.get("add_offset"), 0.0)
    return Decoding(tuple(fills), scale, offset, unsigned)


def mask_decoding(attrs: Mapping[str, Any], dtype: np.dtype[Any]) -> Decoding:
    """How to decode a mask. A fill value of 0 is left alone: 0 has a meaning in every kind of mask."""
    unsigned = _is_unsigned(attrs, dtype)
    fills = tuple(fill for fill in _fills(attrs, dtype, unsigned) if fill != 0)
    scale, offset = _number(attrs.get("scale_factor"), 1.0), _number(attrs.get("add_offset"), 0.0)
    return Decoding(fills, scale, offset, unsigned)


def _is_unsigned(attrs: Mapping[str, Any], dtype: np.dtype[Any]) -> bool:
    return dtype.kind == "i" and str(attrs.get("_Unsigned", "false")).lower() == "true"


def _fills(attrs: Mapping[str, Any], dtype: np.dtype[Any], unsigned: bool) -> list[float]:
    """The numbers that mean "no value", without NaN, which needs no telling."""
    stated: Iterable[Any] = [value for key in _FILL_KEYS for value in np.atleast_1d(attrs.get(key, []))]
    fills = []
    for value in stated:
        number = _number(value, float("nan"))
        if np.isnan(number):
            continue
        if unsigned and number < 0:
            number += 2.0 ** (8 * dtype.itemsize)
        fills.append(float(np.float32(number)) if dtype == np.float32 else number)
    return fills


def _number(value: Any, default: float) -> float:
    """A number from an attribute, which some writers store as text or as an array of one."""
    if value is None:
        return default
    try:
        return float(np.asarray(value).reshape(-1)[0])
    except (ValueError, TypeError, IndexError):
        return default

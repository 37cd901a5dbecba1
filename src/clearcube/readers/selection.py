"""Taking a part of a cube: dates and a rectangle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from clearcube.cube import PIXEL_SIZE, steps_of
from clearcube.errors import InputError
from clearcube.readers.calendar import parse_period

if TYPE_CHECKING:
    from numpy.typing import NDArray


def dates_within(times: NDArray[np.datetime64], period: str | tuple[object, object] | None) -> NDArray[np.int64]:
    """Positions of the acquisitions from START to END, both inclusive.

    Raises
    ------
    InputError : there are none, or the period cannot be read.
    """
    if period is None:
        return np.arange(len(times))
    start, end = parse_period(period)
    days = times.astype("datetime64[D]")
    held = np.ones(len(days), bool)
    if start is not None:
        held &= days >= start
    if end is not None:
        held &= days <= end
    if not held.any():
        raise InputError(f"time is '{period}', but the input has dates from {days.min()} to {days.max()} only")
    return np.flatnonzero(held)


def pixels_within(array: xr.DataArray, bbox: Sequence[float] | None, margin: int = 0) -> dict[str, slice]:
    """Slices of y and x of the pixels whose centres lie within the box, with `margin` more on every side.

    Parameters
    ----------
    bbox : left, bottom, right, top in the coordinates of the cube.

    Raises
    ------
    InputError : it is no box, or no pixel lies in it.
    """
    if bbox is None:
        return {"y": slice(None), "x": slice(None)}
    bbox = _checked(bbox)
    slices = {}
    for dim, low, high in (("y", bbox[1], bbox[3]), ("x", bbox[0], bbox[2])):
        centres = array[dim].values
        inside = np.flatnonzero((centres >= low) & (centres <= high))
        if not len(inside):
            raise InputError(
                f"bbox is {_written(bbox)}, in which the input has no pixel: its {dim} goes from {centres.min():.10g} "
                f"to {centres.max():.10g}; give LEFT,BOTTOM,RIGHT,TOP in the coordinates of the cube"
            )
        slices[dim] = slice(max(int(inside[0]) - margin, 0), int(inside[-1]) + 1 + margin)
    return slices


def cut(array: xr.DataArray, slices: Mapping[str, slice]) -> xr.DataArray:
    """The pixels within slices of y and x; where a lone row or column is left, it knows how wide it is."""
    steps = dict(zip(("y", "x"), steps_of(array), strict=True))
    part = array.isel(slices)
    for dim, step in steps.items():
        if part.sizes[dim] == 1 and array.sizes[dim] > 1:
            lone = part[dim].assign_attrs({**part[dim].attrs, PIXEL_SIZE: abs(step)})
            part = part.assign_coords({dim: lone})
    return part


def _checked(bbox: Sequence[float]) -> Sequence[float]:
    """The box, if it is one."""
    try:
        edges = np.asarray(bbox, dtype=np.float64)
        if edges.shape != (4,) or not np.isfinite(edges).all() or edges[0] >= edges[2] or edges[1] >= edges[3]:
            raise ValueError(bbox)
    except (ValueError, TypeError) as error:
        shown = str(bbox).strip("()[]").replace(" ", "")
        raise InputError(
            f"bbox is {shown}; it must be LEFT,BOTTOM,RIGHT,TOP, four numbers in the coordinates of the cube"
        ) from error
    return bbox


def _written(bbox: Sequence[float]) -> str:
    return ",".join(f"{float(edge):.10g}" for edge in bbox)

"""Several files, one series: their dates one after the other, or their bands side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from clearcube.cube import steps_of
from clearcube.errors import InputError
from clearcube.readers.crs import same_crs
from clearcube.readers.raw import RawSeries
from clearcube.readers.repeated_masks import each_acquisition_once

if TYPE_CHECKING:
    from numpy.typing import NDArray


def join(parts: Sequence[RawSeries], names: Sequence[str]) -> RawSeries:
    """Join series of one place. A part without bands gives its masks only and may lie on another grid.

    Without any band the masks are all there is.

    Raises
    ------
    InputError : parts differ in grid or CRS, or neither their dates nor their bands can be joined.
    """
    if len(parts) == 1:
        return parts[0]
    spectral = [(part, name) for part, name in zip(parts, names, strict=True) if part.reflectance.sizes["band"]]
    if not spectral:
        raise InputError(
            f"{names[0]} and the other inputs hold no band; name one with bands, blue=VARIABLE for instance"
        )
    first, first_name = spectral[0]
    for part, name in zip(parts, names, strict=True):
        check_same_crs(part.crs, first.crs, name, first_name)
    for part, name in spectral[1:]:
        check_same_grid(part.reflectance, first.reflectance, name, first_name)
    groups = _by_bands([part for part, _ in spectral])
    series = [_one_after_the_other(group) for group in groups]
    joined = series[0]
    for other in series[1:]:
        joined = _side_by_side(joined, other, first_name)
    masks = _joined_masks(parts, names, joined.reflectance["time"].values)
    static = {key: value for part, _ in reversed(spectral) for key, value in part.static.items()}
    crs = next((part.crs for part in parts if part.crs is not None), None)
    others = tuple(dict.fromkeys(name for part in parts for name in part.others))
    return replace(joined, masks=masks, static=static, crs=crs, others=others)


def check_same_crs(crs: Any, reference: Any, name: str, reference_name: str) -> None:
    """Refuse two reference systems that are both known and differ.

    Raises
    ------
    InputError : they differ.
    """
    if crs is not None and reference is not None and not same_crs(crs, reference):
        raise InputError(
            f"{name} has another CRS ({_code(crs)}) than {reference_name} ({_code(reference)}); reproject one of them"
        )


def check_same_grid(array: xr.DataArray, reference: xr.DataArray, name: str, reference_name: str) -> None:
    """Refuse two grids that differ by more than a hundredth of a pixel.

    Raises
    ------
    InputError : they differ.
    """
    for dim, step in zip(("y", "x"), steps_of(reference), strict=True):
        mine, other = array[dim].values, reference[dim].values
        if len(mine) != len(other) or np.abs(mine - other).max() > 0.01 * abs(step):
            raise InputError(
                f"{name} lies on another grid ({_grid(array)}) than {reference_name} ({_grid(reference)}); give files "
                "of one grid, choose bands of one grid with bands, or use the file for its mask alone (FILE:VARIABLE)"
            )


def _by_bands(parts: Sequence[RawSeries]) -> list[list[RawSeries]]:
    """Parts with the same bands together, in the order of their first."""
    groups: dict[frozenset[str], list[RawSeries]] = {}
    for part in parts:
        groups.setdefault(frozenset(part.reflectance["band"].values.tolist()), []).append(part)
    return list(groups.values())


def _one_after_the_other(parts: Sequence[RawSeries]) -> RawSeries:
    """Parts with the same bands and other dates."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0].reflectance
    aligned = [part.reflectance.sel(band=first["band"].values) for part in parts]
    aligned = [array.assign_coords(y=first["y"], x=first["x"], wavelength=first["wavelength"]) for array in aligned]
    reflectance = xr.concat(aligned, "time", coords="minimal", compat="override", join="override")
    return replace(parts[0], reflectance=reflectance, products=tuple(p for part in parts for p in part.products))


def _side_by_side(series: RawSeries, other: RawSeries, name: str) -> RawSeries:
    """Two series with other bands on the same acquisitions, in whatever order."""
    common = set(series.reflectance["band"].values.tolist()) & set(other.reflectance["band"].values.tolist())
    if common:
        raise InputError(
            f"the inputs hold different bands, some of them twice ({', '.join(sorted(common))}); choose with bands "
            "those that every file has, or give files of the same bands"
        )
    order = positions_of(series.reflectance["time"].values, other.reflectance["time"].values)
    if order is None or other.reflectance.sizes["time"] != series.reflectance.sizes["time"]:
        raise InputError(
            f"the bands {', '.join(other.reflectance['band'].values.tolist())} have other dates than those of {name}; "
            "give every band on every date"
        )
    base = series.reflectance
    aligned = other.reflectance.isel(time=order).assign_coords(time=base["time"], y=base["y"], x=base["x"])
    reflectance = xr.concat([base, aligned], "band", coords="minimal", compat="override", join="override")
    return replace(series, reflectance=reflectance)


def positions_of(wanted: NDArray[np.datetime64], there: NDArray[np.datetime64]) -> NDArray[np.int64] | None:
    """For each wanted acquisition the position `there` of the same instant, else of the only one of the same day.

    None where one has neither.
    """
    if np.array_equal(wanted, there):
        return np.arange(len(there))
    positions = []
    days = there.astype("datetime64[D]")
    for instant in wanted:
        same = np.flatnonzero(there == instant)
        if len(same) != 1:
            same = np.flatnonzero(days == instant.astype("datetime64[D]"))
        if len(same) != 1:
            return None
        positions.append(int(same[0]))
    return np.array(positions, dtype=np.int64)


def _joined_masks(
    parts: Sequence[RawSeries], names: Sequence[str], times: NDArray[np.datetime64]
) -> dict[str, xr.DataArray]:
    """Masks of one name as one, on one grid: one after the other where this gives the acquisitions of the bands at
    `times`, else each acquisition once.
    """
    found: dict[str, list[tuple[xr.DataArray, str]]] = {}
    for part, name in zip(parts, names, strict=True):
        for label, mask in part.masks.items():
            found.setdefault(label, []).append((mask, name))
    joined = {}
    for label, masks in found.items():
        first, first_name = masks[0]
        for mask, name in masks[1:]:
            check_same_grid(mask, first, f"the mask '{label}' of {name}", first_name)
        placed = [(mask.assign_coords(y=first["y"], x=first["x"]), name) for mask, name in masks]
        if not np.array_equal(np.concatenate([mask["time"].values for mask, _ in placed]), times):
            placed = each_acquisition_once(placed, label)
        arrays = [mask for mask, _ in placed]
        joined[label] = xr.concat(arrays, "time", coords="minimal", compat="override", join="override")
    return joined


def _grid(array: xr.DataArray) -> str:
    """A grid as a message names it."""
    y, x, step = array["y"].values, array["x"].values, steps_of(array)[1]
    return f"{len(y)} x {len(x)} pixels of {abs(step):.6g} from y {y[0]:.10g}, x {x[0]:.10g}"


def _code(crs: Any) -> str:
    """A reference system as a message names it."""
    return crs.to_string() if hasattr(crs, "to_string") else str(crs)

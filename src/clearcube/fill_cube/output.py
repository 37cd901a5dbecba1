"""The data set that a fill gives: its variables, coordinates and attributes, around arrays of any kind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from clearcube.cube import (
    OBSERVED_DIMS,
    REFLECTANCE_DIMS,
    acquired_dates,
    bands_of,
    dates_of,
    red_and_near_infrared,
)
from clearcube.errors import InputError
from clearcube.fill_cube.window import Filled, FillSettings, ndvi_with_std
from clearcube.version import __version__
from clearcube.writers.cf import annotated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.filler import PreparedFiller

DIMS = {
    "reflectance": REFLECTANCE_DIMS,
    "reflectance_std": REFLECTANCE_DIMS,
    "source": OBSERVED_DIMS,
    "days_to_observation": OBSERVED_DIMS,
    "ndvi": OBSERVED_DIMS,
    "ndvi_std": OBSERVED_DIMS,
    "contamination": OBSERVED_DIMS,
}
FILLED_NAMES = ("reflectance", "reflectance_std", "source", "days_to_observation")
NDVI_NAMES = ("ndvi", "ndvi_std")
TYPES = {"source": np.uint8, "days_to_observation": np.int16}


def check_settings(cube: xr.Dataset, settings: FillSettings, window: int) -> None:
    """Refuse settings that this cube cannot meet.

    Raises
    ------
    InputError : one date only, no band for NDVI, a window without pixels.
    """
    if cube.sizes["time"] < 2:
        raise InputError("the cube has one date only; filling in time needs at least two")
    if settings.ndvi:
        red_and_near_infrared([band.name for band in bands_of(cube)])
    if window < 1:
        raise InputError(f"the window is {window} pixels; it must be at least 1")


def names_of(settings: FillSettings) -> list[str]:
    """Names of the output's variables."""
    left_out = () if settings.ndvi else NDVI_NAMES
    return [name for name in DIMS if name not in left_out and (name != "contamination" or settings.contamination)]


def wanted_dates(cube: xr.Dataset) -> NDArray[np.bool_]:
    """(T,) bool: dates of the cube that the output has (all, unless a calendar was asked for)."""
    if "wanted" not in cube.coords:
        return np.ones(cube.sizes["time"], dtype=bool)
    wanted: NDArray[np.bool_] = cube["wanted"].values.astype(bool)
    if not wanted.any():
        raise InputError("none of the dates asked for lies within the input's; check --every, --dates and --time")
    return wanted


def as_variables(
    filled: Filled,
    settings: FillSettings,
    bands: tuple[str, ...],
    prepared: PreparedFiller,
    wanted: NDArray[np.bool_],
) -> dict[str, NDArray[Any]]:
    """The output's variables of a filled window, at the wanted dates."""
    if not wanted.all():
        filled = filled.cut(slice(None), slice(None), wanted)
    values: dict[str, NDArray[Any]] = dict(
        zip(FILLED_NAMES, (filled.reflectance, filled.std, filled.source, filled.days), strict=True)
    )
    if filled.contamination is not None:
        values["contamination"] = filled.contamination
    if settings.ndvi:
        values |= zip(NDVI_NAMES, ndvi_with_std(filled, bands, prepared.error_correlation), strict=True)
    return values


def output_dataset(
    cube: xr.Dataset, variables: Mapping[str, Any], settings: FillSettings, name: str, prepared: PreparedFiller
) -> xr.Dataset:
    """The annotated output.

    variables : arrays (T', B, H, W) or (T', H, W) by the names of `DIMS`, T' = the wanted dates.
    name : the method.
    """
    place = cube.isel(time=np.flatnonzero(wanted_dates(cube)))
    kept = {str(key): place[key] for key in place.data_vars if set(place[key].dims) <= {"y", "x"}}
    filled = {key: (DIMS[key], array) for key, array in variables.items()}
    calendar = ["wanted", "acquired"] if "wanted" in place.coords else []
    output = xr.Dataset({**filled, **kept}, place.drop_vars(calendar, errors="ignore").coords)
    return annotated(output, _attrs(cube, settings, name, prepared))


def _attrs(cube: xr.Dataset, settings: FillSettings, name: str, prepared: PreparedFiller) -> dict[str, Any]:
    chosen = {key: value for key, value in asdict(settings).items() if value is not None and value is not False}
    dates = dates_of(cube)[acquired_dates(cube)]
    return dict(cube.attrs) | {
        "clearcube_version": __version__,
        "method": name,
        "settings": json.dumps(chosen),
        "prepared": json.dumps(dict(prepared.summary()), default=_plain),
        "band_order": json.dumps([band.name for band in bands_of(cube)]),  # in `prepared`, whatever the layout
        "input_dates": f"{dates[0]} to {dates[-1]}, {len(dates)} dates",
    }


def _plain(value: Any) -> Any:
    """NumPy values as JSON knows them."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)

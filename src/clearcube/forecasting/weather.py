"""Weather for guided forecasts: from the data sets that bring it, without holes, as a network is given it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from clearcube.cube import day_of_year
from clearcube.errors import DAMAGED_ARCHIVE, InputError
from clearcube.forecasting.episode import Weather
from clearcube.simulation.weather import above_the_air

if TYPE_CHECKING:
    import os

    import xarray as xr
    from numpy.typing import NDArray

VARIABLES = ("temperature", "precipitation", "radiation")
"""What a guided network is given, in this order: mean of the day in degrees Celsius, mm a day, W/m2."""
SCALE = ((10.0, 10.0), (0.0, 5.0), (150.0, 100.0))
"""What is taken off each variable, and by what the rest is divided, before a network sees it."""
HUNDRED_METRES = 100.0
"""Unit of the elevation that a network sees, metres."""
LONGEST_HOLE = 5
"""Missing days in a row that are filled; more are refused."""
EARTHNET = ("precipitation", "pressure", "temperature", "temperature_min", "temperature_max")
"""Variables of EarthNet2021's `mesodynamic`, in its order."""
EARTHNET_UNITS = {
    "precipitation": (50.0, 0.0),
    "pressure": (200.0, 900.0),
    "temperature": (100.0, -50.0),
    "temperature_min": (100.0, -50.0),
    "temperature_max": (100.0, -50.0),
}
"""Factor and offset from EarthNet2021's scale of 0 to 1 to mm, hPa and degrees Celsius (Requena-Mesa et al. 2021)."""
EOBS = {
    "eobs_tg": "temperature",
    "eobs_tn": "temperature_min",
    "eobs_tx": "temperature_max",
    "eobs_rr": "precipitation",
    "eobs_qq": "radiation",
    "eobs_pp": "pressure",
    "eobs_hu": "humidity",
    "eobs_fg": "wind",
}
"""E-OBS variables of GreenEarthNet's minicubes -> name here; their units are those of `VARIABLES`, hPa, % and m/s."""
HARGREAVES = 0.16
"""Radiation on the ground relative to that above the air and the root of the daily range of temperature, inland."""


def earthnet_weather(path: str | os.PathLike[str], start: np.datetime64, latitude: float) -> Weather | None:
    """Weather of an EarthNet2021 context or train cube; None where the file holds none.

    `mesodynamic` (80, 80, 5, days) has pixels of 1.28 km; the 2 x 2 in the middle cover the 128 x 128 pixels of the
    cube, and their mean is taken. Its first day is that of the file's name, four days before the first date.
    Radiation, which EarthNet2021 lacks, is estimated from the daily range of temperature.

    Raises
    ------
    InputError : the array cannot be read, or is of another shape.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            if "mesodynamic" not in archive.files:
                return None
            stored = archive["mesodynamic"]
    except DAMAGED_ARCHIVE as error:
        raise InputError(
            f"{path}: its weather, 'mesodynamic', cannot be read ({error}); get the file again, or use a model without "
            "weather"
        ) from None
    if stored.ndim != 4 or stored.shape[2] != len(EARTHNET) or min(stored.shape[:2]) < 2:
        raise InputError(
            f"{path}: 'mesodynamic' has shape {stored.shape}; EarthNet2021's is (80, 80, 5, days): get the file again"
        )
    row, column = stored.shape[0] // 2, stored.shape[1] // 2
    middle = stored[row - 1 : row + 1, column - 1 : column + 1].astype(np.float32).mean(axis=(0, 1)).T
    units = np.array([EARTHNET_UNITS[name] for name in EARTHNET], np.float32)
    dates = start.astype("datetime64[D]") + np.arange(len(middle))
    return with_radiation(Weather(dates, middle * units[:, 0] + units[:, 1], EARTHNET), latitude)


def with_radiation(weather: Weather, latitude: float) -> Weather:
    """The weather with `radiation` added where it lacks it and knows the daily range of temperature.

    Reference: Hargreaves & Samani (1985); for the sun above the air see `simulation.weather.above_the_air`.
    """
    if "radiation" in weather.names or not {"temperature_min", "temperature_max"} <= set(weather.names):
        return weather
    low, high = (weather.values[:, weather.names.index(f"temperature_{end}")] for end in ("min", "max"))
    of_year = (day_of_year(weather.dates) - 1).astype(np.float64)
    above = above_the_air(of_year, latitude).astype(np.float32)
    radiation = np.float32(HARGREAVES) * above * np.sqrt(np.maximum(high - low, 0))
    values = np.concatenate([weather.values, radiation[:, None]], axis=1)
    return Weather(weather.dates, values, (*weather.names, "radiation"))


def eobs_weather(dataset: xr.Dataset) -> Weather | None:
    """E-OBS weather of a GreenEarthNet minicube from its daily axis `time`; None where it holds none."""
    present = [name for name in EOBS if name in dataset and dataset[name].dims == ("time",)]
    if not present:
        return None
    values = np.stack([dataset[name].values.astype(np.float32) for name in present], axis=1)
    dates = dataset["time"].values.astype("datetime64[D]")
    return on_every_day(dates, values, tuple(EOBS[name] for name in present))


def on_every_day(dates: NDArray[np.datetime64], values: NDArray[np.float32], names: Sequence[str]) -> Weather:
    """Weather (D, V) on days in any order, with NaN on the days in between that are missing."""
    days = np.arange(dates.min(), dates.max() + 1)
    complete = np.full((len(days), values.shape[1]), np.nan, np.float32)
    complete[(dates - days[0]).astype(np.int64)] = values
    return Weather(days, complete, tuple(names))


def network_weather(
    weather: Weather, context: NDArray[np.datetime64], last: np.datetime64, *, step_days: int, steps: int
) -> NDArray[np.float32]:
    """What a guided network is told: means (T + steps, 3) of `VARIABLES`, scaled, up to each date and of each step.

    Nothing after `last`, the last target date, is looked at: steps that end later have the mean of their days up to
    it, those that begin later that of the last ones.

    Raises
    ------
    InputError : a variable is unknown to the weather, or days are missing (`complete`).
    """
    series = complete(weather, context[0] - step_days + 1, last)
    ends = np.concatenate([context, context[-1] + step_days * np.arange(1, steps + 1)])
    begins = np.concatenate([[context[0] - step_days], ends[:-1]])
    day = (np.minimum(ends, last) - context[0]).astype(np.int64) + step_days
    first = np.minimum((begins - context[0]).astype(np.int64) + step_days, day - 1)
    total = np.concatenate([np.zeros((1, series.shape[1])), np.cumsum(series, axis=0, dtype=np.float64)])
    mean = (total[day] - total[first]) / (day - first)[:, None]
    offset, factor = np.array(SCALE).T
    return np.asarray((mean - offset) / factor, dtype=np.float32)


def relative_elevation(elevation: NDArray[np.float32] | None, frame: tuple[int, ...]) -> NDArray[np.float32]:
    """Hundreds of metres about the mean, as a network is given them, (H, W); 0 where unknown."""
    known = np.zeros(frame, bool) if elevation is None else np.isfinite(elevation)
    if elevation is None or not known.any():
        return np.zeros(frame, np.float32)
    return np.where(known, (elevation - elevation[known].mean()) / HUNDRED_METRES, 0).astype(np.float32)


def complete(weather: Weather, first: np.datetime64, last: np.datetime64) -> NDArray[np.float32]:
    """`VARIABLES` on every day from first to last, (D, 3).

    Holes of up to `LONGEST_HOLE` days are filled along a straight line, at the ends with the nearest day.

    Raises
    ------
    InputError : a variable or more days than that are missing.
    """
    missing = [name for name in VARIABLES if name not in weather.names]
    if missing:
        raise InputError(
            f"a guided forecast needs {', '.join(VARIABLES)}; the weather has {', '.join(weather.names)} and lacks "
            f"{', '.join(missing)}. Add it, or use weights of a model without weather"
        )
    values = weather.values[:, [weather.names.index(name) for name in VARIABLES]]
    days = np.arange(first, last + 1)
    place = (days - weather.dates[0]).astype(np.int64)
    known = (place >= 0) & (place < len(values))
    series = np.where(known[:, None], values[np.clip(place, 0, len(values) - 1)], np.float32(np.nan))
    for index, name in enumerate(VARIABLES):
        series[:, index] = _without_holes(series[:, index], days, name)
    return series


def _without_holes(values: NDArray[np.float32], days: NDArray[np.datetime64], name: str) -> NDArray[np.float32]:
    """The series with short holes filled."""
    known = np.isfinite(values)
    edges = np.flatnonzero(np.diff(np.concatenate([[True], known, [True]])))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        if end - begin > LONGEST_HOLE:
            raise InputError(
                f"the weather lacks {name} from {days[begin]} to {days[end - 1]}; up to {LONGEST_HOLE} missing days in "
                "a row are filled. Complete it, shorten the horizon, or use weights of a model without weather"
            )
    index = np.arange(len(values))
    return np.interp(index, index[known], values[known]).astype(np.float32)

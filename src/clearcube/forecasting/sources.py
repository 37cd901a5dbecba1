"""Weather of the places that files hold: EarthNet2021's, GreenEarthNet's, or a table of the user's own."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from clearcube.errors import InputError
from clearcube.forecasting.episode import Weather
from clearcube.forecasting.weather import VARIABLES, earthnet_weather, eobs_weather, on_every_day
from clearcube.readers.calendar import parse_date
from clearcube.readers.earthnet_names import parse_name

METRES_A_DEGREE = 111_000.0
"""Of latitude; good to a third of a degree in UTM, and radiation asks for no more."""


def weather_in(sources: Sequence[str]) -> Weather | None:
    """The weather that comes with the files of one place; None where there is none.

    EarthNet2021 contexts and train cubes (npz) hold `mesodynamic`, GreenEarthNet minicubes (nc) E-OBS variables.
    """
    for source in sources:
        suffix = PurePosixPath(source).suffix.lower()
        found = None
        if suffix == ".npz":
            found = _earthnet(source)
        elif suffix in (".nc", ".nc4") and "://" not in source:
            found = _greenearthnet(source)
        if found is not None:
            return found
    return None


def _earthnet(path: str) -> Weather | None:
    name = parse_name(path)
    y, _ = name.grid(1, 1)
    return earthnet_weather(path, name.start, float(y[0]) / METRES_A_DEGREE)


def _greenearthnet(path: str) -> Weather | None:
    import xarray as xr

    try:
        with xr.open_dataset(path) as dataset:
            return eobs_weather(dataset) if "time" in dataset else None
    except (OSError, ValueError):  # whatever else is wrong with the file, its reader says so better
        return None


def read_weather(path: str | Path) -> Weather:
    """Weather from a CSV file with the columns date, temperature (Celsius), precipitation (mm), radiation (W/m2).

    Empty fields are missing values; so are days that are left out.

    Raises
    ------
    InputError : no such file, a column is missing, or a field cannot be read.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); give a CSV file of daily weather") from None
    if not rows or not {"date", *VARIABLES} <= set(rows[0]):
        raise InputError(
            f"{path}: a table of weather has the columns date, {', '.join(VARIABLES)} and a row for each day"
        )
    dates = np.array([parse_date(row["date"], str(path)) for row in rows])
    if len(np.unique(dates)) < len(dates):
        raise InputError(f"{path} names a day twice; give one row for each day")
    try:
        values = [[float(row[name]) if row[name].strip() else np.nan for name in VARIABLES] for row in rows]
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{path}: {error}; leave fields without a value empty") from None
    return on_every_day(dates, np.array(values, np.float32), VARIABLES)

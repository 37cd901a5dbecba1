"""Weather in a table of the user's own."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from clearcube.errors import InputError
from clearcube.forecasting.episode import Weather
from clearcube.forecasting.weather import VARIABLES, on_every_day
from clearcube.readers.calendar import parse_date

PLAUSIBLE = {
    "temperature": (-90.0, 60.0, "degrees Celsius"),
    "precipitation": (0.0, 2000.0, "mm a day"),
    "radiation": (0.0, 600.0, "W/m2"),
}
"""Least and greatest mean or sum of a day, and the unit."""


def read_weather_table(path: str | Path) -> Weather:
    """Weather from a CSV file with the columns date, temperature (Celsius), precipitation (mm), radiation (W/m2).

    Empty fields are missing values; so are days that are left out.

    Raises
    ------
    InputError : no such file, a column is missing, or a field cannot be read or has a value that cannot be.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); give a CSV file of daily weather") from None
    if not rows or not {"date", *VARIABLES} <= set(rows[0]):
        raise InputError(
            f"{path}: a table of weather has the columns date, {', '.join(VARIABLES)} and a row for each day"
        )
    dates = np.array([parse_date(row["date"] or "", f"{path}, row {number}") for number, row in enumerate(rows, 2)])
    if len(np.unique(dates)) < len(dates):
        raise InputError(f"{path} names a day twice; give one row for each day")
    values = [
        [_value(row[name], name, f"{path}, row {number}") for name in VARIABLES] for number, row in enumerate(rows, 2)
    ]
    return on_every_day(dates, np.array(values, np.float32), VARIABLES)


def _value(text: str | None, name: str, where: str) -> float:
    """The value of a field; NaN where it is empty.

    Raises
    ------
    InputError : it is missing, no number, or cannot be.
    """
    if text is None:
        raise InputError(f"{where} ends before the column {name}; leave fields without a value empty, between commas")
    try:
        value = float(text) if text.strip() else np.nan
    except ValueError as error:
        raise InputError(f"{where}, column {name}: {error}; leave fields without a value empty") from None
    low, high, unit = PLAUSIBLE[name]
    if value < low or value > high:
        raise InputError(f"{where}: {name} is {text.strip()}; it is in {unit}, and between {low:g} and {high:g}")
    return value

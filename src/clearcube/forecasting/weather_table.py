"""Weather in a table of the user's own."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from clearcube.errors import InputError
from clearcube.forecasting.episode import Weather
from clearcube.forecasting.weather import VARIABLES, on_every_day
from clearcube.readers.calendar import parse_date


def read_weather_table(path: str | Path) -> Weather:
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

"""What the baselines know from training: usual courses of NDVI, and how wrong each baseline is after so many days.

Both tables are made by `scripts/make_climatology.py` from simulated scenes drawn for training and the training cubes.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from clearcube.cube import day_of_year
from clearcube.forecasting.vegetation import LEGENDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CLIMATOLOGY, ERRORS = "climatology.csv", "baseline_errors.csv"
"""Tables beside this module: kind, day of year, mean, std; and model, days, rms."""
EVERYWHERE = "all"
"""Name of the course of all kinds together."""
TABLE_DAYS = 366.0
"""Days of the year in the table, that of a leap year among them."""


@dataclass(frozen=True)
class Course:
    """The usual NDVI of a kind of land over the year: (N,) days since New Year ascending, mean and std at them."""

    days: Floats
    mean: Floats
    std: Floats

    def at(self, dates: NDArray[np.datetime64]) -> tuple[Floats, Floats]:
        """Mean and std (T,) on dates: along a straight line between the days of the table, also around New Year."""
        day = day_of_year(dates) - 1.0
        mean, std = (np.interp(day, self.days, values, period=TABLE_DAYS) for values in (self.mean, self.std))
        return mean, std


@cache
def courses() -> Mapping[str, Course]:
    """Kind of land -> its course; `all` is every pixel taken together."""
    rows: dict[str, list[tuple[float, ...]]] = {}
    for row in _rows(CLIMATOLOGY):
        rows.setdefault(row["kind"], []).append((float(row["day"]), float(row["mean"]), float(row["std"])))
    return MappingProxyType({kind: Course(*np.array(values).T) for kind, values in rows.items()})


def kinds_of(landcover: NDArray[np.integer] | None, classes: str, frame: tuple[int, int]) -> NDArray[np.str_]:
    """The kind of land of each pixel, (H, W); "" where the land cover does not tell or the kind has no course."""
    kinds = np.full(frame, "", "<U16")
    if landcover is not None:
        for code, kind in LEGENDS.get(classes, {}).items():
            if kind in courses():
                kinds[landcover == code] = kind
    return kinds


def usual_error(model: str, days: NDArray[np.integer]) -> NDArray[np.float32]:
    """RMS error of NDVI of a baseline so many days after the last observation, same shape, level beyond the table."""
    table_days, rms = _errors()[model]
    return np.asarray(np.interp(days, table_days, rms), np.float32)


@cache
def _errors() -> Mapping[str, tuple[Floats, Floats]]:
    """Model -> days and RMS error."""
    rows: dict[str, list[tuple[float, float]]] = {}
    for row in _rows(ERRORS):
        rows.setdefault(row["model"], []).append((float(row["days"]), float(row["rms"])))
    tables = {model: np.array(values).T for model, values in rows.items()}
    return MappingProxyType({model: (days, rms) for model, (days, rms) in tables.items()})


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = files("clearcube.forecasting").joinpath(name).read_text(encoding="utf-8")
    return csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))

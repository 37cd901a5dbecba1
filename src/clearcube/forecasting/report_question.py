"""The tables that the evaluation is made for: whether filling the context makes the forecast better, and where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from clearcube.evaluation.intervals import Interval
from clearcube.evaluation.sections import MARK, Section, Table
from clearcube.forecasting.comparison import (
    ERROR,
    ERROR25,
    ERROR_COUNTED,
    ERROR_GROUND,
    ForecastComparison,
    Gain,
    cubes_by_cloudiness,
    gain,
    gain_by_tile,
)
from clearcube.forecasting.run import NONE

REFERENCES = (NONE, "last", "linear")
"""Fills that the others are compared with, where they were evaluated: none, the usual practice, the simple one."""
ERRORS = {
    ERROR: "RMSE over every clear target value",
    ERROR25: "RMSE over the clear target values of the first 25 days",
    ERROR_COUNTED: "GreenEarthNet's RMSE",
    ERROR_GROUND: "RMSE against the simulated ground",
}
"""Metric -> words, in the order of the tables."""
INDIFFERENT = "climatology"
"""The model that a fill changes nothing for, where land cover is known."""
INTRODUCTION = (
    "Share of cubes in which the forecast from a filled context has a smaller error than that of the same model from "
    "another context, with the 95 % interval of a paired bootstrap over cubes; behind it the mean difference of the "
    f"error ({MARK} = its interval includes zero). `none` is the unfilled context (NaN and a mask), `last` the last "
    "value carried on."
)


def question(found: ForecastComparison, models: Sequence[str], fills: Sequence[str]) -> Section:
    """The tables, without any where there is no fill to compare with."""
    models = [name for name in models if name != INDIFFERENT]
    references = tuple(name for name in REFERENCES if name in fills)
    head = ("model", "fill", *(f"better than {name}" for name in references))
    tables = [
        (words, Table(head, tuple(_rows(found, models, fills, references, metric)))) for metric, words in ERRORS.items()
    ]
    by_share = _by_cloudiness(found, models, fills, references)
    tables.append((f"By the share of the context that is hidden; {ERRORS[ERROR]}", by_share))
    by_tile = Table(head, tuple(_by_tile(found, models, fills, references)))
    tables.append((f"By tile; {ERRORS[ERROR]}", by_tile))
    return Section("What filling is good for", INTRODUCTION, tuple(each for each in tables if each[1].rows))


def _rows(
    found: ForecastComparison, models: Sequence[str], fills: Sequence[str], references: Sequence[str], metric: str
) -> Iterator[tuple[str, ...]]:
    for model in models:
        for fill in fills:
            if fill == NONE or (model, fill, metric) not in found.values:
                continue
            cells = [_cell(None if name == fill else gain(found, model, fill, name, metric)) for name in references]
            if any(cell != "-" for cell in cells):
                yield model, fill, *cells


def _by_cloudiness(
    found: ForecastComparison, models: Sequence[str], fills: Sequence[str], references: Sequence[str]
) -> Table:
    """Shares of improved cubes by the share of the context that was not observed."""
    groups = cubes_by_cloudiness(found)
    rows = []
    for model, fill, name in product(models, fills, references):
        if fill in (NONE, name) or (model, fill, ERROR) not in found.values:
            continue
        gains = [gain(found, model, fill, name, cubes=cubes) for cubes in groups.values()]
        if any(each.improved.cubes for each in gains):
            rows.append((model, fill, name, *(share(each.improved) for each in gains)))
    return Table(("model", "fill", "against", *groups), tuple(rows))


def _by_tile(
    found: ForecastComparison, models: Sequence[str], fills: Sequence[str], references: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    """The same with Sentinel-2 tiles as regions, where there are enough."""
    for model, fill in product(models, fills):
        gains = [None if fill in (NONE, name) else gain_by_tile(found, model, fill, name) for name in references]
        if any(gains):
            yield model, fill, *(_cell(each) for each in gains)


def _cell(found: Gain | None) -> str:
    if found is None or not found.improved.cubes:
        return "-"
    mark = MARK if found.error.uncertain else ""
    same = f", {found.equal:.0%} equal" if found.equal else ""
    return f"{share(found.improved)}{same}; {found.error.mean:+.4f}{mark}"


def share(found: Interval, digits: int = 0) -> str:
    """A share with its interval and the number of regions, per cent with so many digits after the point."""
    if not found.cubes:
        return "-"
    limits = "" if np.isnan(found.low) else f" [{found.low:.{digits}%}, {found.high:.{digits}%}]"
    return f"{found.mean:.{digits}%}{limits} of {found.cubes}"

"""Dates: reading them as users and files write them, and calendars of dates that the output shall have."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from clearcube.durations import parse_days
from clearcube.errors import InputError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray


def parse_date(text: object, where: str) -> np.datetime64:
    """A UTC day (datetime64[D]) from ISO text, YYYYMMDD, or a date object.

    Raises
    ------
    InputError : it is no date.
    """
    written = str(text).strip()
    if re.fullmatch(r"\d{8}", written):
        written = f"{written[:4]}-{written[4:6]}-{written[6:]}"
    try:
        if not re.match(r"\d{4}-\d{2}-\d{2}", written):
            raise ValueError(written)
        day = np.array(written.removesuffix("Z"), dtype="datetime64[ns]").astype("datetime64[D]")
    except ValueError as error:
        raise InputError(f"{where}: '{text}' is no date; write dates as YYYY-MM-DD") from error
    return np.datetime64(day.item(), "D")


def parse_period(text: str | tuple[object, object]) -> tuple[np.datetime64 | None, np.datetime64 | None]:
    """First and last day (inclusive) of START/END; either may be left out, and a month or year may stand for a day.

    >>> parse_period("2020-02/2020-02")
    (np.datetime64('2020-02-01'), np.datetime64('2020-02-29'))
    """
    parts = text.split("/") if isinstance(text, str) else [("" if part is None else str(part)) for part in text]
    if len(parts) != 2:
        raise InputError(f"time is '{text}'; it must be START/END, 2020-03-01/2020-09-30 for instance")
    start, end = (_parse_edge(part.strip(), last) for part, last in zip(parts, (False, True), strict=True))
    if start is not None and end is not None and start > end:
        raise InputError(f"time is '{text}', but its start lies after its end; write START/END")
    return start, end


def calendar(
    first: np.datetime64,
    last: np.datetime64,
    every: str | None,
    dates: str | os.PathLike[str] | Iterable[object] | None,
) -> NDArray[np.datetime64] | None:
    """The dates asked for, (N,) datetime64[D] ascending; None where none are.

    Raises
    ------
    InputError : both a step and dates are given, or either cannot be read.
    """
    if every is not None and dates is not None:
        raise InputError("every and dates are both given; give one of them")
    if every is not None:
        return np.arange(
            first, last + np.timedelta64(1, "D"), np.timedelta64(parse_days(every, "every", at_least=1), "D")
        )
    if dates is None:
        return None
    where, lines = _listed(dates)
    parsed = [parse_date(line, where) for line in lines]
    if not parsed:
        raise InputError(f"{where}: no date in it; write one YYYY-MM-DD per line")
    return np.unique(np.array(parsed, dtype="datetime64[D]"))


def on_calendar(cube: xr.Dataset, wanted: NDArray[np.datetime64]) -> xr.Dataset:
    """The cube with an empty date (NaN, nothing observed) for each wanted date that nobody acquired.

    All acquisitions stay, so that they inform the filling; the coordinates `wanted` and `acquired` (time) bool tell
    which dates the output shall have and which are the input's own.
    """
    own = cube["time"].values.astype("datetime64[D]")
    union = np.union1d(own, wanted)
    fill_value = {name: False if variable.dtype == bool else np.nan for name, variable in cube.data_vars.items()}
    timed = [name for name in cube.data_vars if "time" in cube[name].dims]
    full = cube
    if len(union) > len(own):
        fill_value = {name: value for name, value in fill_value.items() if name in timed}
        full = cube.reindex(time=union.astype("datetime64[ns]"), fill_value=fill_value)
    return full.assign_coords(wanted=("time", np.isin(union, wanted)), acquired=("time", np.isin(union, own)))


def _parse_edge(text: str, last: bool) -> np.datetime64 | None:
    if not text or text == "..":
        return None
    if not re.fullmatch(r"\d{4}(-\d{2})?", text):
        return parse_date(text, "time")
    try:
        period = np.array(text, dtype="datetime64")
        day = (period + 1).astype("datetime64[D]") - 1 if last else period.astype("datetime64[D]")
    except ValueError as error:
        raise InputError(f"time: '{text}' is no date; write dates as YYYY-MM-DD") from error
    return np.datetime64(day.item(), "D")


def _listed(dates: str | os.PathLike[str] | Iterable[object]) -> tuple[str, list[object]]:
    """Where dates are written and the dates, from a file with one a line (# begins a comment) or any iterable."""
    if not isinstance(dates, (str, os.PathLike)):
        return "dates", list(dates)
    try:
        with open(dates, encoding="utf-8") as file:
            lines = [line.split("#")[0].strip() for line in file]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the dates file {os.fspath(dates)} cannot be read: {error}") from error
    return os.fspath(dates), [line for line in lines if line]

"""Durations as users write them."""

from __future__ import annotations

import re

from clearcube.errors import InputError


def days_in(duration: int | str | None, name: str) -> int | None:
    """Whole days in a duration such as 60, "60", "60d"; None stays None.

    Raises
    ------
    InputError : not a number of days that is zero or more. `name` says which option it is.

    >>> days_in("60d", "max_gap")
    60
    """
    if duration is None:
        return None
    match = re.fullmatch(r"\s*(\d+)\s*(d|day|days)?\s*", str(duration))
    if match is None:
        raise InputError(f"{name} is {duration!r}: give a number of days, 60d for instance")
    return int(match[1])

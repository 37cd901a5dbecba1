"""Durations as users write them."""

from __future__ import annotations

import re

from clearcube.errors import InputError


def parse_days(duration: int | str, option: str, *, at_least: int = 0) -> int:
    """Whole days in a duration such as 60, "60" or "60d".

    Raises
    ------
    InputError : not a number of days, or fewer than `at_least`. `option` says what was given it.

    >>> parse_days("60d", "max_gap")
    60
    """
    match = re.fullmatch(r"\s*(\d+)\s*(d|day|days)?\s*", str(duration), re.IGNORECASE)
    if match is None or int(match[1]) < at_least:
        raise InputError(f"{option} is {duration!r}; it must be a number of days from {at_least} on, such as 60d")
    return int(match[1])


def parse_optional_days(duration: int | str | None, option: str) -> int | None:
    """As `parse_days`; None stays None."""
    return None if duration is None else parse_days(duration, option)

"""How a command ends that is stopped: its exit code, SIGTERM as an exception, and how to go on."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

BAD_INPUT, INTERRUPTED, TERMINATED = 2, 130, 143
"""Exit codes: of wrong input, and of the signals SIGINT and SIGTERM as shells tell them."""


class Terminated(BaseException):
    """SIGTERM arrived."""


def terminate(*_: object) -> NoReturn:
    """What SIGTERM is handled by.

    Raises
    ------
    Terminated : always.
    """
    raise Terminated


def how_to_go_on(place: Path | None) -> str:
    """A line, begun anew, that says where what is done lies; nothing where nothing is left."""
    return f"\nwhat is done is kept in {place}: go on with the same command and --resume" if place else ""

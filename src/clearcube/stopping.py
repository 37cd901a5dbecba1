"""How a command ends that is stopped: its exit code, SIGTERM as an exception, and how to go on."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import NoReturn

BAD_INPUT, INTERRUPTED, TERMINATED = 2, 130, 143
"""Exit codes: of wrong input, and of the signals SIGINT and SIGTERM as shells tell them."""


class Terminated(BaseException):
    """SIGTERM arrived."""


def terminate(*_: object) -> NoReturn:
    """Handler of SIGTERM.

    Raises
    ------
    Terminated : always.
    """
    raise Terminated


def how_to_go_on(place: Path | None, option: str = "--resume") -> str:
    """A new line that says where what is done lies; nothing where nothing is left.

    option : what the same command needs besides to go on from there; "" = nothing.
    """
    besides = f" and {option}" if option else ""
    return f"\nwhat is done is kept in {place}: go on with the same command{besides}" if place else ""


class Stop:
    """Tells threads that work side by side that they are to end."""

    def __init__(self) -> None:
        self._event = Event()

    def ask(self) -> None:
        """Have whoever calls `check` end."""
        self._event.set()

    def check(self) -> None:
        """End here where that was asked for.

        Raises
        ------
        Terminated : `ask` was called.
        """
        if self._event.is_set():
            raise Terminated

"""Classical methods by name. Importing this loads no kernel; making a filler does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from numbers import Integral
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from clearcube.errors import InputError

if TYPE_CHECKING:
    from clearcube.filler import Filler


@dataclass(frozen=True)
class MethodInfo:
    """What a user needs to know to choose a method.

    needs : what the method asks of the cube.
    uncertainty : where its std comes from.
    halo : pixels around a window that it looks at; 0 = each pixel by itself.
    make : makes the filler from the options, by keyword.
    options : names of the options.
    smooths : whether its mean at observed pixels is a smooth series rather than the observation.
    judges : whether it says which observed pixels are contaminated.
    """

    name: str
    summary: str
    needs: str
    uncertainty: str
    halo: int
    make: Callable[..., Filler]
    options: tuple[str, ...] = ()
    smooths: bool = False
    judges: bool = False


def make_filler(name: str, **options: Any) -> Filler:
    """The filler of this name with these options.

    Raises
    ------
    InputError : unknown method, unknown option, or a value that the method cannot use.
    """
    return made(METHODS, "method", name, options)


def made(infos: Mapping[str, MethodInfo], kind: str, name: str, options: Mapping[str, Any]) -> Filler:
    """The filler of this name among some, with these options. kind : what they are, in a word.

    Raises
    ------
    InputError : unknown name, unknown option, or a value that cannot be used.
    """
    if name not in infos:
        raise InputError(f"unknown {kind} '{name}'; choose one of {', '.join(infos)}")
    info = infos[name]
    unknown = sorted(set(options) - set(info.options))
    if unknown:
        known = f"it takes {', '.join(info.options)}" if info.options else "it takes none"
        raise InputError(f"method '{name}' has no option '{unknown[0]}'; {known}")
    try:
        return info.make(**options)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"method '{name}' cannot use {dict(options)}: {error}") from error


def check_whole(what: str, value: object, least: int, most: int) -> None:
    """Refuse the value of an option that is no whole number from `least` to `most`.

    Raises
    ------
    InputError : it is another number, or none; True is none either.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value not in range(least, most + 1):
        raise InputError(f"{what} is {value!r:.40}, expected a whole number from {least} to {most}")


def _load(module: str, class_name: str, **options: Any) -> Filler:
    """Import the module of a method now and make its filler."""
    filler: Filler = getattr(import_module(f"clearcube.methods.{module}"), class_name)(**options)
    return filler


_ONCE = "one observation of a pixel"
_MEASURED = "its own errors on hidden observations"

METHODS: Mapping[str, MethodInfo] = MappingProxyType(
    {
        info.name: info
        for info in (
            MethodInfo(
                "last",
                "the last observation before the date, else the first after it",
                _ONCE,
                _MEASURED,
                0,
                partial(_load, "temporal", "Last"),
            ),
            MethodInfo(
                "next",
                "the first observation after the date, else the last before it",
                _ONCE,
                _MEASURED,
                0,
                partial(_load, "temporal", "Next"),
            ),
            MethodInfo(
                "nearest",
                "the observation nearest in time, of two the earlier",
                _ONCE,
                _MEASURED,
                0,
                partial(_load, "temporal", "Nearest"),
            ),
            MethodInfo(
                "linear",
                "a straight line by date between neighbouring observations, level beyond the outermost",
                _ONCE,
                _MEASURED,
                0,
                partial(_load, "temporal", "Linear"),
            ),
            MethodInfo(
                "whittaker",
                "a smooth curve through all observations of the pixel",
                "three observations of a pixel, better ten",
                _MEASURED,
                0,
                partial(_load, "whittaker", "Whittaker"),
                ("smoothness",),
                smooths=True,
            ),
            MethodInfo(
                "harmonic",
                "a trend and yearly waves, fitted robustly",
                "a year or more; fewer terms where observations are few",
                _MEASURED,
                0,
                partial(_load, "harmonic", "Harmonic"),
                ("terms",),
                smooths=True,
            ),
            MethodInfo(
                "dineof",
                "patterns that pixels share over time, for large gaps",
                "many pixels that change alike",
                _MEASURED,
                0,
                partial(_load, "dineof", "Dineof"),
                ("modes",),
                smooths=True,
            ),
        )
    }
)
"""Name -> method, in the order of growing effort."""

"""Where real cubes come from: a path each, and how it is to be read. Knows no reader: some machines have none."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from clearcube.errors import InputError


@dataclass(frozen=True)
class CubeSource:
    """Cubes to read, and how.

    path : a file, a folder or a pattern; each match is a cube of its own.
    options : what `open_cube` takes beside the path; 'mask' may name another file (`FILE:VAR`).
    """

    path: str
    options: Mapping[str, Any] = field(default_factory=dict)


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _whole(value: Any) -> bool:
    return type(value) is int


def _number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _listed(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list | tuple) and bool(value) and all(map(holds, value))


def _bands(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(map(_text, value.values()))
    return _text(value) or _listed(_text)(value)


OPTIONS: Mapping[str, tuple[Callable[[Any], bool], str]] = MappingProxyType(
    {
        "format": (_text, "a text"),
        "bands": (_bands, "names, or a table of names and variables"),
        "bbox": (_listed(_number), "a list of numbers"),
        "time": (_text, 'a text, "START/END"'),
        "mask": (_text, "a text"),
        "scl_keep": (_listed(_whole), "a list of whole numbers"),
        "max_cloud_probability": (_number, "a number"),
        "dilate": (_whole, "a whole number"),
        "scale": (_number, "a number"),
        "offset": (_number, "a number"),
        "nodata": (_number, "a number"),
        "landcover": (_text, "a text"),
        "every": (_text, "a text"),
        "dates": (lambda value: _text(value) or _listed(_text)(value), "a file, or a list of dates as texts"),
        "chunks": (_whole, "a whole number"),
    }
)
"""Options of `open_cube` -> whether a value in a file has their type, and that type in words."""


def sources_from(entries: Any, where: str) -> tuple[CubeSource, ...]:
    """All entries of `train` or `validation`, as a file gives them; one may stand alone.

    Raises
    ------
    InputError : one is not a path and is no table with a path, or has an option that is unknown or of another type.
    """
    if isinstance(entries, str | Mapping | CubeSource):
        return (_source(entries, where),)
    if not isinstance(entries, list | tuple):
        raise InputError(f"{where}: give a path, or tables with a path, not {entries!r:.80}")
    return tuple(_source(each, where) for each in entries)


def _source(entry: Any, where: str) -> CubeSource:
    """A path alone, or a table with a path and options: beside the path, or in a table of their own."""
    if isinstance(entry, CubeSource):
        return entry
    table: Any = {"path": entry} if isinstance(entry, str) else entry
    if not isinstance(table, Mapping) or not _text(table.get("path")):
        raise InputError(f"{where}: give a path, or a table with a path, not {entry!r:.80}")
    options: Any = {name: value for name, value in table.items() if name != "path"}
    if set(options) == {"options"}:
        options = options["options"]
    if not isinstance(options, Mapping):
        raise InputError(f"{where}: options is {options!r:.60}; give a table")
    for name, value in options.items():
        _check(name, value, where)
    return CubeSource(table["path"], dict(options))


def _check(name: str, value: Any, where: str) -> None:
    if name not in OPTIONS:
        raise InputError(f"{where}: '{name}' is no option of a cube; known are path, {', '.join(OPTIONS)}")
    fits, words = OPTIONS[name]
    if not fits(value):
        raise InputError(f"{where}: {name} is {value!r:.60}; give {words}")

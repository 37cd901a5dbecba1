"""The formats that can be read, and telling them apart by what files hold."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

from clearcube.errors import InputError
from clearcube.readers.options import ReadOptions
from clearcube.readers.raw import RawSeries
from clearcube.readers.sources import ZIP_SIGNATURES, described, first_bytes


class Format(Protocol):
    """What a module that reads a format offers."""

    def recognises(self, paths: Sequence[str]) -> bool:
        """Whether all the paths are of this format, by their content."""
        ...

    def read(self, paths: Sequence[str], options: ReadOptions) -> RawSeries:
        """The series that the paths hold."""
        ...


FORMATS = {"earthnet": "earthnet", "store": "stores", "rasters": "rasters"}
"""Name of a format -> module of this package; loaded only when looked at."""
ALIASES = {
    "earthnet2021": "earthnet",
    "npz": "earthnet",
    "greenearthnet": "store",
    "netcdf": "store",
    "zarr": "store",
    "geotiff": "rasters",
    "jpeg2000": "rasters",
    "safe": "rasters",
}
"""Other names that a user may give."""


def read_sources(sources: Sequence[str], format: str | None, options: ReadOptions) -> tuple[str, RawSeries]:
    """The name of the format, and the series.

    Raises
    ------
    InputError : the format is unknown or cannot be told, or the sources cannot be read.
    """
    name = format_called(format) if format is not None else format_of(sources)
    return name, _module(name).read(sources, options)


def format_called(name: str) -> str:
    """The format that the user names.

    Raises
    ------
    InputError : there is none of that name.
    """
    called = ALIASES.get(name.lower(), name.lower())
    if called not in FORMATS:
        raise InputError(f"format is '{name}'; it must be one of {', '.join([*FORMATS, *ALIASES])}")
    return called


def format_of(sources: Sequence[str]) -> str:
    """The format of the sources by their content.

    Raises
    ------
    InputError : it cannot be told, or the sources are of several formats.
    """
    for name in FORMATS:
        if _module(name).recognises(sources):
            return name
    for source in sources:
        if not any(_module(name).recognises([source]) for name in FORMATS):
            raise InputError(_unknown(source))
    raise InputError(f"{described(sources)}: the inputs are of several formats; give one cube in one format at a time")


def _module(name: str) -> Format:
    return cast(Format, import_module(f"clearcube.readers.{FORMATS[name]}"))


def _unknown(source: str) -> str:
    import os

    if os.path.isfile(source) and not first_bytes(source, 1):
        return f"{source} is empty; get the file again"
    if os.path.isfile(source) and first_bytes(source, 4) in ZIP_SIGNATURES:
        return f"{source} is a zip archive of files; unpack it and name what was in it"
    return (
        f"{source} is in no format that clearcube reads (EarthNet2021 npz, NetCDF, Zarr, GeoTIFF, JPEG 2000, "
        "Sentinel-2 product folders) or is damaged; check the file"
    )

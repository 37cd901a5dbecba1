"""Options that several commands share, as typer reads them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from clearcube.errors import InputError

READING = (
    *("format", "bands", "bbox", "time", "mask", "scl_keep", "max_cloud_probability", "dilate"),
    *("scale", "offset", "nodata"),
)
"""Options that say how an input is read, of every command that reads one."""

Inputs = Annotated[list[str], typer.Argument(metavar="INPUT...", help="Files, folders, globs or URLs of one place.")]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="earthnet, store (NetCDF, Zarr) or rasters; by default recognised from the content.",
        metavar="NAME",
    ),
]
Bands = Annotated[
    str | None,
    typer.Option("--bands", help="Bands to read, in order: blue,green; where names do not tell, blue=VAR,green=VAR."),
]
Bbox = Annotated[
    str | None, typer.Option("--bbox", help="Part to read: LEFT,BOTTOM,RIGHT,TOP in units of the input's CRS.")
]
Time = Annotated[str | None, typer.Option("--time", help="Dates to read: START/END; either may be left empty.")]
Mask = Annotated[
    str | None,
    typer.Option(
        "--mask",
        help="[FILE:]VAR[=KIND], or none; by default the one that is recognised. Kinds: scl, probability, "
        "qa_pixel, qa60, hls, clear, bad.",
    ),
]
SclKeep = Annotated[str | None, typer.Option("--scl-keep", help="SCL classes that count as clear; by default 4,5,6,7.")]
MaxProbability = Annotated[
    float | None,
    typer.Option(
        "--max-cloud-probability",
        help="Largest cloud probability that counts as clear, in the mask's own unit: 40 for percent (the default), "
        "0.4 for fractions.",
    ),
]
Dilate = Annotated[int, typer.Option("--dilate", help="Grow clouds and shadows by this many pixels.")]
Scale = Annotated[float | None, typer.Option("--scale", help="Reflectance = scale x stored + offset.")]
Offset = Annotated[
    float | None,
    typer.Option(
        "--offset",
        help="Added after the scale; -0.1 for Sentinel-2 L2A of baseline 04.00 or later, unless it was removed.",
    ),
]
Nodata = Annotated[float | None, typer.Option("--nodata", help="Stored value that means no value.")]
Landcover = Annotated[str | None, typer.Option("--landcover", help="File with the land cover of the place.")]
Every = Annotated[str | None, typer.Option("--every", help="Output at regular dates, every N days: 5d.")]
Dates = Annotated[str | None, typer.Option("--dates", help="File with the output dates, one ISO date a line.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but warnings and errors.")]


def opening(**given: Any) -> Mapping[str, Any]:
    """Keyword arguments of `open_cube` from what was given on the command line; what was not given is left out."""
    parsed = {key: value for key, value in given.items() if value is not None}
    if "bbox" in parsed:
        parsed["bbox"] = numbers(parsed["bbox"], float, "--bbox", "LEFT,BOTTOM,RIGHT,TOP")
        if len(parsed["bbox"]) != 4:
            raise InputError(f"--bbox has {len(parsed['bbox'])} numbers; give four: LEFT,BOTTOM,RIGHT,TOP")
    if "scl_keep" in parsed:
        parsed["scl_keep"] = numbers(parsed["scl_keep"], int, "--scl-keep", "4,5,6,7")
    if "bands" in parsed:
        parsed["bands"] = _bands(parsed["bands"])
    return parsed


def command_line() -> str:
    """The command as it was called, for what is said of the output."""
    return shlex.join(["clearcube", *sys.argv[1:]])


def numbers(text: str, kind: type, option: str, example: str) -> tuple[Any, ...]:
    """The numbers in a text with commas between them."""
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option} is {text!r}; give numbers with commas between them: {example}") from None


def _bands(text: str) -> tuple[str, ...] | dict[str, str]:
    """Names, or a mapping from names to variables where one is given (a name alone is its own variable)."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise InputError("--bands is empty; name the bands to read, blue,green,red,nir for instance")
    if not any("=" in part for part in parts):
        return tuple(parts)
    pairs = [part.split("=", 1) if "=" in part else (part, part) for part in parts]
    names = [name.strip() for name, _ in pairs]
    if not all(names):
        raise InputError(f"--bands is '{text}'; write the name of the band before each =, blue=VAR for instance")
    if len(set(names)) < len(names):
        raise InputError(f"--bands is '{text}'; name each band once")
    return dict(zip(names, (variable.strip() for _, variable in pairs), strict=True))

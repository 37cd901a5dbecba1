"""Which inputs belong to one cube, and what each cube is called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from clearcube.errors import InputError
from clearcube.readers.earthnet_names import parse_name
from clearcube.readers.sources import NETCDF, RASTERS, expand


def cubes_of(inputs: Sequence[str]) -> dict[str, list[str]]:
    """Key of each cube -> its sources, sorted by key.

    A context and a target of EarthNet2021 with the same place and time are one cube; so are the rasters of a folder.
    Any other source is a cube of its own.

    Raises
    ------
    InputError : nothing is there, or two cubes have the same name.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for source in expand(inputs):
        groups.setdefault(_place(source), []).append(source)
    named = [(_key(sources), sources) for sources in groups.values()]
    keys = [key for key, _ in named]
    cubes: dict[str, list[str]] = {}
    for key, sources in named:
        name = key if keys.count(key) == 1 else f"{_safe(PurePosixPath(sources[0]).parent.name)}_{key}"
        if name in cubes:
            raise InputError(f"{sources[0]} and {cubes[name][0]} would both be called '{name}'; rename one of them")
        cubes[name] = sources
    return dict(sorted(cubes.items()))


def _place(source: str) -> tuple[str, ...]:
    """What the sources of one cube share."""
    path = PurePosixPath(source)
    if path.suffix.lower() in RASTERS:
        return ("rasters", str(path.parent))
    if path.suffix.lower() == ".npz" and path.name.startswith(("context_", "target_")):
        try:
            return ("earthnet", str(path.parent), *map(str, parse_name(source).key))
        except InputError:
            return (source,)
    return (source,)


def _key(sources: Sequence[str]) -> str:
    """The name of the first source without its ending and part; a folder's name for the rasters in it."""
    path = PurePosixPath(sources[0].rstrip("/"))
    if path.suffix.lower() in RASTERS and len(sources) > 1:
        path = path.parent
    stem = path.name if path.suffix.lower() not in (*RASTERS, *NETCDF, ".npz", ".zarr") else path.stem
    return _safe(re.sub("^(context|target)_", "", stem) if path.suffix == ".npz" else stem)


def _safe(name: str) -> str:
    """A name that is good for a file."""
    return re.sub(r"[^\w.+-]", "_", name) or "cube"

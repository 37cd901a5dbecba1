"""Where an output may be written: never over or into what is read, nor over what clearcube did not write."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clearcube.errors import InputError

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""How a URL begins, also one that lost a slash when it became a path; a drive has one letter."""


def check_places(output: Path, inputs: Sequence[str], files: Sequence[str], *, overwrite: bool) -> None:
    """Refuse an output that is in the way of what is read, or of what is there.

    inputs : as the user named them; globs and folders stand for the files in them. files : others that are read.

    Raises
    ------
    InputError : the output is read too, lies inside of what is read or around it, exists and is not to be replaced,
        or is a folder that clearcube did not write.
    """
    place = output.resolve()
    for name in _local(inputs, files):
        given = Path(name).resolve()
        if place == given:
            raise InputError(f"the output {output} is an input too; choose another name for the output")
        if given in place.parents:
            raise InputError(f"the output {output} lies inside the input {name}; put it elsewhere")
        if place in given.parents:
            raise InputError(f"the input {name} lies inside the output {output}; put the output elsewhere")
    check_free(output, overwrite=overwrite)
    if place.is_dir() and not _may_be_replaced(place):
        raise InputError(
            f"{output} is a folder that clearcube did not write, so --overwrite does not replace it: choose another "
            "name, or delete it"
        )


def check_free(output: Path, *, overwrite: bool) -> None:
    """Refuse an output that exists and is not to be replaced.

    Raises
    ------
    InputError : it is there, or is a URL.
    """
    check_local(output)
    if output.exists() and not overwrite:
        raise InputError(f"{output} exists: choose another name, or replace it with --overwrite")


def check_local(output: Path) -> None:
    """Refuse a URL, which would become a folder of its name: outputs are local.

    Raises
    ------
    InputError : it is one.
    """
    if _SCHEME.match(str(output)):
        raise InputError(f"the output {output} is a URL; name a local file or folder, and copy it there afterwards")


def check_results_folder(folder: Path, sums: str, what: str) -> None:
    """Refuse a folder for results that holds something else.

    sums : name of the folder in it that tells results of this sort. what : what these are called.

    Raises
    ------
    InputError : it is a file or a URL, or is not empty and holds no such results.
    """
    check_local(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder for the results")
    if folder.is_dir() and os.listdir(folder) and not (folder / sums).is_dir():
        raise InputError(f"{folder} holds other things than {what}; name a new or empty folder")


def check_workers(workers: int | None) -> None:
    """Refuse a number of workers that is none.

    Raises
    ------
    InputError : it is below 1.
    """
    if workers is not None and workers < 1:
        raise InputError(f"--workers is {workers}; give 1 or more")


def files_of_options(opening: Mapping[str, Any]) -> list[str]:
    """The files that options of `open_cube` name: the mask's, the land cover's, the calendar's.

    Raises
    ------
    InputError : the mask's are not there.
    """
    from clearcube.readers.mask_spec import MaskSpec
    from clearcube.readers.sources import expand

    mask = opening.get("mask")
    spec = MaskSpec.parse(mask) if isinstance(mask, str) else mask
    others = [opening.get(name) for name in ("landcover", "dates")]
    named = [os.fspath(name).removeprefix("file://") for name in others if isinstance(name, str | os.PathLike)]
    return [*([] if spec is None or spec.file is None else expand(spec.file)), *named]


def _local(inputs: Sequence[str], files: Sequence[str]) -> list[str]:
    """Everything local that is read: what was named, and what globs and folders stand for."""
    from clearcube.readers.sources import expand, is_url

    named = [place.removeprefix("file://") for place in (*inputs, *files)]
    return [place for place in (*named, *expand(list(inputs))) if not is_url(place)]


def _may_be_replaced(folder: Path) -> bool:
    """Whether a folder is empty, a Zarr store, or rasters as they are written here."""
    from clearcube.readers.sources import is_zarr
    from clearcube.writers.rasters import is_raster_of_fill

    return is_zarr(str(folder)) or all(map(is_raster_of_fill, folder.iterdir()))

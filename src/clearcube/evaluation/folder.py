"""What lies where in a folder of results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clearcube.errors import InputError

SUMS, MASKS = "sums", "hidden"
"""Folders of the records of an evaluation, and of the pixels that it hid; a file for each cube."""
FORECAST_SUMS = "forecast_sums"
"""Folder of the records of forecasts, called otherwise so that neither evaluation writes over the other."""
PROVENANCE = "provenance.json"
"""File that tells what results were made with and from."""


def sums_path(folder: Path, cube: str) -> Path:
    """Where the record of a cube lies."""
    return folder / SUMS / f"{cube}.npz"


def forecast_sums_path(folder: Path, cube: str) -> Path:
    """Where the record of the forecasts of a cube lies."""
    return folder / FORECAST_SUMS / f"{cube}.npz"


def masks_path(folder: Path, cube: str) -> Path:
    """Where the pixels lie that were hidden in a cube."""
    return folder / MASKS / f"{cube}.npz"


def provenance_in(folder: Path, *more: str) -> dict[str, Any]:
    """What a finished evaluation says of itself: `methods`, `scenarios`, `seeds`, `inputs`, and more entries.

    Raises
    ------
    InputError : the folder holds none, or one of forecasts, or it is damaged.
    """
    path = folder / PROVENANCE
    missing = f"{folder} holds no finished evaluation"
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"the folder {folder} {found}; give what 'clearcube evaluate --out' wrote")
    if not path.is_file():
        raise InputError(f"{missing} (no {path.name}); run 'clearcube evaluate INPUT... --out {folder}' first")
    try:
        about: Any = json.loads(path.read_text(encoding="utf-8"))
        complete = isinstance(about, dict) and {"methods", "scenarios", "seeds", "inputs", *more} <= about.keys()
    except (OSError, ValueError):
        complete = False
    if not complete and (folder / FORECAST_SUMS).is_dir():
        raise InputError(f"{folder} is an evaluation of forecasts; give one of fills")
    if not complete:
        raise InputError(f"{missing} ({path.name} is damaged); run 'clearcube evaluate' again")
    return dict(about)

"""The checkpoints that ship with the package, and how a checkpoint is named: by its file, or as one of these."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from clearcube.errors import InputError

FOLDER = "weights"
"""Folder in the package that holds embedded checkpoints."""
SUFFIX = ".safetensors"


def embedded_folder() -> Path:
    """Where the checkpoints lie that ship with the package."""
    return Path(str(files("clearcube"))) / FOLDER


def embedded() -> list[Path]:
    """The checkpoints that ship with the package, by name."""
    return sorted(embedded_folder().glob(f"*{SUFFIX}"))


def embedded_weights(name: str) -> Path | None:
    """The checkpoint of this name that ships with the package, or None."""
    return next((path for path in embedded() if path.stem == name), None)


def located(weights: str | os.PathLike[str]) -> str:
    """The path of a checkpoint that is given as a file or as the name of an embedded one.

    Raises
    ------
    InputError : there is neither.
    """
    given = os.fspath(weights)
    if os.path.isfile(given):
        return given
    path = embedded_weights(given)
    if path is None:
        names = ", ".join(each.stem for each in embedded()) or "none"
        raise InputError(f"{given}: no such checkpoint file, and none of this name ships; those that ship: {names}")
    return os.fspath(path)

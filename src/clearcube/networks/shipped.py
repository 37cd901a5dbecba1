"""The checkpoints that ship with the package, and how a checkpoint is named: by its file, or as one of these."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from clearcube.errors import InputError

FOLDER = "weights"
"""Folder in the package that holds embedded checkpoints."""
SUFFIX = ".safetensors"
SUMS = "SHA256SUMS"
"""File beside the embedded checkpoints with their checksums, as `sha256sum *.safetensors` writes it."""


def embedded_folder() -> Path:
    """Where the checkpoints lie that ship with the package."""
    return Path(str(files("clearcube"))) / FOLDER


def embedded() -> list[Path]:
    """The checkpoints that ship with the package, by name."""
    return sorted(embedded_folder().glob(f"*{SUFFIX}"))


def embedded_weights(name: str) -> Path | None:
    """The checkpoint of this name that ships with the package, or None."""
    return next((path for path in embedded() if path.stem == name), None)


def shipped_sums(folder: Path) -> dict[str, str]:
    """Name -> sha256 of the checkpoints that were shipped in a folder.

    Raises
    ------
    InputError : the list is missing or damaged.
    """
    path = folder / SUMS
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        raise InputError(f"{path} is missing; install clearcube again") from None
    pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
    if any(len(pair) != 2 for pair in pairs):
        raise InputError(f"{path} is damaged; install clearcube again")
    return {name.strip().lstrip("*"): digest for digest, name in pairs}


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

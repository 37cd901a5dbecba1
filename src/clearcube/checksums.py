"""Checksums of files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Sha256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_input(path: str | os.PathLike[str]) -> str:
    """The same of a local file, or of the names and contents of a folder (a Zarr store); "" of anything else."""
    place = Path(path)
    if "://" in str(path) or not place.exists():
        return ""
    if place.is_file():
        return sha256_of(place)
    digest = hashlib.sha256()
    for file in sorted(each for each in place.rglob("*") if each.is_file()):
        digest.update(str(file.relative_to(place)).encode() + sha256_of(file).encode())
    return digest.hexdigest()

"""What lies where in a folder of results."""

from __future__ import annotations

from pathlib import Path

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

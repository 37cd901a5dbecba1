"""What is said of an input before anything is done with it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from clearcube.readers.open import NONE_FOUND

if TYPE_CHECKING:
    import xarray as xr


def warn_without_mask(cube: xr.Dataset) -> None:
    """Warn where no mask was recognised and none was asked for: then clouds are taken for the ground."""
    mask = str(cube.attrs.get("mask", ""))
    if mask.startswith(NONE_FOUND):
        warnings.warn(
            f"mask {mask}: clouds are taken for the ground. Name the mask with --mask VAR=KIND, or say --mask none",
            UserWarning,
            stacklevel=3,
        )

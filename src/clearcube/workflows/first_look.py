"""A first look at an input, before anything is done with it: is there a mask, are its values reflectance."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from clearcube.fill_cube.survey import check_reflectance
from clearcube.readers.open import NONE_FOUND
from clearcube.tiling import sample_windows

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from numpy.typing import NDArray


def warn_without_mask(cube: xr.Dataset) -> None:
    """Warn where no mask was recognised and none was asked for: then clouds are taken for the ground."""
    mask = str(cube.attrs.get("mask", ""))
    if mask.startswith(NONE_FOUND):
        warnings.warn(
            f"mask {mask}: clouds are taken for the ground. Name the mask with --mask VAR=KIND, or say --mask none",
            UserWarning,
            stacklevel=3,
        )


def some_observed(cube: xr.Dataset, what: str) -> NDArray[np.float32]:
    """Observed values (B, N) of the middle of a cube, at all dates.

    what : the cube, as messages call it.

    Raises
    ------
    InputError : they are not reflectance.
    """
    places = sample_windows((cube.sizes["y"], cube.sizes["x"]))
    rows, columns = places[len(places) // 2].slices
    part = cube[["reflectance", "observed"]].isel(y=rows, x=columns).load()
    values, observed = part["reflectance"].values, part["observed"].values
    check_reflectance(values, observed, what)
    return values.swapaxes(0, 1)[:, observed]

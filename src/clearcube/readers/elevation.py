"""The elevation that a cube brings, in metres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray


def elevation_of(cube: xr.Dataset) -> NDArray[np.float32] | None:
    """Elevation in metres, (H, W) float32; None where a cube has none."""
    if "elevation" not in cube:
        return None
    values: NDArray[np.float32] = cube["elevation"].values.astype(np.float32)
    return values

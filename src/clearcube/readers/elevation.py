"""The elevation that a cube brings, in metres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray


def elevation_of(cube: xr.Dataset) -> NDArray[np.float32] | None:
    """Elevation in metres, (H, W); None where a cube has none. EarthNet2021's comes as (metres / 2000 + 1) / 2."""
    if "elevation" not in cube:
        return None
    values: NDArray[np.float32] = cube["elevation"].values.astype(np.float32)
    return 2000 * (2 * values - 1) if cube.attrs.get("format") == "earthnet" else values

"""`cube.clearcube`: the public verbs on an `xarray.Dataset`. Importing this module registers the accessor."""

from __future__ import annotations

from typing import Any

import xarray as xr

from clearcube.cube import check_cube, ndvi
from clearcube.workflows.fill import fill


@xr.register_dataset_accessor("clearcube")
class ClearcubeAccessor:
    """clearcube's verbs for a cube, or for a filled data set."""

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    def check(self) -> xr.Dataset:
        """The data set if it is a cube, to be filled; raises InputError with what is wrong if not."""
        return check_cube(self._dataset)

    def fill(self, method: str = "auto", **options: Any) -> xr.Dataset:
        """The filled cube; arguments as `clearcube.fill` after the cube."""
        return fill(self._dataset, method, **options)

    def ndvi(self) -> xr.DataArray:
        """NDVI of every value of `reflectance`, (time, y, x) float32; see `clearcube.ndvi`."""
        return ndvi(self._dataset)

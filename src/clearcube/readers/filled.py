"""Reading what clearcube wrote, with the flags that say where each value comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clearcube.cube import OBSERVED_DIMS
from clearcube.errors import InputError
from clearcube.readers.formats import read_sources
from clearcube.readers.open import open_cube
from clearcube.readers.options import ReadOptions
from clearcube.readers.sources import expand

if TYPE_CHECKING:
    import xarray as xr


def open_filled(path: str) -> xr.Dataset:
    """A filled cube: what `open_cube` gives, and `source` (time, y, x) uint8 (`clearcube.cube.Source`).

    Raises
    ------
    InputError : as `open_cube`, and for a cube that has no `source`.
    """
    cube = open_cube(path)
    _, series = read_sources(expand(path), None, ReadOptions())
    if "source" not in series.masks:
        raise InputError(f"{path} was not written by 'clearcube fill': it has no 'source'; fill it first")
    source = series.masks["source"].transpose(*OBSERVED_DIMS)
    return cube.assign(source=(OBSERVED_DIMS, source.data.astype(np.uint8)))

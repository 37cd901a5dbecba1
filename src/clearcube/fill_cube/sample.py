"""The sample that a filler prepares on: rectangles spread over the frame or, where they saw nothing, over what did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dask
import dask.array as da
import numpy as np

from clearcube.cube import bands_of, dates_of
from clearcube.fill_cube.blocks import split_observed, with_observed_band
from clearcube.fill_cube.survey import Survey, add_up, survey_piece
from clearcube.tiling import SAMPLE_PER_SIDE, SAMPLE_SIDE, Window, sample_windows

if TYPE_CHECKING:
    import xarray as xr


def survey_of_sample(cube: xr.Dataset) -> Survey:
    """The survey of the sample alone; the cube is chunked. Reads all of it only where the usual sample saw nothing."""
    survey = _look_at(cube, sample_windows((cube.sizes["y"], cube.sizes["x"])))
    return survey if survey.sample else survey_where_observed(cube)


def survey_where_observed(cube: xr.Dataset) -> Survey:
    """The survey of the rectangles that saw most: for an area that lies between those of the usual sample."""
    finite = da.isfinite(cube["reflectance"].data).all(axis=1)
    seen = (cube["observed"].data & finite).sum(axis=0).compute()
    starts = [range(0, length, SAMPLE_SIDE) for length in seen.shape]
    counts = np.add.reduceat(np.add.reduceat(seen, starts[0], axis=0), starts[1], axis=1)
    best = np.argsort(-counts, axis=None, kind="stable")[: SAMPLE_PER_SIDE**2]
    corners = [
        (starts[0][i], starts[1][j]) for i, j in zip(*np.unravel_index(np.sort(best), counts.shape), strict=True)
    ]
    return _look_at(cube, [_rectangle(*corner, *seen.shape) for corner in corners])


def _rectangle(top: int, left: int, height: int, width: int) -> Window:
    """The rectangle of the sample that begins here, moved into the frame of this height and width."""
    top, left = (max(min(start, length - SAMPLE_SIDE), 0) for start, length in ((top, height), (left, width)))
    return Window(top, min(top + SAMPLE_SIDE, height), left, min(left + SAMPLE_SIDE, width))


def _look_at(cube: xr.Dataset, chips: Sequence[Window]) -> Survey:
    together = with_observed_band(cube)
    parts = dask.compute(*(together[(..., *chip.slices)] for chip in chips))
    pieces = [survey_piece(*split_observed(part), chip, 0, chips) for part, chip in zip(parts, chips, strict=True)]
    return add_up(pieces, chips, dates_of(cube), bands_of(cube))

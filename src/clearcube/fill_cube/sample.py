"""The sample that a filler prepares on: rectangles spread over the frame or, where they saw nothing, over what did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dask
import dask.array as da

from clearcube.cube import bands_of, dates_of
from clearcube.fill_cube.blocks import split_observed, with_observed_band
from clearcube.fill_cube.survey import Survey, add_up, survey_piece
from clearcube.tiling import Window, sample_windows, windows_that_saw_most

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
    return _look_at(cube, windows_that_saw_most(seen))


def _look_at(cube: xr.Dataset, chips: Sequence[Window]) -> Survey:
    together = with_observed_band(cube)
    parts = dask.compute(*(together[(..., *chip.slices)] for chip in chips))
    pieces = [survey_piece(*split_observed(part), chip, 0, chips) for part, chip in zip(parts, chips, strict=True)]
    return add_up(pieces, chips, dates_of(cube), bands_of(cube))

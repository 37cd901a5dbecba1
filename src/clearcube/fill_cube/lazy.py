"""`clearcube.fill`: a cube in, a filled data set out, lazy where the cube is."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import dask.array as da
import numpy as np
from dask.delayed import Delayed, delayed

from clearcube.cube import bands_of, check_cube
from clearcube.fill_cube.blocks import CubeBlocks, in_chunks
from clearcube.fill_cube.flags import usable_pixels
from clearcube.fill_cube.invention import SpatialSpread, invent, measure_spread, reach_of, to_invent
from clearcube.fill_cube.output import DIMS, TYPES, as_variables, check_settings, names_of, output_dataset, wanted_dates
from clearcube.fill_cube.sample import survey_of_sample
from clearcube.fill_cube.survey import check
from clearcube.fill_cube.window import Filled, FillSettings, fill_window
from clearcube.filler import cell_of, multiple_of
from clearcube.tiling import Window, in_cells, windows

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from clearcube.filler import Filler, PreparedFiller


def fill_with(cube: xr.Dataset, filler: Filler, settings: FillSettings, *, window: int = 256) -> xr.Dataset:
    """Fill a cube with a filler.

    A sample of the cube (16 rectangles of 64 x 64 pixels, all dates) is read at once, since the filler must know its
    errors; the rest is as lazy as the cube. Where nothing is observed there, all of it is read to find where.

    Returns
    -------
    Data set with `reflectance`, `reflectance_std` (time, band, y, x) float32, `source` (time, y, x) uint8,
    `days_to_observation` (time, y, x) int16 and, where the settings ask, `ndvi` and `ndvi_std` and
    `contamination` (time, y, x) float32.

    Raises
    ------
    InputError : not a cube, nothing observed, values that are not reflectance, settings that do not fit.
    """
    check_cube(cube)
    in_memory = cube["reflectance"].chunks is None and cube["observed"].chunks is None
    check_settings(cube, settings, window)
    window = in_cells(window, cell_of(filler))
    wanted = wanted_dates(cube)
    chunked = in_chunks(cube, window)
    survey = survey_of_sample(chunked)
    check(survey)
    prepared = filler.prepare(survey.sample)
    frame = (cube.sizes["y"], cube.sizes["x"])
    parts = _filled_parts(chunked, prepared, settings, frame, window, filler)
    if settings.invent_distance and not (in_memory and _seen_everywhere(cube)):
        parts = _invented_parts(parts, settings.invent_distance, measure_spread(survey.sample), frame)
    bands = tuple(band.name for band in bands_of(cube))
    arrays = _arrays(parts, settings, prepared, bands, wanted)
    output = output_dataset(cube, arrays, settings, filler.name, prepared)
    return output.compute() if in_memory else output


def _seen_everywhere(cube: xr.Dataset) -> bool:
    """Whether every pixel of a cube in memory has an observation."""
    return bool(usable_pixels(cube["reflectance"].values, cube["observed"].values).any(axis=0).all())


Parts = list[tuple[Window, Delayed]]


def _filled_parts(
    cube: xr.Dataset,
    prepared: PreparedFiller,
    settings: FillSettings,
    frame: tuple[int, int],
    size: int,
    filler: Filler,
) -> Parts:
    blocks = CubeBlocks(cube)
    shared = delayed(prepared, traverse=False)
    return [
        (each, delayed(fill_window, pure=False)(shared, blocks.block(outer), settings, each.within(outer)))
        for each in windows(frame, size)
        for outer in (each.grown(filler.halo, frame, multiple_of(filler)),)
    ]


def _invented_parts(parts: Parts, distance: int, spread: SpatialSpread, frame: tuple[int, int]) -> Parts:
    """The parts with never-observed pixels filled from their own and their neighbours' filled ones."""
    invented = []
    for window, _ in parts:
        outer = window.grown(reach_of(distance), frame)
        near = [(other, part) for other, part in parts if other.intersection(outer) is not None]
        others, filled = [other for other, _ in near], [part for _, part in near]
        invented.append((window, delayed(_invent_part, pure=False)(filled, others, window, outer, distance, spread)))
    return invented


def _invent_part(
    parts: list[Filled], places: list[Window], window: Window, outer: Window, distance: int, spread: SpatialSpread
) -> Filled:
    own = parts[places.index(window)]
    if not to_invent(own.source, own.days).any():
        return own
    return invent(joined(parts, places, outer), distance, spread).cut(*window.within(outer))


def joined(parts: list[Filled], places: list[Window], outer: Window) -> Filled:
    """The filled pixels of `outer`, put together from parts that cover it."""
    arrays = {}
    for name in (each.name for each in fields(Filled) if getattr(parts[0], each.name) is not None):
        values = [getattr(part, name) for part in parts]
        whole = np.empty((*values[0].shape[:-2], *outer.shape), dtype=values[0].dtype)
        for value, place in zip(values, places, strict=True):
            common = place.intersection(outer)
            assert common is not None
            whole[(..., *common.within(outer))] = value[(..., *common.within(place))]
        arrays[name] = whole
    return Filled(**arrays)


def _arrays(
    parts: Parts,
    settings: FillSettings,
    prepared: PreparedFiller,
    bands: tuple[str, ...],
    wanted: NDArray[np.bool_],
) -> dict[str, da.Array]:
    """Dask arrays of the output's variables."""
    arrays: dict[str, da.Array] = {}
    rows = sorted({window.top for window, _ in parts})
    shared = delayed(prepared, traverse=False)
    pieces = [(w, delayed(as_variables, pure=False)(p, settings, bands, shared, wanted)) for w, p in parts]
    for name in names_of(settings):
        lead = (int(wanted.sum()), len(bands)) if len(DIMS[name]) == 4 else (int(wanted.sum()),)
        grid = [
            [
                da.from_delayed(piece[name], (*lead, *window.shape), dtype=TYPES.get(name, np.float32))
                for window, piece in pieces
                if window.top == top
            ]
            for top in rows
        ]
        arrays[name] = da.concatenate([da.concatenate(row, axis=-1) for row in grid], axis=-2)
    return arrays

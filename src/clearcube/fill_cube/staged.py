"""The engine for files: look at everything once, fill window by window into the stage, resume where a run ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
from dask.delayed import delayed

from clearcube.cube import bands_of, dates_of
from clearcube.fill_cube.blocks import (
    Blocks,
    CopiedBlocks,
    CubeBlocks,
    create_copy,
    in_chunks,
    reads_each_chunk_once,
    survey_tasks,
)
from clearcube.fill_cube.invention import SpatialSpread, invent, measure_spread, to_invent
from clearcube.fill_cube.lazy import FILLED_NAMES, as_variables, check_settings
from clearcube.fill_cube.output import DIMS, TYPES, names_of, output_dataset, wanted_dates
from clearcube.fill_cube.running import Workers
from clearcube.fill_cube.survey import PieceSurvey, Survey, add_up, check
from clearcube.fill_cube.window import Filled, FillSettings, fill_window
from clearcube.tiling import Window, windows
from clearcube.writers.cf import in_band_variables
from clearcube.writers.encoding import OutputFormat
from clearcube.writers.stores import OutputStore, create_store

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from clearcube.filler import Block, Filler, PreparedFiller
    from clearcube.writers.stage import Stage

Progress = Callable[[str, int, int], None]
"""Called with the phase and the pixels done and in all of it."""

COPIED, CREATED = "copied", "created"


@dataclass(frozen=True)
class StagedFill:
    """A fill into a stage: what goes in, how it is filled and how it is stored."""

    cube: xr.Dataset
    filler: Filler
    settings: FillSettings
    output_format: OutputFormat
    stage: Stage
    window: int = 256
    workers: Workers = Workers()
    progress: Progress = lambda phase, done, total: None
    attrs: tuple[tuple[str, Any], ...] = ()

    def run(self) -> None:
        """Fill all windows that the stage does not hold yet. When this returns the stage's store is complete.

        Raises
        ------
        InputError : the cube or the settings cannot be used; OSError : reading or writing failed (the stage stays).
        """
        check_settings(self.cube, self.settings, self.window)
        wanted_dates(self.cube)
        blocks, survey = self._survey()
        check(survey)
        prepared = self.filler.prepare(survey.sample)
        store = self._store(prepared)
        self._fill(blocks, prepared, store)
        if self.settings.invent_distance:
            self._invent(store, prepared, measure_spread(survey.sample))

    @property
    def frame(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.cube.sizes["y"], self.cube.sizes["x"]

    @property
    def band_names(self) -> tuple[str, ...]:
        """Names of the bands in order."""
        return tuple(band.name for band in bands_of(self.cube))

    def _survey(self) -> tuple[Blocks, Survey]:
        """Look at every pixel, and copy the cube into windows where it is not stored so that these can be read."""
        cube = in_chunks(self.cube, self.window)
        copied = CopiedBlocks(self.stage.ingested, dates_of(cube), bands_of(cube))
        if COPIED in self.stage.done():
            return copied, self._look(_dask_copy(self.stage, cube, self.window), None)
        if reads_each_chunk_once(cube, self.window, self.filler.halo):
            return CubeBlocks(cube), self._look(cube, None)
        create_copy(self.stage.ingested, cube, self.window)
        survey = self._look(cube, self.stage.ingested)
        self.stage.mark(COPIED)
        return copied, survey

    def _look(self, cube: xr.Dataset, copy_to: Any) -> Survey:
        pieces: list[PieceSurvey] = []
        tasks = survey_tasks(cube, self.window, copy_to)

        def note(piece: PieceSurvey) -> None:
            pieces.append(piece)
            self.progress("reading", len(pieces), len(tasks))

        self.workers.run(tasks, note)
        return add_up(pieces, self.frame, dates_of(cube), bands_of(cube))

    def _store(self, prepared: PreparedFiller) -> OutputStore:
        """The store that the windows go to; made once."""
        if CREATED in self.stage.done():
            return OutputStore(self.stage.filled, self.output_format, self.band_names)
        dates = int(wanted_dates(self.cube).sum())
        sizes = {"time": dates, "band": len(self.band_names), "y": self.frame[0], "x": self.frame[1]}
        empty = {
            name: da.zeros([sizes[dim] for dim in DIMS[name]], dtype=TYPES.get(name, np.float32), chunks=-1)
            for name in names_of(self.settings)
        }
        template = output_dataset(self.cube, empty, self.settings, self.filler.name, prepared)
        template = template.assign_attrs(dict(self.attrs))
        if self.output_format.layout == "bands":
            template = in_band_variables(template)
        create_store(template, self.stage.filled, self.output_format, self.window)
        self.stage.mark(CREATED)
        return OutputStore(self.stage.filled, self.output_format, self.band_names)

    def _fill(self, blocks: Blocks, prepared: PreparedFiller, store: OutputStore) -> None:
        wanted = wanted_dates(self.cube)
        remaining = self._remaining("fill")
        tasks = []
        for each in remaining:
            outer = each.grown(self.filler.halo, self.frame)
            block = blocks.block(outer)
            tasks.append(delayed(_fill_and_write, pure=False)(block, prepared, self.settings, store, each, outer, wanted))
        self._run_windows("fill", "filling", tasks, remaining)

    def _invent(self, store: OutputStore, prepared: PreparedFiller, spread: SpatialSpread) -> None:
        remaining = self._remaining("invent")
        task = delayed(_invent_and_write, pure=False)
        tasks = [task(store, prepared, self.settings, each, self.frame, spread) for each in remaining]
        self._run_windows("invent", "inventing", tasks, remaining)

    def _remaining(self, step: str) -> list[Window]:
        done = self.stage.done()
        return [each for each in windows(self.frame, self.window) if _name(step, each) not in done]

    def _run_windows(self, step: str, phase: str, tasks: list[Any], remaining: list[Window]) -> None:
        total = self.frame[0] * self.frame[1]
        left = sum(each.shape[0] * each.shape[1] for each in remaining)
        count = [total - left]

        def note(window: Window) -> None:
            self.stage.mark(_name(step, window))
            count[0] += window.shape[0] * window.shape[1]
            self.progress(phase, count[0], total)

        self.workers.run(tasks, note)


def _name(step: str, window: Window) -> str:
    return f"{step} {window.top} {window.left}"


def _dask_copy(stage: Stage, cube: xr.Dataset, window: int) -> xr.Dataset:
    """The copy in the stage as a cube in windows."""
    import zarr

    group = zarr.open_group(stage.ingested, mode="r")
    chunks = {"time": -1, "band": -1, "y": window, "x": window}
    arrays = {
        name: (cube[name].dims, da.from_array(group[name], chunks=[chunks[str(dim)] for dim in cube[name].dims]))
        for name in ("reflectance", "observed")
    }
    return cube.assign(arrays)


def _fill_and_write(
    block: Block,
    prepared: PreparedFiller,
    settings: FillSettings,
    store: OutputStore,
    window: Window,
    outer: Window,
    wanted: NDArray[np.bool_],
) -> Window:
    """Fill one window and write it; the one task that writes its chunks."""
    filled = fill_window(prepared, block, settings).cut(*window.within(outer))
    bands = tuple(band.name for band in block.bands)
    store.write(window, as_variables(filled, settings, bands, prepared, wanted))
    return window


def _invent_and_write(
    store: OutputStore,
    prepared: PreparedFiller,
    settings: FillSettings,
    window: Window,
    frame: tuple[int, int],
    spread: SpatialSpread,
) -> Window:
    """Fill the never-observed pixels of a written window from what is filled around them.

    Reads no invented value, so it gives the same whichever windows are done.
    """
    days = store.read(window, "days_to_observation")
    if not to_invent(store.read(window, "source"), days).any():
        return window
    outer = window.grown(settings.invent_distance, frame)
    around = Filled(*(store.read(outer, name) for name in FILLED_NAMES))
    invented = invent(around, settings.invent_distance, spread).cut(*window.within(outer))
    everything = np.ones(len(invented.source), dtype=bool)
    store.write(window, as_variables(invented, settings, store.bands, prepared, everything))
    return window

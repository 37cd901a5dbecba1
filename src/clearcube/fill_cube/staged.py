"""The engine for files: look at everything once, fill window by window into the stage, resume where a run ended."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
from dask.delayed import delayed

from clearcube.cube import Source, bands_of, dates_of
from clearcube.fill_cube.blocks import (
    Blocks,
    Copy,
    CubeBlocks,
    copied_blocks,
    create_copy,
    in_chunks,
    in_windows,
    open_copy,
    reads_each_chunk_once,
    survey_tasks,
)
from clearcube.fill_cube.invention import SpatialSpread, invent, measure_spread, reach_of, to_invent
from clearcube.fill_cube.output import (
    DIMS,
    FILLED_NAMES,
    NDVI_NAMES,
    TYPES,
    as_variables,
    check_settings,
    names_of,
    output_dataset,
    wanted_dates,
)
from clearcube.fill_cube.running import Workers
from clearcube.fill_cube.sample import survey_where_observed
from clearcube.fill_cube.survey import PieceSurvey, Survey, add_up, check
from clearcube.fill_cube.window import Filled, FillSettings, fill_window
from clearcube.filler import cell_of, multiple_of
from clearcube.progress import ReportProgress
from clearcube.tiling import Window, in_cells, sample_windows, windows
from clearcube.writers.cf import in_band_variables
from clearcube.writers.encoding import OutputFormat
from clearcube.writers.stores import OutputStore, create_store

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from clearcube.filler import Block, Filler, PreparedFiller
    from clearcube.writers.stage import Stage

COPIED, CREATED = "copied", "created"
FILL, INVENT = "fill", "invent"
"""Steps that go window by window, noted in the stage with the place of each window."""


@dataclass(frozen=True)
class StagedFill:
    """A fill into a stage: what goes in, how it is filled and how it is stored."""

    cube: xr.Dataset
    filler: Filler
    settings: FillSettings
    output_format: OutputFormat
    stage: Stage
    window: int = 256
    workers: Workers = field(default_factory=Workers)
    progress: ReportProgress = lambda phase, done, total: None
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
        if survey.values and not survey.sample:
            survey = replace(survey, sample=survey_where_observed(in_chunks(self.cube, self.side)).sample)
        check(survey)
        prepared = self.filler.prepare(survey.sample)
        store = self._store(prepared)
        self._fill(blocks, prepared, store)
        if self.settings.invent_distance:
            self._invent(store, prepared, measure_spread(survey.sample))

    @property
    def begun(self) -> bool:
        """Whether the stage holds what is worth keeping: it is of an earlier run, or a window is filled."""
        return self.stage.resumed or any(_step(name) == FILL for name in self.stage.done())

    @property
    def side(self) -> int:
        """Pixels per side of the windows: what was asked for, in whole cells of the filler."""
        return in_cells(self.window, cell_of(self.filler))

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
        cube = in_chunks(self.cube, self.side)
        if COPIED in self.stage.done():
            copy = open_copy(self.stage.ingested)
            return copied_blocks(cube, copy), self._look(in_windows(cube, copy, self.side), None)
        if reads_each_chunk_once(cube, self.side, self.filler.halo):
            return CubeBlocks(cube), self._look(cube, None)
        copy = create_copy(self.stage.ingested, cube, self.side)
        survey = self._look(cube, copy)
        self.stage.mark(COPIED)
        return copied_blocks(cube, copy), survey

    def _look(self, cube: xr.Dataset, copy_to: Copy | None) -> Survey:
        pieces: list[PieceSurvey] = []
        tasks = survey_tasks(cube, self.side, copy_to)

        def note(piece: PieceSurvey) -> None:
            pieces.append(piece)
            self.progress("reading", len(pieces), len(tasks))

        self.workers.run(tasks, note)
        return add_up(pieces, sample_windows(self.frame), dates_of(cube), bands_of(cube))

    def _store(self, prepared: PreparedFiller) -> OutputStore:
        """The store that the windows go to; made once."""
        if CREATED not in self.stage.done():
            self._create_store(prepared)
            self.stage.mark(CREATED)
        return OutputStore.opened(self.stage.filled, self.output_format, self.band_names)

    def _create_store(self, prepared: PreparedFiller) -> None:
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
        create_store(template, self.stage.filled, self.output_format, self.side)

    def _fill(self, blocks: Blocks, prepared: PreparedFiller, store: OutputStore) -> None:
        remaining = self._remaining(FILL)
        shared = delayed((prepared, self.settings, store, wanted_dates(self.cube)), traverse=False)
        task = delayed(_fill_and_write, pure=False)
        tasks = []
        for each in remaining:
            outer = each.grown(self.filler.halo, self.frame, multiple_of(self.filler))
            tasks.append(task(blocks.block(outer), each, outer, shared))
        self._run_windows(FILL, "filling", tasks, remaining)

    def _invent(self, store: OutputStore, prepared: PreparedFiller, spread: SpatialSpread) -> None:
        remaining = self._remaining(INVENT)
        shared = delayed((prepared, self.settings, store, spread), traverse=False)
        task = delayed(_invent_and_write, pure=False)
        tasks = [
            task(each, each.grown(reach_of(self.settings.invent_distance), self.frame), shared) for each in remaining
        ]
        self._run_windows(INVENT, "inventing", tasks, remaining)

    def _remaining(self, step: str) -> list[Window]:
        done = self.stage.done()
        return [each for each in windows(self.frame, self.side) if _name(step, each) not in done]

    def _run_windows(self, step: str, phase: str, tasks: list[Any], remaining: list[Window]) -> None:
        total = self.frame[0] * self.frame[1]
        left = sum(each.shape[0] * each.shape[1] for each in remaining)
        done = total - left

        def note(window: Window) -> None:
            nonlocal done
            self.stage.mark(_name(step, window))
            done += window.shape[0] * window.shape[1]
            self.progress(phase, done, total)

        self.workers.run(tasks, note)


def _name(step: str, window: Window) -> str:
    """What the stage notes of a window that is done."""
    return f"{step} {window.top} {window.left}"


def _step(name: str) -> str:
    """The step that a note of the stage is of."""
    return name.partition(" ")[0]


def _fill_and_write(
    block: Block,
    window: Window,
    outer: Window,
    shared: tuple[PreparedFiller, FillSettings, OutputStore, NDArray[np.bool_]],
) -> Window:
    """Fill one window and write it; the one task that writes its chunks."""
    prepared, settings, store, wanted = shared
    filled = fill_window(prepared, block, settings, window.within(outer))
    store.write(window, as_variables(filled, settings, store.bands, prepared, wanted))
    return window


def _invent_and_write(
    window: Window, outer: Window, shared: tuple[PreparedFiller, FillSettings, OutputStore, SpatialSpread]
) -> Window:
    """Fill the never-observed pixels of a written window from what is filled around them.

    Reads no invented value, so it gives the same whichever windows are done.
    """
    prepared, settings, store, spread = shared
    days = store.read(window, "days_to_observation")
    if not to_invent(store.read(window, "source"), days).any():
        return window
    around = Filled(*(store.read(outer, name) for name in FILLED_NAMES))
    invented = invent(around, settings.invent_distance, spread).cut(*window.within(outer))
    everything = np.ones(len(invented.source), dtype=bool)
    values = as_variables(invented, settings, store.bands, prepared, everything)
    for name in NDVI_NAMES if settings.ndvi else ():  # of other pixels it was made from values before they were rounded
        values[name] = np.where(invented.source == Source.INVENTED, values[name], store.read(window, name))
    store.write(window, values)
    return window

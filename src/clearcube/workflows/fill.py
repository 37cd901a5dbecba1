"""Filling: of a cube in Python, and from files to a file with nothing half-written."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.cube import Source, bands_of, check_cube, crs_of, dates_of
from clearcube.durations import parse_optional_days
from clearcube.errors import InputError
from clearcube.fill_cube import FillSettings, StagedFill, Workers, fill_with
from clearcube.fill_cube.output import wanted_dates
from clearcube.tiling import windows
from clearcube.version import __version__
from clearcube.workflows.choosing import AUTO, Choice, choice_of, kept_beside
from clearcube.workflows.first_look import warn_without_mask
from clearcube.workflows.places import check_places, files_of_options
from clearcube.writers.encoding import OutputFormat
from clearcube.writers.rasters import check_regular, finish_cogs
from clearcube.writers.stage import Stage, opened
from clearcube.writers.stores import finish_netcdf

if TYPE_CHECKING:
    import xarray as xr

    from clearcube.progress import ReportProgress


def fill(
    cube: xr.Dataset,
    method: str = AUTO,
    *,
    max_gap: int | str | None = None,
    max_extrapolation: int | str | None = None,
    invent_distance: int = 32,
    smooth: bool = False,
    denoise: bool = False,
    ndvi: bool = False,
    contamination: bool = False,
    window: int = 256,
    **options: Any,
) -> xr.Dataset:
    """Fill every pixel at every date of a cube. Lazy where the cube is (but for a sample, which is read at once).

    Parameters
    ----------
    cube : as `open_cube` or `new_cube` give it.
    method : name of a method (`clearcube methods` lists them). `auto` takes the network `seq2seq` where the wavelengths
        of all bands are known and at least three dates have observations, else `linear`; the output's attributes
        `method` and `method_reason` say which and why. With `weights` it takes the network that they belong to.
    max_gap, max_extrapolation : gaps longer than this stay NaN and are flagged `unfilled`; days or "60d". The second
        is for gaps at either end of a pixel's series, by default as the first.
    invent_distance : pixels that are never observed are filled from filled ones at most so many pixels away.
    smooth : give the method's own values at observed pixels too (`whittaker`, `harmonic`, `dineof`).
    denoise : replace observed pixels that the method takes for cloud, haze or shadow (`seq2seq`); they are flagged
        `replaced`.
    ndvi : add `ndvi` and `ndvi_std`.
    contamination : add `contamination`, the probability that an observed pixel is cloud, haze or shadow (`seq2seq`).
    window : pixels per side that are filled at once.
    options : the method's own: `smoothness` (whittaker), `terms` (harmonic), `modes` (dineof), `weights` (a checkpoint,
        networks), `adapt` (seq2seq: True, or a number of steps, to train on this cube first).

    Returns
    -------
    Data set with `reflectance`, `reflectance_std` (time, band, y, x) float32, unit 1, NaN where unfilled; `source`
    (time, y, x) uint8 flags; `days_to_observation` (time, y, x) int16; `ndvi`, `ndvi_std`, `contamination`
    (time, y, x) where asked for.

    Raises
    ------
    InputError : the cube, the method or an option cannot be used.
    """
    settings = FillSettings(
        parse_optional_days(max_gap, "max_gap"),
        parse_optional_days(max_extrapolation, "max_extrapolation"),
        invent_distance,
        smooth,
        denoise,
        ndvi,
        contamination,
    )
    choice, _ = choice_of(method, options, settings, partial(check_cube, cube))
    return fill_with(cube, choice.filler, settings, window=window).assign_attrs(choice.attrs)


SHARES_SIDE = 512
"""Pixels along the sides of what is looked at at once to tell where values come from."""


@dataclass(frozen=True)
class FillRequest:
    """What `clearcube fill` was asked for.

    opening : keyword arguments of `open_cube`.
    options : those of the method.
    command : how the run was called, for the output's history.
    """

    inputs: tuple[str, ...]
    output: Path
    method: str = AUTO
    opening: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: FillSettings = field(default_factory=FillSettings)
    output_format: OutputFormat = field(default_factory=OutputFormat)
    window: int = 256
    workers: Workers = field(default_factory=Workers)
    resume: bool = False
    overwrite: bool = False
    command: str = "clearcube fill"


@dataclass(frozen=True)
class FillSummary:
    """What was written: dates, bands, height and width; by which method, and why that one.

    shares : where the values come from, by the meanings of `source`: shares of all pixels and dates, those above 0.
    """

    shape: tuple[int, int, int, int]
    method: str
    reason: str
    shares: Mapping[str, float]


def fill_files(request: FillRequest, progress: ReportProgress) -> FillSummary:
    """Fill files into a file. The output appears under its name only when it is complete.

    Raises
    ------
    InputError : an input, an option or the output cannot be used; nothing was written.
    OSError : reading or writing failed on the way; the stage stays and can be resumed.
    """
    from clearcube.readers.open import open_cube

    finish = _finisher(request.output)
    files = files_of_options(request.opening)
    check_places(request.output, request.inputs, files, overwrite=request.overwrite)
    reading = partial(open_cube, list(request.inputs), **request.opening)
    choice, cube = choice_of(request.method, request.options, request.settings, reading)
    warn_without_mask(cube)
    if finish is _finish_cogs:
        _check_for_cogs(request, cube)
    fingerprint = _fingerprint(request, cube, choice)
    with opened(request.output, fingerprint, resume=request.resume, overwrite=request.overwrite) as stage:
        staged = StagedFill(
            cube,
            kept_beside(choice.filler, stage.path),
            request.settings,
            request.output_format,
            stage,
            request.window,
            request.workers,
            progress,
            (*choice.attrs.items(), ("history", history_line(request.command, cube))),
        )
        _run(staged, fingerprint["input"])
        shares = _shares(stage.filled)
        progress("writing", 0, 1)
        stage.publish(finish(stage), request.output)
        progress("writing", 1, 1)
        stage.remove()
    _, bands, height, width = cube["reflectance"].shape
    dates = int(wanted_dates(cube).sum())
    return FillSummary((dates, bands, height, width), choice.filler.name, choice.reason, shares)


def _check_for_cogs(request: FillRequest, cube: xr.Dataset) -> None:
    """Refuse what no folder of GeoTIFFs can hold."""
    if request.output_format.layout == "bands":
        raise InputError("--layout bands is for .zarr and .nc; a folder of GeoTIFFs has one file per date anyway")
    check_regular(cube["y"].values, cube["x"].values)


def _run(staged: StagedFill, inputs: Mapping[str, str]) -> None:
    """Fill into the stage, which goes again where nothing in it is of use.

    inputs : name -> state of each at the beginning.

    Raises
    ------
    InputError : the cube cannot be filled, or an input was changed while it was read; OSError : something failed that
        may work another time (the stage stays).
    """
    try:
        staged.run()
    except InputError as error:
        if staged.begun or _gone(inputs):
            raise OSError(str(error)) from error
        staged.stage.remove()
        raise
    if changed := _changed(inputs):
        staged.stage.remove()
        raise InputError(f"{changed[0]} was changed while it was read; nothing was written: start over")


def _shares(stored: Path) -> dict[str, float]:
    """Where the values of a complete store come from."""
    import zarr

    source = zarr.open_array(stored / "source", mode="r")
    counts = np.zeros(len(Source) + 1, np.int64)
    _, height, width = source.shape
    for window in windows((height, width), SHARES_SIDE):
        counts += np.bincount(np.ravel(source[(slice(None), *window.slices)]), minlength=counts.size)
    return {flag.name.lower(): counts[flag] / counts.sum() for flag in Source if counts[flag]}


Finish = Callable[[Stage], Path]


def _finisher(output: Path) -> Finish:
    """What makes the finished output of a stage, by the output's suffix."""
    known: dict[str, Finish] = {".zarr": lambda stage: stage.filled, ".nc": _finish_netcdf, "": _finish_cogs}
    if output.suffix.lower() not in known:
        raise InputError(
            f"the output {output} ends in '{output.suffix}': name it .zarr, .nc, or without a suffix for a folder of "
            "Cloud-Optimized GeoTIFFs"
        )
    return known[output.suffix.lower()]


def _finish_netcdf(stage: Stage) -> Path:
    target = stage.path / "output.nc"
    finish_netcdf(stage.filled, target)
    return target


def _finish_cogs(stage: Stage) -> Path:
    target = stage.path / "rasters"
    for leftover in (target, stage.path / "scratch"):
        if leftover.exists():
            shutil.rmtree(leftover)
    target.mkdir()
    finish_cogs(stage.filled, target, stage.path / "scratch")
    return target


def _fingerprint(request: FillRequest, cube: xr.Dataset, choice: Choice) -> dict[str, Any]:
    """All that decides what comes out, as JSON values."""
    crs = crs_of(cube)
    files = (*cube.attrs.get("source_files", request.inputs), *files_of_options(request.opening))
    return {
        "version": __version__,
        "input": {name: _state(name) for name in files},
        "cube": {
            "shape": list(cube["reflectance"].shape),
            "dates": [str(date) for date in dates_of(cube)],
            "bands": [band.name for band in bands_of(cube)],
            "crs": None if crs is None else crs.to_wkt(),
            "corner": [float(cube[axis].values[0]) for axis in ("y", "x")],
        },
        "method": choice.filler.name,
        "options": dict(request.options),
        "weights": getattr(choice.filler, "digest", None),
        "opening": {key: str(value) for key, value in request.opening.items()},
        "settings": asdict(request.settings),
        "output": asdict(request.output_format),
        "window": request.window,
    }


def _gone(inputs: Mapping[str, str]) -> list[str]:
    """Local inputs that were there at the beginning and are not any more."""
    return [name for name, state in inputs.items() if state and not _state(name)]


def _changed(inputs: Mapping[str, str]) -> list[str]:
    """Zarr stores that are other than at the beginning. What they lack is read as missing values, without an error."""
    from clearcube.readers.sources import is_url, is_zarr

    local = {name: state for name, state in inputs.items() if not is_url(name) and is_zarr(name)}
    return [name for name, state in local.items() if _state(name) != state]


def _state(name: str) -> str:
    """Size and time of change of a local file or folder; of a remote one nothing."""
    from clearcube.readers.sources import folders_below, is_url

    path = Path(name)
    if is_url(name) or not path.exists():
        return ""
    files = (
        [path] if path.is_file() else [Path(folder, each) for folder, names in folders_below(name) for each in names]
    )
    states = [each.stat() for each in files]
    latest = max((state.st_mtime_ns for state in states), default=0)
    return f"{sum(state.st_size for state in states)} bytes, last changed {np.datetime64(latest, 'ns')}"


def history_line(command: str, cube: xr.Dataset) -> str:
    """A line for this run, before those of the input."""
    from datetime import UTC, datetime

    line = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} clearcube {__version__}: {command}"
    earlier = str(cube.attrs.get("history", ""))
    return f"{line}\n{earlier}" if earlier else line

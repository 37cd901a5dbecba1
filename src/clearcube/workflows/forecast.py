"""Forecasting from files to a file, with nothing half-written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.checksums import sha256_of
from clearcube.cube import Source, bands_of, dates_of, elevation_of, red_and_near_infrared
from clearcube.errors import InputError
from clearcube.filler import Block, Filler, checkpoint_of
from clearcube.forecasting.baselines import Climatology
from clearcube.forecasting.contexts import filled_context
from clearcube.forecasting.episode import Checking, Forecast, check_enough, is_guided, ndvi_of, unfilled
from clearcube.forecasting.registry import make_forecaster
from clearcube.version import __version__
from clearcube.workflows.first_look import warn_without_mask
from clearcube.workflows.places import check_places, files_of_options

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from clearcube.forecasting.episode import Forecaster, Weather
    from clearcube.progress import ReportProgress
    from clearcube.writers.stage import Stage

USUAL_STEP = 5
"""Days between two dates of a forecast where the input does not tell."""

LONGEST_HORIZON = 3660
"""Days; ten years."""


@dataclass(frozen=True)
class ForecastRequest:
    """What `clearcube forecast` was asked for.

    horizon, every : days; every None = the usual step of the input. fill : see `context_fills`.
    opening : keyword arguments of `open_cube`. command : how the run was called, for the output's history.
    """

    inputs: tuple[str, ...]
    output: Path
    horizon: int = 100
    every: int | None = None
    fill: str = "seq2seq"
    model: str = "convlstm"
    weights: str | None = None
    fill_weights: str | None = None
    weather: Path | None = None
    opening: Mapping[str, Any] = field(default_factory=dict)
    overwrite: bool = False
    command: str = "clearcube forecast"


@dataclass(frozen=True)
class ForecastSummary:
    """What was written: number of dates and the last of them; the model and the fill."""

    dates: int
    last: np.datetime64
    model: str
    fill: str


def forecast_files(request: ForecastRequest, progress: ReportProgress) -> ForecastSummary:
    """Forecast the dates after those of the input. The output appears under its name only when it is complete.

    Raises
    ------
    InputError : an input, an option, the weather or the output cannot be used; nothing was written.
    """
    from clearcube.forecasting.run import NONE
    from clearcube.workflows.context_fills import context_filler
    from clearcube.writers.stage import opened

    _check_output(request)
    forecaster = make_forecaster(request.model, weights=request.weights)
    if request.fill == NONE and request.fill_weights:
        raise InputError(f"--fill {NONE} takes no weights; leave --fill-weights out, or choose seq2seq")
    filler = context_filler(request.fill, {"weights": request.fill_weights} if request.fill_weights else {})
    fingerprint = {"command": request.command}
    with opened(request.output, fingerprint, resume=None, overwrite=request.overwrite) as stage:
        try:
            output = _forecast(request, forecaster, filler, progress)
            progress("writing", 0, 1)
            write(output, stage, request.output)
        finally:
            stage.remove()
    progress("writing", 1, 1)
    times = output["time"].values.astype("datetime64[D]")
    return ForecastSummary(len(times), times[-1], forecaster.name, request.fill)


def _forecast(
    request: ForecastRequest, forecaster: Forecaster, filler: Filler | None, progress: ReportProgress
) -> xr.Dataset:
    """Read the input, fill it, forecast what comes after, and put it into a data set."""
    from clearcube.fill_cube.survey import check_reflectance
    from clearcube.forecasting.reading import landcover_of
    from clearcube.forecasting.run import knowing
    from clearcube.readers.open import open_cube

    progress("reading", 0, 1)
    cube = _checked(open_cube(list(request.inputs), **request.opening))
    warn_without_mask(cube)
    target = target_dates(dates_of(cube), request.horizon, request.every)
    weather = _weather(request, forecaster, cube)
    if isinstance(forecaster, Checking):
        forecaster.check(dates_of(cube), target, weather)
    cube = cube.load()
    check_reflectance(cube["reflectance"].values, cube["observed"].values)
    block = _seen(cube, forecaster)
    progress("filling", 0, 1)
    context = filled_context(block, filler)
    progress("forecasting", 0, 1)
    landcover, classes = landcover_of(cube)
    found = knowing(forecaster, classes).forecast(
        context,
        target,
        weather=weather,
        elevation=elevation_of(cube),
        landcover=landcover,
    )
    guided = is_guided(forecaster)
    return forecast_dataset(cube, found, target, _attrs(request, cube, filler, forecaster, guided=guided))


def target_dates(dates: NDArray[np.datetime64], horizon: int, every: int | None) -> NDArray[np.datetime64]:
    """The dates to forecast: regular steps after the last date (T,), up to the horizon, days.

    every : days; None = the median step of the dates.

    Raises
    ------
    InputError : the horizon ends before the first step, or is longer than ten years.

    >>> target_dates(np.array(["2020-01-01", "2020-01-06"], "datetime64[D]"), 11, None)
    array(['2020-01-11', '2020-01-16'], dtype='datetime64[D]')
    """
    steps = np.diff(dates).astype(np.int64)
    step = every or (max(int(np.median(steps)), 1) if len(steps) else USUAL_STEP)
    if max(horizon, step) > LONGEST_HORIZON:
        raise InputError(
            f"--horizon {horizon}d, in steps of {step} days, is longer than {LONGEST_HORIZON} days; no model can "
            "forecast that far ahead: shorten it"
        )
    if horizon < step:
        raise InputError(f"--horizon {horizon}d ends before the first step of {step} days; raise it or lower --every")
    return np.asarray(dates[-1] + np.arange(step, horizon + 1, step), "datetime64[D]")


def forecast_dataset(
    cube: xr.Dataset, forecast: Forecast, target: NDArray[np.datetime64], attrs: Mapping[str, Any]
) -> xr.Dataset:
    """The forecast with CF attributes: `ndvi`, `ndvi_std`, `source`, and the lead time of each date in days."""
    import xarray as xr

    from clearcube.cube import OBSERVED_DIMS
    from clearcube.writers.cf import annotated

    leads = (target - dates_of(cube)[-1]).astype(np.int32)
    known = np.isfinite(forecast.mean)
    source = np.where(known, np.uint8(Source.FORECAST), np.uint8(Source.UNFILLED))
    place = {name: cube.coords[name] for name in ("y", "x", "spatial_ref") if name in cube.coords}
    period = {
        "standard_name": "forecast_period",
        "long_name": "days since the last date of the context",
        "units": "days",
    }
    reference = {"standard_name": "forecast_reference_time", "long_name": "last date of the context"}
    output = xr.Dataset(
        {
            "ndvi": (OBSERVED_DIMS, forecast.mean),
            "ndvi_std": (OBSERVED_DIMS, forecast.std),
            "source": (OBSERVED_DIMS, source),
        },
        {
            "time": target.astype("datetime64[ns]"),
            "lead_time": ("time", leads, period),
            "forecast_reference_time": ((), dates_of(cube)[-1].astype("datetime64[ns]"), reference),
            **place,
        },
    )
    output = annotated(output, dict(attrs))
    output["ndvi"].attrs |= {"long_name": "forecast of NDVI", "ancillary_variables": "ndvi_std source"}
    output["ndvi_std"].attrs["long_name"] = "one standard deviation of the error of the forecast of NDVI"
    return output


def write(output: xr.Dataset, stage: Stage, target: Path) -> None:
    """Write Zarr or NetCDF by way of a stage."""
    from clearcube.tiling import Window
    from clearcube.writers.encoding import OutputFormat
    from clearcube.writers.stores import OutputStore, create_store, finish_netcdf

    form = OutputFormat()
    height, width = output.sizes["y"], output.sizes["x"]
    empty = {str(name): variable.variable.chunk() for name, variable in output.data_vars.items()}
    create_store(output.assign(empty), stage.filled, form, max(height, width))
    store = OutputStore.opened(stage.filled, form, ())
    values = {name: output[name].values for name in ("ndvi", "ndvi_std", "source")}
    store.write(Window(0, height, 0, width), values)
    finished = stage.filled
    if target.suffix.lower() == ".nc":
        finished = stage.path / "output.nc"
        finish_netcdf(stage.filled, finished)
    stage.publish(finished, target)


def _checked(cube: xr.Dataset) -> xr.Dataset:
    """The cube, if something can be forecast from it."""
    red_and_near_infrared([band.name for band in bands_of(cube)])
    check_enough(cube.sizes["time"])
    return cube


def _seen(cube: xr.Dataset, forecaster: Forecaster) -> Block:
    """The cube in memory, if anything is observed or the model needs no observation."""
    dates = dates_of(cube)
    block = Block(cube["reflectance"].values, cube["observed"].values, dates, bands_of(cube))
    if not isinstance(forecaster, Climatology):
        bare = unfilled(block)
        if not np.isfinite(ndvi_of(bare.reflectance, bare.bands)).any():
            raise InputError(
                f"nothing is observed in the input, {dates[0]} to {dates[-1]}; give other dates or another mask, or "
                "use the model climatology, which needs no observation"
            )
    return block


def _weather(request: ForecastRequest, forecaster: Forecaster, cube: xr.Dataset) -> Weather | None:
    """The weather for a guided model: the user's, else what comes with the input."""
    from clearcube.forecasting.reading import read_weather
    from clearcube.forecasting.weather_table import read_weather_table

    guided = is_guided(forecaster)
    if request.weather is not None:
        if not guided:
            raise InputError(
                f"the model '{request.model}' with these weights does not use weather; leave --weather out"
            )
        return read_weather_table(request.weather)
    return read_weather(list(cube.attrs.get("source_files", request.inputs)), cube) if guided else None


def _attrs(
    request: ForecastRequest, cube: xr.Dataset, filler: Filler | None, forecaster: Forecaster, *, guided: bool
) -> dict[str, Any]:
    """What the output says of itself."""
    from clearcube.workflows.fill import history_line

    dates = dates_of(cube)
    kept = {key: value for key, value in cube.attrs.items() if isinstance(value, str | int | float | list)}
    of_weights = {"weights_sha256": checkpoint_of(forecaster), "fill_weights_sha256": checkpoint_of(filler)}
    return kept | {
        "title": "forecast of vegetation greenness",
        "clearcube_version": __version__,
        "model": forecaster.name,
        "guided": "by the weather of the days to forecast" if guided else "no: nothing after the context is known",
        "fill": request.fill,
        "context_dates": f"{dates[0]} to {dates[-1]}, {len(dates)} dates",
        "history": history_line(request.command, cube),
        **{name: sha256_of(path) for name, path in of_weights.items() if path is not None},
    }


def _check_output(request: ForecastRequest) -> None:
    """Refuse an output of another kind, or one that is in the way."""
    output = request.output
    if output.suffix.lower() not in (".zarr", ".nc"):
        raise InputError(f"the output {output} ends in '{output.suffix}': name it .zarr or .nc")
    weather = [] if request.weather is None else [os.fspath(request.weather)]
    files = [*files_of_options(request.opening), *weather]
    check_places(output, request.inputs, files, overwrite=request.overwrite)

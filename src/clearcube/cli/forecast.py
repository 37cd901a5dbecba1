"""`clearcube forecast` and `clearcube train-forecast`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from clearcube.cli import options as o
from clearcube.cli.display import progress
from clearcube.cli.doorway import explained
from clearcube.cli.train import Config

READING = (*o.READING, "landcover")

Horizon = Annotated[str, typer.Option("--horizon", help="Days to look ahead; the network was trained on 100.")]
Step = Annotated[
    str | None, typer.Option("--every", help="Days between two dates of the forecast; by default as in INPUT.")
]
Fill = Annotated[
    str,
    typer.Option(
        "--fill",
        help="How INPUT is filled first: a method of 'fill', or none. seq2seq replaces observations that it takes for "
        "contaminated; seq2seq-kept keeps them.",
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "--model", "-m", help="convlstm, convlstm-guided (by weather), persistence, climatology, seasonal or harmonic."
    ),
]
Weights = Annotated[str | None, typer.Option("--weights", help="convlstm: checkpoint instead of the embedded one.")]
FillWeights = Annotated[str | None, typer.Option("--fill-weights", help="Checkpoint of the fill seq2seq.")]
Weather = Annotated[
    Path | None,
    typer.Option("--weather", help="CSV with date, temperature, precipitation, radiation; for guided weights."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace OUTPUT.")]


def forecast(
    inputs: o.Inputs,
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="OUT.zarr or OUT.nc.")],
    horizon: Horizon = "100d",
    every: Step = None,
    fill: Fill = "seq2seq",
    model: Model = "convlstm",
    weights: Weights = None,
    fill_weights: FillWeights = None,
    weather: Weather = None,
    format: o.Format = None,
    bands: o.Bands = None,
    bbox: o.Bbox = None,
    time: o.Time = None,
    mask: o.Mask = None,
    scl_keep: o.SclKeep = None,
    max_cloud_probability: o.MaxProbability = None,
    dilate: o.Dilate = 0,
    scale: o.Scale = None,
    offset: o.Offset = None,
    nodata: o.Nodata = None,
    landcover: o.Landcover = None,
    overwrite: Overwrite = False,
    quiet: o.Quiet = False,
) -> None:
    """Forecast NDVI and its standard deviation for the dates after those of INPUT.

    INPUT is filled first. OUTPUT holds ndvi, ndvi_std and source, with the lead time of each date in days.
    """
    given = dict(locals())
    with explained(), progress(quiet) as report:
        from clearcube.durations import parse_days
        from clearcube.workflows.forecast import ForecastRequest, forecast_files

        request = ForecastRequest(
            inputs=tuple(inputs),
            output=output,
            horizon=parse_days(horizon, "--horizon", at_least=1),
            every=None if every is None else parse_days(every, "--every", at_least=1),
            fill=fill,
            model=model,
            weights=weights,
            fill_weights=fill_weights,
            weather=weather,
            opening=o.opening(**{name: given[name] for name in READING}),
            overwrite=overwrite,
            command=o.command_line(),
        )
        done = forecast_files(request, report)
    if not quiet:
        typer.echo(f"{output}: {done.dates} dates up to {done.last}, model {done.model}, context filled by {done.fill}")


def train_forecast(
    config: Config,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last saved state.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start over where the output holds a run.")] = False,
    quiet: o.Quiet = False,
) -> None:
    """Train the network that forecasts, on simulated places and on your own cubes."""
    since = time.time() if overwrite and not resume else 0.0
    with explained(kept=lambda: _saved_state(config, since)):
        from clearcube.workflows.train_forecast import train_forecaster

        report = (lambda record: None) if quiet else _show
        folder = train_forecaster(config, report, resume=resume, overwrite=overwrite)
    if not quiet:
        best = ", the best ones in best.safetensors" if (folder / "best.safetensors").is_file() else ""
        typer.echo(f"{folder}: weights are in last.safetensors{best}")


def _saved_state(config: Path, since: float) -> Path | None:
    """What a run that was stopped has left."""
    if "clearcube.forecasting.training" not in sys.modules:  # nothing had begun, and libraries may be half imported
        return None
    from clearcube.workflows.train_forecast import state_to_resume

    return state_to_resume(config, since)


def _show(record: dict[str, Any]) -> None:
    """A record of the log as one line."""
    if "episodes" in record:
        typer.echo(f"episodes {record['episodes']} of {record['of']}")
        return
    group = "loss" if "loss" in record else "rmse"
    values = "  ".join(f"{name} {value:.4f}" for name, value in record[group].items())
    typer.echo(f"step {record['step']}  {record['seconds']:.0f} s  {group}  {values}")

"""`clearcube evaluate-forecast`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clearcube.cli import options as o
from clearcube.cli.display import progress
from clearcube.cli.doorway import explained
from clearcube.cli.evaluate import FAILED, READING, kept_in, names_in

Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[INPUT...]",
        help="Cubes of 30 dates or more, 10 to look at and 20 to forecast, up to 100 days ahead; an EarthNet context "
        "goes with its target.",
    ),
]
Out = Annotated[Path, typer.Option("--out", help="Folder for the results; an earlier run in it is continued.")]
Fills = Annotated[
    str, typer.Option("--fills", help="Fills of the context, with commas between: none, any method, seq2seq-kept.")
]
Models = Annotated[str, typer.Option("--models", help="Models that forecast, with commas between.")]
Simulated = Annotated[
    int, typer.Option("--simulated", help="Number of simulated cubes beside, of places that never trained.")
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the first simulated cube.")]
Size = Annotated[int, typer.Option("--size", help="Pixels per side of simulated cubes.")]
FillWeights = Annotated[str | None, typer.Option("--fill-weights", help="Checkpoint of the fill seq2seq.")]
Weights = Annotated[str | None, typer.Option("--weights", help="Checkpoint of the model convlstm.")]
Workers = Annotated[int | None, typer.Option("--workers", help="Cubes at once; by default one for each core.")]


def evaluate_forecast(
    out: Out,
    inputs: Inputs = None,
    fills: Fills = "none,last,linear,whittaker,seq2seq",
    models: Models = "persistence,climatology,harmonic,convlstm",
    simulated: Simulated = 0,
    seed: Seed = 0,
    size: Size = 128,
    fill_weights: FillWeights = None,
    weights: Weights = None,
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
    workers: Workers = None,
    quiet: o.Quiet = False,
) -> None:
    """Forecast NDVI from contexts filled in several ways, and say what filling is good for.

    Results are in OUT: report.html and report.md to read, summary.csv and scores.parquet to compute with, forecast.png.
    Models are convlstm, convlstm-guided, persistence, climatology, seasonal and harmonic. The same command continues an
    interrupted run.
    """
    given = dict(locals())
    with explained(kept=lambda: kept_in(out), option=""), progress(quiet) as show:
        from clearcube.workflows.evaluate_forecast import ForecastEvaluationRequest, evaluate_forecasts

        request = ForecastEvaluationRequest(
            out=out,
            inputs=tuple(inputs or ()),
            fills=names_in(fills, "--fills"),
            models=names_in(models, "--models"),
            simulated=simulated,
            seed=seed,
            size=size,
            fill_weights=fill_weights,
            model_weights=weights,
            opening=o.opening(**{name: given[name] for name in READING}),
            workers=workers,
            command=o.command_line(),
        )
        found = evaluate_forecasts(request, show)
    if not quiet:
        typer.echo(f"{out}/report.md: {len(found.cubes)} cubes, {len(found.failures)} failures")
    if found.failures:
        cube, model, fill, message = found.failures[0]
        typer.echo(f"failed: {model} on {cube}, filled by {fill}: {message}", err=True)
        raise typer.Exit(FAILED)
    if not found.outcomes:
        cube, model, fill, message = found.left_out[0]
        typer.echo(f"nothing could be scored: {model} on {cube}, filled by {fill}: {message}", err=True)
        raise typer.Exit(FAILED)

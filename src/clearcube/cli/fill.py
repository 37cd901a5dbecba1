"""`clearcube fill`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from clearcube.cli import options as o
from clearcube.cli.display import progress
from clearcube.cli.doorway import explained
from clearcube.errors import InputError

METHOD_OPTIONS = ("smoothness", "terms", "modes", "weights")
READING = (*o.READING, "landcover", "every", "dates")

Method = Annotated[
    str,
    typer.Option("--method", "-m", help="See 'clearcube methods'; auto = seq2seq where it can, else linear."),
]
MaxGap = Annotated[str | None, typer.Option("--max-gap", help="Leave gaps longer than this unfilled: 60d.")]
MaxExtrapolation = Annotated[
    str | None,
    typer.Option(
        "--max-extrapolation",
        help="Longest gap that is filled at the beginning or end of a series; by default as --max-gap.",
    ),
]
InventDistance = Annotated[
    int,
    typer.Option(
        "--invent-distance", help="Fill never-observed pixels from filled ones at most this many pixels away."
    ),
]
Smooth = Annotated[
    bool,
    typer.Option("--smooth", help="Replace observed values by the smooth curve too (whittaker, harmonic, dineof)."),
]
Denoise = Annotated[
    bool, typer.Option("--denoise", help="seq2seq: replace observed values that it takes for cloud, haze or shadow.")
]
Smoothness = Annotated[
    float | None,
    typer.Option("--smoothness", help="whittaker: its parameter, days to the third power; by default measured."),
]
Terms = Annotated[
    int | None, typer.Option("--terms", help="harmonic: number of harmonics of the year, 0 to 6; by default 2.")
]
Modes = Annotated[int | None, typer.Option("--modes", help="dineof: number of modes; by default measured.")]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        help="Checkpoint: a .safetensors of clearcube, the name of one that ships, or the authors' GANFilling.pt or "
        "utilise_*.pth. The file says which network it is.",
    ),
]
Adapt = Annotated[
    bool, typer.Option("--adapt", help="seq2seq: first train on this cube for about a minute, by hiding observations.")
]
AdaptSteps = Annotated[
    int | None, typer.Option("--adapt-steps", help="Steps of that training, 200 by default; implies --adapt.")
]
Ndvi = Annotated[bool, typer.Option("--ndvi", help="Add NDVI and its std.")]
Contamination = Annotated[
    bool,
    typer.Option("--contamination", help="seq2seq: add the probability that an observed pixel is cloud or shadow."),
]
Layout = Annotated[str, typer.Option("--layout", help="cube = one variable, bands = one variable for each band.")]
Dtype = Annotated[str, typer.Option("--dtype", help="float32, or int16 with scale 1e-4.")]
ZarrFormat = Annotated[int, typer.Option("--zarr-format", help="2 (which GDAL reads) or 3.")]
WindowSize = Annotated[int, typer.Option("--window", help="Pixels per side that are filled at once.")]
Scheduler = Annotated[str, typer.Option("--scheduler", help="threads, or a running dask scheduler: tcp://HOST:PORT.")]
Threads = Annotated[int | None, typer.Option("--workers", help="Threads; by default one for each core.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue an interrupted run of the same command.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace OUTPUT, or an unfinished run of it.")]


def fill(
    inputs: o.Inputs,
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="OUT.zarr, OUT.nc, or a folder for GeoTIFFs.")],
    method: Method = "auto",
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
    every: o.Every = None,
    dates: o.Dates = None,
    max_gap: MaxGap = None,
    max_extrapolation: MaxExtrapolation = None,
    invent_distance: InventDistance = 32,
    smooth: Smooth = False,
    denoise: Denoise = False,
    smoothness: Smoothness = None,
    terms: Terms = None,
    modes: Modes = None,
    weights: Weights = None,
    adapt: Adapt = False,
    adapt_steps: AdaptSteps = None,
    ndvi: Ndvi = False,
    contamination: Contamination = False,
    layout: Layout = "cube",
    dtype: Dtype = "float32",
    zarr_format: ZarrFormat = 2,
    window: WindowSize = 256,
    scheduler: Scheduler = "threads",
    workers: Threads = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    quiet: o.Quiet = False,
) -> None:
    """Fill every pixel at every date and write the complete cube.

    OUTPUT holds reflectance, its standard deviation, the source of each value, and the days to the nearest observation.
    Observed values are kept bit for bit, unless --smooth or --denoise replace them.
    """
    given = dict(locals())
    with explained(output), progress(quiet) as report:
        from clearcube.workflows.fill import fill_files

        done = fill_files(_request(given), report)
    if not quiet:
        times, count, height, width = done.shape
        what = f"{times} dates x {count} bands x {height} x {width} pixels"
        typer.echo(f"{output}: {what}, method {done.method} ({done.reason})")
        typer.echo(", ".join(f"{name} {100 * share:.1f} %" for name, share in done.shares.items()))


def _request(given: dict[str, Any]) -> Any:
    """The request of a workflow from the command line's values by name."""
    from clearcube.durations import parse_optional_days
    from clearcube.fill_cube import FillSettings, Workers
    from clearcube.workflows.fill import FillRequest
    from clearcube.writers.encoding import OutputFormat

    return FillRequest(
        inputs=tuple(given["inputs"]),
        output=given["output"],
        method=given["method"],
        opening=o.opening(**{name: given[name] for name in READING}),
        options=_method_options(given),
        settings=FillSettings(
            parse_optional_days(given["max_gap"], "--max-gap"),
            parse_optional_days(given["max_extrapolation"], "--max-extrapolation"),
            given["invent_distance"],
            given["smooth"],
            given["denoise"],
            given["ndvi"],
            given["contamination"],
        ),
        output_format=OutputFormat(given["layout"], given["dtype"], given["zarr_format"]),
        window=given["window"],
        workers=Workers(given["scheduler"], given["workers"]),
        resume=given["resume"],
        overwrite=given["overwrite"],
        command=o.command_line(),
    )


def _method_options(given: dict[str, Any]) -> dict[str, Any]:
    """The options of the method that were given."""
    steps = given["adapt_steps"]
    if steps is not None and steps < 1:
        raise InputError(f"--adapt-steps is {steps}; it must be at least 1")
    options = {name: given[name] for name in METHOD_OPTIONS if given[name] is not None}
    return options | ({"adapt": steps or True} if given["adapt"] or steps else {})

"""`clearcube simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from clearcube.cli.display import progress
from clearcube.cli.doorway import explained
from clearcube.cli.options import Quiet


def simulate(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder for the scenes.")],
    number: Annotated[int, typer.Option("--number", "-n", help="How many scenes.")] = 100,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same scenes.")] = 0,
    size: Annotated[int, typer.Option("--size", help="Pixels along the sides.")] = 128,
    dates: Annotated[int, typer.Option("--dates", help="Dates of each scene.")] = 30,
    bands: Annotated[
        str, typer.Option("--bands", help="sentinel2-four, sentinel2-ten, landsat-seven, ..., or blue,green,...")
    ] = "sentinel2-four",
    format: Annotated[str, typer.Option("--format", help="netcdf or zarr.")] = "netcdf",
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an earlier run of the same ended.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUTPUT, or an unfinished run.")] = False,
    quiet: Quiet = False,
) -> None:
    """Simulate cloudy scenes whose truth is known.

    OUTPUT gets scene_0000.nc and so on, cubes as a sensor might deliver them, and in OUTPUT/truth files of the same
    names with what a clear sky would have shown: clearcube score FILLED OUTPUT/truth/scene_0000.nc
    """
    given: dict[str, Any] = dict(locals())
    with explained(output), progress(given.pop("quiet")) as report:
        from clearcube.workflows.simulate import SimulationRequest, simulate_files

        given["bands"] = tuple(name.strip() for name in bands.split(",") if name.strip())
        written = simulate_files(SimulationRequest(**given), report)
    if not quiet:
        typer.echo(
            f"{output}: {len(written)} scenes of {dates} dates x {size} x {size} pixels, truths in {output}/truth"
        )

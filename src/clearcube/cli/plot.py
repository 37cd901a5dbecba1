"""`clearcube plot`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clearcube.cli.doorway import explained


def plot(
    filled: Annotated[str, typer.Argument(metavar="FILLED", help="What 'clearcube fill' wrote.")],
    figure: Annotated[Path, typer.Argument(metavar="FIGURE", help="PNG, PDF or SVG to write.")],
    source: Annotated[list[str] | None, typer.Option("--input", help="The input, to be shown beside.")] = None,
    dates: Annotated[int, typer.Option("--dates", help="Number of dates shown, spread over the series.")] = 10,
    scale: Annotated[float | None, typer.Option("--scale", help="Scale of the input, as given to 'fill'.")] = None,
    offset: Annotated[float | None, typer.Option("--offset", help="Offset of the input, as given to 'fill'.")] = None,
    mask: Annotated[str | None, typer.Option("--mask", help="Mask of the input, as given to 'fill'.")] = None,
) -> None:
    """Draw dates by input, filled, NDVI and where each value comes from."""
    with explained():
        from clearcube.workflows.plot import plot_filled

        plot_filled(filled, figure, source or [], dates, {"scale": scale, "offset": offset, "mask": mask})
    typer.echo(str(figure))

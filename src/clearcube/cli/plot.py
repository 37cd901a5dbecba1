"""`clearcube plot`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clearcube.cli import options as o
from clearcube.cli.doorway import explained


def plot(
    filled: Annotated[str, typer.Argument(metavar="FILLED", help="What 'clearcube fill' wrote.")],
    figure: Annotated[Path, typer.Argument(metavar="FIGURE", help="PNG, PDF or SVG to write.")],
    source: Annotated[list[str] | None, typer.Option("--input", help="The input, to be shown beside.")] = None,
    dates: Annotated[int, typer.Option("--dates", help="Number of dates shown, spread over the series.")] = 10,
    format: o.Format = None,
    bands: o.Bands = None,
    bbox: o.Bbox = None,
    mask: o.Mask = None,
    scale: o.Scale = None,
    offset: o.Offset = None,
    nodata: o.Nodata = None,
) -> None:
    """Draw dates by input, filled, NDVI and where each value comes from.

    What was said of the input when it was filled is said again: --mask, --scale, --bands and so on.
    """
    with explained():
        from clearcube.workflows.plot import plot_filled

        opening = o.opening(format=format, bands=bands, bbox=bbox, mask=mask, scale=scale, offset=offset, nodata=nodata)
        plot_filled(filled, figure, source or [], dates, opening)
    typer.echo(str(figure))

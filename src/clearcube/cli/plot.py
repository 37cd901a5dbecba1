"""`clearcube plot`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clearcube.cli import options as o
from clearcube.cli.doorway import explained
from clearcube.errors import InputError

FIGURES = (".png", ".pdf", ".svg")


def plot(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="FILLED... FIGURE",
            help="What 'clearcube fill' wrote (scores, calibration: what 'clearcube evaluate' wrote), and the PNG, PDF "
            "or SVG to write.",
        ),
    ],
    style: Annotated[
        str, typer.Option("--style", help="dates, sequence, pixel, scores or calibration.", metavar="NAME")
    ] = "dates",
    source: Annotated[
        list[str] | None,
        typer.Option("--input", help="The input, to be shown beside; repeatable.", metavar="INPUT..."),
    ] = None,
    at: Annotated[str | None, typer.Option("--at", help="Pixel, in coordinates of the cube: X,Y.")] = None,
    dates: Annotated[int, typer.Option("--dates", help="Number of dates shown, spread over the series.")] = 10,
    landcover: Annotated[
        list[str] | None, typer.Option("--landcover", help="File with the land cover, one for each FILLED.")
    ] = None,
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
) -> None:
    """Draw what was filled, or what an evaluation found.

    dates: input, filled, NDVI and where each value comes from. sequence: for print, with land cover and gaps outlined,
    one FILLED below the other. pixel: the series of a pixel with its interval. scores: PSNR by gap length and against
    a perceptual score. calibration: reliability and sparsification.

    Give the same reading options (--mask, --scale, --bands, ...) as when the input was filled.
    """
    given = dict(locals())
    with explained():
        filled, figure, inputs = in_order(paths, source or [])
        from clearcube.workflows.plot import PlotRequest, plot_files

        place = None if at is None else o.numbers(at, float, "--at", "X,Y")
        if place is not None and len(place) != 2:
            raise InputError(f"--at has {len(place)} numbers; give two: X,Y")
        opening = o.opening(**{name: given[name] for name in o.READING})
        request = PlotRequest(
            sources=tuple(filled),
            figure=figure,
            style=style,
            inputs=tuple(inputs),
            landcover=tuple(landcover or ()),
            at=place,
            dates=dates,
            opening=opening,
        )
        plot_files(request)
    typer.echo(str(figure))


def in_order(paths: list[str], inputs: list[str]) -> tuple[list[str], Path, list[str]]:
    """What is filled, the figure, and the inputs: with `--input A B` the shell's B comes after the figure.

    >>> in_order(["a.nc", "b.nc", "f.pdf", "y.nc"], ["x.nc"])
    (['a.nc', 'b.nc'], PosixPath('f.pdf'), ['x.nc', 'y.nc'])
    """
    figures = [i for i, path in enumerate(paths) if path.lower().endswith(FIGURES)]
    last = figures[0] if figures and inputs else len(paths) - 1
    if last < 1:
        raise InputError("give what was filled and, behind it, the figure to write: FILLED... FIGURE")
    return paths[:last], Path(paths[last]), [*inputs, *paths[last + 1 :]]

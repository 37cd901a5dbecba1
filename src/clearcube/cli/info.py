"""`clearcube info` and `clearcube methods`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from clearcube.cli import options as o
from clearcube.cli.display import bar
from clearcube.cli.doorway import explained

if TYPE_CHECKING:
    from clearcube.workflows.info import CubeInfo


def info(
    inputs: o.Inputs,
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
) -> None:
    """Say what an input holds: dates, bands, place, and how much of it was seen."""
    given = dict(locals())
    with explained():
        from clearcube.workflows.info import describe

        found = describe(given.pop("inputs"), o.opening(**given))
        typer.echo("\n".join(_lines(found)))


def methods() -> None:
    """List the methods that fill."""
    from rich.console import Console
    from rich.table import Table

    from clearcube.methods import METHODS
    from clearcube.network_filler import NETWORKS

    table = Table("name", "what it does", "needs", "uncertainty", "halo")
    for method in (*METHODS.values(), *NETWORKS.values()):
        table.add_row(method.name, method.summary, method.needs, method.uncertainty, f"{method.halo} px")
    Console().print(table)


def _lines(found: CubeInfo) -> list[str]:
    """The description as lines of text."""
    times, count, height, width = found.shape
    left, bottom, right, top = found.bounds
    step_y, step_x = found.resolution
    bands = ", ".join(
        f"{band.name} ({band.wavelength:.0f} nm)" if band.wavelength == band.wavelength else band.name
        for band in found.bands
    )
    lines = [
        f"format   {found.source_format}",
        f"shape    {times} dates x {count} bands x {height} x {width} pixels of {step_x:g} x {step_y:g}",
        f"bands    {bands}",
        f"dates    {found.dates[0]} to {found.dates[-1]}",
        f"CRS      {found.crs or 'none'}",
        f"bounds   left {left:.10g}, bottom {bottom:.10g}, right {right:.10g}, top {top:.10g}",
        f"mask     {found.mask}",
        f"values   {found.values}",
        "",
        "clear share by date",
    ]
    lines += [f"  {date}  {bar(s)} {100 * s:5.1f} %" for date, s in zip(found.dates, found.clear_share, strict=True)]
    lines += [
        "",
        f"clear in all {100 * found.clear_share.mean():.1f} %, never seen {100 * found.never_share:.1f} % of pixels",
    ]
    lines += ["", "missing values by gap length (days between the observations on either side)"]
    lines += [f"  {name:>9}  {bar(share)} {100 * share:5.1f} %" for name, share in found.gap_share.items()]
    return lines

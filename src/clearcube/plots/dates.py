"""The figure of one filled cube: dates by input, filled, NDVI and where each value comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearcube.cube import dates_of
from clearcube.plots import flags
from clearcube.plots.canvas import in_style
from clearcube.plots.panels import legend_below
from clearcube.plots.rows import GAP, LEFT, RIGHT, Shown, draw_rows, rows_height, source_row
from clearcube.plots.sheet import Sheet

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

PANEL = 1.2
"""Width of a panel in inches."""
FOOT = 0.3


@in_style
def dates_figure(filled: xr.Dataset, cube: xr.Dataset | None, dates: int = 10) -> Figure:
    """Columns of dates; rows: the input (where given) with its gaps outlined, filled, NDVI (where the bands allow),
    source.

    Parameters
    ----------
    filled : what `clearcube.fill` gives. cube : the input on the same grid; its dates may differ.
    dates : number of dates shown, spread over the series.

    Raises
    ------
    InputError : the input shows other pixels, dates or bands.
    """
    shown = Shown.of(filled, cube, dates)
    rows = [*shown.rows(), source_row(shown.chosen)]
    columns = shown.chosen.sizes["time"]
    height = rows_height(len(rows), PANEL, shown.frame)
    sheet = Sheet.sized(LEFT + max(columns, 3) * (PANEL + GAP) + RIGHT, height + FOOT)
    draw_rows(sheet, (0, 0.02), PANEL, shown.frame, rows, [str(date) for date in dates_of(shown.chosen)])
    legend_below(sheet.figure, flags.patches(shown.chosen["source"].values), gaps=shown.gaps, holes=shown.holes)
    return sheet.figure

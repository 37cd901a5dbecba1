"""The figure of one filled cube: dates by input, filled, NDVI and where each value comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearcube.cube import dates_of
from clearcube.plots import flags
from clearcube.plots.canvas import in_style
from clearcube.plots.panels import Legend
from clearcube.plots.rows import GAP, LEFT, RIGHT, Shown, draw_rows, rows_height, source_row
from clearcube.plots.sheet import Sheet

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

PANEL = 1.2
"""Width of a panel in inches."""


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
    legend = Legend.of(flags.patches(shown.chosen["source"].values), gaps=shown.gaps, holes=shown.holes)
    width = LEFT + max(columns, 3) * (PANEL + GAP) + RIGHT
    sheet = Sheet.sized(width, height + legend.height(width))
    draw_rows(sheet, (0, 0.02), PANEL, shown.frame, rows, [str(date) for date in dates_of(shown.chosen)])
    legend.draw(sheet.figure)
    return sheet.figure

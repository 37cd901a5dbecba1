"""The figure of a forecast: context, how it was filled, what was forecast and what came, and the error by horizon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.errors import InputError
from clearcube.plots.canvas import in_style, line_styles
from clearcube.plots.panels import NDVI_STYLE, NDVI_TICKS, Legend, outline_gaps
from clearcube.plots.pictures import day_labels, spread_dates
from clearcube.plots.rows import GAP, LEFT, RIGHT, TITLE, Row, draw_rows, rows_height
from clearcube.plots.sheet import Sheet, panel_height

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

PANEL = 0.6
CONTEXT, HORIZONS = 5, 6
"""Most dates of the context, and of the forecast, that are shown."""
BETWEEN = 0.15
TOP = 0.02
ERRORS = 1.6
"""Height that the error by horizon needs, in inches."""
ERROR_STYLE: dict[str, Any] = {"cmap": "cividis_r", "vmin": 0.0, "vmax": 0.3}
ERROR_TICKS = (0.0, 0.1, 0.2, 0.3)
PERSISTENCE = "last filled date"


@dataclass(frozen=True)
class ForecastShown:
    """A forecast of NDVI with what it was made from and what came.

    dates : (Tc,) datetime64[D] of the context. context : (Tc, H, W) NDVI, NaN where not observed. filled : the same,
    filled. target_dates : (Th,) after the context. forecast, std : (Th, H, W). truth : (Th, H, W), NaN where not
    clear. `std` and `truth` are None where they are not known.
    """

    dates: NDArray[np.datetime64]
    context: Floats
    filled: Floats
    target_dates: NDArray[np.datetime64]
    forecast: Floats
    std: Floats | None = None
    truth: Floats | None = None

    @property
    def lead(self) -> NDArray[np.int64]:
        """Days from the last date of the context, (Th,)."""
        days: NDArray[np.int64] = (self.target_dates - self.dates[-1]).astype("timedelta64[D]").astype(np.int64)
        return days

    @property
    def frame(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.context.shape[1], self.context.shape[2]

    def check(self) -> None:
        """Refuse arrays that do not go together.

        Raises
        ------
        InputError : a shape does not fit the dates and the frame; no dates, or target dates within the context.
        """
        wanted = {name: (len(self.dates), *self.frame) for name in ("context", "filled")}
        wanted |= {name: (len(self.target_dates), *self.frame) for name in ("forecast", "std", "truth")}
        for name, shape in wanted.items():
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise InputError(f"{name} has the shape {array.shape}; with these dates and frame it must be {shape}")
        if not len(self.dates) or not len(self.target_dates) or self.lead[0] <= 0:
            raise InputError("a forecast needs dates of a context, and target dates after the last of them")


@in_style
def forecast_figure(shown: ForecastShown) -> Figure:
    """Left: NDVI of the context, gaps outlined, and filled; below, the error by horizon. Right: the forecast, what
    came, their distance and the std that was forecast.

    Raises
    ------
    InputError : arrays that should go together do not.
    """
    shown.check()
    past, coming = spread_dates(len(shown.dates), CONTEXT), spread_dates(len(shown.target_dates), HORIZONS)
    left, right = _context_rows(shown, past), _forecast_rows(shown, coming)
    middle = LEFT + max(len(past), 3) * (PANEL + GAP) + BETWEEN
    below = rows_height(len(left), PANEL, shown.frame)
    height = max(below + (ERRORS if shown.truth is not None else 0.0), rows_height(len(right), PANEL, shown.frame))
    width = middle + LEFT + max(len(coming), 2) * (PANEL + GAP) + RIGHT
    pictures = [picture for row in (*left, *right) for picture in row.pictures]
    gaps, holes = bool(np.isnan(shown.context[past]).any()), any(not np.isfinite(each).all() for each in pictures)
    legend = Legend.of([], gaps=gaps, holes=holes)
    sheet = Sheet.sized(width, TOP + height + legend.height(width))
    draw_rows(sheet, (0, TOP), PANEL, shown.frame, left, day_labels(shown.dates[past]))
    draw_rows(sheet, (middle, TOP), PANEL, shown.frame, right, [f"+{days} d" for days in shown.lead[coming]])
    if shown.truth is not None:
        top = TOP + TITLE + 2 * (panel_height(PANEL, shown.frame) + GAP) + 0.12
        _draw_errors(sheet.panel(LEFT + 0.1, top, middle - LEFT - BETWEEN - 0.15, TOP + height - top - 0.35), shown)
    legend.draw(sheet.figure)
    return sheet.figure


def _context_rows(shown: ForecastShown, past: NDArray[np.int64]) -> list[Row]:
    context = shown.context[past]

    def over(axis: Axes, t: int) -> None:
        outline_gaps(axis, np.isfinite(context[t]))

    return [
        Row("context\nNDVI", list(context), NDVI_STYLE, over=over),
        Row("filled", list(shown.filled[past]), NDVI_STYLE),
    ]


def _forecast_rows(shown: ForecastShown, coming: NDArray[np.int64]) -> list[Row]:
    rows = [Row("forecast\nNDVI", list(shown.forecast[coming]), NDVI_STYLE, NDVI_TICKS)]
    if shown.truth is not None:
        rows.append(Row("truth", list(shown.truth[coming]), NDVI_STYLE))
        rows.append(Row("|error|", list(np.abs(shown.forecast - shown.truth)[coming]), ERROR_STYLE, ERROR_TICKS))
    if shown.std is not None:
        ticks = ERROR_TICKS if shown.truth is None else ()
        rows.append(Row("std", list(shown.std[coming]), ERROR_STYLE, ticks))
    return rows


def _draw_errors(axis: Axes, shown: ForecastShown) -> None:
    """RMSE by lead time, of the forecast and of the last filled date kept; the error that std promises."""
    assert shown.truth is not None
    lines = {"forecast": shown.forecast - shown.truth, PERSISTENCE: shown.filled[-1] - shown.truth}
    if shown.std is not None:
        lines["std of the forecast"] = np.where(np.isfinite(shown.truth), shown.std, np.nan)
    styles = line_styles(list(lines))
    for name, values in lines.items():
        axis.plot(shown.lead, by_date(values), label=name, **styles[name] | {"markersize": 3})
    axis.set(xlabel="lead time (days)", ylabel="RMSE of NDVI")
    axis.set_ylim(bottom=0)
    axis.grid(linewidth=0.4, color="0.88")
    axis.legend(loc="best", handlelength=2.6, labelspacing=0.2)


def by_date(errors: Floats) -> NDArray[np.float64]:
    """Root mean square of each date's values (T, H, W) that there are; NaN where there are none."""
    known = np.isfinite(errors)
    count = known.sum(axis=(1, 2))
    total = np.where(known, errors.astype(np.float64) ** 2, 0.0).sum(axis=(1, 2))
    mean: NDArray[np.float64] = np.divide(total, count, out=np.full(len(errors), np.nan), where=count > 0)
    return np.sqrt(mean)

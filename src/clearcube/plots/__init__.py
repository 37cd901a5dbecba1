"""Figures; the only part that loads matplotlib. One module for each style, and what they share.

Figures take plain arrays and data sets: who reads files, or what an evaluation found, is not their concern.
"""

from clearcube.plots.calibration import Calibration, calibration_figure
from clearcube.plots.canvas import check_figure_path, save, svg_text
from clearcube.plots.dates import dates_figure
from clearcube.plots.forecast import ForecastShown, forecast_figure
from clearcube.plots.grids import on_grid_of, pixel_at
from clearcube.plots.pixel import Pixel, Series, pixel_figure
from clearcube.plots.scores import MethodScores, PerceptualScore, scores_figure
from clearcube.plots.sequence import Filling, sequence_figure

__all__ = [
    "Calibration",
    "Filling",
    "ForecastShown",
    "MethodScores",
    "PerceptualScore",
    "Pixel",
    "Series",
    "calibration_figure",
    "check_figure_path",
    "dates_figure",
    "forecast_figure",
    "on_grid_of",
    "pixel_at",
    "pixel_figure",
    "save",
    "scores_figure",
    "sequence_figure",
    "svg_text",
]

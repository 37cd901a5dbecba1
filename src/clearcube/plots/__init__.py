"""Figures; the only part that loads matplotlib. One module for each style, and what they share.

Figures take plain arrays and data sets: who reads files, or what an evaluation found, is not their concern.
"""

from clearcube.plots.canvas import check_figure_path, save, svg_text
from clearcube.plots.dates import dates_figure
from clearcube.plots.sequence import Filling, sequence_figure

__all__ = ["Filling", "check_figure_path", "dates_figure", "save", "sequence_figure", "svg_text"]

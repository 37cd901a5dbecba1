"""The figure of calibration: whether intervals hold what they promise, and whether std finds the large errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from clearcube.errors import InputError
from clearcube.plots.canvas import in_style, line_styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

WIDTH, HEIGHT = 7.2, 3.0
LINE = 0.16
NAMES_IN_LINE = 6
MARKED = (0.5, 0.8, 0.9, 0.95)
"""Probabilities that get a marker."""
REMOVED = 0.95
"""Largest share that is taken away; of less than the rest, little is left to judge by."""


@dataclass(frozen=True)
class Calibration:
    """The curves of a method and a quantity (`reflectance`, `NDVI`).

    nominal, actual : (P,) probability of a central interval, and the share of the truth inside it.
    removed : (Q,) share of pixels taken away. by_std, by_error : (Q,) RMSE of the rest, when those of largest std, or
        of largest error, are taken away first; the first of each is the RMSE of all.
    """

    method: str
    quantity: str
    nominal: NDArray[np.float64]
    actual: NDArray[np.float64]
    removed: NDArray[np.float64]
    by_std: NDArray[np.float64]
    by_error: NDArray[np.float64]


@in_style
def calibration_figure(curves: Sequence[Calibration], note: str = "") -> Figure:
    """A row for each quantity: actual against nominal coverage, and sparsification.

    note : what was scored.

    Raises
    ------
    InputError : there is no curve.
    """
    if not curves:
        raise InputError("no method of this evaluation has a std: there is no calibration to draw")
    methods = list(dict.fromkeys(each.method for each in curves))
    quantities = list(dict.fromkeys(each.quantity for each in curves))
    styles = line_styles(methods)
    foot = LINE * (-(-(len(methods) + 2) // NAMES_IN_LINE))
    figure = Figure(figsize=(WIDTH, HEIGHT * len(quantities) + foot), layout="constrained")
    axes = figure.subplots(len(quantities), 2, squeeze=False)
    for row, quantity in enumerate(quantities):
        chosen = [each for each in curves if each.quantity == quantity]
        letters = "abcdefgh"[2 * row : 2 * row + 2]
        _draw_reliability(axes[row, 0], chosen, styles)
        axes[row, 0].set_title(f"({letters[0]}) reliability, {quantity}")
        _draw_sparsification(axes[row, 1], chosen, styles)
        axes[row, 1].set_title(f"({letters[1]}) sparsification, {quantity}")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    oracle = axes[0, 1].plot([], [], color="0.4", linewidth=0.7)[0]
    ideal = axes[0, 1].plot([], [], color="0.6", linewidth=2.5, alpha=0.6)[0]
    entries = ([*handles, ideal, oracle], [*labels, "ideal", "by true error"])
    figure.legend(*entries, loc="outside lower center", ncols=NAMES_IN_LINE, handlelength=3)
    figure.suptitle(note, fontsize=7, color="0.35")
    return figure


def _draw_reliability(axis: Axes, curves: Sequence[Calibration], styles: Mapping[str, dict[str, Any]]) -> None:
    axis.plot([0, 100], [0, 100], color="0.6", linewidth=2.5, alpha=0.6)
    for each in curves:
        marked = [int(np.abs(each.nominal - level).argmin()) for level in MARKED]
        style = styles[each.method] | {"markevery": marked}
        axis.plot(100 * each.nominal, 100 * each.actual, label=each.method, **style)
    axis.set(xlim=(0, 100), ylim=(0, 100), xlabel="nominal coverage (%)", ylabel="actual coverage (%)")
    axis.set_aspect("equal")
    axis.grid(linewidth=0.4, color="0.88")


def _draw_sparsification(axis: Axes, curves: Sequence[Calibration], styles: Mapping[str, dict[str, Any]]) -> None:
    """RMSE of the rest, relative to that of all."""
    for each in curves:
        shown = each.removed <= REMOVED
        share, style = 100 * each.removed[shown], styles[each.method]
        axis.plot(share, each.by_error[shown] / each.by_error[0], color=style["color"], linewidth=0.7)
        axis.plot(share, each.by_std[shown] / each.by_std[0], **style, markevery=0.15)
    axis.set(xlim=(0, 100), xlabel="pixels taken away, largest std first (%)", ylabel="RMSE of the rest / RMSE of all")
    axis.set_ylim(bottom=0)
    axis.grid(linewidth=0.4, color="0.88")

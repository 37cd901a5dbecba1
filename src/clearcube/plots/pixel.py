"""The figure of a pixel: what was observed, what was filled and how sure, over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from clearcube.cube import Source
from clearcube.filler import NORMAL_90
from clearcube.plots import flags
from clearcube.plots.canvas import in_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

WIDTH, HEIGHT = 7.2, 1.25
"""Inches of the figure's width and of a panel's height."""
ONE_COLUMN = 6
"""Most panels that stand in one column."""


@dataclass(frozen=True)
class Series:
    """One quantity of the pixel.

    filled : (T,). std : (T,), or None where it is not known. given : (I,) values of the input.
    limits : least and largest value that can be.
    """

    label: str
    filled: NDArray[np.float64]
    std: NDArray[np.float64] | None
    given: NDArray[np.float64]
    limits: tuple[float, float] = (-np.inf, np.inf)


@dataclass(frozen=True)
class Pixel:
    """A pixel over time.

    dates : (T,) datetime64[D] of the filled cube. source : (T,) flags. given_dates, observed : (I,) of the input.
    title : which pixel.
    """

    dates: NDArray[np.datetime64]
    source: NDArray[np.uint8]
    given_dates: NDArray[np.datetime64]
    observed: NDArray[np.bool_]
    series: Sequence[Series]
    title: str


@in_style
def pixel_figure(pixel: Pixel) -> Figure:
    """A panel for each quantity: observations, filled values marked by their source, the central 90 % interval.

    Values of the input that were not observed are crosses; those beyond the panel lie at its edge.
    """
    columns = 1 if len(pixel.series) <= ONE_COLUMN else 2
    rows = -(-len(pixel.series) // columns)
    figure = Figure(figsize=(WIDTH, HEIGHT * rows + 0.75), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True)
    for axis, series in zip(axes.flat, pixel.series, strict=False):
        _draw(axis, pixel, series)
    for axis in axes.flat[len(pixel.series) :]:
        axis.set_axis_off()
    for axis in axes.flat[max(len(pixel.series) - columns, 0) : len(pixel.series)]:
        axis.tick_params(labelbottom=True)
    for axis in axes.flat:
        locator = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    figure.suptitle(pixel.title, fontsize=9)
    found: dict[str, Any] = {}
    for axis in axes.flat:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    figure.legend(list(found.values()), list(found), loc="outside lower center", ncols=min(len(found), 6))
    return figure


def _draw(axis: Axes, pixel: Pixel, series: Series) -> None:
    days = _plotted(pixel.dates)
    low = high = series.filled
    if series.std is not None:
        half = NORMAL_90 * series.std
        low, high = (np.clip(series.filled + side, *series.limits) for side in (-half, half))
        style: dict[str, Any] = {"color": "0.82", "linewidth": 0, "zorder": 1}
        axis.fill_between(days, low, high, label="90 % interval", **style)
    axis.plot(days, series.filled, color="0.35", linewidth=0.9, zorder=2, label="filled")
    for flag in Source:
        at = (pixel.source == flag) & np.isfinite(series.filled)
        if flag is not Source.UNFILLED and at.any():
            style = {"marker": flags.MARKERS[flag], "color": flags.colour(flag), "markeredgecolor": "0.2"}
            style |= {"linestyle": "none", "markersize": 4, "markeredgewidth": 0.4, "zorder": 4}
            axis.plot(days[at], series.filled[at], label=flags.name_of(flag), **style)
    _frame(axis, np.concatenate([low, high, series.given[pixel.observed]]))
    _draw_given(axis, pixel, series)
    axis.set_ylabel(series.label)
    axis.grid(linewidth=0.4, color="0.9")


def _draw_given(axis: Axes, pixel: Pixel, series: Series) -> None:
    """The input: rings around observations, crosses for the rest, at the edge where they lie beyond it."""
    days, seen = _plotted(pixel.given_dates), pixel.observed & np.isfinite(series.given)
    ring: dict[str, Any] = {"marker": "o", "linestyle": "none", "markerfacecolor": "none", "markeredgecolor": "black"}
    axis.plot(days[seen], series.given[seen], markersize=6.5, markeredgewidth=0.7, zorder=5, label="input", **ring)
    lost = ~pixel.observed & np.isfinite(series.given)
    if lost.any():
        bottom, top = axis.get_ylim()
        values = np.clip(series.given[lost], bottom, top)
        cross: dict[str, Any] = {"marker": "x", "linestyle": "none", "color": "0.45", "markeredgewidth": 0.8}
        label = "input, not observed"
        axis.plot(days[lost], values, markersize=3.5, zorder=3, clip_on=False, label=label, **cross)
        axis.set_ylim(bottom, top)


def _plotted(dates: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Days as matplotlib counts them."""
    return dates.astype("datetime64[D]").astype(np.float64)


def _frame(axis: Axes, values: NDArray[np.float64]) -> None:
    """Limits that hold the values with some room."""
    finite = values[np.isfinite(values)]
    if finite.size:
        room = 0.06 * max(float(np.ptp(finite)), 0.02)
        axis.set_ylim(float(finite.min()) - room, float(finite.max()) + room)

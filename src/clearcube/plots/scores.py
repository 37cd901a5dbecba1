"""The figure of scores: PSNR by length of gap, and against how natural the filled dates look."""

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

WIDTH, HEIGHT = 7.2, 3.0
LINE = 0.16
"""Height of a line of the legend in inches."""
FACTOR = 30
"""Of the largest to the smallest value, from which an axis has equal steps for equal factors."""
NAMES_IN_LINE = 6


@dataclass(frozen=True)
class MethodScores:
    """What a method reaches.

    by_gap : stratum of gap length -> PSNR in dB. psnr : of all hidden pixels. perceptual : NaN = unknown.
    """

    method: str
    by_gap: Mapping[str, float]
    psnr: float
    perceptual: float


@dataclass(frozen=True)
class PerceptualScore:
    """What the perceptual score is called, and whether less of it is better."""

    label: str
    less_is_better: bool


@in_style
def scores_figure(
    methods: Sequence[MethodScores], strata: Sequence[str], perceptual: PerceptualScore, note: str = ""
) -> Figure:
    """PSNR against gap length, a line for each method; PSNR against a perceptual score, a point for each.

    Better is up and to the right in both. strata : names of the strata in order; those that no method has are left out.
    note : what was scored.

    Raises
    ------
    InputError : no method has a score.
    """
    scored = [each for each in methods if np.isfinite(each.psnr)]
    if not scored:
        raise InputError("no method has a score to draw; see the report of the evaluation for the reasons")
    present = [name for name in strata if any(name in each.by_gap for each in scored)]
    styles = line_styles([each.method for each in scored])
    lines = -(-len(scored) // NAMES_IN_LINE)
    figure = Figure(figsize=(WIDTH, HEIGHT + LINE * lines), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_gaps(left, scored, present, styles)
    _draw_trade_off(right, scored, perceptual, styles)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=NAMES_IN_LINE, handlelength=3)
    figure.suptitle(note, fontsize=7, color="0.35")
    return figure


def _draw_gaps(
    axis: Axes, methods: Sequence[MethodScores], strata: Sequence[str], styles: Mapping[str, dict[str, Any]]
) -> None:
    for each in methods:
        values = [each.by_gap.get(name, np.nan) for name in strata]
        axis.plot(range(len(strata)), values, label=each.method, **styles[each.method])
    axis.set_xticks(range(len(strata)), [_in_words(name) for name in strata])
    axis.set_xlim(-0.4, max(len(strata), 1) - 0.6)
    axis.set(xlabel="gap length (days)", ylabel="PSNR (dB)", title="(a) by gap length")
    axis.grid(axis="y", linewidth=0.4, color="0.88")


def _draw_trade_off(
    axis: Axes, methods: Sequence[MethodScores], perceptual: PerceptualScore, styles: Mapping[str, dict[str, Any]]
) -> None:
    for each in methods:
        style = styles[each.method] | {"linestyle": "none", "markersize": 7, "markeredgecolor": "white"}
        axis.plot(each.perceptual, each.psnr, markeredgewidth=0.6, **style)
    if perceptual.less_is_better:
        axis.invert_xaxis()
    axis.margins(0.14)
    if _far_apart([each.perceptual for each in methods]):
        axis.set_xscale("log")  # one bad method would push all others together
    else:
        axis.ticklabel_format(axis="x", scilimits=(-2, 4), useMathText=True)
    order = "less" if perceptual.less_is_better else "more"
    axis.set(xlabel=f"{perceptual.label}; {order} is better", ylabel="PSNR (dB)")
    axis.set_title("(b) distortion and perception (better: up, right)")  # within the panel it would hide the best
    axis.grid(linewidth=0.4, color="0.88")


def _far_apart(values: Sequence[float]) -> bool:
    """Whether values above 0 differ by factors rather than by amounts.

    >>> _far_apart([0.001, 0.04, 0.002]), _far_apart([0.8, 0.9, 1.1]), _far_apart([0.0, 0.9])
    (True, False, False)
    """
    known = np.array(values)[np.isfinite(values)]
    return bool(known.size and known.min() > 0 and known.max() > FACTOR * known.min())


def _in_words(stratum: str) -> str:
    """A stratum of days as people write it.

    >>> _in_words("[0, 12)"), _in_words("[12, 22)"), _in_words("[92, inf)")
    ('< 12', '12 to 21', '≥ 92')
    """
    low, high = (float(part) for part in stratum.strip("[)").split(","))
    if low == 0:
        return f"< {high:.0f}"
    return f"≥ {low:.0f}" if np.isinf(high) else f"{low:.0f} to {high - 1:.0f}"

"""Panels of pictures: drawn on a hatched ground that shows through where there is no value; gaps outlined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path

from clearcube.plots.pictures import outline, runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

NDVI_STYLE: dict[str, Any] = {"cmap": "YlGn", "vmin": -0.1, "vmax": 0.9}
"""Colours whose lightness alone tells the value, the greener the darker."""
NDVI_TICKS = (0.0, 0.4, 0.8)
NO_VALUE: dict[str, Any] = {"facecolor": "0.93", "edgecolor": "0.7", "hatch": "/////", "linewidth": 0}
GAP_LINES = (("black", 1.0), ("#f0e442", 0.5))
"""Colour and width (points) of the lines around gaps: light within dark, seen on cloud, on land and in grey."""


COLUMN = 1.05
"""Inches of an entry of a legend."""
LINE = 0.15
"""Inches of a line of a legend."""


def show(axis: Axes, picture: NDArray[Any] | None, **style: Any) -> Any:
    """Draw a picture without ticks, pixel by pixel; None = no picture, the hatched ground alone."""
    axis.patch.set(**NO_VALUE)
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set(visible=True, linewidth=0.4, color="0.4")
    return None if picture is None else axis.imshow(picture, interpolation="nearest", **style)


def outline_gaps(axis: Axes, observed: NDArray[np.bool_]) -> None:
    """Draw lines around the pixels (y, x) that were not observed."""
    segments = outline(~observed)
    for level, (colour, width) in enumerate(GAP_LINES):
        lines = LineCollection(list(segments), colors=colour, linewidths=width, capstyle="round", zorder=3 + level)
        lines.set_label("gap")
        axis.add_collection(lines, autolim=False)


def hatch(axis: Axes, mask: NDArray[np.bool_], pattern: str) -> None:
    """Lay a pattern over the pixels (y, x) of a mask."""
    row, begin, end = runs(mask)
    if not pattern or not row.size:
        return
    corners = [(begin, row), (end, row), (end, row + 1), (begin, row + 1), (begin, row)]
    vertices = np.stack([np.stack(corner, -1) for corner in corners], 1).reshape(-1, 2) - 0.5
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * row.size
    axis.add_patch(PathPatch(Path(vertices, codes), facecolor="none", edgecolor="0.25", linewidth=0, hatch=pattern))


@dataclass(frozen=True)
class Legend:
    """What stands at the foot of a figure."""

    handles: tuple[Any, ...]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, entries: Sequence[Patch], *, gaps: bool, holes: bool) -> Legend:
        """The entries, and what outlines and the hatched ground mean where they occur."""
        handles: list[Any] = list(entries)
        labels = [str(entry.get_label()) for entry in entries]
        if gaps:
            (dark, wide), (light, thin) = GAP_LINES
            around, within = (
                Line2D([], [], color=c, linewidth=w) for c, w in ((dark, wide + 0.8), (light, thin + 0.4))
            )
            handles, labels = [*handles, (around, within)], [*labels, "not observed"]
        if holes:
            handles, labels = [*handles, Patch(**NO_VALUE)], [*labels, "no value"]
        return cls(tuple(handles), tuple(labels))

    def height(self, width: float) -> float:
        """Inches that it needs in a figure of this width."""
        return LINE * (-(-len(self.handles) // _columns(width)) + 1) if self.handles else 0.05

    def draw(self, figure: Figure) -> None:
        """Draw it at the foot."""
        if not self.handles:
            return
        style: dict[str, Any] = {"borderaxespad": 0.3, "handlelength": 1.6, "columnspacing": 1.2, "handletextpad": 0.5}
        columns = min(len(self.handles), _columns(figure.get_figwidth()))
        style |= {"ncols": columns, "handler_map": {tuple: HandlerTuple(ndivide=1, pad=0)}, "labelspacing": 0.3}
        figure.legend(list(self.handles), list(self.labels), loc="lower center", **style)


def _columns(width: float) -> int:
    """Columns of a legend that fit into so many inches."""
    return max(int(width / COLUMN), 1)

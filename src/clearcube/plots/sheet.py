"""A figure on which panels are placed in inches, so that rows and columns line up whatever stands beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TALLEST = 1.6
"""Height of a panel by its width at most, whatever the frame's shape."""
FLATTEST = 0.56
"""Height of a panel in inches at least: the name of a row stands beside it."""


@dataclass(frozen=True)
class Sheet:
    """A figure whose origin is its upper left corner; all lengths in inches."""

    figure: Figure

    @classmethod
    def sized(cls, width: float, height: float) -> Sheet:
        """An empty sheet."""
        return cls(Figure(figsize=(width, height)))

    def panel(self, left: float, top: float, width: float, height: float) -> Axes:
        """A panel whose upper left corner is there."""
        whole_width, whole_height = self.figure.get_size_inches()
        place = (left / whole_width, 1 - (top + height) / whole_height, width / whole_width, height / whole_height)
        return self.figure.add_axes(place)

    def text(self, left: float, top: float, text: str, **style: Any) -> None:
        """Text whose upper left corner is there."""
        whole_width, whole_height = self.figure.get_size_inches()
        self.figure.text(left / whole_width, 1 - top / whole_height, text, va="top", **style)


def panel_height(width: float, frame: tuple[int, int]) -> float:
    """Height of a panel of this width for a frame of (height, width) pixels."""
    return max(width * min(frame[0] / frame[1], TALLEST), min(FLATTEST, width))

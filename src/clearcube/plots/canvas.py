"""What all figures share: type and line widths, colours and markers that stay apart, files by suffix."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib.figure import Figure

from clearcube.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")

SUFFIXES = (".png", ".pdf", ".svg")
RESOLUTION = 300
"""Pixels an inch of a PNG, and of the pictures within a PDF or SVG."""
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.5,
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,  # letters stay letters, for whoever edits the figure
    "svg.fonttype": "none",
    "svg.hashsalt": "clearcube",  # the same figure gives the same file
}
COLOURS = ("#000000", "#e69f00", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#882255")
"""Colours that stay apart for the colour-blind, less the yellow that paper swallows (Okabe and Ito 2008; Tol 2021)."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.2)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (2.5, 1)))
DATELESS = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
"""Metadata without the time of writing."""


def in_style(draw: Callable[P, R]) -> Callable[P, R]:
    """Make a function draw with the style of this package, whatever else the process has set."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(STYLE)
            return draw(*args, **kwargs)

    return drawn


def line_styles(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Keyword arguments of `plot` for each name: colour, marker and dashes all differ, so that grey is enough.

    Names keep their style when others are added behind them.
    """
    return {
        name: {
            "color": COLOURS[i % len(COLOURS)],
            "marker": MARKERS[i % len(MARKERS)],
            "linestyle": DASHES[i % len(DASHES)],
        }
        for i, name in enumerate(names)
    }


def check_figure_path(path: Path) -> None:
    """Refuse a figure that matplotlib cannot write.

    Raises
    ------
    InputError : another suffix than .png, .pdf, .svg, or a folder.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"the figure {path} must end in {', '.join(SUFFIXES)}")
    if path.is_dir():
        raise InputError(f"the figure {path} is a folder; name a file")


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, PDF or SVG by its suffix, and the folders above it; it appears when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _write(figure, part, path.suffix.lower()[1:])
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def svg_text(figure: Figure) -> str:
    """A figure as the text of an SVG element, to be put into a page: without XML declaration and document type."""
    buffer = io.BytesIO()
    _write(figure, buffer, "svg")
    text = buffer.getvalue().decode()
    return text[text.index("<svg") :]


@in_style
def _write(figure: Figure, target: Path | io.BytesIO, kind: str) -> None:
    figure.savefig(target, format=kind, dpi=RESOLUTION, facecolor="white", metadata=DATELESS[kind])

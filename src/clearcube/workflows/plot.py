"""Figures from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clearcube.plots import check_figure_path, dates_figure, save
from clearcube.readers.filled import open_filled
from clearcube.readers.open import open_cube


def plot_filled(filled: str, figure: Path, inputs: Sequence[str], dates: int, opening: Mapping[str, Any]) -> None:
    """Draw what `clearcube fill` wrote, with the input beside it where inputs are given.

    opening : keyword arguments of `open_cube` for the inputs.

    Raises
    ------
    InputError : not something that clearcube wrote, or an input or a figure that cannot be used.
    """
    check_figure_path(figure)
    result = open_filled(filled)
    cube = open_cube(list(inputs), **opening) if inputs else None
    save(dates_figure(result, cube, dates), figure)

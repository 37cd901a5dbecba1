"""Figures from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from clearcube.errors import InputError
from clearcube.plots import check_figure_path, save, sequence_figure
from clearcube.readers.open import open_cube


def plot_filled(
    filled: str, figure: Path, inputs: Sequence[str], dates: int, opening: Mapping[str, Any]
) -> None:
    """Draw what `clearcube fill` wrote, with the input beside it where inputs are given.

    opening : keyword arguments of `open_cube` for the inputs, None = not given.

    Raises
    ------
    InputError : not something that clearcube wrote, or an input or a figure that cannot be used.
    """
    check_figure_path(figure)
    result = open_filled(filled)
    given = {key: value for key, value in opening.items() if value is not None}
    cube = open_cube(list(inputs), **given) if inputs else None
    save(sequence_figure(result, cube, dates), figure)


def open_filled(path: str) -> xr.Dataset:
    """What `clearcube fill` wrote, as a cube with `source`.

    Raises
    ------
    InputError : it has no `source`.
    """
    cube = open_cube([path])
    if "source" not in cube:
        raise InputError(f"{path} was not written by 'clearcube fill': it has no 'source'; fill it first")
    return cube

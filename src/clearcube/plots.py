"""Figures of filled cubes; the only part that loads matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.cube import Source, bands_of, dates_of, ndvi, red_and_near_infrared
from clearcube.errors import InputError
from clearcube.writers.rasters import COLOURS

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

SUFFIXES = (".png", ".pdf", ".svg")
STRETCH = (2, 98)
"""Percentiles of the observed values that become black and white."""
MISSING = (0.86, 0.86, 0.86)
"""Grey of pixels without a value."""
PIXELS = 512
"""Most pixels of a panel's side, more than are printed."""
PANEL = 1.35
"""Side of a panel in inches."""


def check_figure_path(path: Path) -> None:
    """Refuse a figure that matplotlib cannot write, or that has nowhere to go.

    Raises
    ------
    InputError : another suffix than .png, .pdf, .svg, or a folder that does not exist.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"the figure {path} must end in {', '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} of the figure does not exist; make it first")


def spread_dates(count: int, wanted: int) -> NDArray[np.int64]:
    """Indices of at most `wanted` of `count` dates, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(max(wanted, 1), count)).round().astype(np.int64))


def sequence_figure(filled: xr.Dataset, cube: xr.Dataset | None, dates: int = 10) -> Figure:
    """Columns of dates; rows: the input (where given), filled, NDVI (where the bands allow), source.

    Parameters
    ----------
    filled : what `clearcube.fill` gives. cube : the input on the same grid; its dates may differ.
    dates : number of dates shown, spread over the series.
    """
    from matplotlib.figure import Figure as NewFigure

    chosen = thinned(filled.isel(time=spread_dates(filled.sizes["time"], dates))).load()
    limits = _limits(chosen)
    rows: list[tuple[str, list[Any], dict[str, Any]]] = []
    if cube is not None:
        _check_same_frame(cube, filled)
        rows.append(("input", _input_pictures(thinned(cube), chosen, limits), {}))
    rows.append(("filled", [_picture(chosen.isel(time=t), limits) for t in range(chosen.sizes["time"])], {}))
    if _has_ndvi(chosen):
        index = ndvi(chosen).values
        rows.append(("NDVI", list(index), {"cmap": "YlGn", "vmin": -0.1, "vmax": 0.9}))
    rows.append(("source", [_flag_picture(flags) for flags in chosen["source"].values], {}))
    columns = chosen.sizes["time"]
    aspect = filled.sizes["y"] / filled.sizes["x"]
    figure = NewFigure(figsize=(PANEL * columns + 1.6, PANEL * aspect * len(rows) + 0.9), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, (label, pictures, style) in zip(axes, rows, strict=True):
        _draw_row(figure, line, label, pictures, style)
    for axis, date in zip(axes[0], dates_of(chosen), strict=True):
        axis.set_title(str(date), fontsize=8)
    _add_legend(figure, np.unique(chosen["source"].values))
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, PDF or SVG by its suffix."""
    figure.savefig(path, dpi=150, facecolor="white")


def thinned(dataset: xr.Dataset) -> xr.Dataset:
    """Every n-th row and column, so that no side has more than `PIXELS`: a figure shows no more, memory holds no more.

    n depends on the frame's size alone.
    """
    step = -(-max(dataset.sizes["y"], dataset.sizes["x"]) // PIXELS)
    return dataset.isel(y=slice(None, None, step), x=slice(None, None, step))


def _check_same_frame(cube: xr.Dataset, filled: xr.Dataset) -> None:
    """Refuse an input of another size than what was filled."""
    if cube.sizes["y"] != filled.sizes["y"] or cube.sizes["x"] != filled.sizes["x"]:
        raise InputError(
            f"the input has {cube.sizes['y']} x {cube.sizes['x']} pixels and the filled cube "
            f"{filled.sizes['y']} x {filled.sizes['x']}; give the input that was filled"
        )


def _draw_row(figure: Figure, line: Sequence[Axes], label: str, pictures: list[Any], style: dict[str, Any]) -> None:
    for axis, picture in zip(line, pictures, strict=True):
        axis.set_facecolor(MISSING)
        axis.set_xticks([])
        axis.set_yticks([])
        image = axis.imshow(picture, interpolation="nearest", **style) if picture is not None else None
    line[0].set_ylabel(label, fontsize=9)
    if "cmap" in style and image is not None:
        figure.colorbar(image, ax=list(line), shrink=0.9, pad=0.01).ax.tick_params(labelsize=7)


def _add_legend(figure: Figure, flags: NDArray[np.uint8]) -> None:
    from matplotlib.patches import Patch

    patches = [
        Patch(facecolor=_unit(COLOURS[Source(flag)]), edgecolor="grey", label=Source(flag).name.lower())
        for flag in flags
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches), fontsize=8, frameon=False)


def _unit(colour: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
    """A colour of 0..255 as matplotlib takes it."""
    red, green, blue, alpha = (part / 255 for part in colour)
    return red, green, blue, alpha


def _flag_picture(flags: NDArray[np.uint8]) -> NDArray[np.uint8]:
    table = np.array([COLOURS[flag] for flag in Source], dtype=np.uint8)
    return table[flags]


def _has_ndvi(dataset: xr.Dataset) -> bool:
    try:
        red_and_near_infrared([band.name for band in bands_of(dataset)])
    except InputError:
        return False
    return True


def _shown_bands(dataset: xr.Dataset) -> list[int]:
    """Bands shown as red, green and blue; one band alone as grey."""
    names = [band.name for band in bands_of(dataset)]
    if {"red", "green", "blue"} <= set(names):
        return [names.index(name) for name in ("red", "green", "blue")]
    return [min(2, len(names) - 1), min(1, len(names) - 1), 0]


def _limits(dataset: xr.Dataset) -> NDArray[np.float64]:
    """Black and white of the three shown bands: (2, 3), from the observed values so that both rows share them."""
    observed = dataset["source"].values == Source.OBSERVED
    limits = []
    for band in _shown_bands(dataset):
        values = dataset["reflectance"].values[:, band]
        shown = values[observed] if observed.any() else values
        shown = shown[np.isfinite(shown)]
        limits.append(np.percentile(shown, STRETCH) if shown.size else (0.0, 0.3))
    return np.array(limits, dtype=np.float64).T


def _picture(date: xr.Dataset, limits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Reflectance (band, y, x) of one date as colours (y, x, 3)."""
    values = date["reflectance"].values[_shown_bands(date)].transpose(1, 2, 0)
    scaled = (values - limits[0]) / np.maximum(limits[1] - limits[0], 1e-6)
    colours: NDArray[np.float64] = np.clip(scaled, 0, 1) ** 0.8
    return np.where(np.isfinite(colours).all(axis=-1, keepdims=True), colours, MISSING)


def _input_pictures(cube: xr.Dataset, chosen: xr.Dataset, limits: NDArray[np.float64]) -> list[Any]:
    """The input at the chosen dates, what is not observed faded; None where the input has no such date."""
    cube = cube.sel(band=chosen["band"])
    index = {date: position for position, date in enumerate(dates_of(cube))}
    pictures: list[Any] = []
    for date in dates_of(chosen):
        if date not in index:
            pictures.append(None)
            continue
        day = cube.isel(time=index[date]).load()
        pictures.append(_picture(day, limits) * np.where(day["observed"].values, 1.0, 0.75)[..., None])
    return pictures

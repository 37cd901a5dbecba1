"""Figures from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearcube.cube import crs_of
from clearcube.errors import InputError
from clearcube.landcover import class_names
from clearcube.plots import (
    Filling,
    check_figure_path,
    dates_figure,
    on_grid_of,
    save,
    sequence_figure,
)
from clearcube.readers.filled import open_filled
from clearcube.readers.grouping import cubes_of
from clearcube.readers.landcover import read_landcover
from clearcube.readers.open import open_cube
from clearcube.readers.sources import expand
from clearcube.workflows.first_look import some_observed
from clearcube.workflows.places import check_local
from clearcube.workflows.plot_pixel import figure_of_pixel

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

STYLES = ("dates", "sequence", "pixel", "scores", "calibration")
OF_STYLE = {"--input": ("dates", "sequence", "pixel"), "--landcover": ("sequence",), "--at": ("pixel",)}
"""Option -> the styles that take it."""


@dataclass(frozen=True)
class PlotRequest:
    """What `clearcube plot` was asked for.

    sources : filled cubes, or the folder of an evaluation. inputs : of the filled cubes, opened with `opening`.
    landcover : files. at : X, Y in the coordinates of the cube. dates : most dates shown.
    """

    sources: tuple[str, ...]
    figure: Path
    style: str = "dates"
    inputs: tuple[str, ...] = ()
    landcover: tuple[str, ...] = ()
    at: tuple[float, float] | None = None
    dates: int = 10
    opening: Mapping[str, Any] = field(default_factory=dict)


def plot_files(request: PlotRequest) -> None:
    """Draw the figure that was asked for and write it; nothing is written where something is wrong.

    Raises
    ------
    InputError : there is no such style; a source, input or option cannot be used.
    """
    _check(request)
    draw = {"dates": _dates, "sequence": _sequence, "pixel": _pixel}.get(request.style, _results)
    save(draw(request), request.figure)


def _check(request: PlotRequest) -> None:
    """Refuse what no figure can be made of before anything is read."""
    if request.style not in STYLES:
        raise InputError(f"there is no style '{request.style}'; there are {', '.join(STYLES)}")
    check_local(request.figure)
    check_figure_path(request.figure)
    given = {"--input": request.inputs, "--landcover": request.landcover, "--at": request.at}
    for option, value in given.items():
        if value and request.style not in OF_STYLE[option]:
            raise InputError(f"--style {request.style} takes no {option}; leave it out")
    if request.style != "sequence" and len(request.sources) != 1:
        raise InputError(f"--style {request.style} draws one thing, {len(request.sources)} were given; name one")
    if request.style == "sequence" and not request.inputs:
        raise InputError("--style sequence shows the input too; give it with --input")
    if request.style == "pixel" and request.at is None:
        raise InputError("--style pixel needs a place: --at X,Y in the coordinates of the cube")
    if request.dates < 1:
        raise InputError(f"--dates is {request.dates}; give 1 or more")


def _dates(request: PlotRequest) -> Figure:
    result = open_filled(request.sources[0])
    cube = _opened(list(request.inputs), request) if request.inputs else None
    return dates_figure(result, cube, request.dates)


def _opened(sources: list[str], request: PlotRequest) -> xr.Dataset:
    """An input, if it is reflectance."""
    cube = open_cube(sources, **request.opening)
    some_observed(cube, ", ".join(sources))
    return cube


def _pixel(request: PlotRequest) -> Figure:
    assert request.at is not None
    return figure_of_pixel(request.sources[0], request.inputs, request.at, request.opening)


def _results(request: PlotRequest) -> Figure:
    from clearcube.workflows.figures import FIGURES, results_in

    return FIGURES[request.style](results_in(Path(request.sources[0])))


def _sequence(request: PlotRequest) -> Figure:
    inputs = _inputs_by_filled(request)
    filled = [open_filled(path) for path in request.sources]
    fillings = []
    for number, (path, result, sources) in enumerate(zip(request.sources, filled, inputs, strict=True)):
        try:
            cube = on_grid_of(_opened(sources, request), result)
        except InputError as error:
            raise InputError(f"{path}, {', '.join(sources)}: {error}") from error
        cube = _with_landcover(cube, result, _landcover_file(request, number, filled))
        names = class_names(cube["landcover"].values, cube["landcover"].attrs) if "landcover" in cube else {}
        fillings.append(Filling(result, cube, names))
    return sequence_figure(fillings, request.dates)


def _inputs_by_filled(request: PlotRequest) -> list[list[str]]:
    """The sources of the input of each filled cube: all of them for one, else one cube each, in the order given.

    A context and its target count as one.
    """
    if len(request.sources) == 1:
        return [list(request.inputs)]
    cubes = list(cubes_of(request.inputs).values())
    if len(cubes) != len(request.sources):
        raise InputError(
            f"there are {len(request.sources)} filled cubes and {len(cubes)} inputs; give one input for each, in order"
        )
    given = {source: position for position, source in enumerate(expand(request.inputs))}
    return sorted(cubes, key=lambda sources: min(given.get(source, 0) for source in sources))


def _landcover_file(request: PlotRequest, number: int, filled: Sequence[xr.Dataset]) -> str | None:
    """The file of a sequence: its own, or the only one where all sequences are of one place."""
    files = request.landcover
    if len(files) == len(filled):
        return files[number]
    same = all(each["y"].equals(filled[0]["y"]) and each["x"].equals(filled[0]["x"]) for each in filled)
    if files and not (len(files) == 1 and same):
        raise InputError(
            f"there are {len(filled)} filled cubes and {len(files)} files of land cover; give one --landcover for each"
        )
    return files[0] if files else None


def _with_landcover(cube: xr.Dataset, filled: xr.Dataset, path: str | None) -> xr.Dataset:
    """The input with the land cover of a file; without one its own, else that of the filled cube."""
    if path is not None:
        y, x, approximate = filled["y"].values, filled["x"].values, "georeference" in filled.attrs
        field = read_landcover(path, y, x, crs=crs_of(filled), approximate=approximate)
        return cube.assign(landcover=field.drop_vars(["y", "x"]))
    if "landcover" in cube or "landcover" not in filled:
        return cube
    return cube.assign(landcover=(("y", "x"), filled["landcover"].values, filled["landcover"].attrs))

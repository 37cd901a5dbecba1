"""Episodes from cubes: some dates are the context, those that follow are what is to be forecast."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.cube import bands_of, crs_of, dates_of, elevation_of
from clearcube.errors import InputError
from clearcube.fill_cube.survey import check_reflectance
from clearcube.filler import Block, at_dates
from clearcube.forecasting.episode import CONTEXT_DATES, FEWEST_CONTEXT_DATES, HORIZON, TARGET_DATES, Episode, ndvi_of
from clearcube.forecasting.vegetation import named_landcover, public_legend_of
from clearcube.forecasting.weather import earthnet_weather, eobs_weather, with_radiation
from clearcube.landcover import flag_names
from clearcube.readers.earthnet_names import parse_name
from clearcube.readers.open import open_cube
from clearcube.readers.sources import NETCDF
from clearcube.readers.store_files import decoded_dates, open_store

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from clearcube.forecasting.episode import Weather

USUAL_LATITUDE = 48.0
A_YEAR = np.timedelta64(366, "D")
"""What a cube has before its target so that the year before is known, at least."""

_TILE = re.compile(r"(?<![0-9A-Za-z])\d{2}[C-X][A-Z]{2}(?![0-9A-Za-z])")


def read_episode(
    name: str, sources: Sequence[str], opening: Mapping[str, Any] | None = None, *, with_weather: bool = True
) -> Episode:
    """The episode in the files of one place.

    A context and a target of EarthNet2021 are split as they are given; any other cube as `episode_of` does.

    name : what it is called. opening : keyword arguments of `open_cube`. with_weather : read the weather too.

    Raises
    ------
    InputError : as `open_cube`, as `read_weather`, and where there are too few dates or no red or near infrared.
    """
    given = dict(opening or {})
    cube = open_cube(list(sources), **given)
    weather = read_weather(sources, cube) if with_weather else None
    context = [source for source in sources if PurePosixPath(source).name.startswith("context_")]
    if context and len(context) < len(sources):
        length = open_cube(context, **given).sizes["time"]
        rest = cube.sizes["time"] - length
        return episode_of(name, cube, context_dates=length, target_dates=rest, horizon=None, weather=weather)
    return episode_of(name, cube, weather=weather)


def read_weather(sources: Sequence[str], cube: xr.Dataset) -> Weather | None:
    """The daily weather that the files of a cube bring; None where they bring none that is known.

    EarthNet2021's `mesodynamic` (of the first file that has it) and the E-OBS variables of GreenEarthNet's minicubes.

    Raises
    ------
    InputError : the weather of a file is damaged, or of a shape that it cannot have.
    """
    for source in sources:
        weather = None
        if source.endswith(".npz"):
            weather = earthnet_weather(source, parse_name(source).start, latitude_of(cube))
        elif source.rstrip("/").lower().endswith((*NETCDF, ".zarr")):
            stored = open_store(source)
            if "time" in stored.variables:
                times = decoded_dates(stored, "time", source)
                weather = eobs_weather(stored.assign_coords(time=("time", times.astype("datetime64[ns]"))))
        if weather is not None:
            return with_radiation(weather, latitude_of(cube))
    return None


def latitude_of(cube: xr.Dataset) -> float:
    """Degrees north of the middle of a cube; `USUAL_LATITUDE` where its reference system is unknown."""
    crs = crs_of(cube)
    if crs is None:
        return USUAL_LATITUDE
    from rasterio.warp import transform

    middle = [[float(cube[axis].mean())] for axis in ("x", "y")]
    return float(transform(crs, "EPSG:4326", *middle)[1][0])


def episode_of(
    name: str,
    cube: xr.Dataset,
    *,
    context_dates: int = CONTEXT_DATES,
    target_dates: int = TARGET_DATES,
    horizon: int | None = HORIZON,
    weather: Weather | None = None,
) -> Episode:
    """Some dates of a cube as an episode, in memory; what is not observed is NaN.

    The first dates of a cube, or the last ones where a year or more comes before their target: then what was seen
    before their context is the history.

    horizon : days; targets that lie farther ahead are left out. None = none is.

    Raises
    ------
    InputError : the cube has fewer dates, none within the horizon, or no red or near infrared.
    """
    dates = dates_of(cube)
    if context_dates < FEWEST_CONTEXT_DATES or target_dates < 1 or len(dates) < context_dates + target_dates:
        raise InputError(
            f"{name} has {len(dates)} dates; needed are {max(context_dates, FEWEST_CONTEXT_DATES)} to look at and "
            f"{max(target_dates, 1)} to forecast: give a longer cube, or a context together with its target"
        )
    start = len(dates) - context_dates - target_dates
    if dates[start + context_dates] - dates[0] < A_YEAR:
        start = 0
    split = start + context_dates
    ahead = (dates[split : split + target_dates] - dates[split - 1]).astype(np.int64)
    count = target_dates if horizon is None else int((ahead <= horizon).sum())
    if not count:
        raise InputError(
            f"{name}: the date after {dates[split - 1]}, {dates[split]}, lies {ahead[0]} days ahead; forecasts look "
            f"{horizon} days ahead: give a cube with dates closer together"
        )
    part = cube.isel(time=slice(0, split + count)).load()
    values = part["reflectance"].values
    observed = part["observed"].values & np.isfinite(values).all(axis=1)
    check_reflectance(values, observed, name)
    seen = Block(
        np.where(observed[:, None], values, np.float32(np.nan)).astype(np.float32),
        observed,
        dates_of(part),
        bands_of(part),
    )
    landcover, classes = landcover_of(part)
    return Episode(
        name=name,
        context=at_dates(seen, slice(start, split)),
        target_dates=seen.dates[split:],
        target_ndvi=ndvi_of(seen.reflectance[split:], seen.bands),
        weather=weather,
        elevation=elevation_of(part),
        landcover=landcover,
        classes=classes,
        place=tile_of(name),
        history=at_dates(seen, slice(0, start)) if start else None,
    )


def landcover_of(cube: xr.Dataset) -> tuple[NDArray[np.integer] | None, str]:
    """Land cover (H, W) and its legend (`Episode.classes`); None and "" where a cube has none.

    Told by the names of the classes (CF flags), else by the codes; not by the format of the cube, whose land cover may
    come from a file of its own.
    """
    if "landcover" not in cube:
        return None, ""
    codes = cube["landcover"].values
    return named_landcover(codes, flag_names(cube["landcover"].attrs)) or (codes, public_legend_of(codes))


def is_tile(place: str) -> bool:
    """Whether a place is a Sentinel-2 tile.

    >>> is_tile("34TET"), is_tile("my field")
    (True, False)
    """
    return _TILE.fullmatch(place) is not None


def tile_of(name: str) -> str:
    """The Sentinel-2 tile in a name, else the name itself.

    >>> tile_of("MJJ2021_replicated_minicube_225_34TET_47.37_22.05")
    '34TET'
    """
    found = _TILE.search(name.replace("_", " "))
    return found.group() if found else name

"""How parcels green up, ripen, are harvested, mown, tilled and watered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clearcube.simulation.fields import stream
from clearcube.simulation.landcover import CROPS, GROWTH, LandCover
from clearcube.simulation.weather_effects import Drivers

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from clearcube.simulation.config import SceneConfig
    from clearcube.simulation.parcels import Parcels

    Curves = NDArray[np.float32]

YEAR = 365.25
NEVER_DAYS = 1e6
"""A day that does not come."""
MOST_AT_ONCE = 10_000_000
"""Dates times rains times parcels that are worked on together, which bounds memory."""
CATCH_CROP_SHARE = 0.35
"""Share of harvested parcels that carry a catch crop through autumn."""


@dataclass(frozen=True)
class ParcelCurves:
    """State of P parcels at T dates, each (T, P) float32.

    green, dry : cover by green and by dry matter, shares; wet : wetness of the soil, 0 dry to 1 wet;
    tilled : brightness of the soil relative to its settled surface.
    landcover : (P,) uint8, `LandCover`, what each parcel carries in the calendar year that holds most of the dates.
    """

    green: Curves
    dry: Curves
    wet: Curves
    tilled: Curves
    landcover: NDArray[np.uint8]


def growth_value(name: str) -> NDArray[np.float64]:
    """One value of `Growth` for each class of `LandCover`, (12,)."""
    return np.array([getattr(GROWTH[cover], name) for cover in LandCover], dtype=np.float64)


def parcel_curves(config: SceneConfig, parcels: Parcels, seed: int) -> ParcelCurves:
    """Curves of all parcels of a scene; parcels of one class differ from each other and from year to year."""
    rng = stream(seed, "phenology")
    first_year = config.start.astype("datetime64[Y]")
    day = (config.dates - first_year.astype("datetime64[D]")).astype(float)
    years = np.arange(-1, int(day[-1] // YEAR) + 1)
    cover = _rotation(rng, parcels.landcover, len(years))
    drivers = Drivers.of(config, seed)
    growth = day if drivers is None else drivers.growth_day(day)
    day_of_season = (growth - YEAR * years[:, None]).astype(np.float32)[:, :, None]
    seasons = _season(rng, cover, day_of_season, config.latitude, _harvested(drivers, years))
    green, dry, tilled = (part.sum(axis=0) for part in seasons)
    base = growth_value("base")[parcels.landcover] * np.exp(rng.normal(0, 0.15, len(parcels.landcover)))
    green = green + base * (0.4 if config.latitude < 42 else 1.0)
    green *= _mowing(rng, parcels.landcover, growth)
    green += _drift(rng, day, len(parcels.landcover)) * green * (1 - np.minimum(green, 1)) * 4
    if drivers is not None:
        soils = np.exp(stream(seed, "soils").normal(0, 0.3, len(parcels.landcover)))
        green *= drivers.left_by_drought(day, parcels.landcover, parcels.irrigated, soils)
    return ParcelCurves(
        green=np.clip(green, 0, 0.97).astype(np.float32),
        dry=np.clip(dry, 0, 0.9).astype(np.float32),
        wet=_wetness(rng, day, parcels.irrigated, config.latitude, drivers),
        tilled=(1 - 0.25 * np.clip(tilled, 0, 1)).astype(np.float32),
        landcover=cover[np.bincount((day // YEAR).astype(int)).argmax() + 1],  # the first one is the year before
    )


def _rotation(rng: Generator, landcover: NDArray[np.uint8], years: int) -> NDArray[np.uint8]:
    """Class of each parcel in each year, (Y, P): a crop is followed by another crop of the scene."""
    present = landcover[np.isin(landcover, CROPS)]
    cover = np.repeat(landcover[None], years, axis=0)
    is_crop = np.isin(landcover, CROPS)
    middle = years // 2  # the classes that the parcels were drawn with
    for year in range(years):
        if year != middle and is_crop.any():
            cover[year, is_crop] = rng.choice(present, size=int(is_crop.sum()))
    return cover


def _step(day: NDArray[np.float32], at: NDArray[np.float32], width: NDArray[np.float32] | float) -> Curves:
    """Logistic step from 0 to 1."""
    return np.asarray(1 / (1 + np.exp(np.clip((at - day) / width, -30, 30))), dtype=np.float32)


def _harvested(drivers: Drivers | None, years: NDArray[np.int64]) -> Callable[[Curves], Curves]:
    """What the weather makes of the days of harvest (Y, 1, P) of the seasons (Y,); nothing without weather."""
    if drivers is None:
        return lambda due: due
    first = (YEAR * years).astype(np.float32)[:, None, None]
    return lambda due: np.where(due < NEVER_DAYS, drivers.harvested(due + first) - first, due)


def _season(
    rng: Generator,
    cover: NDArray[np.uint8],
    day: NDArray[np.float32],
    latitude: float,
    harvested: Callable[[Curves], Curves] = lambda due: due,
) -> tuple[Curves, Curves, Curves]:
    """Green, dry and freshly tilled of each season: cover (Y, P), day (Y, T, 1) -> three of (Y, T, P)."""
    shape = (cover.shape[0], 1, cover.shape[1])

    def value(name: str) -> NDArray[np.float32]:
        return growth_value(name)[cover].reshape(shape).astype(np.float32)

    spread = value("spread") * rng.normal(0, 1, shape).astype(np.float32)
    late = spread + _latitude_shift(cover, latitude).reshape(shape).astype(np.float32)
    rise = value("rise") + late + rng.normal(0, 4, (shape[0], 1, 1)).astype(np.float32)
    fall = value("fall") + 0.7 * late + rng.normal(0, 5, shape).astype(np.float32)
    if latitude < 42:  # grass grows through the winter and dries in early summer
        grass = (cover == LandCover.GRASSLAND).reshape(shape) | (cover == LandCover.BARE).reshape(shape)
        rise, fall = np.where(grass, spread - 40, rise), np.where(grass, spread + 140, fall)
    sown = value("harvest") > 0
    harvest = np.where(sown, value("harvest") + 0.7 * late + rng.normal(0, 5, shape), NEVER_DAYS).astype(np.float32)
    harvest = harvested(harvest)
    delay = np.maximum(rng.gamma(1.2, 1.0, shape) * np.maximum(value("end") - value("harvest"), 0), 1)
    end = np.where(sown, harvest + delay, rise + YEAR).astype(np.float32)
    up = _step(day, rise, (value("rise_width") * rng.uniform(0.8, 1.4, shape)).astype(np.float32))
    down, cut = _step(day, fall, value("fall_width")), _step(day, harvest, 0.5)
    gone = _step(day, end, np.where(sown, 0.5, 10).astype(np.float32))
    autumn = value("winter") * rng.uniform(0.4, 1.3, shape) * _step(day, np.float32(-80) + spread, 10.0)
    vigour = 1 - 0.5 * rng.beta(1, 4, shape)
    green = (autumn * (1 - up) + value("peak") * vigour * up - value("base") * up) * (1 - down) * (1 - cut)
    stubble = rng.uniform(0.2, 0.6, shape) * cut
    dry = (value("dry") * vigour * down * (1 - cut) + stubble) * (1 - gone)
    catch = sown & (rng.random(shape) < CATCH_CROP_SHARE)
    green = green + catch * rng.uniform(0.2, 0.6, shape) * _step(day, end + 30, 8.0) * (
        1 - _step(day, np.float32(YEAR + 20) + spread, 10.0)
    )
    fresh = sown * gone * np.exp(-np.clip((day - end) / 25, 0, 30))
    return green.astype(np.float32), dry.astype(np.float32), fresh.astype(np.float32)


def _latitude_shift(cover: NDArray[np.uint8], latitude: float) -> NDArray[np.float64]:
    """Days by which spring comes later than at 48 degrees north; four tenths of it for crops sown in spring."""
    sown_in_spring = (cover == LandCover.MAIZE) | (cover == LandCover.BEET)
    return 3.0 * (latitude - 48) * np.where(sown_in_spring, 0.4, 1.0)


def _mowing(rng: Generator, landcover: NDArray[np.uint8], day: NDArray[np.float64]) -> Curves:
    """Share of green that is left by mowing, (T, P); some grassland is mown once, cut grassland every 30 to 55 days."""
    left = np.ones((len(day), len(landcover)), dtype=np.float32)
    often = landcover == LandCover.CUT_GRASS
    once = (landcover == LandCover.GRASSLAND) & (rng.random(len(landcover)) < 0.5)
    interval = np.where(often, rng.uniform(30, 55, len(landcover)), YEAR)
    first = np.where(often, rng.normal(130, 10, len(landcover)), rng.normal(175, 15, len(landcover)))
    mown = np.flatnonzero(often | once)
    for year in range(int(day[-1] // YEAR) + 1):
        for number in range(5):
            cut = first[mown] + number * interval[mown] + YEAR * year + rng.normal(0, 3, len(mown))
            since = day[:, None] - cut
            in_season = cut < YEAR * year + 290
            left[:, mown] *= 1 - in_season * (since >= 0) * rng.uniform(0.3, 0.75, len(mown)) * np.exp(
                -np.clip(since, 0, 500) / 16
            )
    return left


def _drift(rng: Generator, day: NDArray[np.float64], count: int) -> Curves:
    """Slow random departures from the smooth curve, relative, (T, P): stress, pests, weeds."""
    walk = np.empty((len(day), count), dtype=np.float32)
    walk[0] = rng.normal(0, 1, count)
    for date in range(1, len(day)):
        keep = np.exp(-(day[date] - day[date - 1]) / 25)
        walk[date] = keep * walk[date - 1] + np.sqrt(1 - keep**2) * rng.normal(0, 1, count)
    return np.float32(0.045) * walk


def _wetness(
    rng: Generator, day: NDArray[np.float64], irrigated: NDArray[np.bool_], latitude: float, drivers: Drivers | None
) -> Curves:
    """Wetness of the soil by rain, which falls on all, and by irrigation, parcel by parcel; (T, P) in [0, 1]."""
    count = len(irrigated)
    rate = 1 / 4 if latitude > 50 else 1 / 7 if latitude > 42 else 1 / 16
    rain = _events(rng, day, rate)
    amount = rng.gamma(1.5, 0.3, len(rain))
    if drivers is not None:
        rain, amount = drivers.rains()
    drying = rng.uniform(2, 7, count)
    wet = _decayed(day, rain, drying, amount[:, None] * rng.uniform(0.7, 1.0, count))
    for parcel in np.flatnonzero(irrigated):
        own = _events(rng, day, 1 / 9)
        wet[:, parcel] += _decayed(day, own, drying[parcel : parcel + 1], np.full((len(own), 1), 0.6))[:, 0]
    return np.clip(wet + 0.06 * rng.random((len(day), count)), 0, 1).astype(np.float32)


def _events(rng: Generator, day: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Days of events at this rate, from a month before the first date on, at least one; sorted."""
    span = day[-1] - day[0] + 30
    return np.sort(rng.uniform(day[0] - 30, day[-1], max(1, rng.poisson(rate * span))))


def _decayed(
    day: NDArray[np.float64], events: NDArray[np.float64], decay: NDArray[np.float64], amount: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What is left of the events' amounts (E, P) at each date, (T, P)."""
    dates = max(MOST_AT_ONCE // max(amount.size, 1), 1)
    remains = []
    for first in range(0, len(day), dates):
        since = day[first : first + dates, None, None] - events[None, :, None]
        left = np.where(since >= 0, np.exp(-np.maximum(since, 0) / decay), 0)
        remains.append((left * amount).sum(axis=1))
    return np.concatenate(remains)

"""Daily weather of a simulated place, drawn from its climate. It drives what grows and what clouds hide.

Off unless a scene has a climate (`SceneConfig.climate`); scenes without one are what they are without this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clearcube.cube import day_of_year
from clearcube.simulation.climate import Climate
from clearcube.simulation.fields import stream

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from clearcube.simulation.config import SceneConfig

    Floats = NDArray[np.float64]

SPIN_UP = 240
"""Days of weather before the first date: soils and plants remember so long."""
SYNOPTIC = (3.2, 4.0)
"""Departure of the temperature from its season by passing weather: standard deviation (K) and memory (days)."""
SPELL = (1.5, 40.0)
"""The same for warm and cold spells; they go with dry and wet ones."""
WARMEST_DAY, YEAR = 200.0, 365.25
WET_BEGIN = 0.55
"""Chance of a wet day after a dry one, relative to the share of wet days; the rest is persistence."""
CLEAR_SKY = 0.75
"""Share of the sun's radiation above the air that reaches the ground on a cloudless day (Allen et al. 1998)."""


@dataclass(frozen=True)
class DailyWeather:
    """Weather of D consecutive days, each (D,).

    dates : datetime64[D]. temperature : mean of the day, degrees Celsius; usual : what it is on that day of the year.
    precipitation : mm. radiation : W/m2, mean of the day; clearness : share of a cloudless day's radiation, [0.15, 1].
    """

    dates: NDArray[np.datetime64]
    temperature: Floats
    usual: Floats
    precipitation: Floats
    radiation: Floats
    clearness: Floats

    def since(self, origin: np.datetime64) -> Floats:
        """(D,) days since a date."""
        return (self.dates - origin).astype(np.float64)


def daily_weather(config: SceneConfig, seed: int) -> DailyWeather:
    """The weather of a scene, from `SPIN_UP` days before its first date to its last; the same for the same two.

    The scene must have a climate.
    """
    assert config.climate is not None, "a scene without a climate has no weather"
    rng, climate = stream(seed, "weather"), config.climate
    dates = config.start.astype("datetime64[D]") + np.arange(-SPIN_UP, config.days[-1] + 1)
    of_year = (day_of_year(dates) - 1).astype(np.float64)
    season = np.cos(2 * np.pi * (of_year - WARMEST_DAY) / YEAR)
    spell = memory(rng, len(dates), SPELL[1])
    usual = climate.temperature + climate.swing * season
    departure = SPELL[0] * spell + SYNOPTIC[0] * memory(rng, len(dates), SYNOPTIC[1])
    chance = np.clip(climate.wet_days * (1 + climate.wet_summers * season) * np.exp(-0.35 * spell), 0.01, 0.9)
    wet = _wet_days(rng, chance)
    amount = rng.gamma(0.75, climate.rain / 0.75, len(dates))
    clearness = np.where(wet, rng.beta(2.0, 3.2, len(dates)), rng.beta(*_dry_sky(climate), len(dates)))
    clearness = np.clip(clearness, 0.15, 1.0)
    return DailyWeather(
        dates=dates,
        temperature=usual + departure + 2.5 * (clearness - 0.6) * season,
        usual=usual,
        precipitation=np.where(wet, amount, 0.0),
        radiation=CLEAR_SKY * clearness * above_the_air(of_year, config.latitude),
        clearness=clearness,
    )


def memory(rng: Generator, count: int, days: float) -> Floats:
    """A series of unit variance that forgets with this time scale, days."""
    keep, walk = np.exp(-1 / days), np.empty(count)
    shocks = rng.standard_normal(count)
    walk[0] = shocks[0]
    for day in range(1, count):
        walk[day] = keep * walk[day - 1] + np.sqrt(1 - keep**2) * shocks[day]
    return walk


def _wet_days(rng: Generator, chance: Floats) -> NDArray[np.bool_]:
    """A chain of wet and dry days; `chance` (D,) is the share of wet days at each time of the year."""
    draws, wet = rng.random(len(chance)), np.empty(len(chance), bool)
    wet[0] = draws[0] < chance[0]
    begin = WET_BEGIN * chance
    stay = 1 - begin * (1 - chance) / chance
    for day in range(1, len(chance)):
        wet[day] = draws[day] < (stay[day] if wet[day - 1] else begin[day])
    return wet


def _dry_sky(climate: Climate) -> tuple[float, float]:
    """Parameters of the distribution of clearness on dry days."""
    return 6.0 * climate.bright, 6.0 * (1 - climate.bright)


def above_the_air(days: Floats, latitude: float) -> Floats:
    """Radiation from the sun above the air, W/m2, mean of the day. days : since New Year, 0 on 1 January.

    Reference: Allen et al. (1998), Crop evapotranspiration, FAO paper 56, equations 21 to 25.
    """
    turn = 2 * np.pi * days / 365
    declination, phi = 0.409 * np.sin(turn - 1.39), np.radians(latitude)
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(declination), -1, 1))
    height = sunset * np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.sin(sunset)
    return np.asarray(1361 / np.pi * (1 + 0.033 * np.cos(turn)) * height)

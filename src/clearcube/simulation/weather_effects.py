"""What the weather does to a scene: growth runs ahead or behind, drought, harvest on dry days, wet soil, clouds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from clearcube.simulation.landcover import LandCover
from clearcube.simulation.weather import DailyWeather, daily_weather

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.simulation.config import SceneConfig, Sky

    Floats = NDArray[np.float64]

GROWTH_PER_KELVIN = 0.05
"""Days that growth gains in a day that is one kelvin too warm; five days for a spring that is 1.5 K too warm."""
GROWTH_MEMORY = 120.0
"""Days in which the plants' lead or lag fades."""
FASTEST = 0.7
"""Most days that growth gains or loses in a day."""
STRESS_BEGIN = 0.45
"""Share of the soil's water below which plants begin to suffer."""
STRESS_MEMORY = 14.0
"""Days in which green cover answers to drought, and recovers after it."""
CAPACITIES = np.array([0.4, 0.7, 1.0, 1.5, 2.2])
"""Soils whose water is followed, relative to the usual one of the place."""
SENSITIVITY = {
    LandCover.CEREAL: 0.35,
    LandCover.MAIZE: 0.5,
    LandCover.RAPESEED: 0.35,
    LandCover.BEET: 0.4,
    LandCover.CUT_GRASS: 0.65,
    LandCover.GRASSLAND: 0.75,
    LandCover.BROADLEAF: 0.22,
    LandCover.CONIFER: 0.1,
    LandCover.URBAN: 0.4,
    LandCover.BARE: 0.6,
}
"""Share of green cover that a class loses in a full drought."""
DRY_DAYS, LONGEST_WAIT = 3, 18
"""Dry days in a row before a harvest, and days that one waits for them at most."""
DRIZZLE = 1.0
"""mm a day up to which a day counts as dry."""
OVERCAST, BROKEN = (0.43, 0.05), (0.56, 0.04)
"""Clearness of a day at which half of the passes see an overcast, a broken sky, and the width of that change. Chosen so
that the shares of clear (0.2 to 0.75), partly clear (a fifth) and lost dates are those of real cubes of Europe."""
WETTING = 8.0
"""mm of rain that wet the surface of a dry soil."""


@dataclass(frozen=True)
class Drivers:
    """A scene's weather, prepared for the plants. Days count from the 1st of January of the scene's first year.

    day : (D,) of the weather. growth : (D,) day that the plants are at.
    stress : (C, D) drought, 0 none to 1 full, in the soils of `CAPACITIES`.
    """

    weather: DailyWeather
    day: Floats
    growth: Floats
    stress: Floats

    @classmethod
    def of(cls, config: SceneConfig, seed: int) -> Drivers | None:
        """Those of a scene; None where it has no climate."""
        if config.climate is None:
            return None
        weather = daily_weather(config, seed)
        day = weather.since(config.start.astype("datetime64[Y]").astype("datetime64[D]"))
        return cls(weather, day, day + _lead(weather), _stress(weather, config.climate.soil_water))

    def growth_day(self, day: Floats) -> Floats:
        """The day that the plants are at on the days (T,)."""
        return np.interp(day, self.day, self.growth)

    def harvested(self, due: NDArray[np.float32]) -> NDArray[np.float32]:
        """Days of growth, any shape, moved to the end of the next dry spell; those outside the weather as they are."""
        inside = (due > self.growth[0]) & (due < self.growth[-1])
        at = np.clip(np.searchsorted(self.growth, due), 0, len(self.day) - 1)
        waited = self.growth[self._next_dry()[at]]
        return np.where(inside, np.maximum(waited, due), due).astype(np.float32)

    def left_by_drought(
        self, day: Floats, landcover: NDArray[np.uint8], irrigated: NDArray[np.bool_], soils: Floats
    ) -> NDArray[np.float32]:
        """Share of green cover that drought leaves, (T, P); soils (P,) are relative capacities."""
        sensitivity = np.array([SENSITIVITY.get(cover, 0.0) for cover in LandCover])[landcover] * ~irrigated
        place = np.interp(soils, CAPACITIES, np.arange(len(CAPACITIES)))
        low = np.minimum(place.astype(int), len(CAPACITIES) - 2)
        curves = np.stack([np.interp(day, self.day, stress) for stress in self.stress], axis=1)
        stress = curves[:, low] + (place - low) * (curves[:, low + 1] - curves[:, low])
        return np.asarray(1 - sensitivity * stress, dtype=np.float32)

    def rains(self) -> tuple[Floats, Floats]:
        """Days of rain and how much of a dry surface each wets, [0, 1.5]."""
        wet = self.weather.precipitation > 0
        return self.day[wet], np.minimum(self.weather.precipitation[wet] / WETTING, 1.5)

    def _next_dry(self) -> NDArray[np.intp]:
        """(D,) index of the first day from each on that ends a dry spell, after the longest wait at the latest."""
        dry = self.weather.precipitation <= DRIZZLE
        ends = np.convolve(dry, np.ones(DRY_DAYS))[: len(dry)] >= DRY_DAYS
        index = np.where(ends, np.arange(len(dry)), len(dry) + LONGEST_WAIT)
        following = np.minimum.accumulate(index[::-1])[::-1]
        return np.minimum(np.minimum(following, np.arange(len(dry)) + LONGEST_WAIT), len(dry) - 1)


def skies_of(config: SceneConfig, seed: int) -> list[Sky]:
    """The sky of each date: that of the scene, or the weather's where it has a climate.

    A cloudless day stays so; the darker a day, the likelier it is overcast when the satellite comes by.
    """
    if config.climate is None:
        return [config.sky] * len(config.days)
    weather = daily_weather(config, seed)
    clearness = weather.clearness[np.searchsorted(weather.dates, config.dates)]
    overcast = 1 / (1 + np.exp((clearness - OVERCAST[0]) / OVERCAST[1]))
    broken = (1 - overcast) / (1 + np.exp((clearness - BROKEN[0]) / BROKEN[1]))
    return [replace(config.sky, overcast=float(o), broken=float(b)) for o, b in zip(overcast, broken, strict=True)]


def _lead(weather: DailyWeather) -> Floats:
    """Days that the plants are ahead of the calendar, (D,)."""
    gain = np.clip(GROWTH_PER_KELVIN * (weather.temperature - weather.usual), -FASTEST, FASTEST)
    lead, ahead = np.empty(len(gain)), 0.0
    for day, gained in enumerate(gain):
        ahead = ahead * (1 - 1 / GROWTH_MEMORY) + gained
        lead[day] = ahead
    return lead


def _stress(weather: DailyWeather, soil_water: float) -> Floats:
    """Drought in soils of all `CAPACITIES`, (C, D): a bucket that rain fills and plants empty.

    Reference: Turc (1961) and Hargreaves & Samani (1985) for the demand by temperature and radiation.
    """
    demand = 0.0135 * np.maximum(weather.temperature + 17.8, 0) * weather.radiation * 0.0864 / 2.45
    capacity = soil_water * CAPACITIES
    water, slow = 0.7 * capacity, np.zeros(len(capacity))
    stress = np.empty((len(capacity), len(demand)))
    for day, (rain, needed) in enumerate(zip(weather.precipitation, demand, strict=True)):
        supplied = np.minimum(water / (STRESS_BEGIN * capacity), 1)
        water = np.clip(water + rain - 0.8 * needed * supplied, 0, capacity)
        slow = slow + (1 - supplied - slow) / STRESS_MEMORY
        stress[:, day] = slow
    return stress

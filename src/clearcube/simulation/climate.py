"""The climate of a simulated place, as frozen values, and random draws of places for forecasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator


@dataclass(frozen=True)
class Climate:
    """What the weather of a place is drawn from.

    temperature : annual mean, degrees Celsius; swing : half the difference between summer and winter, K.
    wet_days : share of days with rain; wet_summers : -1 dry summers and wet winters, 1 the other way round.
    rain : mean of a wet day, mm. bright : mean clearness of dry days, share of a cloudless day's radiation.
    soil_water : mm that a usual soil can hold for plants.
    """

    temperature: float = 10.0
    swing: float = 9.0
    wet_days: float = 0.42
    wet_summers: float = 0.0
    rain: float = 4.5
    bright: float = 0.75
    soil_water: float = 110.0


EVALUATION_BELTS = ((40.0, 42.0), (47.0, 49.0), (54.0, 56.0))
"""Latitudes that only evaluation draws from."""
LATITUDES = (35.0, 61.0)


def random_latitude(rng: Generator, *, evaluation: bool) -> float:
    """A latitude in one of the belts of evaluation, or outside all of them."""
    if evaluation:
        return float(rng.uniform(*EVALUATION_BELTS[rng.integers(len(EVALUATION_BELTS))]))
    while True:
        latitude = float(np.clip(rng.normal(47, 7), *LATITUDES))
        if not any(low <= latitude <= high for low, high in EVALUATION_BELTS):
            return latitude


def random_climate(rng: Generator, latitude: float) -> Climate:
    """A climate as it is met at this latitude in Europe, from the Atlantic to the continent."""
    continental = rng.uniform(0, 1)
    south = np.clip((46 - latitude) / 10, 0, 1)
    return Climate(
        temperature=float(26.5 - 0.36 * latitude - 1.5 * continental + rng.normal(0, 1.2)),
        swing=float(6.5 + 5 * continental + rng.normal(0, 0.7)),
        wet_days=float(np.clip(0.46 - 0.24 * south - 0.08 * continental + rng.normal(0, 0.06), 0.1, 0.65)),
        wet_summers=float(np.clip(0.25 * continental - 0.8 * south + rng.normal(0, 0.1), -0.9, 0.5)),
        rain=float(np.clip(rng.normal(5, 1), 2.5, 9)),
        bright=float(np.clip(0.68 + 0.14 * south + rng.normal(0, 0.05), 0.5, 0.9)),
        soil_water=float(np.clip(110 * 1.4 ** rng.standard_normal(), 40, 220)),
    )

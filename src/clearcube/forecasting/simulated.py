"""Episodes of simulated places, whose weather drives what grows and what clouds hide."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from clearcube.filler import Block
from clearcube.forecasting.episode import CONTEXT_DATES, TARGET_DATES, Episode, Weather, ndvi_of
from clearcube.forecasting.weather import VARIABLES
from clearcube.simulation import SceneConfig, random_config, simulate
from clearcube.simulation.climate import random_climate, random_latitude
from clearcube.simulation.config import EARTHNET_FOUR, SENTINEL2_FOUR
from clearcube.simulation.scene import CLEAN
from clearcube.simulation.weather import DailyWeather, daily_weather

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from clearcube.simulation import Scene

STEP = 5
"""Days between two target dates."""
GROWING = (45, 235)
"""Days of the year on which most contexts begin: so that what follows is not all winter."""
OFF_SEASON = 0.15
"""Share of contexts that begin on any day."""
IRREGULAR = 0.3
"""Share of contexts of training whose dates are not every five days."""


@dataclass(frozen=True)
class SimulatedEpisode:
    """An episode, and what only a simulation knows.

    clear_ndvi : (Tc + Th, H, W) NDVI of a clear observation at every date. clear_context : (Tc, B, H, W) reflectance
    of a clear observation at every date of the context: what a perfect fill would give.
    """

    episode: Episode
    clear_ndvi: NDArray[np.float32]
    clear_context: NDArray[np.float32]


def simulate_with_truth(seed: int, *, size: int = 128, evaluation: bool = False) -> SimulatedEpisode:
    """10 context and 20 target dates of size x size pixels of a place with weather that the seed decides.

    evaluation : draw latitude (hence climate and season) and year from ranges that training never draws from, and
        dates every five days. Training also draws irregular contexts.

    The target NDVI is that of a clear observation where the pixel is really clear and reported so, NaN elsewhere:
    errors of the mask are in the context, not in the judgement. `truth_ndvi` is that of the ground, without air, view
    angle and noise. Elevation is unknown.
    """
    rng = np.random.default_rng([seed, 7, int(evaluation)])
    config = random_season(rng, size=size, evaluation=evaluation)
    scene_seed = int(rng.integers(2**31))
    scene, weather = simulate(config, scene_seed), daily_weather(config, scene_seed)
    return _episode(scene, weather, f"simulated-{'evaluation' if evaluation else 'training'}-{seed}")


def random_season(rng: Generator, *, size: int, evaluation: bool) -> SceneConfig:
    """A scene of 30 dates with a climate; see `simulate_with_truth`."""
    bands = EARTHNET_FOUR if rng.random() < 0.5 else SENTINEL2_FOUR
    count = CONTEXT_DATES + TARGET_DATES
    drawn = random_config(rng, height=size, width=size, n_dates=count, bands=bands, evaluation=evaluation)
    latitude = random_latitude(rng, evaluation=evaluation)
    of_year = rng.integers(365) if rng.random() < OFF_SEASON else rng.integers(*GROWING)
    return replace(
        drawn,
        start=drawn.start.astype("datetime64[Y]").astype("datetime64[D]") + int(of_year),
        days=_days(rng, irregular=not evaluation and rng.random() < IRREGULAR),
        orbits=(),
        pixel_size=float(rng.choice([10.0, 20.0, 20.0, 20.0])),
        latitude=latitude,
        climate=random_climate(rng, latitude),
    )


def _days(rng: Generator, *, irregular: bool) -> tuple[int, ...]:
    """Days of the context, and of the targets every five days after it."""
    gaps = rng.choice([2, 3, 5, 5, 7, 8, 10], CONTEXT_DATES - 1) if irregular else np.full(CONTEXT_DATES - 1, STEP)
    return tuple(np.cumsum([0, *gaps, *[STEP] * TARGET_DATES]).tolist())


def _episode(scene: Scene, weather: DailyWeather, name: str) -> SimulatedEpisode:
    context = slice(0, CONTEXT_DATES)
    clear = ndvi_of(scene.clear, scene.bands)
    seen = scene.observed & (scene.contamination <= CLEAN)
    target = np.where(seen, clear, np.float32(np.nan))[CONTEXT_DATES:]
    episode = Episode(
        name=name,
        context=Block(
            np.where(scene.observed[context, None], scene.reflectance[context], np.float32(np.nan)),
            scene.observed[context],
            scene.dates[context],
            scene.bands,
        ),
        target_dates=scene.dates[CONTEXT_DATES:],
        target_ndvi=target,
        weather=_weather(weather),
        landcover=scene.landcover,
        classes="simulated",
        truth_ndvi=ndvi_of(scene.surface, scene.bands),
        place=name,
    )
    return SimulatedEpisode(episode, clear, scene.clear[context])


def _weather(weather: DailyWeather) -> Weather:
    values = np.stack([getattr(weather, name) for name in VARIABLES], axis=1)
    return Weather(weather.dates, values.astype(np.float32), VARIABLES)

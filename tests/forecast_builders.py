"""Seeded episodes for tests of forecasts."""

import numpy as np

from clearcube.cube import band_named
from clearcube.filler import Block
from clearcube.forecasting.episode import Episode

RED_NIR = (band_named("red"), band_named("nir"))
START = np.datetime64("2021-03-05", "D")


def days(count, first=0, step=5):
    return START + first + step * np.arange(count)


def reflectance_of(ndvi, total=0.5):
    """Red and near infrared (T, 2, H, W) that sum to `total` and have this NDVI."""
    ndvi = np.asarray(ndvi, np.float64)
    return np.stack([total * (1 - ndvi) / 2, total * (1 + ndvi) / 2], axis=1).astype(np.float32)


def context_of(ndvi, dates=None):
    """A context whose NDVI is given, (T, H, W); NaN = not observed."""
    ndvi = np.asarray(ndvi, np.float32)
    dates = days(len(ndvi)) if dates is None else dates
    return Block(reflectance_of(ndvi), np.isfinite(ndvi), dates, RED_NIR)


def episode(seed=0, size=12, *, cloud=0.4, context_dates=10, target_dates=20, landcover=True, name="place", place=""):
    """An episode of a growing season: NDVI rises and falls, differently at every pixel, and is seen through clouds."""
    rng = np.random.default_rng(seed)
    dates = days(context_dates + target_dates)
    phase = rng.uniform(60, 130, (size, size))
    height = rng.uniform(0.3, 0.6, (size, size))
    age = (dates - dates[0]).astype(float)[:, None, None]
    truth = 0.25 + height * np.exp(-(((age - phase) / 40) ** 2))
    seen = (truth + rng.normal(0, 0.02, truth.shape)).astype(np.float32)
    seen[rng.random(seen.shape) < cloud] = np.nan
    codes = rng.choice([0, 5, 7, 9], (size, size)).astype(np.uint8)
    return Episode(
        name=name,
        context=context_of(seen[:context_dates], dates[:context_dates]),
        target_dates=dates[context_dates:],
        target_ndvi=seen[context_dates:],
        landcover=codes if landcover else None,
        classes="simulated" if landcover else "",
        truth_ndvi=truth.astype(np.float32),
        place=place or name,
    )

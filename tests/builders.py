"""Seeded cubes for tests."""

from dataclasses import dataclass

import numpy as np

from clearcube.cube import band_named, bands_of, new_cube
from clearcube.evaluation.mask_error import with_frames
from clearcube.evaluation.run import with_masks
from clearcube.filler import Block, Estimate
from clearcube.gaps import MaskBank

BANDS = tuple(band_named(name) for name in ("blue", "green", "red", "nir"))


def irregular_dates(count, seed=0, start="2020-03-01"):
    steps = np.random.default_rng(seed).integers(1, 12, count)
    return np.datetime64(start, "D") + np.cumsum(steps)


def smooth_series(dates, bands, height, width, seed=0):
    """Reflectance (T, B, H, W) that changes smoothly in time, differs by pixel and stays within 0..0.6."""
    rng = np.random.default_rng(seed)
    level = rng.uniform(0.05, 0.4, (1, bands, height, width))
    phase = rng.uniform(0, 2 * np.pi, (1, bands, height, width))
    days = (dates - dates[0]).astype(float)[:, None, None, None]
    return (level * (1 + 0.3 * np.sin(2 * np.pi * days / 365 + phase))).astype(np.float32)


def cloudy_cube(times=12, height=40, width=50, *, bands=BANDS, cloud=0.4, seed=0, never=True, crs=32631, noise=0.005):
    """A cube with clouds (bright, not observed), one lost date and, if asked, a patch that is never observed."""
    rng = np.random.default_rng(seed)
    dates = irregular_dates(times, seed)
    truth = smooth_series(dates, len(bands), height, width, seed)
    truth += rng.normal(0, noise, truth.shape).astype(np.float32)
    observed = rng.random((times, height, width)) > cloud
    observed[times // 2] = False
    if never:
        observed[:, 5:15, 7:19] = False
    reflectance = np.where(observed[:, None], truth, np.float32(0.9))
    reflectance[times // 2] = np.nan
    cube = new_cube(
        reflectance.astype(np.float32),
        observed,
        dates,
        bands,
        y=5_600_000 - 10.0 * np.arange(height) - 5,
        x=500_000 + 10.0 * np.arange(width) + 5,
        crs=crs,
    )
    return cube.assign(truth=(("time", "band", "y", "x"), truth))


def block_of(cube):
    """The cube as a block."""
    values, observed = cube["reflectance"].values, cube["observed"].values
    return Block(values, observed, cube["time"].values.astype("datetime64[D]"), bands_of(cube))


@dataclass(frozen=True)
class MeanFiller:
    """Fills with the pixel's mean; with a halo it averages nothing but still must see it."""

    halo: int = 0
    name: str = "mean"

    def prepare(self, sample):
        assert sample
        return PreparedMean(sample[0].reflectance.shape[1])


@dataclass(frozen=True)
class PreparedMean:
    bands: int

    @property
    def error_correlation(self):
        return np.eye(self.bands)

    def summary(self):
        return {"bands": self.bands, "std": 0.1}

    def fill(self, block):
        seen = np.where(block.observed[:, None], block.reflectance, 0).astype(np.float64).sum(axis=0)
        count = block.observed.sum(axis=0)
        mean = np.where(count > 0, seen / np.maximum(count, 1), np.nan).astype(np.float32)
        mean = np.broadcast_to(mean, block.reflectance.shape).copy()
        return Estimate(mean, np.full_like(mean, 0.1))


def bank_of(series):
    """The bank of all masks of the cubes, (key, observed (T, H, W)), that an evaluation would draw from."""
    kept = {}
    for key, observed in series:
        kept = with_masks(kept, key, observed)
    return MaskBank(tuple(kept.values()))


def cloudy_frames(cubes):
    """The cloudy dates of the cubes, (key, block), that an evaluation would paste."""
    kept = {}
    for key, block in cubes:
        kept = with_frames(kept, key, block)
    return tuple(kept.values())


QUICK_TRAINING = """
output = "{folder}"
[network]
channels = [4, 4]
hidden = [2]
look_channels = [4, 4]
look_hidden = [0]
[sampling]
size = 16
frames = 6
dates = [5]
[optimisation]
steps = {steps}
precision = "{precision}"
"""
"""A configuration that trains in a second; more settings of the optimisation, and other tables, may follow."""

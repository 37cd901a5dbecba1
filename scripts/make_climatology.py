"""Write the tables of the baselines: usual NDVI by kind of land and day of the year, and errors by lead time.

python scripts/make_climatology.py [--episodes 240] [--size 64] [CUBE ...]

From simulated episodes drawn for training, and from CUBEs (paths; several of one place joined by commas) that may
train. Writes `climatology.csv` and `baseline_errors.csv` into the package.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from clearcube.cube import bands_of, dates_of, day_of_year
from clearcube.filler import Block
from clearcube.forecasting.baselines import Harmonic, Persistence, Seasonal
from clearcube.forecasting.baselines_series import days_since_seen
from clearcube.forecasting.baselines_tables import CLIMATOLOGY, ERRORS, EVERYWHERE
from clearcube.forecasting.episode import Forecaster, ndvi_of
from clearcube.forecasting.simulated import random_season, simulate_with_truth
from clearcube.forecasting.vegetation import LEGENDS, legend_of
from clearcube.readers.open import open_cube
from clearcube.simulation import simulate

PACKAGE = Path(__file__).parents[1] / "src" / "clearcube" / "forecasting"
BIN_DAYS, BINS = 5, 74
"""Width of a bin of the year, and their number."""
SMOOTH_BINS = 2.0
FEWEST_PIXELS = 20
LEAST_STD = 0.03
LEAD_BIN, LEAD_BINS = 10, 20
LEAST_SHARE = 0.002
"""Bins with a smaller share of the values are left out: their few places say little."""
SEASONS = 12
"""Scenes of a year and more that errors of seasonal forecasts are measured on."""

Floats = NDArray[np.float64]


class Courses:
    """Sums of the mean NDVI of a kind on a date, and of its square; every place and date counts alike."""

    def __init__(self) -> None:
        self.sums: dict[str, Floats] = {}

    def add(
        self, ndvi: NDArray[np.float32], dates: NDArray[np.datetime64], kinds: Mapping[str, NDArray[np.bool_]]
    ) -> None:
        """Ndvi : (T, H, W), NaN where not clear. kinds : name -> its pixels (H, W)."""
        bins = (day_of_year(dates) - 1) // BIN_DAYS
        for kind, pixels in kinds.items():
            table = self.sums.setdefault(kind, np.zeros((3, BINS)))
            for date, frame in zip(bins, ndvi[:, pixels], strict=True):
                values = frame[np.isfinite(frame)].astype(np.float64)
                if values.size >= FEWEST_PIXELS:
                    table[:, date] += 1, values.mean(), (values**2).mean()

    def rows(self) -> Iterator[tuple[str, int, float, float]]:
        """Kind, day of the year, mean, std; kinds that were not seen all year round are left out."""
        for kind, sums in sorted(self.sums.items()):
            if (sums[0] == 0).sum() > BINS // 10:
                sys.stderr.write(f"{kind}: not seen all year round, left out\n")
                continue
            weight, total, squares = gaussian_filter1d(sums, SMOOTH_BINS, axis=1, mode="wrap")
            mean = total / weight
            std = np.sqrt(np.maximum(squares / weight - mean**2, LEAST_STD**2))
            for index in range(BINS):
                yield kind, index * BIN_DAYS + BIN_DAYS // 2, float(mean[index]), float(std[index])


def kinds_in(landcover: NDArray[np.integer] | None, legend: str, frame: Sequence[int]) -> dict[str, NDArray[np.bool_]]:
    """Kind of land -> its pixels (H, W), and all pixels together."""
    kinds = {EVERYWHERE: np.ones(frame, bool)}
    for code, kind in LEGENDS.get(legend, {}).items() if landcover is not None else ():
        kinds[kind] = kinds.get(kind, np.zeros(frame, bool)) | (landcover == code)
    return kinds


class Errors:
    """Squared errors of baselines by days since the last observation."""

    def __init__(self) -> None:
        self.sums: dict[str, Floats] = {}

    def add(
        self, model: Forecaster, context: Block, dates: NDArray[np.datetime64], target: NDArray[np.float32]
    ) -> None:
        """Forecast and compare; target (T, H, W) NDVI, NaN where not clear."""
        error = model.forecast(context, dates).mean.astype(np.float64) - target
        there = np.isfinite(error)
        part = np.minimum(days_since_seen(context, dates) // LEAD_BIN, LEAD_BINS - 1)[there]
        table = self.sums.setdefault(model.name, np.zeros((2, LEAD_BINS)))
        table[0] += np.bincount(part, error[there] ** 2, minlength=LEAD_BINS)
        table[1] += np.bincount(part, minlength=LEAD_BINS)

    def rows(self) -> Iterator[tuple[str, int, float]]:
        """Model, days, RMS error, which never falls."""
        for model, (squared, count) in self.sums.items():
            seen = np.flatnonzero(count > LEAST_SHARE * count.sum())
            rms = np.maximum.accumulate(np.sqrt(squared[seen] / count[seen]))
            for index, value in zip(seen, rms, strict=True):
                yield model, int(index) * LEAD_BIN + LEAD_BIN // 2, float(value)


def long_episode(seed: int, size: int) -> tuple[Block, NDArray[np.datetime64], NDArray[np.float32]]:
    """A context of more than a year, the dates of 100 days after it and their clear NDVI."""
    rng = np.random.default_rng([seed, 11])
    config = replace(random_season(rng, size=size, evaluation=False), days=tuple(range(0, 5 * 103, 5)))
    scene = simulate(config, int(rng.integers(2**31)))
    block = scene.block
    given = Block(block.reflectance[:-20], block.observed[:-20], block.dates[:-20], block.bands)
    given = replace(given, reflectance=np.where(given.observed[:, None], given.reflectance, np.float32(np.nan)))
    return given, scene.dates[-20:], ndvi_of(scene.clear, scene.bands)[-20:]


def add_cube(courses: Courses, path: str) -> None:
    """Add what was seen of a real cube."""
    cube = open_cube(path.split(",")).load()
    ndvi = ndvi_of(
        np.where(cube["observed"].values[:, None], cube["reflectance"].values, np.float32(np.nan)), bands_of(cube)
    )
    landcover = cube["landcover"].values if "landcover" in cube else None
    legend = "" if landcover is None else legend_of(landcover)
    courses.add(ndvi, dates_of(cube), kinds_in(landcover, legend, ndvi.shape[1:]))


def write(name: str, head: Sequence[str], rows: Iterator[tuple[object, ...]]) -> None:
    """Write a table of the package."""
    text = [",".join(head)]
    text += [",".join(f"{value:.4f}" if isinstance(value, float) else str(value) for value in row) for row in rows]
    (PACKAGE / name).write_text("# Made by scripts/make_climatology.py.\n" + "\n".join(text) + "\n", encoding="utf-8")


def main() -> None:
    """Make both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cubes", nargs="*")
    parser.add_argument("--episodes", type=int, default=240)
    parser.add_argument("--size", type=int, default=64)
    given = parser.parse_args()
    courses, errors = Courses(), Errors()
    for path in given.cubes:
        add_cube(courses, path)
    for seed in range(given.episodes):
        made = simulate_with_truth(seed, size=given.size)
        episode = made.episode
        assert episode.landcover is not None
        courses.add(
            made.clear_ndvi,
            np.concatenate([episode.context.dates, episode.target_dates]),
            kinds_in(episode.landcover, episode.classes, episode.landcover.shape),
        )
        for model in (Persistence(), Harmonic()):
            errors.add(model, episode.context, episode.target_dates, episode.target_ndvi)
        if seed < SEASONS:
            errors.add(Seasonal(), *long_episode(seed, given.size))
        sys.stderr.write(f"\r{seed + 1} of {given.episodes}")
    write(CLIMATOLOGY, ("kind", "day", "mean", "std"), courses.rows())
    write(ERRORS, ("model", "days", "rms"), errors.rows())


if __name__ == "__main__":
    main()

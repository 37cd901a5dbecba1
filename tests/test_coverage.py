"""Coverage of the 90 % intervals of every method, by band and length of gap.

Where pixels are independent, few cubes tell it to a per cent. The errors of one date of a scene are alike, so scenes
tell it to two or three per cent unless there are hundreds of them, which takes minutes.
"""

from contextlib import suppress
from functools import cache

import numpy as np
import pytest

from clearcube.evaluation.calibration import calibration_sums, inside
from clearcube.filler import Block, Estimate
from clearcube.gaps import STRATA, MaskBank, Scenario, ScenarioUnavailable, gap_length, gap_stratum, hide, scored
from clearcube.methods import METHODS, make_filler
from clearcube.network_filler import make_network_filler
from clearcube.simulation import random_config, simulate
from clearcube.simulation.config import SENTINEL2_FOUR

SIZE, PART, FEWEST = 16, 4, 1000
FEW, MANY, INDEPENDENT = 32, 256, 24
LARGER, SOME = 32, 48  # the network lives by what lies around a pixel
FIRST_SEED = 700_000  # nothing was chosen by looking at these scenes


@cache
def scenes(count, size=SIZE):
    """Simulated scenes of size x size pixels: reflectance, clear truth, observed, dates."""
    found = []
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        rng = np.random.default_rng(seed)
        dates = int(rng.integers(12, 37))
        config = random_config(rng, height=size, width=size, n_dates=dates, bands=SENTINEL2_FOUR, evaluation=True)
        scene = simulate(config, seed)
        found.append((scene.reflectance, scene.clear, scene.observed, scene.dates))
    return experiments(found)


@cache
def independent_pixels(count):
    """Cubes in which every pixel has a season, a random walk and noise of its own, below clouds of 4 x 4 pixels."""
    found = []
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        rng = np.random.default_rng(seed)
        times = int(rng.integers(24, 37))
        days = np.cumsum(rng.choice([3, 5, 5, 8], times))
        day, pixels = days[:, None, None, None], (times, 4, SIZE, SIZE)
        size, phase = rng.uniform(0, 0.1, (1, 4, SIZE, SIZE)), rng.random((1, 1, SIZE, SIZE))
        season = rng.uniform(0.05, 0.3, (1, 4, 1, 1)) + size * np.sin(2 * np.pi * (day / 365 + phase))
        steps = np.sqrt(np.diff(days, prepend=days[0]))[:, None, None, None]
        walk = np.cumsum(rng.normal(0, 0.003, pixels) * steps, axis=0)
        noise = rng.normal(0, 1, pixels) * np.array([0.005, 0.006, 0.008, 0.012])[:, None, None]
        cloudy = rng.random((times, SIZE // 4, SIZE // 4)) < 0.35 * (rng.random((times, 1, 1)) < 0.7)
        clear = (season + walk + noise).astype(np.float32)
        observed = ~cloudy.repeat(4, axis=1).repeat(4, axis=2)
        found.append((clear, clear, observed, np.datetime64("2023-02-01", "D") + days))
    return experiments(found)


def experiments(cubes):
    """What a filler sees, the truth, the scored pixels and their strata, of every cube."""
    bank = MaskBank.of(observed for *_, observed, _ in cubes)
    return [experiment(number, *cube, bank) for number, cube in enumerate(cubes)]


def experiment(number, reflectance, clear, observed, dates, bank):
    """Every other cube is hidden as a whole, by one scenario; of the others each part has a scenario of its own."""
    hidden = np.zeros_like(observed)
    size = observed.shape[1]
    side = PART if number % 2 else size
    for at, (top, left) in enumerate(np.ndindex(size // side, size // side)):
        rows, columns = (slice(side * start, side * (start + 1)) for start in (top, left))
        part = Block(
            np.ascontiguousarray(reflectance[:, :, rows, columns]), observed[:, rows, columns], dates, SENTINEL2_FOUR
        )
        scenario = tuple(Scenario)[(number // 2 + at) % len(Scenario)]
        with suppress(ScenarioUnavailable):
            hidden[:, rows, columns] = hide(part, scenario, at, bank=bank, key=str(number))
    left = observed & ~hidden
    seen = Block(np.where(left[:, None], reflectance, np.float32(np.nan)), left, dates, SENTINEL2_FOUR)
    return seen, clear, scored(observed, hidden), gap_stratum(gap_length(left, dates))


def coverage_sums(estimate, truth, counted, stratum, names=tuple(band.name for band in SENTINEL2_FOUR)):
    """Sums (strata, bands) whose `total / weight` is the share of values inside the 90 % interval."""
    return calibration_sums(estimate, truth, counted, names, np.eye(len(names)), stratum, len(STRATA))[inside(0.9)]


def coverage(filler, experiments):
    """Share inside of the intervals by band and stratum, its standard error (of cubes), and the strata."""
    found = []
    for seen, truth, counted, stratum in experiments:
        estimate = filler.prepare([seen]).fill(seen)
        assert np.isfinite(np.moveaxis(estimate.mean, 1, -1)[counted]).all()
        found.append(coverage_sums(estimate, truth, counted, stratum))
    total, weight = (np.stack([getattr(sums, name).T for sums in found]) for name in ("total", "weight"))
    enough = weight.sum(axis=0)[0] >= FEWEST
    assert enough.sum() >= 4
    total, weight = total[..., enough], weight[..., enough]
    cover = total.sum(axis=0) / weight.sum(axis=0)
    error = np.sqrt(((total - cover * weight) ** 2).sum(axis=0)) / weight.sum(axis=0)
    return cover, error, np.array(STRATA)[enough]


@pytest.mark.parametrize("method", list(METHODS))
def test_ninety_per_cent_intervals_cover(method):
    cover, _, strata = coverage(make_filler(method), independent_pixels(INDEPENDENT))
    assert ((cover > 0.85) & (cover < 0.95)).all(), (strata, cover.round(3))


@pytest.mark.parametrize("method", list(METHODS))
def test_ninety_per_cent_intervals_cover_scenes(method):
    cover, error, strata = coverage(make_filler(method), scenes(FEW))
    assert ((cover > 0.85 - 2 * error) & (cover < 0.95 + 2 * error)).all(), (strata, cover.round(3))


@pytest.mark.slow
@pytest.mark.parametrize("method", list(METHODS))
def test_ninety_per_cent_intervals_cover_many_scenes(method):
    cover, _, strata = coverage(make_filler(method), scenes(MANY))
    assert ((cover > 0.85) & (cover < 0.95)).all(), (strata, cover.round(3))


@pytest.mark.slow
def test_ninety_per_cent_intervals_of_the_embedded_network_cover_scenes():
    cover, error, strata = coverage(make_network_filler("seq2seq"), scenes(SOME, LARGER))
    assert ((cover > 0.85 - 2 * error) & (cover < 0.95 + 2 * error)).all(), (strata, cover.round(3))


def test_coverage_is_counted_by_band_and_stratum():
    mean = np.zeros((1, 2, 1, 4), np.float32)
    truth = np.array([[[[0.1, 0.2, 0.0, 9.0]], [[0.16, 0.17, -0.16, 9.0]]]], np.float32)
    counted = np.array([[[True, True, True, False]]])
    stratum = np.array([[[0, 0, 2, 0]]])
    sums = coverage_sums(Estimate(mean, np.full_like(mean, 0.1)), truth, counted, stratum, ("one", "other"))
    np.testing.assert_array_equal(sums.weight.T, [[2, 0, 1, 0, 0]] * 2)
    np.testing.assert_array_equal(sums.total.T, [[1, 0, 1, 0, 0], [1, 0, 1, 0, 0]])

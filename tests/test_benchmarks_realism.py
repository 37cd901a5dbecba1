import numpy as np
import pytest

from benchmarks.realism import (
    anomaly_table,
    clear_run_lengths,
    rates_of_change,
    spatial_correlation,
    spatial_spectrum,
)
from clearcube.simulation import random_config, simulate
from clearcube.simulation.config import EARTHNET_FOUR

TIMES, SIZE = 41, 48
DATES = np.datetime64("2020-01-01") + 5 * np.arange(TIMES)
EVERYWHERE = np.ones((TIMES, SIZE, SIZE), dtype=bool)
PLACES = np.arange(SIZE) // 12 * 0.1 + 0.1  # four stripes = spectral classes


def series(part, seed=0):
    """A still scene of two bands, plus one kind of anomaly on every second date."""
    rng = np.random.default_rng(seed)
    anomaly = np.zeros((TIMES, 2, SIZE, SIZE))
    for date in range(1, TIMES, 2):
        if part == "mean":
            anomaly[date] = 0.01 * rng.standard_normal()
        elif part == "class":
            anomaly[date] = 0.01 * np.repeat(rng.standard_normal(4), 12) * np.ones((SIZE, 1))
        else:
            anomaly[date] = 0.01 * rng.standard_normal((2, SIZE, SIZE))
    return (PLACES + anomaly).astype(np.float32)


@pytest.mark.parametrize(("part", "row"), [("mean", 0), ("class", 1), ("white", 3)])
def test_each_part_is_told_from_the_others(part, row):
    table = anomaly_table(series(part), EVERYWHERE, DATES)
    lost = {"mean": 0.02, "class": 0.3, "white": 0.06}[part]  # classes have a frame mean too; noise splits classes
    assert table.shares[row].min() > 1 - lost
    np.testing.assert_allclose(table.shares.sum(axis=0), 1, atol=1e-6)


def test_white_anomalies_are_found_white_and_their_size_right():
    table = anomaly_table(series("white"), EVERYWHERE, DATES)
    np.testing.assert_allclose(table.white, 1, atol=0.05)
    expected = 0.01 * np.sqrt((20 + 19 * 0.5) / 39)  # at the noisy dates, and half of it halved at those between
    np.testing.assert_allclose(table.rms, expected, rtol=0.05)


def test_frame_means_correlate_between_bands_and_are_all_there_is_to_gain():
    table = anomaly_table(series("mean"), EVERYWHERE, DATES)
    assert table.correlation[0, 1] == pytest.approx(1)
    assert table.gains[0] > 30
    assert table.frames == TIMES - 2 and table.distance == 5


def test_two_clear_frames_are_too_few():
    observed = np.zeros_like(EVERYWHERE)
    observed[:2] = True
    assert anomaly_table(series("white"), observed, DATES) is None


def test_values_that_are_not_observed_do_not_matter():
    values, observed = series("white"), EVERYWHERE.copy()
    observed[::3] = False
    other = values.copy()
    other[::3] = np.nan
    one, same = anomaly_table(values, observed, DATES), anomaly_table(other, observed, DATES)
    np.testing.assert_array_equal(one.shares, same.shares)


def test_gaps_are_days_between_observations_around_missed_dates():
    observed = np.array([1, 0, 0, 1, 1, 0, 1, 0], dtype=bool)[:, None, None]
    assert clear_run_lengths(observed, DATES[:8]).tolist() == [15, 10]


def test_rate_of_change_of_a_random_walk():
    walk = np.cumsum(0.02 * np.random.default_rng(0).standard_normal((TIMES, 2, SIZE, SIZE)), axis=0).astype(np.float32)
    np.testing.assert_allclose(rates_of_change(walk, EVERYWHERE, DATES), 0.02 / np.sqrt(5), rtol=0.05)


def test_spatial_correlation_falls_with_distance():
    correlation = spatial_correlation(series("mean"), EVERYWHERE)
    assert (np.diff(correlation, axis=0) < 0).all()
    np.testing.assert_allclose(
        spatial_correlation(series("white") - PLACES.astype(np.float32), EVERYWHERE), 0, atol=0.03
    )


def test_a_wave_lies_in_the_ring_of_its_length_and_noise_in_all_by_their_area():
    wave = np.sin(2 * np.pi * np.arange(SIZE) / 6)  # 6 pixels long
    frames = np.broadcast_to(wave, (3, 2, SIZE, SIZE)).astype(np.float32)
    assert spatial_spectrum(frames, EVERYWHERE[:3])[2].min() > 0.98
    noise = np.random.default_rng(0).standard_normal((20, 1, SIZE, SIZE)).astype(np.float32)
    np.testing.assert_allclose(
        spatial_spectrum(noise, EVERYWHERE[:20])[:, 0], [1 / 85, 4 / 85, 16 / 85, 64 / 85], atol=0.02
    )


@pytest.fixture(scope="module")
def scenes():
    def scene(seed):
        rng = np.random.default_rng(seed)
        return simulate(random_config(rng, height=64, width=64, n_dates=20, bands=EARTHNET_FOUR), seed)

    return [scene(seed) for seed in range(30)]


def test_simulated_scenes_look_like_the_real_ones_in_the_table(scenes):
    found = [anomaly_table(scene.reflectance, scene.observed, scene.dates) for scene in scenes]
    tables = [table for table in found if table is not None and table.frames >= 4]
    assert len(tables) >= 12
    rms = np.median([table.rms for table in tables], axis=0)
    shares = np.median([table.shares.mean(axis=1) for table in tables], axis=0)
    blue_green, red_infrared = np.median([table.correlation[[0, 2], [1, 3]] for table in tables], axis=0)
    assert (rms[:3] > 0.009).all() and (rms[:3] < 0.03).all() and 0.018 < rms[3] < 0.065
    assert (shares > [0.1, 0.03, 0.06, 0.15]).all() and (shares < [0.6, 0.25, 0.4, 0.5]).all()
    assert blue_green > 0.9 and -0.3 < red_infrared < 0.97


def test_simulated_ground_has_the_detail_of_real_ground(scenes):
    """Medians lie among the real cubes of the table."""
    clear = [scene for scene in scenes if (scene.observed.mean(axis=(1, 2)) > 0.95).any()]
    assert len(clear) > 20
    spectrum = np.median([spatial_spectrum(scene.reflectance, scene.observed) for scene in clear], axis=0)
    assert (spectrum[:, 2] > [0.3, 0.19, 0.1, 0.04]).all() and (spectrum[:, 2] < [0.6, 0.36, 0.3, 0.18]).all()
    assert (spectrum[:, 3] > [0.29, 0.24, 0.1, 0.03]).all() and (spectrum[:, 3] < [0.64, 0.36, 0.31, 0.15]).all()
    alike = np.median([spatial_correlation(scene.reflectance, scene.observed)[:, 2] for scene in clear], axis=0)
    assert (alike > [0.82, 0.61, 0.39, 0.15, 0.0]).all() and (alike < [0.97, 0.9, 0.79, 0.53, 0.3]).all()


def test_simulated_skies_and_seasons_are_those_of_real_series(scenes):
    """Medians lie among the real cubes of the table."""
    seen = np.array([scene.observed.mean(axis=(1, 2)) for scene in scenes])
    assert 0.4 < np.median(seen.mean(axis=1)) < 0.8
    assert 0.3 < np.median((seen > 0.95).mean(axis=1)) < 0.7 and 0.1 < np.median((seen < 0.05).mean(axis=1)) < 0.45
    gaps = np.concatenate([clear_run_lengths(scene.observed, scene.dates) for scene in scenes])
    assert 5 <= np.quantile(gaps, 0.5) <= 15 and 10 <= np.quantile(gaps, 0.9) <= 31
    clear = [scene for scene, share in zip(scenes, seen, strict=True) if (share > 0.95).sum() > 1]
    rates = [rates_of_change(scene.reflectance, scene.observed, scene.dates) for scene in clear]
    change = 1e3 * np.median(rates, axis=0)
    assert (change > [3.5, 4.3, 4.8, 8.5]).all() and (change < [15, 15, 16, 35]).all()

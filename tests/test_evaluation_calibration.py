import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from clearcube.evaluation.calibration import (
    calibration_sums,
    coverage_error,
    gaussian_crps,
    sparsification_curves,
    sparsification_error,
    uncertainty_error,
)
from clearcube.evaluation.metrics import scores
from clearcube.filler import Estimate

BANDS = ("red", "nir")


def case(factor=1.0, seed=0, size=120):
    generator = np.random.default_rng(seed)
    shape = (2, 2, size, size)
    std = np.exp(generator.uniform(np.log(0.005), np.log(0.05), shape)).astype(np.float32)
    truth = generator.uniform(0.2, 0.5, shape).astype(np.float32)
    return Estimate((truth + std * generator.normal(size=shape)).astype(np.float32), std * np.float32(factor)), truth


def measured(estimate, truth, counted=None):
    counted = np.ones((2, *truth.shape[2:]), bool) if counted is None else counted
    sums = calibration_sums(estimate, truth, counted, BANDS, np.eye(2))
    return {(s.metric, s.band): s.value for s in scores(sums, [("all", "all")], BANDS)}


def test_an_honest_std_covers_what_it_promises():
    found = measured(*case())
    for level in (50, 80, 90, 95):
        assert found[f"coverage{level}", "all"] == pytest.approx(level / 100, abs=0.01)
        assert found[f"ndvi_coverage{level}", "ndvi"] == pytest.approx(level / 100, abs=0.02)
    assert found["auce", "all"] < 0.005 and found["uce", "all"] < 0.001
    assert found["ause", "all"] < found["ause", "red"] + 0.1


def test_half_the_std_is_found_out():
    found = measured(*case(0.5))
    assert found["coverage95", "red"] == pytest.approx(2 * norm.cdf(1.96 / 2) - 1, abs=0.01)
    assert found["auce", "all"] > 0.2
    root = math.sqrt((0.05**2 - 0.005**2) / (2 * math.log(10)))  # of the mean square of a log-uniform std
    assert 0.3 * root < found["uce", "all"] < 0.6 * root


def test_a_std_of_zero_is_scored_as_certainty_and_one_that_is_not_there_is_counted():
    truth = np.full((1, 2, 1, 4), 0.3, np.float32)
    mean = truth + np.float32(0.1) * np.array([0, 1, 1, 1], np.float32)
    std = np.array([0, 0, 0.1, np.nan], np.float32) + 0 * truth
    sums = calibration_sums(Estimate(mean, std), truth, np.ones((1, 1, 4), bool), BANDS, np.eye(2))
    found = {(s.metric, s.band): s.value for s in scores(sums, [("all", "all")], BANDS)}
    assert found["missing_std", "all"] == 0.25
    assert found["coverage90", "red"] == pytest.approx(2 / 3) and found["ndvi_coverage90", "ndvi"] > 0.5
    crps = (0.0, 0.1, gaussian_crps(np.array([0.1]), np.array([0.1]))[0])
    assert found["crps", "red"] == pytest.approx(np.mean(crps), rel=1e-5)


def test_crps_equals_its_integral():
    error, std = np.array([0.03, -0.2]), np.array([0.02, 0.1])
    for e, s, value in zip(error, std, gaussian_crps(error, std), strict=True):
        below = quad(lambda x, s=s: norm.cdf(x / s) ** 2, -1, -e)[0]
        above = quad(lambda x, s=s: (1 - norm.cdf(x / s)) ** 2, -e, 1)[0]
        assert value == pytest.approx(below + above, rel=1e-5)


def test_errors_by_hand():
    assert uncertainty_error(np.array([1.0, 3.0]), np.array([4.0, 3.0]), np.array([1.0, 12.0])) == pytest.approx(1)
    assert coverage_error(np.ones(100)) == pytest.approx(0)
    assert coverage_error(np.array([0.0] * 99 + [1.0])) == pytest.approx(np.arange(1, 100).mean() / 100)
    counts, squared = np.array([50.0, 50.0]), np.array([50.0, 200.0])
    assert sparsification_error((counts, squared), (counts, squared)) == 0
    wrong = sparsification_error((counts, squared[::-1]), (counts, squared))
    kept = 1 - np.arange(100) / 100
    large, small = np.minimum(kept, 0.5), np.maximum(kept - 0.5, 0)
    expected = np.sqrt((4 * large + small) / kept) - np.sqrt((large + 4 * small) / kept)
    assert wrong == pytest.approx(expected.mean() / math.sqrt(2.5))
    assert np.isnan(sparsification_error((0 * counts, 0 * squared), (0 * counts, 0 * squared)))


def test_sparsification_takes_the_most_uncertain_pixels_away_one_by_one():
    generator = np.random.default_rng(0)
    std, error = generator.uniform(0, 1, (2, 400))
    edges = np.linspace(0, 1, 401)  # one pixel a bin at most, as good as exact
    spread, oracle = (
        (np.histogram(by, edges)[0].astype(float), np.histogram(by, edges, weights=error**2)[0]) for by in (std, error)
    )
    for curve, by in zip(sparsification_curves(spread, oracle), (std, error), strict=True):
        left = np.sort(by)[::-1]
        for share in (0, 25, 50, 75):
            kept = error[by <= left[4 * share]]
            assert curve[share] == pytest.approx(math.sqrt((kept**2).mean()), rel=0.02)


@pytest.mark.parametrize("value", [1e6, np.nan])
def test_masked_pixels_have_no_influence(value):
    estimate, truth = case(size=20)
    counted = np.random.default_rng(1).random((2, 20, 20)) < 0.5
    expected = measured(estimate, truth, counted)
    for array in (estimate.mean, estimate.std, truth):
        np.moveaxis(array, 1, 0)[:, ~counted] = value
    assert measured(estimate, truth, counted) == expected


def test_cells_add_up():
    estimate, truth = case(size=20)
    counted, cell = np.ones((2, 20, 20), bool), np.random.default_rng(1).integers(0, 3, (2, 20, 20))
    whole = calibration_sums(estimate, truth, counted, BANDS, np.eye(2))
    parts = calibration_sums(estimate, truth, counted, BANDS, np.eye(2), cell, 3)
    for name in ("crps", "inside_90", "ndvi_crps"):
        assert parts[name].total.sum(axis=0) == pytest.approx(whole[name].total[0])


def test_ndvi_is_judged_by_the_correlation_of_the_errors_of_its_bands():
    pairs = ((0.1, 0.3), (0.02, 0.03), (0.2, 0.2))
    mean, std, truth = (np.array(pair, np.float32).reshape(1, 2, 1, 1) for pair in pairs)
    correlation = np.array([[1, 0.5], [0.5, 1]])
    sums = calibration_sums(Estimate(mean, std), truth, np.ones((1, 1, 1), bool), BANDS, correlation)
    by_red, by_infrared = -2 * 0.3 / 0.16 * 0.02, 2 * 0.1 / 0.16 * 0.03
    spread = math.sqrt(by_red**2 + by_infrared**2 + 2 * 0.5 * by_red * by_infrared)
    expected = gaussian_crps(np.array([0.5]), np.array([spread]))
    assert sums["ndvi_crps"].total[0] == pytest.approx(expected, rel=1e-5)

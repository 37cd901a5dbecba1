from dataclasses import astuple

import numpy as np
import pytest
from builders import BANDS
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from clearcube.errors import InputError
from clearcube.forecasting import earthnetscore as ens
from clearcube.forecasting.earthnet_ssim import mean_similarity
from clearcube.forecasting.earthnetscore import SubScores

RED, NIR = 2, 3


def scene(times=20, size=8, seed=0, cloud=0.2):
    rng = np.random.default_rng(seed)
    target = rng.uniform(0.02, 0.6, (times, 4, size, size))
    return np.clip(target + rng.normal(0, 0.05, target.shape), 0, 1), target, rng.random((times, size, size)) > cloud


def pixel(*values):
    return np.array(values, float)[:, None, None]


def naive_trend(mine, truth, seen):
    """Strict trends of one pixel series by numpy's polynomial fit."""
    kept = np.flatnonzero(seen)
    span = np.arange(kept[0], kept[-1] + 1)
    u = (np.arange(len(seen)) - kept[0]) / (kept[-1] - kept[0])
    slopes = [np.polyfit(u[dates], values[dates], 1)[0] for dates, values in ((span, mine), (kept, truth))]
    return abs(slopes[0] - slopes[1]) / 4


def naive_similarity(one, other, data_range):
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    found = []
    for y in range(one.shape[0] - 6):
        for x in range(one.shape[1] - 6):
            a, b = one[y : y + 7, x : x + 7].ravel(), other[y : y + 7, x : x + 7].ravel()
            va, vb, cov = a.var(ddof=1), b.var(ddof=1), np.cov(a, b)[0, 1]
            luminance = (2 * a.mean() * b.mean() + c1) / (a.mean() ** 2 + b.mean() ** 2 + c1)
            found.append(luminance * (2 * cov + c2) / (va + vb + c2))
    return np.mean(found)


def test_median_by_hand():
    # differences of the clear date: 0.1, 0.2, 0.3, 0; of the masked date: huge
    predicted = np.array([[[[0.1]], [[0.2]], [[0.3]], [[0.0]]], [[[9]], [[9]], [[9]], [[9]]]], float)
    clear = np.array([True, False])[:, None, None]
    k = ens.MAD_EXPONENT
    wanted = 1 - (0.1**k + 0.2**k) / 2
    assert ens.median_score(predicted, np.zeros_like(predicted), clear) == pytest.approx(wanted)
    assert np.isnan(ens.median_score(predicted, predicted, np.zeros_like(clear)))


def test_trend_by_hand():
    # over its clear dates 0 and 2 the target rises by 0.4 in the span; the prediction falls by 0.2: difference 0.6
    target, predicted = pixel(0.1, 9.0, 0.5, 0.0), pixel(0.4, 0.3, 0.2, 9.0)
    clear = pixel(1, 0, 1, 0) > 0
    wanted = 1 - (0.6 / 4) ** ens.TREND_EXPONENT
    assert ens.trend_score(predicted, target, clear, "strict") == pytest.approx(wanted)
    assert ens.trend_score(predicted, target, clear, "published") == pytest.approx(wanted, abs=1e-3)


def test_pixels_without_two_clear_dates_have_a_perfect_trend_in_published_alone():
    target, predicted = (np.concatenate([pixel(0.0, 0.4), pixel(0.0, 0.0)], axis=2) for _ in range(2))
    predicted[1, 0] = [0.0, 1.0]
    clear = np.array([[[True, True]], [[True, False]]])
    strict = 1 - 0.1**ens.TREND_EXPONENT
    assert ens.trend_score(predicted, target, clear, "strict") == pytest.approx(strict)
    published = ens.trend_score(predicted, target, clear, "published")
    assert published == pytest.approx(1 - 0.1**ens.TREND_EXPONENT / 2, abs=1e-3)
    assert np.isnan(ens.trend_score(predicted, target, clear & False, "strict"))


def test_the_noise_of_published_is_seeded():
    mine, truth, clear = scene()
    one, again, other = (ens.sub_scores(mine, truth, clear, BANDS, "published", seed=s).ols for s in (0, 0, 1))
    assert one == again != other and abs(one - other) < 1e-3


def test_long_series_are_cut_into_twenties():
    mine, truth, clear = (values[:, RED] if values.ndim == 4 else values for values in scene(times=60, size=3))
    parts = [ens._parts(values) for values in (mine, truth, clear)]
    assert parts[0].shape == (20, 27)
    distances = [naive_trend(*(values[:, n] for values in parts)) for n in range(27)]
    wanted = 1 - np.mean(np.array(distances) ** ens.TREND_EXPONENT)
    assert ens.trend_score(mine, truth, clear, "strict") == pytest.approx(wanted)
    forty = [values[:40] for values in (mine, truth, clear)]
    assert ens._parts(forty[0]).shape == (40, 9)
    with pytest.raises(InputError, match="50 dates cannot be cut"):
        ens.trend_score(mine[:50], truth[:50], clear[:50], "strict")


def test_distribution_by_hand():
    # prediction {0, 1}, clear target {0.5, 0.5}: every value moves by 0.5; the second pixel has one clear date
    predicted = np.array([[[0.0, 0.0]], [[1.0, 0.0]]])
    target = np.array([[[0.5, 0.9]], [[0.5, 0.9]]])
    clear = np.array([[[True, True]], [[True, False]]])
    assert ens.distribution_score(predicted, target, clear) == pytest.approx(1 - 0.5**ens.TREND_EXPONENT)
    assert np.isnan(ens.distribution_score(predicted, target, clear & False))


def test_looks_by_hand():
    rng = np.random.default_rng(2)
    truth = rng.random((3, 1, 10, 10))
    mine = truth.copy()
    clear = np.ones((3, 10, 10), bool)
    clear[1, :3] = False  # exactly 70 % clear: left out
    clear[2, 0] = False  # 90 %: masked pixels take the prediction's value
    mine[1], mine[2, :, 0] = 0, 5.0
    assert ens.looks_score(mine, truth, clear, "strict") == pytest.approx(1)
    mine[0] = 0.5  # level: the luminance of each window is all that is left
    values = [naive_similarity(mine[0, 0], truth[0, 0], 1.0), 1.0]
    assert ens.looks_score(mine, truth, clear, "strict") == pytest.approx(np.mean(values) ** ens.SSIM_EXPONENT)
    assert np.isnan(ens.looks_score(mine, truth, clear & False, "strict"))


@pytest.mark.parametrize("variant", ["published", "strict"])
def test_all_parts_equal_a_naive_loop(variant):
    mine, truth, clear = scene(size=8, cloud=0.25)
    found = ens.sub_scores(mine, truth, clear, BANDS, variant)
    k = ens.TREND_EXPONENT
    deviations = [
        abs(mine[t, b, y, x] - truth[t, b, y, x]) ** ens.MAD_EXPONENT
        for t, y, x in zip(*np.nonzero(clear), strict=True)
        for b in range(4)
    ]
    assert found.mad == pytest.approx(1 - np.median(deviations))
    index = [(v[:, NIR] - v[:, RED]) / (v[:, NIR] + v[:, RED] + 1e-6) for v in (mine, truth)]
    trends, moved = [], []
    for y, x in np.ndindex(8, 8):
        a, b, seen = index[0][:, y, x], index[1][:, y, x], clear[:, y, x]
        trends.append(naive_trend(a, b, seen) ** k)
        moved.append(wasserstein_distance(a, b[seen]) ** k)
    assert found.ols == pytest.approx(1 - np.mean(trends), abs=1e-9 if variant == "strict" else 1e-3)
    assert found.emd == pytest.approx(1 - np.mean(moved))
    frames = [
        naive_similarity(mine[t, b], np.where(clear[t], truth[t, b], mine[t, b]), ens.DATA_RANGE[variant])
        for t in range(20)
        if clear[t].mean() > 0.7
        for b in range(4)
    ]
    assert found.ssim == pytest.approx(np.mean(frames) ** ens.SSIM_EXPONENT)


def test_values_are_clipped_and_missing_targets_count_as_zero():
    mine, truth, clear = scene()
    wild_mine, wild_truth = mine.copy(), truth.copy()
    wild_mine[0, 0], wild_truth[1, 1], wild_truth[2, 2] = 7.0, np.nan, -3.0
    mine[0, 0], truth[1, 1], truth[2, 2] = 1.0, 0.0, 0.0
    assert ens.sub_scores(wild_mine, wild_truth, clear, BANDS, "strict") == ens.sub_scores(
        mine, truth, clear, BANDS, "strict"
    )


def test_a_perfect_prediction_scores_one():
    _, truth, clear = scene(cloud=0.0)
    parts = ens.sub_scores(truth, truth, clear, BANDS, "strict")
    assert astuple(parts) == pytest.approx((1, 1, 1, 1)) and ens.earthnet_score([[parts]], "strict")[0] == 1


def test_zero_parts_are_dropped_in_published_alone():
    parts = SubScores(0.5, 0.25, 0.0, 0.5)
    assert ens.harmonic_mean(parts, "strict") == 0
    assert ens.harmonic_mean(parts, "published") == pytest.approx(3 / 8, abs=1e-6)
    assert ens.harmonic_mean(SubScores(0.5, 0.25, 0.5, 0.5), "strict") == pytest.approx(0.4)
    missing = SubScores(0.5, np.nan, 0.5, 0.5)
    assert np.isnan(ens.harmonic_mean(missing, "strict"))
    assert ens.harmonic_mean(missing, "published") == pytest.approx(0.5, abs=1e-6)
    assert np.isnan(ens.harmonic_mean(SubScores(0, 0, 0, np.nan), "published"))


def test_the_score_of_a_data_set_is_the_harmonic_mean_of_means_of_best_predictions():
    good, bad = SubScores(0.4, 0.4, 0.4, 0.4), SubScores(0.1, 0.1, 0.1, 0.1)
    score, parts = ens.earthnet_score([[bad, good], [SubScores(0.2, 0.6, np.nan, 0.4)]], "published")
    assert astuple(parts) == pytest.approx((0.3, 0.5, 0.4, 0.4))
    assert score == pytest.approx(4 / (1 / 0.3 + 2 + 2.5 + 2.5), abs=1e-6)
    # dropping its zero, the first prediction looks better than it is
    rivals = [SubScores(0.9, 0.9, 0.0, 0.9), good]
    assert ens.best_of(rivals, "published") is rivals[0] and ens.best_of(rivals, "strict") is good


@pytest.mark.parametrize("cubes", [[], [[]], [[SubScores(1, 1, 1, 1)] * 11]])
def test_too_few_or_too_many_predictions_are_refused(cubes):
    with pytest.raises(InputError, match=r"no cube to score|a cube has (0|11) predictions"):
        ens.earthnet_score(cubes, "strict")


def test_bad_predictions_are_refused():
    mine, truth, clear = scene()
    with pytest.raises(InputError, match="same dates, bands and pixels"):
        ens.sub_scores(mine[:5], truth, clear, BANDS, "strict")
    mine[0, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="no value at 1 places"):
        ens.sub_scores(mine, truth, clear, BANDS, "strict")
    with pytest.raises(InputError, match="NDVI needs"):
        ens.sub_scores(truth[:, :3], truth[:, :3], clear, BANDS[:3], "strict")
    with pytest.raises(InputError, match="7 pixels a side"):
        mean_similarity(np.zeros((6, 9)), np.zeros((6, 9)), 1.0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 12))
def test_distances_equal_those_of_scipy(seed, times):
    rng = np.random.default_rng(seed)
    mine, theirs = (np.round(rng.uniform(-1, 1, (1, times)), 1) for _ in range(2))
    seen = np.ones((1, times), bool)
    seen[0, 2:] = rng.random(times - 2) < 0.5
    wanted = wasserstein_distance(mine[0], theirs[0][seen[0]])
    assert ens.pixel_distances(mine, theirs, seen)[0] == pytest.approx(wanted, abs=1e-12)

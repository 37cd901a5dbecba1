import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from clearcube.evaluation.metrics import scores
from clearcube.evaluation.perceptual import (
    coherence,
    complete_squares,
    frechet_distance,
    gradient_deviation,
    perceptual_sums,
    spectrum_ratio,
)
from clearcube.evaluation.quality import entropy, quality_sums

BANDS = ("red", "nir")


def scene(seed=0, times=2, size=64):
    generator = np.random.default_rng(seed)
    coarse = gaussian_filter(generator.normal(size=(times, 2, size, size)), (0, 0, 3, 3))
    fine = gaussian_filter(generator.normal(size=(times, 2, size, size)), (0, 0, 0.7, 0.7))
    return (0.3 + 0.5 * coarse + 0.02 * fine).astype(np.float32)


def measured(filled, truth, counted):
    return table(perceptual_sums(filled, truth, counted))


def table(of_dates):
    sums = {name: each.joined() for name, each in of_dates.items()}
    return {(s.metric, s.band): s.value for s in scores(sums, [("all", "all")], BANDS)}


def test_a_perfect_fill_has_the_perfect_values():
    truth, counted = scene(), np.ones((2, 64, 64), bool)
    found = measured(truth, truth, counted)
    expected = {"ms_ssim": 1, "gmsd": 0, "spectrum_ratio": 1, "coherence": 1, "frechet": 0}
    for metric, value in expected.items():
        assert found[metric, "all"] == pytest.approx(value, abs=1e-6), metric


def test_blur_and_noise_are_told_apart_and_neither_improves_anything():
    truth, counted = scene(), np.ones((2, 64, 64), bool)
    blurred = gaussian_filter(truth, (0, 0, 1.5, 1.5))
    noise = np.random.default_rng(1).normal(0, 0.01, truth.shape).astype(np.float32)
    perfect, soft, noisy = (measured(f, truth, counted) for f in (truth, blurred, truth + noise))
    assert soft["spectrum_ratio", "all"] < 0.7 and noisy["spectrum_ratio", "all"] > 1.1
    for worse in (soft, noisy):
        assert worse["coherence", "all"] < perfect["coherence", "all"]
        assert worse["ms_ssim", "all"] < 1 and worse["gmsd", "all"] > 0 and worse["frechet", "all"] > 1e-9


@pytest.mark.parametrize("value", [1e6, np.nan])
def test_masked_pixels_have_no_influence(value):
    truth = scene()
    filled = truth + np.random.default_rng(1).normal(0, 0.01, truth.shape).astype(np.float32)
    counted = np.ones((2, 64, 64), bool)
    counted[:, :11, 50:] = False
    expected = measured(filled, truth, counted)
    for array in (filled, truth):
        np.moveaxis(array, 1, 0)[:, ~counted] = value
    assert measured(filled, truth, counted) == expected


def test_gradient_deviation_equals_a_loop():
    generator = np.random.default_rng(0)
    f, t = generator.random((2, 12, 14))
    valid = np.ones((12, 14), bool)
    valid[3, 9] = False

    def gradient(image, y, x):
        small = [[image[2 * r : 2 * r + 2, 2 * c : 2 * c + 2].mean() for c in range(7)] for r in range(6)]
        down = sum(small[y + 1][x + d] - small[y - 1][x + d] for d in (-1, 0, 1)) / 3
        right = sum(small[y + d][x + 1] - small[y + d][x - 1] for d in (-1, 0, 1)) / 3
        return math.hypot(down, right)

    c, alike = 170 / 255**2, []
    for y in range(1, 5):
        for x in range(1, 6):
            if abs(y - 1) > 1 or abs(x - 4) > 1:
                a, b = gradient(f, y, x), gradient(t, y, x)
                alike.append((2 * a * b + c) / (a * a + b * b + c))
    assert gradient_deviation(f[None], t[None], valid) == pytest.approx(np.std(alike), rel=1e-12)
    assert np.isnan(gradient_deviation(f[None], t[None], np.zeros_like(valid))).all()


def test_spectrum_and_coherence_by_hand():
    ratio = spectrum_ratio(np.array([0.25, 1.0]), np.array([1.0, 0.0]))
    assert ratio == pytest.approx([0.5, np.nan], nan_ok=True)
    assert coherence(np.array([3.0]), np.array([4.0]), np.array([9.0])) == pytest.approx([0.5])


def test_frechet_distance_by_hand():
    def moments(values):
        rows = np.column_stack([np.ones(len(values)), values])
        return rows.T @ rows

    one, two = np.array([-1.0, 1.0, -1.0, 1.0]), np.array([-2.0, 4.0, -2.0, 4.0])  # means 0 and 1, std 1 and 3
    assert frechet_distance(moments(one), moments(two)) == pytest.approx(1 + (3 - 1) ** 2)
    assert np.isnan(frechet_distance(np.zeros((2, 2)), moments(one)))


def test_complete_squares_leave_out_those_with_a_hole():
    valid = np.ones((5, 9), bool)
    valid[1, 5] = False
    assert [(r.start, c.start) for r, c in complete_squares(valid, 4)] == [(0, 0)]


def test_entropy_by_hand():
    assert entropy(np.array([[2.0, 2.0, 0.0], [5.0, 0.0, 0.0], [0.0, 0.0, 0.0]])) == pytest.approx(
        [1, 0, np.nan], nan_ok=True
    )


def test_quality_tells_a_blurred_date_from_its_clear_neighbours():
    filled = np.repeat(scene(times=1), 5, axis=0)
    dates = np.datetime64("2020-01-01") + 5 * np.arange(5)
    left, counted = np.ones((5, 64, 64), bool), np.zeros((5, 64, 64), bool)
    left[2], counted[2] = False, True
    found = table(quality_sums(filled, left, counted, dates, BANDS))
    assert found["sharpness_ratio", "all"] == pytest.approx(1) and found["entropy_ratio", "all"] == pytest.approx(1)
    filled[2] = gaussian_filter(filled[2], (0, 1, 1)) + 0.1
    sums = quality_sums(filled, left, counted, dates, BANDS)
    rough = sums["rough_filled"].joined()
    assert rough.total[0, 0] / rough.weight[0, 0] > 0.009 and sums["rough_clear"].weight.sum() == 0
    assert table(sums)["sharpness_ratio", "all"] < 0.6


def test_a_filled_date_is_compared_with_the_clear_date_of_fewest_days_away():
    dates = np.datetime64("2020-01-01") + np.array([0, 20, 21])
    filled = np.full((3, 2, 8, 8), 0.1, np.float32)
    filled[1, :, :, 4:] = 0.3  # two levels of grey: 1 bit
    filled[2] = 0.1 * (1 + np.arange(8) // 2)  # four: 2 bits
    counted = np.zeros((3, 8, 8), bool)
    counted[1] = True
    assert table(quality_sums(filled, ~counted, counted, dates, BANDS))["entropy_ratio", "all"] == pytest.approx(0.5)


def test_a_fairly_clear_date_is_not_compared_with_itself():
    dates = np.datetime64("2020-01-01") + np.array([0, 5, 30])
    filled = np.full((3, 2, 8, 8), 0.1, np.float32)
    filled[0, :, :, 4:] = 0.3  # 1 bit
    filled[2] = 0.1 * (1 + np.arange(8) // 2)  # 2 bits
    left = np.ones((3, 8, 8), bool)
    left[1], left[[0, 2], :2] = False, False  # no date is clear, two are fairly clear
    counted = np.zeros((3, 8, 8), bool)
    counted[0] = True
    assert table(quality_sums(filled, left, counted, dates, BANDS))["entropy_ratio", "all"] == pytest.approx(0.5)
    left[2] = False
    sums = quality_sums(filled, left, counted, dates, BANDS)
    assert sums["grey_filled"].weight.sum() == 0


def test_a_date_on_the_line_between_unequal_steps_is_not_rough():
    days = np.array([0, 2, 12])
    filled = np.zeros((3, 2, 8, 8), np.float32) + (days / 20).astype(np.float32)[:, None, None, None]
    counted = np.zeros((3, 8, 8), bool)
    counted[1] = True
    rough = quality_sums(filled, ~counted, counted, np.datetime64("2020-01-01") + days, BANDS)["rough_filled"]
    assert rough.weight[1, 0] == 64 and rough.total[1] == pytest.approx(0, abs=1e-9)

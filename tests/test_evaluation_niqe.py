import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import gennorm

from clearcube.evaluation.niqe import (
    SIDE,
    STATISTICS,
    asymmetric_fit,
    grey,
    naturalness,
    square_moments,
    symmetric_fit,
)
from clearcube.evaluation.perceptual import gaussian, moments

EVERYWHERE = np.ones((96, 96), bool)


def picture(seed, blur=0.7):
    noise = np.random.default_rng(seed).normal(size=(96, 96))
    return 0.3 + 0.1 * gaussian_filter(noise, 3) + 0.05 * gaussian_filter(noise, blur)


def pooled(seeds, valid=EVERYWHERE, change=lambda image, seed: image):
    return sum((square_moments(change(picture(s), s), valid).total for s in seeds), np.zeros((37, 37)))


def test_a_generalised_gaussian_is_recovered():
    values = gennorm.rvs(1.3, scale=0.5, size=(1, 400_000), random_state=0)
    shape, spread = symmetric_fit(values)
    assert shape[0] == pytest.approx(1.3, rel=0.02)
    assert spread[0] == pytest.approx(gennorm.std(1.3, scale=0.5), rel=0.01)


def test_an_asymmetric_gaussian_is_recovered():
    generator = np.random.default_rng(0)
    left, right = 0.5, 2.0
    side = generator.random(400_000) < left / (left + right)
    sizes = np.abs(gennorm.rvs(2.0, size=400_000, random_state=1))
    shape, mean, a, b = asymmetric_fit(np.where(side, -left * sizes, right * sizes)[None])
    assert shape[0] == pytest.approx(2, rel=0.03)
    assert (a[0], b[0]) == pytest.approx((left, right), rel=0.03)
    assert mean[0] == pytest.approx((right - left) * math.gamma(1) / math.gamma(0.5), rel=0.03)


def test_statistics_of_a_square_equal_loops():
    image = picture(0)[:SIDE, :SIDE]
    found = gaussian(square_moments(image, np.ones((SIDE, SIDE), bool)).total)[0]
    taps = [math.exp(-(d * d) / (2 * (7 / 6) ** 2)) for d in range(-3, 4)]
    normal = np.zeros_like(image)
    for y in range(SIDE):
        for x in range(SIDE):
            near = [
                (taps[dy + 3] * taps[dx + 3], image[y + dy, x + dx])
                for dy in range(-3, 4)
                for dx in range(-3, 4)
                if 0 <= y + dy < SIDE and 0 <= x + dx < SIDE
            ]
            weight = math.fsum(w for w, _ in near)
            mean = math.fsum(w * v for w, v in near) / weight
            variance = math.fsum(w * (v - mean) ** 2 for w, v in near) / weight
            normal[y, x] = (image[y, x] - mean) / (math.sqrt(variance) + 1 / 255)
    assert found[1] == pytest.approx(math.sqrt((normal**2).mean()), rel=1e-9)
    for place, (down, across) in enumerate(((0, 1), (1, 0), (1, 1), (1, -1))):
        products = [
            normal[y, x] * normal[(y - down) % SIDE, (x - across) % SIDE] for y in range(SIDE) for x in range(SIDE)
        ]
        _, mean, left, scale = (part[0] for part in asymmetric_fit(np.array([products])))
        assert found[3 + 4 * place : 6 + 4 * place] == pytest.approx([mean, left, scale], rel=1e-9)


def test_distance_by_hand():
    def of(values):
        return moments([np.asarray(values, float)[:, None]]).total

    clear = np.tile([-1.0, 1.0], 20)
    filled = np.tile([0.0, 4.0], 20)  # mean 2 apart, variances 1 and 4
    assert naturalness(of(filled), of(clear)) == pytest.approx(2 / math.sqrt(2.5))
    assert naturalness(of(clear), of(clear)) == pytest.approx(0)
    assert np.isnan(naturalness(of(filled), of(clear[:STATISTICS])))


def test_blur_and_noise_look_less_natural_than_clear_pictures():
    clear, others = pooled(range(12)), range(20, 32)
    same = naturalness(pooled(others), clear)
    blurred = naturalness(pooled(others, change=lambda image, _: gaussian_filter(image, 1.5)), clear)
    noisy = naturalness(
        pooled(others, change=lambda image, s: image + np.random.default_rng(s).normal(0, 0.02, image.shape)), clear
    )
    assert same < 0.5 * min(blurred, noisy)


@pytest.mark.parametrize("value", [1e6, np.nan])
def test_masked_pixels_have_no_influence(value):
    valid = EVERYWHERE.copy()
    valid[40:50, 70:90] = False
    expected = square_moments(picture(0), valid).total
    spoiled = np.where(valid, picture(0), value)
    assert np.array_equal(square_moments(spoiled, valid).total, expected)
    assert expected[0, 0] == 8  # the square with the hole is left out


def test_grey_is_of_colours_where_there_are_some():
    image = np.stack([np.full((2, 2), value) for value in (0.1, 0.2, 0.4)])
    assert grey(image, ("blue", "green", "red"))[0, 0] == pytest.approx(0.114 * 0.1 + 0.587 * 0.2 + 0.299 * 0.4)
    assert grey(image, ("blue", "green", "nir"))[0, 0] == pytest.approx(0.7 / 3)

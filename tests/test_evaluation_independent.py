"""Every metric against what other libraries, or plain loops, make of the same numbers."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_msssim import ms_ssim
from pytorch_msssim.ssim import _fspecial_gauss_1d, _ssim
from scipy.ndimage import gaussian_filter, laplace
from scipy.stats import pearsonr
from skimage.measure import shannon_entropy
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from clearcube.evaluation.distortion import distortion_sums
from clearcube.evaluation.metrics import scores
from clearcube.evaluation.perceptual import RINGS, SQUARE, perceptual_sums
from clearcube.evaluation.quality import entropy, quality_sums
from clearcube.evaluation.ssim import RADIUS, multiscale_ssim, similarity, ssim_sums
from clearcube.evaluation.statistics import Sums

WHOLE = [("all", "all")]


def images(seed=0, size=64, noise=0.02):
    generator = np.random.default_rng(seed)
    truth = 0.3 + gaussian_filter(generator.normal(size=(1, 2, size, size)), (0, 0, 2, 2))
    return (truth + generator.normal(0, noise, truth.shape)).astype(np.float32), truth.astype(np.float32)


def table(sums, bands=("red", "nir")):
    return {(s.metric, s.band): s.value for s in scores(sums, WHOLE, bands)}


def test_psnr_and_mse_are_those_of_scikit_image():
    filled, truth = images()
    found = table(distortion_sums(filled, truth, np.ones((1, 64, 64), bool), ("red", "nir")))
    assert found["psnr", "all"] == pytest.approx(peak_signal_noise_ratio(truth, filled, data_range=1), rel=1e-6)
    assert found["rmse", "red"] ** 2 == pytest.approx(mean_squared_error(truth[:, 0], filled[:, 0]), rel=1e-6)


def test_ssim_within_the_image_is_that_of_scikit_image():
    filled, truth = (each[0, 0].astype(float) for each in images())
    index, _ = similarity(filled, truth, np.ones((64, 64), bool))
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    _, expected = structural_similarity(truth, filled, full=True, **options)
    inner = (slice(RADIUS, -RADIUS),) * 2
    assert index[inner] == pytest.approx(expected[inner], rel=1e-9)


def test_each_scale_of_ms_ssim_is_that_of_pytorch_msssim():
    filled, truth = (each[0].astype(float) for each in images(size=48))
    window = _fspecial_gauss_1d(11, 1.5).double().repeat(2, 1, 1, 1)
    tensors = [torch.from_numpy(each)[None] for each in (filled, truth)]
    whole, structure = _ssim(*tensors, 1.0, window, size_average=False)
    found = similarity(filled, truth, np.ones((48, 48), bool))
    inner = (slice(None), slice(RADIUS, -RADIUS), slice(RADIUS, -RADIUS))
    for mine, theirs in zip(found, (whole, structure), strict=True):
        assert mine[inner].mean(axis=(1, 2)) == pytest.approx(theirs[0].numpy(), rel=1e-6)


def test_ms_ssim_is_near_that_of_pytorch_msssim_which_leaves_the_edge_out():
    filled, truth = (each[0].astype(float) for each in images(size=256, noise=0.03))
    tensors = [torch.from_numpy(each)[None] for each in (filled, truth)]
    expected = ms_ssim(*tensors, data_range=1.0, size_average=True).item()
    assert multiscale_ssim(filled, truth, np.ones((256, 256), bool)).mean() == pytest.approx(expected, abs=4e-3)
    assert expected < 0.995


def test_spectrum_and_coherence_equal_sums_over_frequencies():
    filled, truth = images(size=SQUARE)
    found = perceptual_sums(filled, truth, np.ones((1, SQUARE, SQUARE), bool))
    taper = [0.5 - 0.5 * math.cos(2 * math.pi * i / SQUARE) for i in range(SQUARE)]
    f, t = (each[0, 0].astype(float) for each in (filled, truth))
    window = np.outer(taper, taper)
    waves = np.exp(-2j * np.pi * np.outer(np.arange(SQUARE), np.arange(SQUARE)) / SQUARE)
    f, t = (waves @ ((each - each.mean()) * window) @ waves for each in (f, t))
    cross = np.zeros(len(RINGS))
    for row in range(SQUARE):
        for column in range(SQUARE):
            radius = math.hypot(*((k if k < SQUARE / 2 else k - SQUARE) / SQUARE for k in (row, column)))
            for ring, (low, high) in enumerate(RINGS):
                if low <= radius < high:
                    cross[ring] += (f[row, column] * t[row, column].conjugate()).real
    assert found["cross"].total[0, 0] == pytest.approx(cross, rel=1e-9)


def test_patch_statistics_equal_loops():
    filled, truth = images(size=16)
    sums = perceptual_sums(filled, truth, np.ones((1, 16, 16), bool))["patch_filled"].total[0]
    rows = []
    for y, x in ((0, 0), (0, 8), (8, 0), (8, 8)):
        patch = filled[0, :, y : y + 8, x : x + 8].astype(float)
        down = [np.mean([abs(b[i + 1, j] - b[i, j]) for i in range(7) for j in range(8)]) for b in patch]
        right = [np.mean([abs(b[i, j + 1] - b[i, j]) for i in range(8) for j in range(7)]) for b in patch]
        rows.append([1, *(b.mean() for b in patch), *(b.std() for b in patch), *down, *right])
    assert sums == pytest.approx(np.transpose(rows) @ np.array(rows), rel=1e-9)


def test_entropy_and_sharpness_are_those_of_scikit_image_and_scipy():
    levels = np.random.default_rng(0).integers(0, 40, (50, 50))
    assert entropy(np.bincount(levels.ravel()).astype(float)) == pytest.approx(shannon_entropy(levels))
    filled, _ = images()
    series = np.repeat(filled, 3, axis=0)
    left = np.ones((3, 64, 64), bool)
    left[1] = False
    dates = np.datetime64("2020-01-01") + 5 * np.arange(3)
    series[1] = 0.7 * series[1] + np.linspace(0, 1, 64, dtype=np.float32) ** 2  # bent, so that the mean is not 0
    sums = quality_sums(series, left, ~left, dates, ("red", "nir"))
    variances = [np.var(laplace(series[t, 1].astype(float))[1:-1, 1:-1]) for t in (1, 0)]
    found = table({name: each.joined() for name, each in sums.items()})
    assert found["sharpness_ratio", "nir"] == pytest.approx(variances[0] / variances[1], rel=1e-6)


def test_r2_of_an_unbiased_line_is_the_squared_correlation_of_scipy():
    generator = np.random.default_rng(0)
    truth = generator.uniform(0, 1, (1, 1, 40, 40))
    noise = generator.normal(0, 0.1, truth.shape)
    noise -= noise.mean() + (noise * (truth - truth.mean())).sum() / ((truth - truth.mean()) ** 2).sum() * (
        truth - truth.mean()
    )
    # the truth is a fit of what is filled when errors do not correlate with the fill
    filled = truth
    observed = (truth + noise).astype(np.float32)
    found = table(distortion_sums(filled.astype(np.float32), observed, np.ones((1, 40, 40), bool), ("red",)), ("red",))
    assert found["r2", "all"] == pytest.approx(pearsonr(filled.ravel(), observed.ravel())[0] ** 2, abs=1e-5)


@given(st.integers(0, 99), st.floats(0.005, 0.1))
@settings(max_examples=8, deadline=None)
def test_more_noise_improves_no_score_of_a_pair(seed, noise):
    filled, truth = images(seed, 64, 0.01)
    worse = (filled + np.random.default_rng(seed + 1).normal(0, noise, filled.shape)).astype(np.float32)
    counted = np.ones((1, 64, 64), bool)

    def measured(image):
        sums = distortion_sums(image, truth, counted, ("red", "nir")) | {"ssim": ssim_sums(image, truth, counted)}
        sums |= {name: each.joined() for name, each in perceptual_sums(image, truth, counted).items()}
        return table(sums)

    before, after = measured(filled), measured(worse)
    for metric in ("psnr", "ssim", "ms_ssim", "coherence", "r2"):
        assert after[metric, "all"] < before[metric, "all"], metric
    for metric in ("mae", "rmse", "gmsd", "frechet"):
        assert after[metric, "all"] > before[metric, "all"], metric


def test_ssim_of_equal_arrays_is_one_whichever_way_it_is_found():
    _, truth = images()
    counted = np.ones((1, 64, 64), bool)
    assert ssim_sums(truth, truth, counted).total == pytest.approx(np.full((1, 2), 64.0 * 64))
    assert similarity(truth[0], truth[0], counted[0])[0] == pytest.approx(np.ones((2, 64, 64)))
    assert isinstance(ssim_sums(truth, truth, ~counted), Sums)

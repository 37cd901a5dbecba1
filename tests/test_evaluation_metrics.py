import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearcube.evaluation.distortion import distortion_sums
from clearcube.evaluation.metrics import nnse, r_squared, scores
from clearcube.evaluation.ssim import halved, multiscale_ssim, similarity, ssim_sums
from clearcube.evaluation.statistics import Sums

BANDS = ("blue", "red", "nir")
EVERYTHING = [("all", "all")]


def case(seed=0, times=3, height=9, width=8):
    generator = np.random.default_rng(seed)
    truth = generator.uniform(0.05, 0.6, (times, 3, height, width)).astype(np.float32)
    filled = (truth + generator.normal(0, 0.05, truth.shape)).astype(np.float32)
    return filled, truth, generator.random((times, height, width)) < 0.6


def table(filled, truth, counted):
    sums = distortion_sums(filled, truth, counted, BANDS) | {"ssim": ssim_sums(filled, truth, counted)}
    return {(s.metric, s.band): s.value for s in scores(sums, EVERYTHING, BANDS)}


def naive(filled, truth, counted):
    f, t = (np.moveaxis(a, 1, 0)[:, counted].astype(float) for a in (filled, truth))
    found = {}
    for name, mine, theirs in [*zip(BANDS, f, t, strict=True), ("all", f.ravel(), t.ravel())]:
        e = [a - b for a, b in zip(mine, theirs, strict=True)]
        middle = math.fsum(theirs) / len(theirs)
        rmse = math.sqrt(math.fsum(x * x for x in e) / len(e))
        r2 = 1 - math.fsum(x * x for x in e) / math.fsum((x - middle) ** 2 for x in theirs)
        found |= {("mae", name): math.fsum(map(abs, e)) / len(e), ("rmse", name): rmse}
        found |= {("psnr", name): 20 * math.log10(1 / rmse), ("bias", name): math.fsum(e) / len(e)}
        found |= {("r2", name): r2, ("nnse", name): 1 / (2 - r2)}
    angles = []
    for a, b in zip(f.T, t.T, strict=True):
        cosine = math.fsum(a * b) / math.sqrt(math.fsum(a * a) * math.fsum(b * b))
        angles.append(math.degrees(math.acos(min(1.0, cosine))))
    positive = (f[1] + f[2] > 0) & (t[1] + t[2] > 0)
    mine, theirs = (
        [max(-1, min(1, (n - r) / (n + r))) for r, n in zip(a[1], a[2], strict=True)]
        for a in (f[:, positive], t[:, positive])
    )
    e = [a - b for a, b in zip(mine, theirs, strict=True)]
    found |= {("sam", "all"): math.fsum(angles) / len(angles), ("ndvi_bias", "ndvi"): math.fsum(e) / len(e)}
    found |= {("ndvi_mae", "ndvi"): math.fsum(map(abs, e)) / len(e)}
    found |= {("ndvi_rmse", "ndvi"): math.sqrt(math.fsum(x * x for x in e) / len(e))}
    return found


@given(st.integers(0, 999))
@settings(max_examples=10, deadline=None)
def test_distortion_equals_loops_over_pixels(seed):
    filled, truth, counted = case(seed)
    found = table(filled, truth, counted)
    for key, value in naive(filled, truth, counted).items():
        assert found[key] == pytest.approx(value, rel=1e-9, abs=1e-12), key


def test_r2_and_nnse_by_hand():
    # truth 1, 2, 3 and errors 0, 0, 1: SSE 1, SST 2
    r2 = r_squared(*(Sums(np.array([total]), np.array([3.0])) for total in (1.0, 6.0, 14.0)))
    assert r2 == [0.5] and nnse(r2) == pytest.approx([2 / 3])
    flat = r_squared(*(Sums(np.array([total]), np.array([3.0])) for total in (0.0, 6.0, 12.0)))
    assert np.isnan(flat).all()


def test_spectral_angle_is_over_bands_and_leaves_out_zero_vectors():
    truth = np.zeros((1, 2, 1, 4), np.float32)
    truth[0, :, 0] = [[1, 1, 0, 0.2], [0, 1, 0, 0.2]]
    filled = np.zeros_like(truth)
    filled[0, :, 0] = [[0, 1, 1, 3], [1, 0, 1, 3]]
    sums = distortion_sums(filled, truth, np.ones((1, 1, 4), bool), ("a", "b"))["angle"]
    assert sums.total == pytest.approx(90 + 45 + 0, abs=1e-5) and sums.weight == 3


@pytest.mark.parametrize("value", [1e6, np.nan])
def test_masked_pixels_have_no_influence(value):
    filled, truth, counted = case()
    expected = table(filled, truth, counted)
    for which in (0, 1):
        spoiled = [filled.copy(), truth.copy()]
        np.moveaxis(spoiled[which], 1, 0)[:, ~counted] = value
        assert table(*spoiled, counted) == expected


def test_ndvi_beyond_its_limits_is_clipped_before_its_error_is_taken():
    filled, truth = (np.array(v, np.float32).reshape(1, 2, 1, 1) for v in ((0.02, -0.01), (-0.01, 0.02)))
    sums = distortion_sums(filled, truth, np.ones((1, 1, 1), bool), ("red", "nir"))
    assert sums["ndvi_absolute"].total == 2 and sums["ndvi_truth"].total == 1


def test_perfect_and_offset_fills():
    _, truth, counted = case()
    found = table(truth, truth, counted)
    assert found["mae", "all"] == found["rmse", "all"] == found["bias", "all"] == 0
    assert found["psnr", "all"] == np.inf and found["r2", "nir"] == 1 and found["ssim", "all"] == pytest.approx(1)
    assert found["sam", "all"] == pytest.approx(0, abs=1e-4) and found["ndvi_nnse", "ndvi"] == 1
    found = table(truth + np.float32(0.1), truth, counted)
    assert found["psnr", "all"] == pytest.approx(20, abs=1e-4) and found["bias", "red"] == pytest.approx(0.1)


def test_missing_values_are_counted_and_left_out():
    filled, truth, counted = case()
    holes, part = filled.copy(), counted.copy()
    t, y, x = np.argwhere(counted)[0]
    holes[t, 1, y, x], part[t, y, x] = np.nan, False
    sums, expected = distortion_sums(holes, truth, counted, BANDS), distortion_sums(filled, truth, part, BANDS)
    assert sums["missing"].total == 1 and sums["missing"].weight == counted.sum()
    assert np.array_equal(sums["squared"].total, expected["squared"].total)
    assert np.array_equal(sums["squared"].weight, expected["squared"].weight)


def test_sums_of_cells_and_of_dates_add_up():
    filled, truth, counted = case(times=4)
    cell = np.random.default_rng(1).integers(0, 5, counted.shape)
    whole = distortion_sums(filled, truth, counted, BANDS)
    cells = distortion_sums(filled, truth, counted, BANDS, cell, 5)
    halves = [distortion_sums(filled[p], truth[p], counted[p], BANDS) for p in (slice(0, 2), slice(2, 4))]
    for name, sums in whole.items():
        assert cells[name].total.sum(axis=0) == pytest.approx(sums.total[0], rel=1e-12)
        assert (halves[0][name] + halves[1][name]).weight == pytest.approx(sums.weight)
        assert (halves[0][name] + halves[1][name]).total == pytest.approx(sums.total, rel=1e-12)


def naive_ssim(filled, truth, valid, y, x):
    taps = [(dy, dx) for dy in range(-5, 6) for dx in range(-5, 6)]
    found = []
    for dy, dx in taps:
        row, column = y + dy, x + dx
        if 0 <= row < valid.shape[0] and 0 <= column < valid.shape[1] and valid[row, column]:
            found.append((math.exp(-(dy * dy + dx * dx) / 4.5), filled[row, column], truth[row, column]))
    w = math.fsum(a for a, _, _ in found)
    mean_f, mean_t = (math.fsum(each[0] * each[i] for each in found) / w for i in (1, 2))
    var_f = math.fsum(a * (f - mean_f) ** 2 for a, f, _ in found) / w
    var_t = math.fsum(a * (t - mean_t) ** 2 for a, _, t in found) / w
    cov = math.fsum(a * (f - mean_f) * (t - mean_t) for a, f, t in found) / w
    luminance = (2 * mean_f * mean_t + 1e-4) / (mean_f**2 + mean_t**2 + 1e-4)
    return luminance * (2 * cov + 9e-4) / (var_f + var_t + 9e-4)


def test_ssim_equals_a_loop_over_the_valid_pixels_of_each_window():
    filled, truth, counted = case(times=1, height=14, width=13)
    f, t, valid = filled[0, 0].astype(float), truth[0, 0].astype(float), counted[0]
    index, _ = similarity(f, t, valid)
    for y, x in np.argwhere(valid):
        assert index[y, x] == pytest.approx(naive_ssim(f, t, valid, y, x), rel=1e-9)
    assert np.isnan(index[~valid]).all()
    sums = ssim_sums(filled, truth, counted)
    assert sums.total[0, 0] == pytest.approx(index[valid].sum(), rel=1e-12) and sums.weight[0, 0] == valid.sum()


def test_multiscale_ssim_of_constants_is_their_luminance_at_the_coarsest_scale():
    one, two, valid = np.full((32, 32), 0.5), np.full((32, 32), 0.25), np.ones((32, 32), bool)
    luminance = (2 * 0.125 + 1e-4) / (0.25 + 0.0625 + 1e-4)
    one, two = one[None], two[None]
    assert multiscale_ssim(one, two, valid) == pytest.approx(luminance ** (0.2856 / (0.0448 + 0.2856)))
    assert multiscale_ssim(one, one, valid) == pytest.approx(1)
    assert np.isnan(multiscale_ssim(one[:, :10], two[:, :10], valid[:10])).all()


def test_halving_averages_the_valid_pixels():
    image = np.array([[1.0, 3.0, 9.0], [np.nan, 5.0, 9.0]])
    assert halved(image, np.array([[True, True, True], [False, True, True]])) == pytest.approx(np.array([[3.0]]))

import numpy as np
import pytest
from scipy.ndimage import correlate1d

from clearcube.simulation.dates import placement_taps
from clearcube.simulation.kernels import (
    TAPS,
    atmosphere_kernel,
    cover_kernel,
    cover_up_kernel,
    mix_kernel,
    place_kernel,
)


def single(*values):
    return np.array(values, dtype=np.float32)


def test_placing_is_a_separable_correlation():
    rng = np.random.default_rng(0)
    frame = rng.random((16, 21), dtype=np.float32)
    down, across = rng.random((2, TAPS), dtype=np.float32)
    out = np.empty((10, 15), dtype=np.float32)
    place_kernel(frame, down, across, np.empty(21, np.float32), out)
    naive = correlate1d(correlate1d(frame.astype(float), down, 0), across, 1)[3:-3, 3:-3]
    np.testing.assert_allclose(out, naive, rtol=1e-5)


@pytest.mark.parametrize("shift", [-1.4, -0.3, 0.0, 0.5, 1.0])
def test_taps_sum_to_one_and_move_by_the_shift(shift):
    (taps,) = placement_taps(np.array([shift]), np.array([0.45]))
    assert taps.sum() == pytest.approx(1, abs=1e-6)
    assert taps @ (np.arange(TAPS) - TAPS // 2) == pytest.approx(-shift, abs=0.08)


def test_cover_follows_parcel_vigour_and_growth_and_leaves_room():
    label = np.array([[0, 1]], dtype=np.int32)
    green, dry = np.empty((2, 1, 2), dtype=np.float32)
    cover_kernel(label, single(0.5, 0.9), single(0.1, 0.6), single([1.0, 1.0]), single([0.2, 0.5]), green, dry)
    np.testing.assert_allclose(green, [[0.6, 0.97]], rtol=1e-6)
    np.testing.assert_allclose(dry, [[0.1, 0.03]], rtol=1e-5)


def test_mixing_weighs_ground_dry_matter_leaves_and_track():
    label = np.zeros((1, 2), dtype=np.int32)
    surface, seen = np.empty((2, 1, 2), dtype=np.float32)
    grain, weight = single([[1, 0]], [[0, 1]]), single(0.2, -0.1)
    mix_kernel(
        label, single([0.5, 0.5]), single([0.25, 0.25]), single([0.2, 0.2]), single([0.0, 0.5]),
        single(0.4), single(0.3), single(0.8), single(1.1), np.float32(0.1), np.float32(0),
        grain, weight, surface, seen,
    )  # fmt: skip
    value = 0.2 * 0.8 * 0.25 + 0.3 * 0.25 + 0.4 * 0.5
    np.testing.assert_allclose(surface, [[value, (value + 0.1) / 2]], rtol=1e-6)
    np.testing.assert_allclose(seen, 1.1 * surface * [[1.2, 0.9]], rtol=1e-6)


def test_aerosol_brightens_the_dark_and_darkens_the_bright():
    clear = single([0.02, 0.6])
    atmosphere_kernel(
        single([0.2, 0.2]), np.float32(0.08), np.float32(0.2), single(1, 1), single([0, 0]), np.float32(0), clear
    )
    np.testing.assert_allclose(clear, [[0.02 + 0.2 * (0.08 - 0.004), 0.6 + 0.2 * (0.08 - 0.12)]], rtol=1e-5)


def test_columns_have_their_gain_and_noise_grows_with_brightness():
    clear = single([0.0, 0.5])
    atmosphere_kernel(
        single([0, 0]), np.float32(0), np.float32(0), single(1, 1.2), single([1, -1]), np.float32(0.01), clear
    )
    np.testing.assert_allclose(clear, [[0.01, 0.6 - 0.01 * 2.2]], rtol=1e-5)


def test_clouds_cover_up_and_shadows_leave_the_light_of_the_sky():
    out, one, none = np.empty((1, 3), np.float32), single([1, 0, 0]), single([0, 0, 0])
    cover_up_kernel(
        single([0.1, 0.1, 0.1]), one, single([0.9, 0.9, 0.9]), none, single([1, 1, 0]),
        np.float32(0.8), np.float32(0.8), np.float32(0.3), out,
    )  # fmt: skip
    np.testing.assert_allclose(out, [[0.72, 0.03, 0.1]], rtol=1e-5)

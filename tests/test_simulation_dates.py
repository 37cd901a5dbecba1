from dataclasses import replace

import numpy as np
import pytest

from clearcube.simulation.config import SENTINEL2_FOUR, SENTINEL2_TEN, Disturbance, SceneConfig
from clearcube.simulation.dates import draw_date_effects, noise_stream
from clearcube.simulation.landcover import LandCover
from clearcube.simulation.spectra import band_optics

STILL = Disturbance(
    aerosol=0, aerosol_field=0, gain=0, anisotropy=0, class_gain=0, parcel_gain=0, growth_field=0, shift=0,
    band_shift=0, grain=0, noise=0, striping=0,
)  # fmt: skip
LANDCOVER = np.array([LandCover.CEREAL] * 30 + [LandCover.CONIFER] * 30, dtype=np.uint8)


def effects_with(*, bands=SENTINEL2_FOUR, days=tuple(range(0, 1000, 5)), orbits=(), seed=0, **changes):
    config = SceneConfig(
        height=16, width=20, days=days, orbits=orbits, bands=bands, disturbance=replace(STILL, **changes)
    )
    return draw_date_effects(config, band_optics(bands), LANDCOVER, 96, seed)


def test_without_disturbance_dates_do_not_differ():
    effects = effects_with()
    assert (effects.gain == 1).all() and (effects.aerosol == 0).all()
    assert (effects.shift == 0).all() and (effects.column_gain == 1).all()


def test_strengths_are_standard_deviations():
    effects = effects_with(gain=0.02, aerosol=0.03, shift=0.3)
    assert effects.gain[:, 0].std() == pytest.approx(0.02, rel=0.25)
    assert effects.aerosol.mean(axis=(1, 2)).std() == pytest.approx(0.03, rel=0.25)
    assert effects.shift[:, 0].std() == pytest.approx(0.3, rel=0.3)
    assert np.abs(effects.shift).max() <= 1.5


def test_frame_gains_are_common_to_parcels_and_alike_in_neighbouring_bands():
    gain = effects_with(gain=0.02).gain
    np.testing.assert_array_equal(gain[:, 0], gain[:, 45])
    correlation = np.corrcoef(gain[:, 0].T)
    assert correlation[0, 1] > 0.7 and correlation[1, 2] > 0.6
    assert correlation[0, 3] < correlation[0, 1]


def test_class_gains_are_common_within_a_class():
    gain = effects_with(class_gain=0.02).gain[:, :, 2]
    assert (gain[:, 0] == gain[:, 29]).all() and (gain[:, 30] == gain[:, 59]).all()
    assert (gain[:, 0] != gain[:, 30]).any()


def test_view_angle_gain_alternates_with_the_orbit_and_differs_between_classes():
    gain = effects_with(anisotropy=0.05, orbits=(0, 1) * 100).gain[:, :, 0]
    step = gain[::2].mean(axis=0) - gain[1::2].mean(axis=0)
    assert np.abs(step).mean() > 3 * gain[::2].std(axis=0).mean()
    assert abs(step[30:].mean()) > abs(step[:30].mean())


def test_a_single_orbit_has_no_such_step():
    gain = effects_with(anisotropy=0.05).gain[:, :, 0]
    assert gain.std(axis=0).mean() < 0.02


def test_stripes_are_columns_of_some_dates():
    column_gain = effects_with(striping=0.3).column_gain
    striped = (column_gain != 1).any(axis=1)
    assert striped.mean() == pytest.approx(0.3, abs=0.1)
    assert np.abs(column_gain - 1).max() < 0.08


def test_striped_dates_have_a_seam_between_two_detectors():
    column_gain = effects_with(striping=1.0).column_gain
    step = column_gain[:, 10:].mean(axis=1) - column_gain[:, :10].mean(axis=1)
    # a seam anywhere in 20 columns shows 0.58 of its 0.012 in the halves; stripes of 0.006 add their mean
    assert step.std() == pytest.approx(np.hypot(0.58 * 0.012, 0.006 * np.sqrt(2 / 10)), rel=0.25)


def test_a_band_keeps_its_draws_among_other_bands():
    alone = effects_with(bands=SENTINEL2_TEN[2:3], band_shift=0.1, gain=0.02, parcel_gain=0.02)
    among = effects_with(bands=SENTINEL2_TEN, band_shift=0.1, gain=0.02, parcel_gain=0.02)
    np.testing.assert_array_equal(alone.shift[:, 0], among.shift[:, 2])
    np.testing.assert_allclose(alone.gain[..., 0], among.gain[..., 2], rtol=1e-6)


def test_noise_is_white_and_different_in_each_band():
    blue, green = (noise_stream(band, 1).standard_normal(30_000) for band in SENTINEL2_FOUR[:2])
    assert blue.std() == pytest.approx(1, abs=0.02)
    assert abs(np.corrcoef(blue, green)[0, 1]) < 0.02
    other_seed = noise_stream(SENTINEL2_FOUR[0], 2).standard_normal(30_000)
    assert abs(np.corrcoef(blue, other_seed)[0, 1]) < 0.02

from dataclasses import fields, replace

import numpy as np
import pytest

from clearcube.cube import Band
from clearcube.errors import InputError
from clearcube.simulation import LandCover, SceneConfig, random_config, simulate
from clearcube.simulation.clouds import CloudFrame
from clearcube.simulation.config import (
    BAND_SETS,
    PLANETSCOPE_EIGHT,
    SENTINEL2_FOUR,
    SENTINEL2_TEN,
    Delivery,
    Disturbance,
    Landscape,
)
from clearcube.simulation.delivery import draw_missing
from clearcube.simulation.draws import EVALUATION_YEARS, TRAINING_YEARS
from clearcube.simulation.scene import _cover_up
from clearcube.simulation.spectra import band_optics
from clearcube.simulation.surface import draw_ground

SMALL = SceneConfig(height=24, width=32, days=tuple(range(0, 60, 5)), orbits=(0, 1) * 6)


def test_shapes_and_types():
    scene = simulate(SMALL, 0)
    for values in (scene.surface, scene.clear, scene.reflectance):
        assert values.shape == (12, 4, 24, 32) and values.dtype == np.float32
    assert scene.observed.shape == (12, 24, 32) and scene.observed.dtype == np.bool_
    assert scene.contamination.shape == (12, 24, 32) and scene.contamination.dtype == np.float32
    assert scene.landcover.shape == (24, 32) and scene.landcover.dtype == np.uint8
    assert set(np.unique(scene.landcover)) <= set(LandCover)
    assert scene.dates[1] == np.datetime64("2018-03-06") and scene.bands == SENTINEL2_FOUR


def test_the_same_seed_gives_the_same_scene_and_another_seed_another():
    one, same, other = simulate(SMALL, 5), simulate(SMALL, 5), simulate(SMALL, 6)
    for field in fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(same, field.name))
    assert not np.array_equal(one.clear, other.clear)


def test_the_order_and_choice_of_bands_change_nothing():
    config = replace(SMALL, bands=SENTINEL2_TEN)
    order = [7, 2, 9, 0]
    all_bands = simulate(config, 1)
    some = simulate(replace(config, bands=tuple(SENTINEL2_TEN[i] for i in order)), 1)
    np.testing.assert_array_equal(some.observed, all_bands.observed)
    np.testing.assert_array_equal(some.contamination, all_bands.contamination)
    np.testing.assert_allclose(some.clear, all_bands.clear[:, order], rtol=1e-5)
    np.testing.assert_allclose(some.reflectance, all_bands.reflectance[:, order], rtol=1e-5)


@pytest.mark.parametrize("seed", range(12))
def test_any_random_scene_has_a_finite_plausible_truth_and_tells_what_is_missing(seed):
    scene = simulate(random_config(np.random.default_rng(seed), height=32, width=40), seed)
    assert np.isfinite(scene.clear).all() and np.isfinite(scene.surface).all()
    assert scene.clear.min() > -0.1 and scene.clear.max() < 1.5
    assert scene.contamination.min() >= 0 and scene.contamination.max() <= 1
    missing = np.isnan(scene.reflectance)
    assert (missing.all(axis=1) == missing.any(axis=1)).all()
    assert not scene.observed[missing[:, 0]].any()
    assert (np.diff(scene.dates) > np.timedelta64(0, "D")).all()


def test_where_nothing_contaminates_the_clear_observation_is_delivered():
    scene = simulate(SMALL, 2)
    clean = np.broadcast_to((scene.contamination == 0)[:, None], scene.clear.shape) & np.isfinite(scene.reflectance)
    assert clean.mean() > 0.2
    np.testing.assert_array_equal(scene.reflectance[clean], scene.clear[clean])


def test_what_is_not_delivered_is_nan_and_not_observed():
    config = replace(SMALL, delivery=Delivery(lost=0.3, swath=0.5))
    scene, missing = simulate(config, 2), draw_missing(config, 2)
    assert 0 < missing.mean() < 1
    np.testing.assert_array_equal(np.isnan(scene.reflectance), np.broadcast_to(missing[:, None], scene.clear.shape))
    assert not scene.observed[missing].any()


def test_clouds_reflect_like_water_and_cirrus_like_ice():
    optics = band_optics(SENTINEL2_TEN)
    whole, none = np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)
    for sky, name in (
        (CloudFrame(whole, whole, none, none), "cloud_water"),
        (CloudFrame(none, none, whole, none), "cloud_ice"),
    ):
        seen = np.empty((10, 1, 1), np.float32)
        _cover_up(optics, np.full((10, 1, 1), 0.1, np.float32), sky, seen)
        np.testing.assert_allclose(seen[:, 0, 0], optics.spectra[name], rtol=1e-6)


def test_soil_darkens_when_wet_towns_less_and_water_and_snow_do_not():
    landscape = Landscape(natural=0.2, urban=0.3, water=0.2, mountain_snow=0.2)
    ground = draw_ground(replace(SMALL, height=64, width=64, landscape=landscape), band_optics(SENTINEL2_FOUR), 0)
    share = {LandCover.URBAN: 0.4, LandCover.WATER: 0, LandCover.SNOW: 0}
    expected = [share.get(LandCover(cover), 1) for cover in ground.parcels.landcover]
    assert set(expected) == {0, 0.4, 1}
    np.testing.assert_allclose(ground.holds_water, expected, rtol=1e-6)


def test_soils_of_the_south_are_redder():
    optics = band_optics((Band("blue", 490.0), Band("red", 665.0)))
    farmed = Landscape(natural=0, urban=0, water=0)

    def redness(latitude):
        config = replace(SMALL, latitude=latitude, landscape=farmed)
        means = [draw_ground(config, optics, seed).ground.mean(axis=(1, 2)) for seed in range(60)]
        return np.mean([red / blue for blue, red in means])

    assert redness(38.0) > redness(52.0) + 0.1


def test_without_disturbance_a_clear_observation_is_the_surface():
    still = Disturbance(*(0.0 for _ in fields(Disturbance)))
    scene = simulate(replace(SMALL, disturbance=still), 0)
    np.testing.assert_allclose(scene.clear, scene.surface, atol=1e-6)


def test_thick_cloud_is_bright_and_shadow_dark():
    scene = simulate(replace(SMALL, height=96, width=96, days=tuple(range(0, 200, 5)), orbits=()), 3)
    delivered = np.where(np.isnan(scene.reflectance), scene.clear, scene.reflectance) - scene.clear
    change = delivered.mean(axis=1)
    hidden = scene.contamination > 0.5
    assert (change[hidden] > 0.1).any() and (change[hidden] < -0.02).any()


def test_most_that_is_called_observed_is_clear_and_some_is_not():
    scenes = [simulate(random_config(np.random.default_rng(k), height=48, width=48, n_dates=16), k) for k in range(30)]
    bad = np.concatenate([(s.contamination > 0.2)[s.observed] for s in scenes])
    good = np.concatenate([s.observed[(s.contamination == 0) & np.isfinite(s.reflectance[:, 0])] for s in scenes])
    assert 0.01 < bad.mean() < 0.25
    assert 0.7 < good.mean() < 0.99


def test_a_perfect_mask_leaves_nothing_thick_in():
    perfect = Delivery(threshold=0.05, missed_shadow=0, missed_cloud=0, false_alarm=0, coarse=1, dilation=0)
    scene = simulate(replace(SMALL, delivery=perfect), 4)
    assert scene.contamination[scene.observed].max() < 0.5


@pytest.mark.parametrize("bands", [*BAND_SETS.values(), (Band("swir22", 2190.0),)])
def test_any_sensor(bands):
    assert simulate(replace(SMALL, bands=bands), 0).clear.shape[1] == len(bands)


def test_random_configurations_cover_what_they_state():
    configs = [random_config(np.random.default_rng(k)) for k in range(300)]
    assert {len(c.bands) for c in configs} >= {1, 4, 7, 8, 10}
    steps = np.concatenate([np.diff(c.days) for c in configs if len(c.days) > 1])
    assert steps.min() >= 2 and steps.max() <= 15
    assert {c.pixel_size for c in configs} == {10.0, 15.0, 20.0, 30.0}
    assert all(6 <= len(c.days) <= 40 and 34 <= c.latitude <= 62 for c in configs)
    assert {c.start.astype(object).year for c in configs} == set(TRAINING_YEARS)
    cloudy = np.array([c.sky.overcast + c.sky.broken for c in configs])
    assert 0.1 <= cloudy.min() < 0.15 and 0.65 < cloudy.max() <= 0.7


def test_snow_lies_in_some_scenes_of_the_north_alone():
    configs = [random_config(np.random.default_rng(k), n_dates=6) for k in range(400)]
    latitudes = [config.latitude for config in configs if config.landscape.mountain_snow > 0]
    assert 0 < len(latitudes) < 40 and min(latitudes) > 44


def test_evaluation_scenes_are_none_of_the_training_scenes():
    assert not set(EVALUATION_YEARS) & set(TRAINING_YEARS)
    config = random_config(np.random.default_rng(0), evaluation=True)
    assert config.start.astype(object).year in EVALUATION_YEARS


def test_given_values_are_kept():
    config = random_config(np.random.default_rng(0), height=16, width=20, n_dates=9, bands=PLANETSCOPE_EIGHT)
    assert (config.height, config.width, len(config.days), config.bands) == (16, 20, 9, PLANETSCOPE_EIGHT)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"days": (), "orbits": ()}, "ascending and unique"),
        ({"days": (0, 5, 5), "orbits": ()}, "ascending and unique"),
        ({"bands": ()}, "at least one band"),
        ({"height": 4}, "at least 8 x 8"),
        ({"orbits": (0, 1)}, "2 orbits were given for 12 dates"),
    ],
)
def test_impossible_configurations_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        replace(SMALL, **changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"days": (3, 9)}, "begin with 0"),
        ({"days": (-40, 0)}, "begin with 0"),
        ({"days": (0, 5, 5)}, "ascending"),
        ({"latitude": -20.0}, "latitude"),
        ({"latitude": float("nan")}, "latitude"),
        ({"days": (0, 5), "orbits": (1,)}, "1 orbits"),
    ],
)
def test_scenes_that_cannot_be_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        SceneConfig(**change)

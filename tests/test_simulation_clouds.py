from dataclasses import replace

import numpy as np
import pytest

from clearcube.simulation.clouds import CloudFrame, Skies, opacity, shadow_offset, sun_position
from clearcube.simulation.config import SceneConfig, Sky
from clearcube.simulation.fields import canvas_size

EQUINOX = SceneConfig(start=np.datetime64("2018-03-22"), days=(0,), latitude=45.0, pixel_size=10.0)


def test_the_sun_stands_in_the_south_east_at_half_past_ten():
    elevation, azimuth = sun_position(EQUINOX, 0)
    assert np.degrees(elevation) == pytest.approx(40.8, abs=0.5)
    assert np.degrees(azimuth) == pytest.approx(149.6, abs=1.0)


def test_the_sun_never_sets_on_a_scene():
    polar = replace(EQUINOX, start=np.datetime64("2018-12-21"), latitude=68.0)
    assert np.degrees(sun_position(polar, 0)[0]) == pytest.approx(8.0)


def test_shadows_fall_to_the_north_west_as_far_as_the_cloud_is_high():
    offsets = np.array([shadow_offset(np.random.default_rng(k), EQUINOX, 0) for k in range(200)])
    assert (offsets < 0).all()  # up in the image = north, left = west
    lengths = np.hypot(*offsets.T) * EQUINOX.pixel_size
    assert np.median(lengths) == pytest.approx(EQUINOX.sky.low / np.tan(np.radians(40.8)), rel=0.1)
    np.testing.assert_allclose(offsets[:, 0] / offsets[:, 1], 1 / np.tan(np.radians(180 - 149.6)), rtol=0.1)


def test_opacity_rises_softly_from_the_edge():
    field = np.linspace(-1, 2, 31, dtype=np.float32)
    values = opacity(field, np.float32(0), np.float32(1), 0.9)
    assert (values[field <= 0] == 0).all() and values[-1] == np.float32(0.9)
    assert (np.diff(values) >= 0).all() and np.diff(values).max() < 0.15


@pytest.mark.parametrize("offset", [(0, 9), (-12, -5), (400, 31)])
def test_the_shadow_is_the_cloud_displaced_by_the_offset(offset):
    config = SceneConfig(height=96, width=96)
    canvas = canvas_size(102, 102)
    frame = Skies(config, canvas, 4)._clouds(0.4, np.zeros((96, 96), np.float32), offset)
    down, across = (int((o + canvas / 2) % canvas - canvas / 2) for o in offset)  # on the torus
    target = tuple(slice(max(o, 0), 96 + min(o, 0)) for o in (down, across))
    origin = tuple(slice(max(-o, 0), 96 + min(-o, 0)) for o in (down, across))
    lit = frame.cloud[target] < 0.5
    thrown = (frame.shadow[target] / (1 - np.minimum(frame.cloud[target], 0.9)))[lit]
    cloud = frame.cloud[origin][lit]
    if cloud.size:
        np.testing.assert_allclose(thrown * cloud.max(), cloud * thrown.max(), atol=2e-3)


def test_cover_of_the_sky_follows_its_settings():
    config = SceneConfig(height=64, width=64, sky=Sky(overcast=0.3, broken=0.3, haze=0.0))
    skies = Skies(config, canvas_size(70, 70), 0)
    cover = np.array([(skies.draw(0).cloud > 0.05).mean() for _ in range(300)])
    assert (cover > 0.7).mean() == pytest.approx(0.38, abs=0.12)
    assert (cover == 0).mean() == pytest.approx(0.45, abs=0.12)


def test_contamination_joins_cloud_cirrus_and_shadow():
    half, none = np.full((1, 1), 0.5, np.float32), np.zeros((1, 1), np.float32)
    assert CloudFrame(none, none, none, none).contamination == 0
    assert CloudFrame(half, half, half, half).contamination == pytest.approx(0.875)
    assert CloudFrame(half, half, half, half).opacity == pytest.approx(0.75)


def test_clouds_have_soft_edges():
    config = SceneConfig(height=96, width=96)
    skies = Skies(config, canvas_size(102, 102), 1)
    clouds = [skies._clouds(0.5, np.zeros((96, 96), np.float32), (3, 3)).cloud for _ in range(20)]
    partly = np.mean([((c > 0.02) & (c < 0.7)).mean() for c in clouds])
    assert 0.05 < partly < 0.5

from dataclasses import replace

import numpy as np
import pytest

from clearcube.simulation.clouds import CloudFrame
from clearcube.simulation.config import Delivery, SceneConfig
from clearcube.simulation.delivery import DeliveredMasks, _coarse, _grown, draw_missing
from clearcube.simulation.fields import canvas_size

PERFECT = Delivery(
    lost=0, swath=0, dead=0, threshold=0.1, missed_shadow=0, missed_cloud=0, false_alarm=0, coarse=1, dilation=0
)
SIZE = 64


def config_with(**changes):
    return SceneConfig(height=SIZE, width=SIZE, delivery=replace(PERFECT, **changes))


def frame_with(cloud=0.0, shadow=0.0):
    whole, none = np.ones((SIZE, SIZE), np.float32), np.zeros((SIZE, SIZE), np.float32)
    return CloudFrame(cloud * whole, whole, none, shadow * whole)


def observed_shares(frame, count=60, **changes):
    masks = DeliveredMasks(config_with(**changes), canvas_size(SIZE, SIZE), 0)
    return np.array([masks.draw(frame).mean() for _ in range(count)])


def test_a_perfect_mask_finds_all_and_nothing_else():
    assert (observed_shares(frame_with()) == 1).all()
    assert (observed_shares(frame_with(cloud=0.8)) == 0).all()
    assert (observed_shares(frame_with(shadow=0.6)) == 0).all()


def test_thin_cloud_below_the_threshold_is_missed():
    assert observed_shares(frame_with(cloud=0.1), threshold=0.2).mean() > 0.8
    assert observed_shares(frame_with(cloud=0.4), threshold=0.2).mean() < 0.2


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_shadows_and_thin_clouds_are_missed_in_pieces_at_the_stated_rate(share):
    assert observed_shares(frame_with(shadow=0.6), missed_shadow=share).mean() == pytest.approx(share, abs=0.1)
    assert observed_shares(frame_with(cloud=0.5), missed_cloud=share).mean() == pytest.approx(share, abs=0.1)


def test_thick_cloud_is_never_missed():
    assert (observed_shares(frame_with(cloud=0.9), missed_cloud=0.5) == 0).all()


def test_false_alarms_come_on_the_stated_share_of_dates():
    shares = observed_shares(frame_with(), count=200, false_alarm=0.4)
    assert 0.2 < (shares < 1).mean() < 0.45
    assert shares.mean() > 0.9


def test_a_coarse_mask_judges_blocks():
    bad = np.zeros((7, 7), dtype=bool)
    bad[3, 6] = True
    expected = np.zeros((7, 7), dtype=bool)
    expected[3:6, 6] = True
    np.testing.assert_array_equal(_coarse(bad, 3), expected)
    np.testing.assert_array_equal(_coarse(bad, 1), bad)


def test_growing_reaches_so_many_pixels():
    bad = np.zeros((7, 7), dtype=bool)
    bad[0, 3] = True
    assert _grown(bad, 2).sum() == 15
    np.testing.assert_array_equal(_grown(bad, 0), bad)


def test_lost_dates_and_swaths_are_as_frequent_as_stated():
    days = tuple(range(0, 2000, 5))
    lost = draw_missing(replace(config_with(lost=0.2), days=days), 0).mean(axis=(1, 2))
    assert (lost == 1).mean() == pytest.approx(0.2, abs=0.06) and (lost[lost < 1] == 0).all()
    partial = draw_missing(replace(config_with(swath=0.3), days=days), 0).mean(axis=(1, 2))
    assert ((partial > 0) & (partial < 1)).mean() == pytest.approx(0.3, abs=0.08)
    dead = draw_missing(replace(config_with(dead=0.5), days=days), 0)
    assert 0 < dead[dead.any(axis=(1, 2))].mean() < 0.45


def test_dates_of_an_orbit_share_the_edge_of_its_swath():
    config = replace(config_with(swath=1.0), days=tuple(range(20)), orbits=(0, 1) * 10)
    missing = draw_missing(config, 3)
    same = [(missing[t] == missing[t + 2]).mean() for t in range(18)]
    assert np.mean(same) > 0.9


def test_each_orbit_has_a_swath_of_its_own():
    config = replace(config_with(swath=1.0), days=tuple(range(20)), orbits=(0, 1) * 10)
    alike = []
    for seed in range(9):
        missing = draw_missing(config, seed)
        alike.append(np.mean([(missing[t] == missing[t + 1]).mean() for t in range(19)]))
    assert np.mean(alike) < 0.75


def test_something_is_always_delivered():
    assert not draw_missing(config_with(lost=1.0), 0).all()

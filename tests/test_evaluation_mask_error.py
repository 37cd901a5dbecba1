from dataclasses import replace

import numpy as np
import pytest
from builders import cloudy_cube, cloudy_frames
from scipy.ndimage import label
from scipy.stats import rankdata

from clearcube.evaluation.experiments import experiment, named_cube
from clearcube.evaluation.mask_error import (
    HIDDEN_SHARE,
    KINDS,
    MISSED_SHARE,
    PIECE,
    CloudyFrame,
    Pasted,
    _counts,
    detection_scores,
    detection_sums,
    paste_clouds,
    pieces,
)
from clearcube.evaluation.run import PASTING, digest_of_clouds
from clearcube.gaps import ScenarioUnavailable

NAMES = ("blue", "green", "red", "nir")


def block(seed, cloud):
    return named_cube(str(seed), cloudy_cube(10, 40, 40, cloud=cloud, seed=seed, never=False)).block


def test_clouds_of_other_cubes_are_pasted_and_a_fifth_is_missed():
    own, frames = block(0, 0.01), cloudy_frames([("other", block(1, 0.5)), ("own", block(2, 0.5))])
    assert {frame.key for frame in frames} == {"other", "own"}
    pasted = paste_clouds(own, frames, 0, "own")
    clouds = np.isclose(pasted.block.reflectance, 0.9).all(axis=1) & own.observed
    assert pasted.missed.sum() / clouds.sum() == pytest.approx(0.2, abs=0.01)
    assert np.array_equal(pasted.block.observed & clouds, pasted.missed)
    assert np.isnan(np.moveaxis(pasted.block.reflectance, 1, 0)[:, pasted.hidden]).all()
    assert not (pasted.hidden & clouds).any() and not (pasted.hidden & pasted.block.observed).any()
    again = paste_clouds(own, frames, 0, "own")
    assert np.array_equal(again.block.reflectance, pasted.block.reflectance, equal_nan=True)
    with pytest.raises(ScenarioUnavailable, match="pastes clouds of other cubes"):
        paste_clouds(own, [frame for frame in frames if frame.key == "own"], 0, "own")


def test_a_fifth_is_missed_however_a_cloud_is_turned():
    own, frames = block(0, 0.01), cloudy_frames([("other", block(1, 0.5))])
    for seed in range(6):
        pasted = paste_clouds(own, frames, seed)
        clouds = np.isclose(pasted.block.reflectance, 0.9).all(axis=1) & own.observed
        dates = np.flatnonzero(clouds.any(axis=(1, 2)))
        assert dates.size
        for t in dates:
            assert pasted.missed[t].sum() == round(0.2 * clouds[t].sum())


def test_pieces_are_the_same_of_a_turned_mask():
    among = np.random.default_rng(0).random((9, 9)) > 0.3
    upright, turned = (pieces(mask, 0.5, np.random.default_rng(1)) for mask in (among.copy(), np.asfortranarray(among)))
    np.testing.assert_array_equal(upright, turned)
    assert upright.sum() == round(0.5 * among.sum())


def test_any_part_of_a_larger_frame_is_pasted():
    own = block(0, 0.01)
    corner = np.zeros((120, 120), bool)
    corner[60:70, 60:70] = True  # in no corner of the frame that has the size of the cube
    frame = CloudyFrame("other", np.full((4, 120, 120), 0.9, np.float32), NAMES, corner)
    found = [np.isclose(paste_clouds(own, [frame], seed).block.reflectance, 0.9).any() for seed in range(10)]
    assert any(found)


def test_a_cube_with_nothing_left_to_score_is_left_out():
    cube = named_cube("one", cloudy_cube(10, 1, 1, cloud=0, seed=0, never=False))
    frame = CloudyFrame("other", np.full((4, 8, 8), 0.9, np.float32), NAMES, np.ones((8, 8), bool))
    with pytest.raises(ScenarioUnavailable, match="mask-error hides no pixel of 'one' that counts"):
        experiment(cube, "mask-error", 0, None, [frame])


def test_pieces_hang_together():
    chosen = pieces(np.ones((60, 60), bool), 0.3, np.random.default_rng(0))
    assert chosen.sum() == 0.3 * 3600 and label(chosen)[1] < 40


def test_the_blue_anomaly_finds_bright_cloud():
    own, frames = block(0, 0.01), cloudy_frames([("other", block(1, 0.5))])
    pasted = paste_clouds(own, frames, 0)
    sums = detection_sums(pasted, own.reflectance, ("blue", "green", "red", "nir"), None)
    counts = sums["detections_blue"].total
    assert list(sums) == ["detections_blue"] and counts[1].sum() == pasted.missed.sum()
    found = detection_scores(counts[0], counts[1 + KINDS.index("bright")])
    assert found["auc"] > 0.999 and found["recall1"] > 0.99
    assert np.isnan(detection_scores(counts[0], counts[3])["auc"])


def test_detection_scores_equal_loops():
    generator = np.random.default_rng(0)
    clear, found = generator.integers(0, 6, 200), np.minimum(generator.integers(0, 9, 50), 7)
    counts = [np.bincount(each, minlength=8).astype(float) for each in (clear, found)]
    scores = detection_scores(*counts)
    pairs = [(f > c) + 0.5 * (f == c) for f in found for c in clear]
    assert scores["auc"] == pytest.approx(np.mean(pairs))
    precision = [found[found >= f].size / (found[found >= f].size + clear[clear >= f].size) for f in found]
    assert scores["average_precision"] == pytest.approx(np.mean(precision))
    assert scores["recall1"] == pytest.approx((found >= 6).mean())


def test_scores_in_bins_tell_small_probabilities_apart():
    generator = np.random.default_rng(0)
    clear, found = generator.normal(-9, 2, 20_000), generator.normal(-6, 2, 2_000)  # log odds: most are below 1 %
    groups = [np.zeros(22_000, bool) for _ in range(2)]
    groups[0][:20_000], groups[1][20_000:] = True, True
    probability = (1 / (1 + np.exp(-np.concatenate([clear, found])))).astype(np.float32)
    scores = detection_scores(*_counts(probability, groups).total)
    rank = rankdata(np.concatenate([clear, found]))[20_000:]
    area = (rank.sum() - 2_000 * 2_001 / 2) / (20_000 * 2_000)
    assert scores["auc"] == pytest.approx(area, abs=1e-3)
    assert scores["recall1"] == pytest.approx((found > np.quantile(clear, 0.99)).mean(), abs=0.01)


def test_the_version_of_pasting_goes_with_what_it_stands_for():
    """Where this fails, give `PASTING` another value: sums measured with clouds pasted otherwise hold no more."""
    assert PASTING == b"a fifth of the pixels of every pasted cloud is missed"
    assert (MISSED_SHARE, HIDDEN_SHARE, PIECE) == (0.2, 0.3, 3.0)


def test_the_checksum_of_clouds_is_that_of_how_they_look_and_where():
    corner = np.zeros((8, 8), bool)
    corner[:4, :4] = True
    frame = CloudyFrame("one", np.full((4, 8, 8), 0.6, np.float32), NAMES, corner)
    beside, brighter = frame.reflectance.copy(), frame.reflectance.copy()
    beside[:, 5:], brighter[2, 1, 1] = np.nan, 0.7
    same = digest_of_clouds([frame])
    assert digest_of_clouds([replace(frame, reflectance=beside)]) == same
    assert digest_of_clouds([replace(frame, reflectance=brighter)]) != same
    assert digest_of_clouds([replace(frame, cloud=~corner)]) != same
    assert digest_of_clouds([replace(frame, bands=NAMES[::-1])]) != same


def test_clouds_are_pasted_band_by_band_and_either_near_infrared_will_do():
    own, everywhere = block(0, 0.01), np.ones((40, 40), bool)
    bright = np.arange(1, 6, dtype=np.float32)[:, None, None] * np.ones((5, 40, 40), np.float32)
    frame = CloudyFrame("other", bright, ("swir16", "nir08", "red", "green", "blue"), everywhere)
    change = paste_clouds(own, [frame], 0).block.reflectance
    pasted = np.isfinite(change).all(axis=1) & (change[:, 0] == 5)
    assert pasted.any()
    assert np.unique(change.swapaxes(0, 1)[:, pasted], axis=1).T.tolist() == [[5, 4, 3, 2]]
    with pytest.raises(ScenarioUnavailable, match="clouds of other cubes"):
        paste_clouds(own, [replace(frame, bands=("swir16", "nir08", "red", "green", "coastal"))], 0)


def test_three_in_ten_clear_pixels_of_pasted_dates_and_of_those_next_to_them_are_hidden():
    own, frames = block(0, 0.01), cloudy_frames([("other", block(1, 0.5))])
    pasted = paste_clouds(own, frames, 0)
    clouds = np.isclose(pasted.block.reflectance, 0.9).all(axis=1) & own.observed
    dates = clouds.any(axis=(1, 2))
    assert 0 < dates.sum() < (near := [dates[max(t - 1, 0) : t + 2].any() for t in range(10)]).count(True)
    for t in range(10):
        clear = own.observed[t] & ~clouds[t]
        assert pasted.hidden[t].sum() == (round(0.3 * clear.sum()) if near[t] else 0)


def test_missed_pixels_are_bright_thin_or_shadow_by_the_change_of_blue():
    own = block(0, 0.01)
    values, missed = own.reflectance.copy(), np.zeros_like(own.observed)
    for (y, x), change in zip(np.argwhere(own.observed[3]), (0.15, 0.11, 0.09, 0.02, 0.01, -0.05), strict=False):
        values[3, :, y, x] += np.float32(change)
        missed[3, y, x] = True
    pasted = Pasted(replace(own, reflectance=values), np.zeros_like(missed), missed)
    counts = detection_sums(pasted, own.reflectance, ("blue", "green", "red", "nir"), None)["detections_blue"].total
    assert KINDS == ("bright", "thin", "shadow") and counts.sum(axis=1).tolist() == [own.observed.sum() - 6, 2, 3, 1]

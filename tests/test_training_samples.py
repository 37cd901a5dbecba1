import dataclasses

import numpy as np
import pytest
import torch
from builders import block_of, cloudy_cube

from clearcube.gaps import MaskBank
from clearcube.simulation import random_config, simulate
from clearcube.training import patterns, samples
from clearcube.training.config import SamplingConfig
from clearcube.training.hiding import END_DAYS, draw_hidden
from clearcube.training.patterns import draw_pattern, hazed, smooth_fields
from clearcube.training.samples import (
    CLEAN,
    CONTAMINATED,
    SENTINEL2_FOUR,
    WHOLE_DATE_WEIGHT,
    Sampler,
    cropped,
    disturbed,
    pasted,
    shifted,
    uncovered,
)

SMALL = SamplingConfig(size=32, frames=12, dates=(5, 6), free_bands=0.0)


def real_block(times=14, height=40, width=50):
    return block_of(cloudy_cube(times, height, width, never=False))


def only(kind):
    zeros = dict.fromkeys(("partial", "frames_hidden", "runs", "ends"), 0.0)
    return dataclasses.replace(SMALL, second_gap=0.0, **(zeros | {kind: 1.0}))


HALF = MaskBank((np.tile(np.arange(8) < 4, (8, 1)),))
DAYS = np.arange(0, 100, 5)


def hide(kind, seed, observed=None):
    observed = np.ones((20, 16, 16), bool) if observed is None else observed
    return draw_hidden(np.random.default_rng(seed), observed, DAYS, HALF, only(kind))


@pytest.mark.parametrize("seed", range(5))
def test_kinds_of_gaps_hide_what_they_say(seed):
    partial = hide("partial", seed).mean(axis=(1, 2))
    assert set(np.unique(partial)) <= {0.0, 0.5}
    assert (partial > 0).any()
    frames = hide("frames_hidden", seed)
    assert set(np.unique(frames.mean(axis=(1, 2)))) == {0.0, 1.0}
    run = np.flatnonzero(hide("runs", seed).any(axis=(1, 2)))
    assert (np.diff(run) == 1).all()
    assert np.ptp(DAYS[run]) <= 90
    end = np.flatnonzero(hide("ends", seed).any(axis=(1, 2)))
    assert (end[0] == 0) != (end[-1] == 19)
    assert np.ptp(DAYS[end]) <= END_DAYS[1]


@pytest.mark.parametrize("kind", ["partial", "frames_hidden", "runs", "ends"])
def test_only_what_was_observed_is_hidden(kind):
    observed = np.random.default_rng(0).random((20, 16, 16)) > 0.5
    assert not (hide(kind, 1, observed) & ~observed).any()
    assert not hide(kind, 1, np.zeros_like(observed)).any()


def test_a_batch_depends_on_seed_and_step_alone():
    first, second = Sampler(SMALL, [real_block()], 7), Sampler(SMALL, [real_block()], 7)
    for step in (5, 2):
        one = first.batch(step)
    two, other = second.batch(2), second.batch(3)
    for name, a, b in zip(one._fields, one, two, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True, msg=name)
    assert one.given.shape != other.given.shape or not one.given.equal(other.given)


@pytest.mark.parametrize("simulated", [0.0, 1.0])
def test_samples_never_show_what_they_score(simulated):
    config = dataclasses.replace(SMALL, simulated=simulated, pasted=1.0)
    sampler = Sampler(config, [real_block()], 0)
    for step in range(6):
        batch = sampler.batch(step)
        assert batch.given.isfinite().all()
        assert batch.target.isfinite().all()
        assert not ((batch.weight > 0) & batch.observed).any()
        assert (batch.given[~batch.observed.unsqueeze(2).expand_as(batch.given)] == 0).all()
        assert not (batch.known & ~batch.observed).any()
        assert batch.contaminated[~batch.observed].isnan().all()
        assert (batch.weight.amax((1, 2, 3)) > 0).all()


def test_real_samples_score_observed_pixels_with_their_own_values():
    block = real_block()
    clean = dataclasses.replace(SMALL, simulated=0.0, pasted=0.0)
    batch = Sampler(clean, [block], 0).batch(0)
    values = batch.target.movedim(2, -1)[batch.weight > 0]
    assert (values < 0.7).all()  # clouds are 0.9
    assert batch.given.movedim(2, -1)[batch.observed].max() < 0.75


def test_any_set_of_bands_comes_up():
    sampler = Sampler(dataclasses.replace(SMALL, free_bands=1.0, simulated=1.0), [], 0)
    assert len({sampler.batch(step).wavelengths.shape[1] for step in range(12)}) > 3


def spans(sparse):
    config = dataclasses.replace(SMALL, size=16, frames=48, patterns=0.0, simulated=1.0, sparse=sparse)
    sampler = Sampler(config, [], 0)
    return np.concatenate([sampler.batch(step).days.numpy()[:, -1] for step in range(6)])


def test_sparse_samples_are_long_enough_for_long_runs():
    usual, sparse = spans(0.0), spans(1.0)
    assert len(sparse) == len(usual) >= 48
    assert 1.5 < np.median(sparse) / np.median(usual) < 4
    assert np.quantile(sparse, 0.9) > 90


def test_sparse_crops_reach_farther():
    block = real_block(times=60)

    def reach(apart):
        cuts = (cropped(np.random.default_rng(seed), block, 6, 32, apart) for seed in range(20))
        return np.mean([(cut.dates[-1] - cut.dates[0]).astype(int) for cut in cuts])

    assert reach(3.0) > 2 * reach(1.0)


def test_hazes_are_mostly_of_whole_dates_and_at_times_strong():
    series, nm = np.full((8, 4, 24, 24), 0.2, np.float32), np.array([490, 560, 665, 842], np.float32)
    changes = [hazed(np.random.default_rng(seed), nm, series)[0] - series for seed in range(60)]
    whole = np.array([change.mean(axis=(2, 3)).std() for change in changes])
    within = np.array([change.std(axis=(2, 3)).mean() for change in changes])
    assert 0.005 < np.median(whole) < 0.03 and np.quantile(whole, 0.9) > 0.02
    assert np.median(whole / within) > 1


@pytest.mark.parametrize("size", [16, 32, 48])
@pytest.mark.parametrize("sigma", [0.7, 4.0, 16.0])
def test_smooth_fields_are_standardised_whatever_the_size(size, sigma):
    fields = smooth_fields(np.random.default_rng(0), (20, size, size), sigma)
    np.testing.assert_allclose(fields.mean(axis=(1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(fields.var(axis=(1, 2)), 1, rtol=1e-4)
    assert np.abs(fields).max() < 6


def test_crops_of_small_blocks_are_as_large_as_others():
    block = real_block(times=10, height=20, width=20)
    cut = cropped(np.random.default_rng(3), block, 6, 32)
    assert cut.reflectance.shape == (6, 4, 32, 32)
    assert np.isin(cut.dates, block.dates).all()
    assert (np.diff(cut.dates).astype(int) > 0).all()


def test_pasted_cloud_is_reported_as_observed_and_marked():
    block = real_block()
    observed = block.observed.copy()
    observed[0], observed[3:7] = False, True
    given, left, judged = pasted(np.random.default_rng(1), block.reflectance, observed, observed)
    changed = (given != block.reflectance).any(axis=1) & np.isfinite(block.reflectance).all(axis=1)
    assert (judged == 1).any()
    assert left[judged == 1].all()
    assert (changed <= (judged == 1)).all()
    assert changed[judged == 1].mean() > 0.5


def test_samples_come_at_any_time_of_the_year():
    always, never = (Sampler(dataclasses.replace(SMALL, shifted=share), [real_block()], 3) for share in (1.0, 0.0))
    for step in range(4):
        moved, still = always.batch(step), never.batch(step)
        assert moved.day_of_year.min() >= 1
        assert moved.day_of_year.max() <= 366
        assert not moved.day_of_year.equal(still.day_of_year)
        np.testing.assert_array_equal(np.diff(moved.day_of_year) % 365, np.diff(moved.days) % 365)


@pytest.mark.parametrize("simulated", [0.0, 1.0])
def test_dates_of_which_nothing_is_seen_weigh_half(simulated):
    sampler = Sampler(dataclasses.replace(SMALL, simulated=simulated, patterns=0.0), [real_block()], 0)
    found = set()
    for step in range(6):
        batch = sampler.batch(step)
        dark = ~batch.observed.any(-1).any(-1)
        weights = batch.weight.amax((2, 3))
        assert set(weights[dark].tolist()) <= {0.0, WHOLE_DATE_WEIGHT}
        assert set(weights[~dark].tolist()) <= {0.0, 1.0}
        found |= set(weights[dark].tolist())
    assert WHOLE_DATE_WEIGHT in found


def test_a_haze_is_the_same_over_what_is_given_and_what_is_true():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.1, 0.4, (5, 4, 16, 16)).astype(np.float32)
    given = truth.copy()
    given[:, :, :4] = 0.9
    nm = np.array([490, 560, 665, 842], np.float32)
    hazy, hazy_truth = disturbed(rng, given, truth, nm, 1.0)
    assert not np.array_equal(hazy, given)
    np.testing.assert_array_equal(hazy[:, :, 4:], hazy_truth[:, :, 4:])


def test_what_is_little_contaminated_is_not_judged(monkeypatch):
    scenes, simulate = [], samples.simulate
    sampler = Sampler(dataclasses.replace(SMALL, simulated=1.0, patterns=0.0, uncovered=0.0), [], 0)
    monkeypatch.setattr(samples, "simulate", lambda *given: scenes.append(simulate(*given)) or scenes[-1])
    sample = sampler._simulated(np.random.default_rng(3), 12, SENTINEL2_FOUR)
    true = scenes[-1].contamination
    between = sample.observed & (true > CLEAN) & (true < CONTAMINATED)
    assert between.any() and np.isnan(sample.contaminated[between]).all()
    assert (sample.contaminated[sample.observed & (true >= CONTAMINATED)] == 1).all()
    assert (sample.contaminated[sample.observed & (true <= CLEAN)] == 0).all()


def test_crops_are_parts_of_the_block_with_its_masks():
    block, number = real_block(times=10, height=40, width=40), np.arange(1, 1601, dtype=np.float32).reshape(40, 40)
    cut = cropped(np.random.default_rng(3), replaced(block, number), 6, 32)
    dates = np.searchsorted(block.dates, cut.dates)

    def seen(part, turns, flip):
        turned = np.rot90(part, turns, axes=(-2, -1))
        return turned[..., ::-1] if flip else turned

    shown = cut.reflectance[0, 0] / cut.reflectance[0, 0].max()  # but for a factor
    found = [
        (place, turns, flip)
        for place in ((slice(top, top + 32), slice(left, left + 32)) for top in range(9) for left in range(9))
        for turns in range(4)
        for flip in (False, True)
        if np.allclose((part := seen(number[place], turns, flip)) / part.max(), shown, atol=1e-6)
    ]
    assert len(found) == 1
    (rows, columns), turns, flip = found[0]
    np.testing.assert_array_equal(cut.observed, seen(block.observed[dates, rows, columns], turns, flip))


def replaced(block, image):
    """The block with the same image on every date and in every band."""
    return dataclasses.replace(block, reflectance=np.broadcast_to(image, block.reflectance.shape).copy())


def hidden_days(kind, days, seeds=300):
    """The days that are hidden in a series that sees everything, for each seed."""
    observed = np.ones((len(days), 1, 1), bool)
    drawn = (draw_hidden(np.random.default_rng(seed), observed, days, HALF, only(kind)) for seed in range(seeds))
    return [days[hidden[:, 0, 0]] for hidden in drawn]


def test_runs_take_ten_to_ninety_days_and_at_most_three_fifths_of_the_series():
    lengths = [np.ptp(run) for run in hidden_days("runs", np.arange(400))]
    assert 8 < min(lengths) < 15 and 85 < max(lengths) <= 90
    starts = [run[0] for run in hidden_days("runs", np.arange(400))]
    assert min(starts) < 30 and max(starts) > 290
    assert 27 < max(np.ptp(run) for run in hidden_days("runs", np.arange(51))) <= 30


def test_ends_take_five_to_sixty_days_at_either_end():
    series = np.arange(400)
    ends = hidden_days("ends", series)
    first, last = ([end for end in ends if day in end] for day in (0, 399))
    assert len(first) + len(last) == len(ends) and min(len(first), len(last)) > 100
    for each in (first, last):
        assert 3 < min(map(len, each)) < 9 and 57 < max(map(len, each)) <= 60
    assert 27 < max(map(len, hidden_days("ends", np.arange(51)))) <= 30


def test_frames_take_up_to_half_of_the_dates_that_see_a_good_part_of_the_ground():
    assert {len(days) for days in hidden_days("frames_hidden", DAYS)} == set(range(4, 11))  # of 20
    observed = np.zeros((20, 10, 10), bool)
    observed[:10, :3], observed[10:] = True, True  # the first dates see 0.3 of the ground
    for seed in range(20):
        shown = hide("frames_hidden", seed, observed).any(axis=(1, 2))
        assert not shown[:10].any() and shown[10:].any()


@pytest.mark.parametrize("patterns", [0.0, 1.0])
def test_only_pixels_that_are_seen_at_another_date_are_scored(patterns):
    sampler = Sampler(dataclasses.replace(SMALL, dates=(3,), patterns=patterns, simulated=1.0, uncovered=0.0), [], 0)
    never = 0
    for step in range(6):
        batch = sampler.batch(step)
        unseen = ~batch.observed.any(1)
        never += int(unseen.sum())
        assert (batch.weight.amax(1)[unseen] == 0).all()
    assert never > 0


def test_what_was_pasted_over_is_not_scored_as_well():
    whole = real_block()
    observed = np.ones_like(whole.observed)
    observed[5] = False  # and cloudy all over
    reflectance = np.where(observed[:, None], np.float32(0.2), np.full_like(whole.reflectance, 0.9))
    config = dataclasses.replace(SMALL, simulated=0.0, patterns=0.0, pasted=1.0, disturbed=0.0)
    sampler = Sampler(config, [dataclasses.replace(whole, reflectance=reflectance, observed=observed)], 0)
    pasted_over = 0
    for step in range(12):
        batch = sampler.batch(step)
        assert not ((batch.weight > 0) & batch.observed).any()
        pasted_over += int((batch.contaminated == 1).sum())
    assert pasted_over > 0


def test_patterns_lie_under_clouds_on_half_of_their_dates_and_are_lost_on_a_tenth():
    sampler = Sampler(dataclasses.replace(SMALL, size=16), [], 0)
    sampler._bank = HALF
    shares = sampler._masks(np.random.default_rng(0), 4000).mean(axis=(1, 2))
    assert [np.mean(shares == share) for share in (0, 0.5, 1)] == pytest.approx([0.1, 0.5, 0.4], abs=0.03)


def test_cubes_that_see_more_ground_come_up_more_often(small_bank):
    more = real_block()
    shown = np.zeros_like(more.observed)
    shown[:, :4, :5] = True
    blocks = [dataclasses.replace(more, observed=seen) for seen in (shown, np.repeat(shown, 9, axis=1)[:, :40])]
    blocks[1].observed[:, :36, :5], blocks[1].observed[:, 36:] = True, False  # nine times as much
    sampler, rng = Sampler(SMALL, blocks, 0), np.random.default_rng(0)
    drawn = [sampler._block(rng, 6) is sampler.blocks[1] for _ in range(800)]
    assert np.mean(drawn) == pytest.approx(3 / (3 + 1), abs=0.05)
    assert sampler._block(rng, 15) is None


def test_hazes_are_bluer_or_redder_than_grey():
    nm = np.array([490, 842], np.float32)
    changes = [
        hazed(np.random.default_rng(seed), nm, np.full((2, 2, 6, 6), 0.2, np.float32))[0][0, :, 0, 0] - 0.2
        for seed in range(400)
    ]
    ratios = np.log([infrared / blue for blue, infrared in changes])
    exponents = ratios / np.log(842 / 490)  # evenly from -1.2 to 0.8, and some noise of each band
    assert np.mean(exponents) == pytest.approx(-0.2, abs=0.12)
    assert np.std(exponents) == pytest.approx(np.hypot(2 / np.sqrt(12), 0.12 * np.sqrt(2) / np.log(842 / 490)), rel=0.1)


def test_what_grows_is_darker_in_red_and_brighter_in_infrared(monkeypatch):
    monkeypatch.setattr(patterns, "hazed", lambda rng, wavelengths, *series: series)
    for seed in range(5):
        series, dates = draw_pattern(np.random.default_rng(seed), 30, 16, SENTINEL2_FOUR)
        red, infrared = (series[:, band] / series[:, band].mean(axis=0) for band in (2, 3))
        assert np.corrcoef(red.mean(axis=(1, 2)), infrared.mean(axis=(1, 2)))[0, 1] < -0.5
        assert set(np.diff(dates).astype(int)) <= set(patterns.STEPS)


def test_shifts_reach_every_time_of_the_year(small_bank):
    batch = Sampler(dataclasses.replace(SMALL, shifted=0.0), [], 0)
    sample = batch._pattern(np.random.default_rng(0), 5, SENTINEL2_FOUR)
    first = [shifted(np.random.default_rng(seed), sample).day_of_year[0] for seed in range(400)]
    assert np.histogram(first, 12, (1, 366))[0].min() > 10


def test_crops_are_darker_or_brighter_by_a_little():
    whole = real_block()
    grey = dataclasses.replace(whole, reflectance=np.full_like(whole.reflectance, 0.2))
    gains = [cropped(np.random.default_rng(seed), grey, 6, 32).reflectance.max() / 0.2 for seed in range(100)]
    assert 0.85 <= min(gains) < 0.88 and 1.15 < max(gains) <= 1.18


def test_dates_without_observation_are_left_out_half_of_the_time():
    whole = real_block(times=7)  # nothing is seen on the date in the middle
    cuts = [cropped(np.random.default_rng(seed), whole, 6, 32) for seed in range(300)]
    assert not whole.observed[3].any() and whole.observed[[0, 1, 2, 4, 5, 6]].any(axis=(1, 2)).all()
    shares = np.mean([whole.dates[3] in cut.dates for cut in cuts])
    assert shares == pytest.approx(0.5 * (6 / 7), abs=0.1)


def test_cloud_is_pasted_over_what_is_observed_on_one_or_two_clear_dates():
    observed = np.ones((8, 20, 20), bool)
    observed[0], observed[1, :12], observed[2, :, :3] = False, False, False  # only date 0 is cloudy all over
    reflectance = np.where(observed[:, None], np.float32(0.2), np.full((8, 2, 20, 20), 1, np.float32))
    opacities = []
    for seed in range(60):
        given, left, judged = pasted(np.random.default_rng(seed), reflectance, observed, observed)
        over = judged == 1
        assert not (over & ~observed).any() and (left == observed).all()
        assert not over[:2].any() and over.any(axis=(1, 2)).sum() <= 2
        np.testing.assert_array_equal(given[~over[:, None].repeat(2, 1)], reflectance[~over[:, None].repeat(2, 1)])
        opacities.extend((np.unique(given[:, 0][over]) - 0.2) / 0.8)
    assert 0.3 - 1e-5 < min(opacities) < 0.4 and 0.9 < max(opacities) < 1 + 1e-5


def test_clouds_are_taken_off_a_share_of_the_dates_of_a_scene():
    config = random_config(np.random.default_rng(0), height=16, width=16, n_dates=14, bands=SENTINEL2_FOUR)
    scene, shares = simulate(config, 0), []
    for seed in range(100):
        given, observed, contamination = uncovered(np.random.default_rng(seed), scene, 1.0)
        off = (given == scene.clear).all(axis=(1, 2, 3)) & observed.all(axis=(1, 2)) & (contamination == 0).all((1, 2))
        np.testing.assert_array_equal(given[~off], scene.reflectance[~off])
        np.testing.assert_array_equal(observed[~off], scene.observed[~off])
        np.testing.assert_array_equal(contamination[~off], scene.contamination[~off])
        shares.append(off.mean())
    clear = (scene.reflectance == scene.clear).all(axis=(1, 2, 3)) & scene.observed.all(axis=(1, 2))
    assert np.mean(shares) == pytest.approx(0.7 + 0.3 * clear.mean(), abs=0.06)
    np.testing.assert_array_equal(uncovered(np.random.default_rng(0), scene, 0.0)[0], scene.reflectance)

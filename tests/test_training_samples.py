import dataclasses

import numpy as np
import pytest
import torch
from builders import block_of, cloudy_cube

from clearcube.gaps import MaskBank
from clearcube.training import samples
from clearcube.training.config import SamplingConfig
from clearcube.training.hiding import END_DAYS, draw_hidden
from clearcube.training.patterns import hazed, smooth_fields
from clearcube.training.samples import (
    CLEAN,
    CONTAMINATED,
    SENTINEL2_FOUR,
    WHOLE_DATE_WEIGHT,
    Sampler,
    cropped,
    disturbed,
    pasted,
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
    changes = [hazed(np.random.default_rng(seed), series, nm) - series for seed in range(60)]
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

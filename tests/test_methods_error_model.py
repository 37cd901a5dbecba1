import pickle
from functools import partial

import numpy as np
import pytest

from clearcube.cube import band_named
from clearcube.filler import Block
from clearcube.gaps import gap_length, gap_stratum
from clearcube.methods.error_fit import (
    _CENTRES,
    UNKNOWN_NOISE,
    UNKNOWN_STD,
    _expected,
    _growing,
    fit_table,
    noise_of_bands,
)
from clearcube.methods.error_kernels import EDGES, OBSERVED
from clearcube.methods.error_model import measure_errors
from clearcube.methods.hidden_errors import HiddenErrors, _believed, _runs
from clearcube.methods.sampling import draw_pixels
from clearcube.methods.temporal import fill_block
from clearcube.methods.temporal_kernels import LAST, LINEAR

START = np.datetime64("2021-01-01", "D")
linear = partial(fill_block, rule=LINEAR)


def make_block(reflectance, observed, days):
    bands = tuple(band_named(f"band{i}") for i in range(reflectance.shape[1]))
    return Block(reflectance.astype(np.float32), observed, START + np.asarray(days), bands)


def noisy(seed=0, times=40, side=24, step=5, share=0.5, sigma=(0.01, 0.03), correlation=0.0, walk=0.0):
    """White noise, optionally correlated between the two bands, over a random walk of `walk` a day's root."""
    generator = np.random.default_rng(seed)
    covariance = np.outer(sigma, sigma) * np.array([[1, correlation], [correlation, 1]])
    noise = np.moveaxis(generator.multivariate_normal([0, 0], covariance, (times, side, side)), -1, 1)
    steps = generator.normal(0, walk * np.sqrt(step), (times, 2, side, side)) if walk else 0.0
    observed = generator.random((times, side, side)) < share
    return make_block(
        0.3 + np.cumsum(np.broadcast_to(steps, noise.shape), 0) + noise, observed, np.arange(times) * step
    )


def test_white_noise_is_recovered():
    block = noisy()
    model = measure_errors(linear, [block])
    one = np.zeros((3, 1, 1), bool)
    one[0] = one[2] = True
    dates = START + np.array([0, 10, 20])
    np.testing.assert_allclose(model.std(one, dates)[0, :, 0, 0], [0.01, 0.03], rtol=0.1)
    np.testing.assert_allclose(model.std(one, dates)[1, :, 0, 0], np.sqrt(1.5) * np.array([0.01, 0.03]), rtol=0.1)
    one[2] = False
    np.testing.assert_allclose(model.std(one, dates)[1, :, 0, 0], np.sqrt(2) * np.array([0.01, 0.03]), rtol=0.1)


def test_the_noise_of_bands_is_that_of_the_table():
    blocks = [noisy(), noisy(1, share=0.2)]
    for block in blocks:
        block.observed[7] = False
    np.testing.assert_array_equal(noise_of_bands(blocks), measure_errors(linear, blocks).table[:, OBSERVED])


def test_a_random_walk_errs_more_in_longer_gaps():
    model = measure_errors(linear, [noisy(walk=0.005)])
    edges = np.array([0, 80])
    for middle, square in ((10, 10 * 70 / 80), (40, 20)):
        observed = np.array([True, False, True])[:, None, None]
        std = model.std(observed, START + np.array([0, middle, 80]))[1, 0, 0, 0]
        w = middle / 80
        want = np.sqrt(0.005**2 * square + 0.01**2 * (1 + w**2 + (1 - w) ** 2))
        assert std == pytest.approx(want, rel=0.2), (middle, edges)


def test_cells_that_were_not_measured_follow_the_random_walk_of_the_others():
    before, after = (days.ravel() for days in np.meshgrid(_CENTRES, _CENTRES, indexing="ij"))
    walk = 1e-4 * np.concatenate([before * after / (before + after), _CENTRES, _CENTRES])  # of the line; of the last
    dates = 10.0 * np.random.default_rng(0).integers(0, 2, OBSERVED)
    measured = np.where(dates > 0, walk, np.nan)
    expected = _expected(measured, dates, lambda days: 1e-4 * np.asarray(days, float), 1e-9)
    np.testing.assert_allclose(expected, walk, rtol=1e-6)


def test_pixels_are_drawn_among_those_that_were_observed():
    block = noisy(times=3, side=8, share=0.0)
    block.observed[1, [2, 5], [3, 7]] = True
    reflectance, observed = draw_pixels([block, block], 4)
    assert reflectance.shape == (3, 2, 4) and observed.shape == (3, 4)
    np.testing.assert_array_equal(observed, [[False] * 4, [True] * 4, [False] * 4])
    np.testing.assert_array_equal(reflectance[1], np.tile(block.reflectance[1][:, [2, 5], [3, 7]], 2))
    assert (reflectance[[0, 2]] == 0).all()


@pytest.mark.parametrize("rule", [LAST, LINEAR])
@pytest.mark.parametrize("per_pixel", [True, False])
def test_intervals_cover_hidden_pixels(rule, per_pixel):
    block = noisy(seed=1, walk=0.003, side=48)
    predict = partial(fill_block, rule=rule)
    model = measure_errors(predict, [block], per_pixel_runs=per_pixel)
    generator = np.random.default_rng(2)
    hidden = np.zeros_like(block.observed)
    for y, x in np.ndindex(hidden.shape[1:]):
        start = generator.integers(0, 40)
        hidden[start : start + generator.integers(1, 19), y, x] = True
    hidden &= block.observed
    left = block.observed & ~hidden
    error = predict(make_block(block.reflectance, left, block.days)) - block.reflectance
    inside = np.abs(error) < 1.645 * model.std(left, block.dates)
    stratum = gap_stratum(gap_length(left, block.dates))
    for k in range(5):
        scored = hidden & (stratum == k) & left.any(axis=0)
        if scored.sum() > 1000:
            cover = np.moveaxis(inside, 1, 0)[:, scored].mean(axis=1)
            assert ((cover > 0.85) & (cover < 0.95)).all(), (k, cover)


def test_missed_clouds_hardly_count():
    clean, block = noisy(), noisy()
    clouds = np.random.default_rng(3).random(block.observed.shape) < 0.02
    cloudy = make_block(block.reflectance + 0.4 * clouds[:, None], block.observed, block.days)
    want, got = (measure_errors(linear, [b]).std(clean.observed, clean.dates) for b in (clean, cloudy))
    # a cloud spoils three interpolations, so up to 6 % of the errors are clouds'
    assert np.nanmedian(got / want) < 1.35


def test_what_stands_out_is_no_truth_bright_or_dark():
    block = noisy(share=1.0)
    values = block.reflectance.copy()
    values[9, :, 3, 4] += 0.4
    values[20, :, 5, 6] -= 0.2
    believed = _believed(make_block(values, block.observed, block.days))
    assert not believed[9, 3, 4] and not believed[20, 5, 6]
    assert believed.mean() > 0.98


def test_trailing_runs_reach_up_to_90_days_back_from_the_last_observation():
    observed = np.random.default_rng(0).random((60, 40, 40)) < 0.6
    days = np.arange(60) * 5
    hidden = _runs(observed, days, "trailing", np.random.default_rng(1))
    reach = []
    for y, x in np.ndindex(observed.shape[1:]):
        seen, gone = np.flatnonzero(observed[:, y, x]), np.flatnonzero(hidden[:, y, x])
        np.testing.assert_array_equal(gone, seen[len(seen) - len(gone) :])
        reach.append(days[gone[-1]] - days[gone[0]])
    assert max(reach) <= 90 and np.mean(reach) == pytest.approx(45 - 2.5 / 0.6, abs=3)


@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.9])
def test_correlation_is_recovered(correlation):
    model = measure_errors(linear, [noisy(correlation=correlation)])
    assert model.correlation[0, 1] == pytest.approx(correlation, abs=0.05)
    np.testing.assert_array_equal(np.diag(model.correlation), 1.0)


def test_an_inserted_empty_date_changes_nothing_bit_for_bit():
    block = noisy(times=12, side=8)
    for place, day in ((0, -40), (5, 22), (12, 300)):
        reflectance = np.insert(block.reflectance, place, 5.0, axis=0)
        observed = np.insert(block.observed, place, False, axis=0)
        longer = make_block(reflectance, observed, np.insert(block.days, place, day))
        one, other = measure_errors(linear, [block]), measure_errors(linear, [longer])
        np.testing.assert_array_equal(one.table, other.table)
        np.testing.assert_array_equal(one.correlation, other.correlation)
        std = np.delete(other.std(longer.observed, longer.dates), place, axis=0)
        np.testing.assert_array_equal(one.std(block.observed, block.dates), std)


@pytest.mark.parametrize("per_pixel", [True, False])
@pytest.mark.parametrize("case", ["two dates", "one observation a pixel", "one pixel", "nothing", "constant"])
def test_poor_samples_still_give_a_std(case, per_pixel):
    generator = np.random.default_rng(0)
    times, side = {"two dates": (2, 6), "one pixel": (3, 1)}.get(case, (4, 6))
    observed = np.ones((times, side, side), bool)
    if case in ("one observation a pixel", "one pixel"):
        observed = np.arange(times)[:, None, None] == generator.integers(0, times, (side, side))
    if case == "nothing":
        observed[:] = False
    values = 0.3 if case == "constant" else generator.normal(0.3, 0.02, (times, 2, side, side))
    block = make_block(np.broadcast_to(values, (times, 2, side, side)), observed, np.arange(times) * 10)
    model = measure_errors(linear, [block], per_pixel_runs=per_pixel)
    assert (model.table[:, :-1] > 0).all()
    assert np.isfinite(model.correlation).all()
    if case in ("one observation a pixel", "one pixel", "nothing"):
        observed = np.array([True, False])[:, None, None]
        std = model.std(observed, START + np.array([0, 10]))[:, 0, 0, 0]
        assert std[0] == pytest.approx(UNKNOWN_NOISE)
        assert std[1] >= UNKNOWN_STD * 0.999


def test_never_observed_pixels_have_no_std_and_threads_agree():
    block = noisy(times=8, side=9)
    block.observed[:, 2, 3] = False
    model = measure_errors(linear, [block])
    std = model.std(block.observed, block.dates)
    assert (np.isnan(std) == ~block.observed.any(axis=0)).all()
    np.testing.assert_array_equal(std, model.std(block.observed, block.dates, parallel=True))
    np.testing.assert_array_equal(std[..., 4:5, 1:8], model.std(block.observed[:, 4:5, 1:8], block.dates))


def test_longer_gaps_never_err_less_where_data_are_sparse():
    model = measure_errors(linear, [noisy(times=5, side=3, share=0.9)])
    observed = np.zeros((300, 1, 1), bool)
    observed[0] = True
    std = model.std(observed, START + np.arange(300))[1:, :, 0, 0]
    assert (np.diff(std, axis=0) >= 0).all()


def test_no_sparse_cell_is_below_the_noise():
    every = np.ones(OBSERVED)
    np.testing.assert_allclose(_growing(1e-6 * every, every, every > 0, 1e-4), 1e-4)
    np.testing.assert_allclose(_growing(1e-6 * every, every, every < 0, 1e-4), 1e-6)


def test_model_is_small_and_plain():
    model = measure_errors(linear, [noisy(times=8, side=6)])
    assert len(pickle.dumps(model)) < 10_000
    summary = model.summary()
    assert summary["error_hidden_observations"] > 0
    assert np.array(summary["error_std_interior"]).shape == (2, 11, 11)
    assert np.array(summary["error_correlation"]).shape == (2, 2)


def test_the_summary_tells_leading_from_trailing():
    model = measure_errors(linear, [noisy(walk=0.005)])
    told = model.summary()
    for name, order in (("error_std_leading", [False, True]), ("error_std_trailing", [True, False])):
        for place, day in enumerate(EDGES[1:4]):
            observed = np.array(order)[:, None, None]
            std = model.std(observed, START + np.array([0, day]))[order.index(False), :, 0, 0]
            np.testing.assert_allclose(np.array(told[name])[:, place + 1], std, atol=1e-6)
    assert told["error_std_leading"] != told["error_std_trailing"]


def test_what_rests_on_few_dates_is_made_larger(monkeypatch):
    dates, each, cell = 20, 50, 3
    of_date = np.random.default_rng(0).normal(0, 0.02, dates).astype(np.float32)  # the same at all pixels of a date
    errors = HiddenErrors(
        np.tile(np.repeat(of_date, each), (2, 1)),
        np.full(dates * each, cell, np.uint8),
        np.repeat(np.arange(dates), each),
    )
    careful = fit_table(errors, [noisy()])[0, cell]
    monkeypatch.setattr("clearcube.methods.error_fit.CAUTION", 0.0)
    assert careful / fit_table(errors, [noisy()])[0, cell] == pytest.approx(
        np.sqrt(1 + 2 / (0.4 * dates + 5)), abs=0.01
    )

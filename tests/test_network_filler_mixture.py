import numpy as np
import pytest
from builders import BANDS, block_of, cloudy_cube

from clearcube.filler import Block
from clearcube.network_filler.gap_kinds import GAP_KINDS, gap_kinds
from clearcube.network_filler.hidden_gaps import APART, Estimates, GapErrors, errors_at, gap_errors
from clearcube.network_filler.mixture import (
    CAUTION,
    CAUTION_AT_ENDS,
    DOUBT,
    PRIOR_DATES,
    PRIOR_DATES_OF_SPREAD,
    Prior,
    best_shares,
    mixture,
    spread_of,
)

DAY = np.datetime64("2020-01-01")


def test_shares_of_independent_errors_are_their_precisions():
    np.testing.assert_allclose(best_shares(np.diag([1.0, 0.5, 0.25])), np.array([1, 2, 4]) / 7)


def test_an_estimate_that_adds_nothing_gets_nothing():
    np.testing.assert_array_equal(best_shares(np.array([[1.0, 0.9], [0.9, 0.81]])), [0, 1])
    np.testing.assert_array_equal(best_shares(np.array([[1.0, 1.5], [1.5, 4.0]])), [1, 0])


def test_no_mixture_is_better_than_the_best_shares():
    rng = np.random.default_rng(0)
    for _ in range(20):
        factor = rng.normal(size=(3, 4))
        gram = factor @ factor.T
        best = best_shares(gram)
        assert best.min() >= 0
        assert best.sum() == pytest.approx(1)
        others = rng.dirichlet(np.ones(3), 500)
        assert best @ gram @ best <= np.einsum("ni,ij,nj->n", others, gram, others).min() + 1e-12


def test_spread_makes_intervals_hold():
    rng = np.random.default_rng(1)
    error, std = 0.03 * rng.normal(size=(2, 20_000)), np.full((2, 20_000), 0.01)
    np.testing.assert_allclose(spread_of(error, std), 3.0, rtol=0.03)


def errors_of(kind, dates, pixels=500):
    """Interpolation errs by 0.02, the network by 0.01, independently; its std says 0.005."""
    rng = np.random.default_rng(2)
    count = dates * pixels
    error = rng.normal(size=(2, 1, count)) * np.array([0.02, 0.01])[:, None, None]
    each = np.repeat(np.arange(dates), pixels)
    return GapErrors(error.astype(np.float32), np.full((1, count), 0.005, np.float32), np.full(count, kind), each)


def test_without_errors_the_prior_holds():
    prior = Prior(np.tile(np.diag([1.0, 0.25]), (GAP_KINDS, 1, 1)), np.full(GAP_KINDS, 1.5))
    made = mixture(None, prior, 2)
    best = np.array([0.2, 0.8])
    np.testing.assert_allclose(made.shares[:3], np.tile(best, (3, 1)), rtol=1e-5)
    for kind in range(3, GAP_KINDS):  # 3 and 7: at ends
        kept = CAUTION_AT_ENDS if kind in (3, 7) else CAUTION
        np.testing.assert_allclose(made.shares[kind], kept * best + [1 - kept, 0], rtol=1e-5)
    np.testing.assert_array_equal(made.spread, np.float32(1.5))
    assert made.hidden == 0


def test_many_dates_overrule_the_prior_in_their_kind_alone():
    prior = Prior.of(None)
    made = mixture(errors_of(2, 400), prior, 1)
    np.testing.assert_allclose(made.shares[2], np.array([0.2, 0.8]), atol=0.02)
    mixed = 1 / np.sqrt(1 / 0.02**2 + 1 / 0.01**2)
    assert made.spread[2, 0] == pytest.approx(mixed / 0.005, rel=0.05)
    np.testing.assert_allclose(made.shares[0], best_shares(prior.gram[0]), rtol=1e-6)


def test_alone_the_network_is_all_there_is_and_its_own_errors_make_the_spread():
    made = mixture(errors_of(2, 400), Prior.of(None), 1, alone=True)
    np.testing.assert_array_equal(made.shares, np.tile([0.0, 1.0], (GAP_KINDS, 1)).astype(np.float32))
    assert made.spread[2, 0] == pytest.approx(0.01 / 0.005, rel=0.05)


def test_few_dates_lean_on_the_prior():
    prior = Prior(np.tile(np.diag([1.0, 1e-6]), (GAP_KINDS, 1, 1)), np.ones(GAP_KINDS))
    errors = errors_of(0, int(PRIOR_DATES))
    made = mixture(errors, prior, 1)
    np.testing.assert_allclose(made.shares[0], best_shares((errors.gram + prior.gram[0]) / 2), rtol=1e-5)


def test_a_prior_survives_as_plain_numbers():
    prior = Prior(np.random.default_rng(0).uniform(size=(GAP_KINDS, 2, 2)), np.arange(1.0, GAP_KINDS + 1))
    again = Prior.of(prior.plain())
    np.testing.assert_allclose(again.gram, prior.gram, atol=1e-4)
    np.testing.assert_array_equal(again.spread, prior.spread)


def test_kinds_of_gaps_by_hand():
    days = DAY + np.array([0, 5, 10, 40, 90, 95])
    observed = np.zeros((6, 1, 60), bool)
    observed[[0, 2, 3, 4]] = True
    observed[4, :, :] = False
    observed[5] = True
    observed[2, :, 0] = False  # a gap of 40 days, on a date that is seen nearby
    kind = gap_kinds(observed, days)[:, 0]
    assert kind[1, 30] == 4 + 0  # 10 days, a date that nobody saw
    assert kind[2, 0] == 1  # 40 days
    assert kind[4, 30] == 4 + 2  # 55 days, a date that nobody saw
    observed[5, :, 0] = False
    assert gap_kinds(observed, days)[5, 0, 0] == 3  # at the end, seen nearby
    observed[5] = False
    assert gap_kinds(observed, days)[5, 0, 0] == 4 + 3


def constant(value):
    def estimate(block):
        shape = block.reflectance.shape
        return Estimates(np.stack([np.full(shape, value, np.float32)] * 2), np.ones(shape, np.float32), block.observed)

    return estimate


def test_errors_are_of_hidden_pixels_that_are_seen_elsewhere():
    reflectance = np.full((3, 1, 1, 2), 0.2, np.float32)
    observed = np.array([[[True, True]], [[True, False]], [[True, False]]])
    whole = Block(reflectance, observed, DAY + np.array([0, 5, 10]), BANDS[:1])
    hidden = np.array([[[False, True]], [[True, False]], [[False, False]]])
    seen = []

    def estimate(block):
        seen.append(block)
        return constant(0.5)(block)

    found = errors_at(estimate, whole, hidden)
    np.testing.assert_allclose(found.error, 0.3, rtol=1e-6)
    assert found.error.shape == (2, 1, 1)
    assert found.date.tolist() == [1]
    assert np.isnan(seen[0].reflectance[1, 0, 0, 0])


def test_kinds_are_of_the_gaps_in_what_was_believed():
    observed = np.ones((4, 1, 40), bool)
    whole = Block(np.full((4, 1, 1, 40), 0.2, np.float32), observed, DAY + np.array([0, 5, 10, 60]), BANDS[:1])
    hidden = np.zeros_like(observed)
    hidden[1] = True

    def doubtful(block):
        believed = block.observed.copy()
        believed[2] = False  # a gap of 10 days becomes one of 60
        return constant(0.5)(block)._replace(believed=believed)

    assert set(errors_at(constant(0.5), whole, hidden).kind) == {4 + 0}
    assert set(errors_at(doubtful, whole, hidden).kind) == {4 + 2}


def test_estimates_never_see_what_is_hidden():
    cube = cloudy_cube(14, 24, 24, never=False, cloud=0.3)
    whole = block_of(cube)
    shares = []

    def estimate(block):
        assert np.isnan(np.moveaxis(block.reflectance, 1, -1)[whole.observed & ~block.observed]).all()
        shares.append(block.observed.sum() / whole.observed.sum())
        return constant(0.1)(block)

    found = gap_errors(estimate, [whole])
    assert found is not None
    assert max(shares) < 1
    assert gap_errors(estimate, []) is None


def test_dates_of_experiments_are_different_ones_and_keep_their_positions():
    one = np.ones((1, 1, 1, 3), np.float32)
    errors = GapErrors(one[0], one[0, 0], np.zeros(3, np.uint8), np.array([3, APART + 3, 2 * APART + 5]))
    assert errors.dates == 3
    assert errors.on_dates([3]).date.tolist() == [3, APART + 3]
    assert errors.on_dates([4]) is None
    whole = block_of(cloudy_cube(8, 24, 24, never=False, cloud=0.3))
    found = gap_errors(constant(0.1), [whole])
    assert found.dates > 8
    assert (found.date % APART).max() < 8


def test_a_spread_of_few_dates_leans_on_the_prior_and_is_doubted():
    few, many = (mixture(errors_of(2, dates), Prior.of(None), 1, alone=True).spread[2, 0] for dates in (4, 4000))
    rests_on = 4 + PRIOR_DATES_OF_SPREAD
    weight = 4 / rests_on
    assert few == pytest.approx(2**weight * np.sqrt(1 + DOUBT / rests_on), rel=0.05)
    assert many == pytest.approx(2, rel=0.01)


def test_where_little_was_measured_bands_differ_as_they_do_elsewhere():
    one = errors_of(2, 400)
    error, std = np.concatenate([one.error, 3 * one.error], axis=1), np.concatenate([one.std, one.std])
    prior = Prior(Prior.of(None).gram, np.full(GAP_KINDS, 5.0))
    made = mixture(one._replace(error=error, std=std), prior, 2, alone=True)
    np.testing.assert_allclose(made.spread[2], [2, 6], rtol=0.1)
    others = np.delete(made.spread, 2, axis=0)
    np.testing.assert_allclose(others[:, 1] / others[:, 0], 3, rtol=0.1)
    np.testing.assert_allclose(np.sqrt(others.prod(axis=1)), 5, rtol=1e-5)


@pytest.mark.parametrize(("length", "kind"), [(21, 0), (22, 1), (45, 1), (46, 2)])
def test_kinds_hold_their_shortest_gap(length, kind):
    observed = np.array([True, False, True])[:, None, None]
    dates = DAY + np.array([0, 10, length])
    assert gap_kinds(observed, dates)[1, 0, 0] == 4 + kind


@pytest.mark.parametrize(("count", "correlation"), [(29, 0.0), (5000, 0.8)])
def test_the_errors_of_bands_are_correlated_where_there_are_enough(count, correlation):
    one, two = np.random.default_rng(0).normal(size=(2, count))
    error = np.broadcast_to(np.stack([one, 0.8 * one + 0.6 * two]), (2, 2, count)).astype(np.float32)
    errors = GapErrors(error, np.ones((2, count), np.float32), np.full(count, 1), np.arange(count))
    made = mixture(errors, Prior.of(None), 2).correlation
    np.testing.assert_allclose(made, [[1, correlation], [correlation, 1]], atol=0.02)

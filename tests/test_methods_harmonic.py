import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from method_laws import block_of, check_laws, random_block, with_an_empty_date

from clearcube.errors import InputError
from clearcube.filler import Filler
from clearcube.methods.harmonic import Harmonic, expected_size, fitted_block
from clearcube.methods.harmonic_kernels import columns_for


def fitted(block, noise=0.01, terms=2):
    return fitted_block(block, noise=np.full(len(block.bands), noise), terms=terms)


def seasons(days, amplitude=0.15, size=6):
    phase = np.linspace(0, 6, 2 * size * size).reshape(1, 2, size, size)
    return 0.3 + amplitude * np.sin(2 * np.pi * np.asarray(days)[:, None, None, None] / 365.25 + phase)


def test_is_a_filler():
    assert isinstance(Harmonic(), Filler)
    assert (Harmonic().name, Harmonic().halo) == ("harmonic", 0)


@pytest.mark.parametrize(("span", "step"), [(1095, 12), (365, 10), (360, 15)])
def test_sinusoid_of_a_year_is_recovered_through_gaps(span, step):
    days = np.arange(0, span, step)
    truth = seasons(days)
    observed = np.random.default_rng(0).random((days.size, 6, 6)) < 0.7
    block = block_of(np.where(observed[:, None], truth, np.nan), observed, days)
    filled = Harmonic().prepare([block]).fill(block)
    np.testing.assert_allclose(filled.mean, truth, atol=2e-3)
    assert (filled.std > 0).all()


def test_trend_is_recovered_and_held_beyond_the_observations():
    days = np.arange(0, 1200, 20)
    truth = np.broadcast_to((0.2 + 1e-4 * days)[:, None, None, None], (60, 2, 4, 4))
    observed = np.zeros((60, 4, 4), bool)
    observed[10:50] = True
    filled = fitted(block_of(truth, observed, days), noise=1e-4)
    np.testing.assert_allclose(filled[10:50], truth[10:50], atol=1e-4)
    np.testing.assert_allclose(filled[50:], filled[49:50].repeat(10, 0), atol=1e-4)


def test_missed_clouds_do_not_pull():
    days = np.arange(0, 730, 8)
    truth = seasons(days)
    rng = np.random.default_rng(1)
    observed = rng.random((days.size, 6, 6)) < 0.6
    clouds = observed & (rng.random(observed.shape) < 0.1)
    block = block_of(truth + 0.4 * clouds[:, None], observed, days)
    assert np.abs(fitted(block) - truth).max() < 0.01


def test_few_observations_get_few_terms():
    assert [columns_for(n, 700.0, 6) for n in (1, 2, 3, 4, 5, 6, 100)] == [1, 2, 2, 4, 4, 6, 6]
    assert [columns_for(100, span, 6) for span in (0.0, 44.0, 45.0, 89.0, 90.0)] == [2, 2, 4, 4, 6]
    assert columns_for(100, 700.0, 2) == 2


def test_short_waves_are_expected_to_be_small():
    np.testing.assert_allclose(expected_size(2), [np.inf, 0.3, 0.1, 0.1, 0.025, 0.025])


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9])
def test_few_observations_stay_near_their_range(count):
    block = random_block(3, size=1)
    observed = np.zeros_like(block.observed)
    observed[np.random.default_rng(count).permutation(14)[:count]] = True
    block = block_of(block.reflectance, observed, block.days)
    seen = block.reflectance[observed[:, 0, 0]]
    low, high = seen.min(axis=0), seen.max(axis=0)
    filled = Harmonic().prepare([block]).fill(block).mean
    assert (filled >= 2 * low - high - 1e-6).all()
    assert (filled <= 2 * high - low + 1e-6).all()


def test_waves_that_swing_out_are_cut_at_the_range_widened_by_itself():
    days = np.r_[0, 10, 25, 40, 60, 80, 95, np.arange(100, 400, 10)]
    values = np.full(days.size, 0.3)
    values[:7] = 0.355, 0.208, 0.116, 0.107, 0.425, 0.465, 0.343
    block = block_of(values[:, None, None, None].repeat(2, 1), (np.arange(days.size) < 7)[:, None, None], days)
    filled = fitted(block, noise=1e-5)
    low, high = 0.107, 0.465
    assert filled.max() <= 2 * high - low + 1e-6 and filled.min() >= 2 * low - high - 1e-6
    reached = max(filled.max() - high, low - filled.min())
    assert reached == pytest.approx(high - low, abs=1e-6)


def test_more_terms_follow_more():
    days = np.arange(0, 730, 6)
    half_year = 0.3 + 0.1 * np.sin(4 * np.pi * days / 365.25)[:, None, None, None].repeat(2, 1)
    block = block_of(half_year, np.ones((days.size, 1, 1), bool), days)
    assert np.abs(fitted(block, terms=2) - half_year).max() < 0.005
    assert np.abs(fitted(block, terms=1) - half_year).max() > 0.05
    assert np.isfinite(fitted(block, terms=0)).all()


@pytest.mark.parametrize("terms", [-1, 7, 1.5, 2.0, True, "2"])
def test_terms_must_be_a_small_number(terms):
    with pytest.raises(InputError, match="whole number from 0 to 6"):
        Harmonic(terms=terms)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.05, 1.0), st.floats(1e-4, 0.1), st.integers(0, 4))
def test_laws(seed, clear, noise, terms):
    check_laws(lambda part: fitted(part, noise, terms), random_block(seed, clear=clear), seed)


def test_empty_date_does_not_change_what_is_settled():
    block = random_block(6)
    longer, at = with_an_empty_date(block, 6)
    short, long = Harmonic().prepare([block]), Harmonic().prepare([longer])
    assert short.noise.tolist() == long.noise.tolist()
    np.testing.assert_array_equal(np.delete(long.fill(longer).mean, at, axis=0), short.fill(block).mean)
    assert short.summary()["terms"] == 2
    assert short.error_correlation.shape == (2, 2)

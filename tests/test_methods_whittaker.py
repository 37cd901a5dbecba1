import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from method_laws import block_of, check_laws, random_block, with_an_empty_date

from clearcube.errors import InputError
from clearcube.filler import Filler
from clearcube.methods.whittaker import Whittaker, corner_of_v_curve, smooth_block
from clearcube.methods.whittaker_kernels import reweight

NOISE = np.full(2, 0.01)


def smooth(block, smoothness=1000.0):
    return smooth_block(block, smoothness=smoothness, noise=NOISE)


def test_is_a_filler():
    assert isinstance(Whittaker(), Filler)
    assert (Whittaker().name, Whittaker().halo) == ("whittaker", 0)


def test_straight_line_is_recovered_between_the_observations():
    days = np.array([0, 3, 4, 10, 25, 31, 70, 71, 90, 130])
    line = (0.1 + 0.002 * days)[:, None, None, None] * np.array([1.0, -0.5])[:, None, None]
    line = np.broadcast_to(line, (10, 2, 6, 6))
    observed = np.random.default_rng(0).random((10, 6, 6)) < 0.5
    observed[[0, -1]] = True
    block = block_of(np.where(observed[:, None], line, np.nan), observed, days)
    filled = Whittaker().prepare([block]).fill(block)
    np.testing.assert_allclose(filled.mean, line, atol=1e-5)
    assert np.isfinite(filled.std).all()
    assert (filled.std > 0).all()


def test_agrees_with_a_dense_smoother_on_a_daily_grid():
    rng = np.random.default_rng(1)
    seen = np.unique(np.r_[0, rng.choice(100, 18, replace=False), 100])
    values, smoothness = rng.normal(0.3, 0.05, seen.size), 500.0
    second = np.diff(np.eye(101), 2, axis=0)
    weights = np.zeros(101)
    weights[seen] = 1.0
    right = np.zeros(101)
    right[seen] = values
    dense = np.linalg.solve(np.diag(weights) + smoothness * second.T @ second, right)
    reflectance = np.full((101, 1, 1, 1), np.nan)
    reflectance[seen, 0, 0, 0] = values
    block = block_of(reflectance, np.isfinite(reflectance[:, 0]), np.arange(101))
    smoothed = smooth_block(block, smoothness=smoothness, noise=np.full(1, 1e3))
    np.testing.assert_allclose(smoothed[:, 0, 0, 0], dense, atol=2e-3)


def test_smoother_minimises_what_it_says():
    # at the optimum of sum (y - g)^2 + s * integral g''^2 a straight line can be neither added nor taken away
    block = random_block(2, clear=1.0)
    difference = smooth_block(block, smoothness=300.0, noise=np.full(2, 1e3)) - block.reflectance
    days = block.days[:, None, None, None]
    np.testing.assert_allclose(difference.sum(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose((difference * days).sum(axis=0), 0, atol=1e-2)


def test_missed_cloud_loses_weight():
    days = np.arange(0, 100, 5)
    reflectance = np.full((20, 2, 1, 1), 0.2)
    reflectance[9] = 0.7
    block = block_of(reflectance, np.ones((20, 1, 1), bool), days)
    assert np.abs(smooth(block) - 0.2).max() < 0.02


def test_bright_dates_lose_weight_and_dark_ones_do_not():
    weights = np.ones(4)
    excess = np.array([[0.0, 0.03, 0.06, -0.06], [0.0, 0.03, 0.06, -0.06]])
    assert reweight(excess, NOISE, weights)
    np.testing.assert_allclose(weights, [1, 1, (3 / 6) ** 2, 1])


def test_wide_gap_does_not_swing_out():
    days = np.array([0, 5, 10, 15, 50, 90, 95, 100, 105])
    reflectance = np.array([0.0, 0.1, 0.2, 0.3, np.nan, 0.3, 0.2, 0.1, 0.0])[:, None, None, None].repeat(2, 1)
    block = block_of(reflectance, np.isfinite(reflectance[:, 0]), days)
    assert smooth(block, 10.0)[4].max() < 0.45


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_observations_stay_in_their_range(count):
    block = random_block(3, size=1)
    observed = np.zeros_like(block.observed)
    observed[[2, 7, 9][:count]] = True
    block = block_of(block.reflectance, observed, block.days)
    seen = block.reflectance[observed[:, 0, 0]]
    filled = smooth(block)
    assert (filled >= seen.min(axis=0) - 0.1).all()
    assert (filled <= seen.max(axis=0) + 0.1).all()
    prepared = Whittaker().prepare([block])
    assert np.isfinite(prepared.fill(block).mean).all()


def noisy_seasons(seed=4, pixels=12):
    rng = np.random.default_rng(seed)
    days = np.arange(0, 730, 5)
    truth = 0.3 + 0.15 * np.sin(2 * np.pi * days / 365 + rng.uniform(0, 6, (pixels, 1)))
    truth = truth.T[:, None, None, :].repeat(2, 1)
    observed = rng.random((days.size, 1, pixels)) < 0.5
    return truth, block_of(truth + rng.normal(0, 0.02, truth.shape), observed, days)


def test_v_curve_finds_a_smoothness_that_denoises():
    truth, block = noisy_seasons()
    found = Whittaker().prepare([block]).smoothness

    def error(smoothness):
        return np.sqrt(np.mean((smooth(block, smoothness) - truth)[block.observed[:, None].repeat(2, 1)] ** 2))

    assert error(found) < 0.012
    assert error(found) < error(found / 100)
    assert error(found) < error(found * 100)


def test_v_curve_without_curves_has_a_default():
    none = np.zeros((6, 3), bool)
    assert corner_of_v_curve(np.zeros((6, 2, 3), np.float32), none, np.arange(6.0)) == 3000.0


def test_of_equally_sharp_corners_the_smoothest_counts(monkeypatch):
    speed = np.ones(24)
    speed[[5, 15, 20]] = 0.50, 0.52, 0.60  # the last is blunt
    made_up = np.stack([np.r_[0, np.cumsum(speed)], np.zeros(25)])
    monkeypatch.setattr("clearcube.methods.whittaker.misfit_and_roughness", lambda *_: made_up)
    found = corner_of_v_curve(np.zeros((30, 1, 3), np.float32), np.ones((30, 3), bool), np.arange(0.0, 150.0, 5.0))
    tried = np.geomspace((20 / (2 * np.pi)) ** 4 / 5, (80 / (2 * np.pi)) ** 4 / 5, 25)  # half power at 20 to 80 days
    assert found == pytest.approx(np.sqrt(tried[15] * tried[16]))


def test_summary_says_where_the_smoothness_comes_from():
    block = random_block(5)
    given = Whittaker(smoothness=50.0).prepare([block])
    assert given.summary()["smoothness"] == 50.0
    assert given.summary()["smoothness_from"] == "given"
    assert Whittaker().prepare([block]).summary()["smoothness_from"] == "V-curve"
    assert given.error_correlation.shape == (2, 2)


@pytest.mark.parametrize("smoothness", [0.0, -1.0, np.inf, np.nan])
def test_smoothness_must_be_positive(smoothness):
    with pytest.raises(InputError, match="positive"):
        Whittaker(smoothness=smoothness)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.05, 1.0), st.floats(0.1, 1e6))
def test_laws(seed, clear, smoothness):
    block = random_block(seed, clear=clear)
    check_laws(lambda part: smooth(part, smoothness), block, seed)


def test_empty_date_does_not_change_what_is_settled():
    block = random_block(6)
    longer, at = with_an_empty_date(block, 6)
    short, long = Whittaker().prepare([block]), Whittaker().prepare([longer])
    assert (short.smoothness, short.noise.tolist()) == (long.smoothness, long.noise.tolist())
    np.testing.assert_array_equal(np.delete(long.fill(longer).mean, at, axis=0), short.fill(block).mean)

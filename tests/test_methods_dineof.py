import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from method_laws import block_of, check_laws, random_block, with_an_empty_date

from clearcube.errors import InputError
from clearcube.filler import Block, Filler
from clearcube.methods.dineof import Dineof, PreparedDineof, reconstruct_block
from clearcube.methods.dineof_basis import Basis, find_basis, hide_runs, without_bright
from clearcube.methods.dineof_kernels import drop_bright
from clearcube.methods.error_kernels import CELLS
from clearcube.methods.error_model import ErrorModel
from clearcube.methods.sampling import absolute_days


def low_rank(rank, seed=0, size=20, noise=0.0):
    rng = np.random.default_rng(seed)
    courses = rng.normal(0, 0.05, (rank, 16, 3, 1, 1))
    patterns = rng.normal(0, 1, (rank, 1, 1, size, size))
    truth = 0.3 + (courses * patterns).sum(axis=0)
    observed = rng.random((16, size, size)) < 0.6
    values = truth + rng.normal(0, noise, truth.shape) if noise else truth
    return truth, block_of(np.where(observed[:, None], values, np.nan), observed, np.arange(16) * 7)


@pytest.fixture(scope="module")
def prepared():
    return Dineof().prepare([random_block(1, size=9)])


def test_is_a_filler():
    assert isinstance(Dineof(), Filler)
    assert (Dineof().name, Dineof().halo) == ("dineof", 0)


def test_dates_that_see_little_will_do_where_none_sees_more():
    truth, block = low_rank(1, size=40)
    quarter = (np.arange(40)[:, None] // 20 * 2 + np.arange(40) // 20)[None] == (np.arange(16) % 4)[:, None, None]
    observed = block.observed & quarter  # no date sees more than a sixth of the frame
    values = np.where(observed[:, None], truth, np.nan).astype(np.float32)
    part = Block(values, observed, block.dates, block.bands)
    mean = Dineof().prepare([part]).fill(part).mean
    seen = np.broadcast_to(observed.any(axis=0), mean.shape)
    assert np.abs(mean - truth)[seen].mean() < 0.1


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_low_rank_cube_is_recovered(rank):
    truth, block = low_rank(rank)
    prepared = Dineof().prepare([block])
    filled = prepared.fill(block)
    assert np.sqrt(np.mean((filled.mean - truth) ** 2)) < 0.02 * truth.std()
    assert (filled.std > 0).all()
    assert prepared.summary()["modes"] >= rank


def test_noise_is_not_taken_for_modes():
    truth, block = low_rank(2, noise=0.02)
    prepared = Dineof().prepare([block])
    assert prepared.summary()["modes"] == 2
    assert np.sqrt(np.mean((prepared.fill(block).mean - truth) ** 2)) < 0.015


def test_long_gap_is_filled_from_other_pixels():
    truth, block = low_rank(2)
    observed = block.observed.copy()
    observed[4:14, :3, :3] = False
    block = Block(block.reflectance, observed, block.dates, block.bands)
    filled = Dineof().prepare([block]).fill(block).mean
    assert np.abs(filled - truth)[4:14, :, :3, :3].max() < 0.02


def test_given_number_of_modes():
    summary = Dineof(modes=3).prepare([low_rank(2)[1]]).summary()
    assert (summary["modes"], summary["modes_from"]) == (3, "given")


def test_missed_cloud_makes_no_mode():
    days = np.arange(0, 100, 5)
    observed = np.ones((20, 8), bool)
    reflectance = np.random.default_rng(0).normal(0.2, 0.02, (20, 2, 8)).astype(np.float32)
    reflectance[9, :, 3] = 0.7
    kept = without_bright(reflectance, observed, days.astype(float))
    assert not kept[9, 3]
    assert kept.sum() >= observed.sum() - 8


def test_bright_dates_of_a_pixel_are_dropped_unless_they_are_half_of_it():
    mean_alone, no_amplitudes = np.zeros((6, 2, 1)), np.empty(0)
    for bright, left in (([1], 4), ([1, 3], 3), ([1, 3, 4], 5)):
        values, seen = np.zeros((6, 2)), np.array([True] * 5 + [False])
        values[bright] = 0.5
        assert drop_bright(values, seen, mean_alone, no_amplitudes, 0.01) == (len(bright) < 3)
        assert seen.sum() == left and not seen[5]


def test_dates_that_nobody_observed_have_the_std_of_such_dates():
    observed = np.ones((3, 2, 2), bool)
    observed[1] = False
    block = block_of(np.full((3, 1, 2, 2), 0.3), observed, [0, 5, 10])
    known, unknown = (ErrorModel(np.full((1, CELLS), std, np.float32), np.eye(1), 9) for std in (0.01, 0.05))
    days = absolute_days(block.dates[[0, 2]])
    basis = Basis(days, np.zeros((2, 1, 1)), np.full(1, 0.3), np.ones(1), 0.1)
    std = PreparedDineof(basis, True, known, unknown).fill(block).std
    np.testing.assert_allclose(std[:, 0, 0, 0], [0.01, 0.05, 0.01])


def test_basis_is_interpolated_in_time_and_held():
    rows = np.array([1.0, 3.0])[:, None, None]
    basis = Basis(np.array([10.0, 20.0]), rows, np.zeros(1), np.ones(1), 0.1)
    at = basis.at(np.array([0.0, 10.0, 15.0, 20.0, 99.0]))[:, 0, 0]
    np.testing.assert_array_equal(at, [1.0, 1.0, 2.0, 3.0, 3.0])


def test_hidden_runs_are_observed_consecutive_and_leave_most():
    seen = np.random.default_rng(0).random((500, 20)) < 0.4
    hidden = hide_runs(seen, np.random.default_rng(1))
    assert not (hidden & ~seen).any()
    count, taken = seen.sum(axis=1), hidden.sum(axis=1)
    assert (taken[count >= 3] >= 1).all()
    assert (taken <= np.maximum(count // 3, 1)).all()
    for pixel, run in zip(seen, hidden, strict=True):
        positions = np.flatnonzero(run[pixel])
        assert (np.diff(positions) == 1).all()


def test_sample_without_observations_gives_a_basis():
    basis = find_basis(np.zeros((4, 2, 3), np.float32), np.zeros((4, 3), bool), np.arange(4.0), None)
    assert basis.basis.shape == (1, 2, 1)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_observations_give_sane_values(count):
    truth, block = low_rank(2)
    observed = block.observed.copy()
    observed[:, 0, 0] = False
    observed[[3, 8, 12][:count], 0, 0] = True
    block = block_of(truth, observed, block.days)
    filled = Dineof().prepare([block]).fill(block).mean[:, :, 0, 0]
    assert (filled > -0.2).all()
    assert (filled < 0.8).all()


def test_single_pixel_is_filled():
    block = random_block(2, size=1)
    filled = Dineof().prepare([block]).fill(block).mean
    assert np.isfinite(filled).all()


@pytest.mark.parametrize("modes", [0, -1, 51, 2.5, 2.0, True, "3"])
def test_modes_must_be_a_small_number(modes):
    with pytest.raises(InputError, match="whole number from 1 to 50"):
        Dineof(modes=modes)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.05, 1.0))
def test_laws(prepared, seed, clear):
    check_laws(lambda part: reconstruct_block(part, basis=prepared.basis), random_block(seed, clear=clear), seed)


def test_empty_date_does_not_change_what_is_settled():
    block = random_block(6)
    longer, at = with_an_empty_date(block, 6)
    short, long = Dineof().prepare([block]), Dineof().prepare([longer])
    np.testing.assert_array_equal(short.basis.basis, long.basis.basis)
    np.testing.assert_array_equal(np.delete(long.fill(longer).mean, at, axis=0), short.fill(block).mean)
    assert short.error_correlation.shape == (2, 2)

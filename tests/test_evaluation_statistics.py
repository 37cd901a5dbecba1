import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearcube.cube import normalised_difference
from clearcube.evaluation.statistics import (
    Sums,
    absolute_error,
    error,
    squared_error,
    summed,
)


def test_the_statistics_of_single_pixels():
    filled, truth = np.array([0.5, 0.25], np.float32), np.array([0.25, 0.75], np.float32)
    assert error(filled, truth).tolist() == [0.25, -0.5]
    assert absolute_error(filled, truth).tolist() == [0.25, 0.5]
    assert squared_error(filled, truth).tolist() == [0.0625, 0.25]
    assert error(filled, truth).dtype == np.float64


def test_errors_are_those_of_double_precision():
    filled, truth = np.array([1.0], np.float32), np.array([1e-9], np.float32)
    assert error(filled, truth)[0] == 1.0 - float(truth[0])


def test_ndvi_is_undefined_where_reflectances_do_not_sum_to_more_than_zero():
    index = normalised_difference(np.array([0.75, 0.0, -0.5]), np.array([0.25, 0.0, 0.25]))
    np.testing.assert_array_equal(index, [0.5, np.nan, np.nan])


def test_ndvi_beyond_its_limits_is_clipped():
    index = normalised_difference(np.array([0.02, -0.01]), np.array([-0.01, 0.02]))
    assert index.tolist() == [1.0, -1.0]


def test_pixels_that_do_not_count_have_no_influence():
    values = np.array([[[[1.0, 2.0]], [[3.0, 4.0]]], [[[1e6, np.nan]], [[np.inf, 5.0]]]])
    counted = np.array([[[True, True]], [[False, False]]])
    sums = summed(values, counted)
    assert sums.total.tolist() == [3.0, 7.0]
    assert sums.weight.tolist() == [2.0, 2.0]
    assert sums.pooled() == Sums(10.0, 4.0)


@given(st.integers(0, 99), st.integers(1, 5), st.integers(1, 6))
def test_sums_do_not_depend_on_how_a_cube_is_cut(seed, at, across):
    generator = np.random.default_rng(seed)
    values = generator.integers(-64, 64, (6, 2, 4, 7)) / 64  # sums of these are exact
    counted = generator.random((6, 4, 7)) < 0.5
    whole = summed(values, counted)
    parts = [
        summed(values[t, ..., x], counted[t, ..., x])
        for t in (slice(at), slice(at, None))
        for x in (slice(across), slice(across, None))
    ]
    together = sum(parts[1:], parts[0])
    assert together.total.tolist() == whole.total.tolist()
    assert together.weight.tolist() == whole.weight.tolist()


@pytest.mark.parametrize("chunks", [(6, 2, 4, 7), (1, 1, 3, 2)])
def test_sums_of_lazy_arrays_are_lazy_and_the_same(chunks):
    values = np.random.default_rng(0).integers(0, 64, (6, 2, 4, 7)) / 64
    counted = values[:, 0] > 0.5
    lazy = summed(da.from_array(values, chunks), da.from_array(counted, chunks[:1] + chunks[2:]))
    assert isinstance(lazy.total, da.Array)
    np.testing.assert_array_equal(lazy.total.compute(), summed(values, counted).total)
    np.testing.assert_array_equal(lazy.weight.compute(), summed(values, counted).weight)

import numpy as np
import pytest

from clearcube.cube import Source
from clearcube.fill_cube.flags import blank_unfilled, flag_pixels, keep_observed, usable_pixels
from clearcube.gaps import NEVER, days_to_observation, gap_length


def random_masks(times, height, width, share, longest_step, seed=0):
    generator = np.random.default_rng(seed)
    days = np.cumsum(generator.integers(1, longest_step + 1, times))
    return generator.random((times, height, width)) < share, np.datetime64("2020-01-01", "D") + days


def test_hand_written_flags():
    observed = np.array([0, 1, 0, 1, 0], bool)[:, None, None]
    dates = np.datetime64("2020-01-01", "D") + np.array([0, 3, 10, 30, 31])
    source, days = flag_pixels(observed, dates)
    names = [Source(flag).name for flag in source.ravel()]
    assert names == ["EXTRAPOLATED", "OBSERVED", "INTERPOLATED", "OBSERVED", "EXTRAPOLATED"]
    assert days.ravel().tolist() == [3, 0, 7, 0, 1]
    assert (source.dtype, days.dtype) == (np.uint8, np.int16)
    assert flag_pixels(observed, dates, inner_limit=26)[0].ravel()[2] == Source.UNFILLED
    assert flag_pixels(observed, dates, end_limit=2)[0].ravel().tolist() == [0, 1, 2, 1, 3]


def test_dates_asked_for_outside_the_series_lengthen_no_gap_of_its_own():
    dates = np.datetime64("2020-01-01", "D") + np.array([-40, 0, 3, 10, 30, 60])
    observed = np.array([0, 0, 1, 1, 0, 0], bool)[:, None, None]
    acquired = np.array([0, 1, 1, 1, 1, 0], bool)
    source = flag_pixels(observed, dates, acquired, end_limit=30)[0].ravel()
    own, _ = flag_pixels(observed[acquired], dates[acquired], end_limit=30)
    assert source[acquired].tolist() == own.ravel().tolist()
    assert source[~acquired].tolist() == [Source.UNFILLED, Source.UNFILLED]
    assert flag_pixels(observed, dates, acquired, end_limit=50)[0].ravel()[[0, 5]].tolist() == [Source.EXTRAPOLATED] * 2


@pytest.mark.parametrize(("times", "step"), [(1, 5), (2, 5), (12, 9), (9, 9000)])
@pytest.mark.parametrize(("inner", "end"), [(None, None), (0, 7), (30, None), (None, 10**12)])
def test_flags_say_what_days_and_lengths_say(times, step, inner, end):
    observed, dates = random_masks(times, 70, 83, 0.3, step)
    before, after = days_to_observation(observed, dates)
    one_side, never = (before == NEVER) | (after == NEVER), (before == NEVER) & (after == NEVER)
    want = np.where(one_side, Source.EXTRAPOLATED, Source.INTERPOLATED)
    limit = np.where(one_side, np.inf if end is None else end, np.inf if inner is None else inner)
    want[never | (gap_length(observed, dates) > limit)] = Source.UNFILLED
    want[observed] = Source.OBSERVED
    source, days = flag_pixels(observed, dates, inner_limit=inner, end_limit=end)
    np.testing.assert_array_equal(source, want)
    np.testing.assert_array_equal(days, np.where(one_side, np.maximum(before, after), np.minimum(before, after)))


def test_pixels_with_a_band_that_is_not_finite_are_not_usable():
    observed = np.ones((2, 3, 4), bool)
    observed[1, 2, 3] = False
    reflectance = np.zeros((2, 2, 3, 4), np.float32)
    reflectance[0, 1, 0, 0], reflectance[0, 0, 0, 1], reflectance[1, 0, 0, 2] = np.inf, np.nan, -np.inf
    want = observed & np.isfinite(reflectance).all(axis=1)
    np.testing.assert_array_equal(usable_pixels(reflectance, observed), want)
    assert observed.sum() == 23


def test_observed_values_are_put_back_and_unfilled_ones_blanked():
    generator = np.random.default_rng(0)
    source = generator.integers(0, 7, (3, 20, 30)).astype(np.uint8)
    mean, reflectance = generator.random((2, 3, 2, 20, 30), dtype=np.float32)
    want = np.where((source == Source.OBSERVED)[:, None], reflectance, mean)
    want = np.where((source == Source.UNFILLED)[:, None], np.float32(np.nan), want)
    keep_observed(mean, reflectance, source)
    blank_unfilled(mean, source)
    np.testing.assert_array_equal(mean, want)

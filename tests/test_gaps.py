import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearcube.cube import Band, new_cube
from clearcube.errors import InputError
from clearcube.filler import Block
from clearcube.gaps import (
    LONGEST,
    NEVER,
    STRATA,
    GapPosition,
    MaskBank,
    Scenario,
    ScenarioUnavailable,
    clear_dates,
    days_to_observation,
    gap_length,
    gap_position,
    gap_stratum,
    hide,
    scored,
    withheld,
    without,
)


def dates_at(days):
    return np.datetime64("2020-02-20") + np.asarray(days).astype("timedelta64[D]")


def series(text):
    """One pixel over time: `o` observed, `.` not."""
    return np.array([letter == "o" for letter in text])[:, None, None]


def naive_days(observed, days, t, y, x):
    before = [days[t] - days[s] for s in range(t + 1) if observed[s, y, x]]
    after = [days[s] - days[t] for s in range(t, len(days)) if observed[s, y, x]]
    return min(before, default=NEVER), min(after, default=NEVER)


def clear_cube(times=30, step=5, size=8, clouds=()):
    """A block whose dates are clear, but for those in `clouds`, of which one quarter is observed."""
    observed = np.ones((times, size, size), bool)
    for t in clouds:
        observed[t] = False
        observed[t, : size // 2, : size // 2] = True
    reflectance = np.full((times, 2, size, size), 0.25, np.float32)
    return Block(reflectance, observed, dates_at(step * np.arange(times)), (Band("red", 665.0), Band("nir", 842.0)))


def half_masks(size=8):
    mask = np.zeros((size, size), bool)
    mask[: size // 2] = True
    return MaskBank((mask,))


masked_series = st.integers(1, 9).flatmap(
    lambda times: st.tuples(
        st.lists(st.booleans(), min_size=times * 6, max_size=times * 6).map(
            lambda flags: np.array(flags).reshape(times, 2, 3)
        ),
        st.lists(st.integers(1, 60), min_size=times, max_size=times).map(np.cumsum),
    )
)


def test_days_are_counted_on_the_calendar_and_not_in_dates():
    before, after = days_to_observation(series(".o..o."), dates_at([0, 3, 10, 11, 30, 31]))
    assert before.ravel().tolist() == [NEVER, 0, 7, 8, 0, 1]
    assert after.ravel().tolist() == [3, 0, 20, 19, 0, NEVER]
    assert before.dtype == after.dtype == np.int16


def test_more_days_than_the_type_holds_are_the_longest():
    before, after = days_to_observation(series("o..o"), dates_at([0, 30_000, 60_000, 200_000]))
    assert before.ravel().tolist() == [0, 30_000, LONGEST, 0]
    assert after.ravel().tolist() == [0, LONGEST, LONGEST, 0]


@given(masked_series)
@settings(max_examples=40, deadline=None)
def test_days_and_lengths_equal_a_search_through_every_series(case):
    observed, days = case
    before, after = days_to_observation(observed, dates_at(days))
    length = gap_length(observed, dates_at(days))
    for t, y, x in np.ndindex(observed.shape):
        near = naive_days(observed, days, t, y, x)
        assert (before[t, y, x], after[t, y, x]) == near
        start = days[0] if near[0] == NEVER else days[t] - near[0]
        end = days[-1] if near[1] == NEVER else days[t] + near[1]
        assert length[t, y, x] == (0 if observed[t, y, x] else end - start)


def test_a_view_that_is_not_contiguous_is_counted_alike():
    observed = np.random.default_rng(0).random((6, 5, 4)) < 0.4
    dates = dates_at([0, 1, 5, 9, 20, 21])
    turned = days_to_observation(observed.swapaxes(1, 2), dates)
    for there, here in zip(turned, days_to_observation(observed, dates), strict=True):
        np.testing.assert_array_equal(there.swapaxes(1, 2), here)


def test_the_ends_of_the_series_count_as_observations_of_a_gap():
    length = gap_length(series(".o..o."), dates_at([0, 3, 10, 11, 30, 31]))
    assert length.ravel().tolist() == [3, 0, 27, 27, 0, 1]
    assert length.dtype == np.int32
    assert gap_length(series("..."), dates_at([0, 10, 40])).ravel().tolist() == [40, 40, 40]


def test_a_gap_is_leading_interior_or_trailing():
    position = gap_position(series(".o..o."), dates_at([0, 3, 10, 11, 30, 31])).ravel()
    names = [GapPosition(value).name for value in position]
    assert names == ["LEADING", "OBSERVED", "INTERIOR", "INTERIOR", "OBSERVED", "TRAILING"]
    assert set(gap_position(series(".."), dates_at([0, 5])).ravel()) == {GapPosition.ENTIRE}


def test_strata_hold_their_lower_edge():
    lengths = np.array([0, 11, 12, 21, 22, 41, 42, 91, 92, 400], np.int32)
    assert gap_stratum(lengths).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert gap_stratum(lengths).max() == len(STRATA) - 1


def test_clear_dates_are_over_95_percent_observed():
    observed = np.ones((3, 10, 10), bool)
    observed[1].flat[:5] = False
    observed[2].flat[:4] = False
    assert clear_dates(observed).tolist() == [0, 2]


def test_a_cube_without_clear_dates_uses_those_over_40_percent():
    observed = np.zeros((3, 10, 10), bool)
    observed[0].flat[:40] = True
    observed[1].flat[:41] = True
    observed[2].flat[:95] = True
    assert clear_dates(observed).tolist() == [1, 2]


def test_the_bank_takes_masks_that_cover_10_to_95_percent():
    observed = np.ones((5, 10, 10), bool)
    for t, cover in enumerate([0, 9, 10, 95, 96]):
        observed[t].flat[:cover] = False
    assert [int((~mask).sum()) for mask in MaskBank.of([observed]).masks] == [10, 95]


def test_a_drawn_mask_is_a_rotation_and_every_rotation_comes():
    mask = np.zeros((6, 6), bool)
    mask[0, 1] = True
    generator = np.random.default_rng(1)
    drawn = {MaskBank((mask,)).draw(generator, (6, 6)).tobytes() for _ in range(60)}
    assert drawn == {np.rot90(mask, k).tobytes() for k in range(4)}


@given(st.integers(1, 7), st.integers(1, 7), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=40)
def test_a_mask_of_any_size_fits_and_is_periodic(rows, columns, height, width, seed):
    mask = np.random.default_rng(seed).random((rows, columns)) < 0.5
    drawn = MaskBank((mask,)).draw(np.random.default_rng(seed), (height, width))
    assert drawn.shape == (height, width)
    possible = [np.tile(np.rot90(mask, k), (12, 12)) for k in range(4)]
    places = [big[i : i + height, j : j + width] for big in possible for i in range(7) for j in range(7)]
    assert any(np.array_equal(drawn, place) for place in places)


def test_masks_are_read_from_a_folder_in_order_of_name(tmp_path):
    np.save(tmp_path / "b.npy", np.array([[True, False], [True, True]]))
    np.save(tmp_path / "a.npy", np.array([[[True, False], [False, False]], [[True, True], [True, True]]]))
    assert [mask.sum() for mask in MaskBank.read(tmp_path).masks] == [1, 3]


def test_a_folder_without_masks_or_with_something_else_is_refused(tmp_path):
    with pytest.raises(InputError, match="no masks"):
        MaskBank.read(tmp_path)
    np.save(tmp_path / "a.npy", np.ones((3, 3)))
    with pytest.raises(InputError, match="holds float64; masks are bool"):
        MaskBank.read(tmp_path)
    (tmp_path / "a.npy").write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be read as a mask"):
        MaskBank.read(tmp_path)


@given(st.sampled_from(list(Scenario)), st.integers(0, 4), st.sets(st.integers(0, 29), max_size=20))
@settings(max_examples=60, deadline=None)
def test_hidden_is_observed_reproducible_and_never_all(scenario, seed, clouds):
    cube = clear_cube(clouds=clouds)
    try:
        hidden = hide(cube, scenario, seed, bank=half_masks(), key="a")
    except ScenarioUnavailable:
        assert len(clouds) > 5 or scenario in ("leading", "trailing")
        return
    assert hidden.dtype == np.bool_ and hidden.shape == cube.observed.shape
    assert not (hidden & ~cube.observed).any()
    assert 0 < hidden.sum() < cube.observed.sum()
    np.testing.assert_array_equal(hide(cube, scenario, seed, bank=half_masks(), key="a"), hidden)


def test_seeds_and_keys_change_what_is_hidden():
    def hidden(seed, key):
        return hide(clear_cube(), "frames", seed, key=key).tobytes()

    assert len({hidden(seed, key) for seed in range(5) for key in "abc"}) == 15


def test_frames_hides_half_of_the_inner_clear_dates_whole():
    cube = clear_cube(times=12, clouds=(0, 5))
    hidden = hide(cube, "frames", 3)
    dates = np.flatnonzero(hidden.any(axis=(1, 2)))
    assert dates.size == 4  # clear are 1-4 and 6-11; inner of them 2-4 and 6-10
    assert set(dates) <= {2, 3, 4, 6, 7, 8, 9, 10}
    assert hidden[dates].all()


def test_at_least_one_inner_date_is_hidden():
    hidden = hide(clear_cube(times=3), "frames", 0)
    assert np.flatnonzero(hidden.any(axis=(1, 2))).tolist() == [1]


def test_partial_lays_a_mask_over_the_dates_of_frames():
    cube = clear_cube()
    partial = hide(cube, "partial", 2, bank=half_masks(), key="a")
    frames = hide(cube, "frames", 2, key="a")
    np.testing.assert_array_equal(partial.any(axis=(1, 2)), frames.any(axis=(1, 2)))
    assert set(partial.sum(axis=(1, 2))) == {0, 32}


@pytest.mark.parametrize(("scenario", "days"), [("run30", 30), ("run60", 60), ("run90", 90)])
def test_runs_hide_all_dates_of_so_many_days_and_leave_five_at_either_end(scenario, days):
    cube = clear_cube(times=days + 14, step=1, size=2)
    starts = set()
    for seed in range(40):
        hidden = hide(cube, scenario, seed)
        (dates,) = np.nonzero(hidden.any(axis=(1, 2)))
        assert hidden[dates].all() and dates.size == days
        assert np.ptp(dates) == days - 1
        starts.add(dates[0])
    assert starts == {5, 6, 7, 8}


def test_runs_keep_to_days_where_dates_are_irregular():
    days = np.array([0, 4, 5, 9, 20, 34, 35, 60])
    cube = clear_cube(times=8, size=2)
    cube = Block(cube.reflectance, cube.observed, dates_at(days), cube.bands)
    seen = {tuple(days[hide(cube, "run30", seed).any(axis=(1, 2))]) for seed in range(60)}
    assert seen == {(5, 9, 20, 34), (9, 20, 34, 35), (20, 34, 35)}


def test_a_cube_too_short_for_a_run_is_told_apart():
    with pytest.raises(ScenarioUnavailable, match=r"run of 90 days .* does not fit into a cube of 99 days"):
        hide(clear_cube(times=100, step=1, size=2), "run90", 0)
    hide(clear_cube(times=101, step=1, size=2), "run90", 0)


def test_leading_and_trailing_hide_twenty_days():
    cube = clear_cube(times=30, step=4, size=2)
    leading = hide(cube, "leading", 0).any(axis=(1, 2))
    trailing = hide(cube, "trailing", 0).any(axis=(1, 2))
    assert np.flatnonzero(leading).tolist() == [0, 1, 2, 3, 4]
    assert np.flatnonzero(trailing).tolist() == [25, 26, 27, 28, 29]


@pytest.mark.parametrize(
    ("cube", "scenario", "bank", "message"),
    [
        (clear_cube(times=2), "frames", None, "no clear date between two others"),
        (clear_cube(), "partial", None, "needs a bank of masks"),
        (clear_cube(), "partial", MaskBank(()), "needs a bank of masks"),
        (clear_cube(times=4), "leading", None, "leading hides no pixel of 'here' that is observed at another date"),
    ],
)
def test_what_a_cube_cannot_offer_is_a_typed_outcome(cube, scenario, bank, message):
    with pytest.raises(ScenarioUnavailable, match=message):
        hide(cube, scenario, 0, bank=bank, key="here")


def test_an_unknown_scenario_is_answered_with_those_there_are():
    with pytest.raises(InputError, match="no scenario 'run45'; there are partial, frames, run30"):
        hide(clear_cube(), "run45", 0)


def test_only_pixels_observed_elsewhere_are_scored():
    observed = np.array([[[True, True]], [[True, False]], [[False, False]]])
    hidden = np.array([[[True, True]], [[False, False]], [[False, False]]])
    assert scored(observed, hidden).ravel().tolist() == [True, False, False, False, False, False]
    assert without(observed, hidden).ravel().tolist() == [False, False, True, False, False, False]


@pytest.mark.parametrize("lazy", [False, True])
def test_of_a_data_set_the_same_is_hidden(lazy):
    block = clear_cube(times=6, size=4)
    wrap = (lambda array: da.from_array(array, chunks=2)) if lazy else np.asarray
    cube = new_cube(wrap(block.reflectance), wrap(block.observed), block.dates, block.bands)
    np.testing.assert_array_equal(hide(cube, "frames", 0), hide(block, "frames", 0))


def test_what_is_withheld_is_hidden_and_clouds_stay_as_delivered():
    cube = clear_cube(clouds=(3,))
    hidden = np.zeros_like(cube.observed)
    hidden[5] = hidden[3, 0] = True
    left = withheld(cube, hidden)
    np.testing.assert_array_equal(np.isnan(left.reflectance), np.broadcast_to(hidden[:, None], left.reflectance.shape))
    np.testing.assert_array_equal(left.observed, cube.observed & ~hidden)

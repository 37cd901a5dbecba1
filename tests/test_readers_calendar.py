import numpy as np
import pytest

from clearcube.cube import band_named, new_cube
from clearcube.errors import InputError
from clearcube.readers import calendar


def days(*texts):
    return np.array(texts, dtype="datetime64[D]")


@pytest.mark.parametrize("text", ["2020-02-29", "20200229", "2020-02-29T23:59:00Z", np.datetime64("2020-02-29T10:00")])
def test_dates_as_people_write_them(text):
    assert calendar.parse_date(text, "here") == np.datetime64("2020-02-29")


@pytest.mark.parametrize("text", ["2020-02-30", "soon", "20201301", "2020", ""])
def test_what_is_no_date_is_refused(text):
    with pytest.raises(InputError, match=r"here: .* is no date; write dates as YYYY-MM-DD"):
        calendar.parse_date(text, "here")


def test_periods():
    assert calendar.parse_period("2020-02-03/2020-03") == (np.datetime64("2020-02-03"), np.datetime64("2020-03-31"))
    assert calendar.parse_period("/2020") == (None, np.datetime64("2020-12-31"))
    assert calendar.parse_period(("2020-01-01", None)) == (np.datetime64("2020-01-01"), None)
    for wrong in ("2020-01-01", "2020-03-01/2020-01-01", "a/b", "2020-13/2021"):
        with pytest.raises(InputError, match="time"):
            calendar.parse_period(wrong)


def test_calendars():
    first, last = days("2020-01-01", "2020-01-12")
    assert calendar.calendar(first, last, None, None) is None
    np.testing.assert_array_equal(
        calendar.calendar(first, last, "5d", None), days("2020-01-01", "2020-01-06", "2020-01-11")
    )
    np.testing.assert_array_equal(
        calendar.calendar(first, last, None, ["2020-02-01", "20200103"]), days("2020-01-03", "2020-02-01")
    )
    for every in ("0d", "five", "-3d", "2.5d"):
        with pytest.raises(InputError, match="every is"):
            calendar.calendar(first, last, every, None)
    with pytest.raises(InputError, match="give one of them"):
        calendar.calendar(first, last, "5d", ["2020-02-01"])


def test_dates_from_a_file(tmp_path):
    file = tmp_path / "dates.txt"
    file.write_text("# wanted\n2020-01-03\n\n2020-01-01  # first\n")
    np.testing.assert_array_equal(
        calendar.calendar(*days("2020", "2021"), None, file), days("2020-01-01", "2020-01-03")
    )
    file.write_text("2020-01-03\nthe day after\n")
    with pytest.raises(InputError, match=r"dates.txt: 'the day after' is no date"):
        calendar.calendar(*days("2020", "2021"), None, file)
    file.write_text("")
    with pytest.raises(InputError, match="no date in it"):
        calendar.calendar(*days("2020", "2021"), None, file)
    with pytest.raises(InputError, match="cannot be read"):
        calendar.calendar(*days("2020", "2021"), None, tmp_path / "absent.txt")


@pytest.mark.parametrize("lazy", [False, True])
def test_wanted_dates_without_acquisition_are_empty_and_no_acquisition_is_lost(lazy):
    values = np.arange(3 * 1 * 2 * 2, dtype=np.float32).reshape(3, 1, 2, 2)
    own = days("2020-01-01", "2020-01-04", "2020-01-06")
    cube = new_cube(values, np.ones((3, 2, 2), bool), own, [band_named("red")])
    cube["landcover"] = (("y", "x"), np.ones((2, 2), np.int16))
    cube = cube.chunk(time=1) if lazy else cube
    full = calendar.on_calendar(cube, days("2020-01-02", "2020-01-06", "2020-01-09"))
    assert full.wanted.values.tolist() == [False, True, False, True, True]
    assert full.observed.dtype == bool
    assert full.reflectance.dtype == np.float32
    assert full.landcover.dtype == np.int16
    assert (full.reflectance.chunks is not None) == lazy
    assert full.observed.all(("y", "x")).values.tolist() == [True, False, True, True, False]
    np.testing.assert_array_equal(full.reflectance.sel(time=own), values)
    assert np.isnan(full.reflectance.values[[1, 4]]).all()

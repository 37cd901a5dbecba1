from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from clearcube.cube import band_named, new_cube
from clearcube.errors import InputError
from clearcube.forecasting.episode import Weather
from clearcube.forecasting.reading import read_weather
from clearcube.forecasting.weather import (
    EARTHNET,
    LONGEST_HOLE,
    SCALE,
    VARIABLES,
    complete,
    earthnet_weather,
    eobs_weather,
    network_weather,
    on_every_day,
    with_radiation,
)
from clearcube.forecasting.weather_table import read_weather_table
from clearcube.simulation.weather import above_the_air

START = np.datetime64("2020-05-01", "D")
CONTEXT = START + 5 * np.arange(1, 4)
NAME = "context_29SND_2017-06-30_2017-11-26_1081_1209_1721_1849_16_96_26_106.npz"


def weather(days=60, seed=0):
    rng = np.random.default_rng(seed)
    return Weather(START + np.arange(days), rng.normal(5, 1, (days, 3)).astype(np.float32), VARIABLES)


def told(given, last=None, steps=4):
    return network_weather(given, CONTEXT, CONTEXT[-1] + 20 if last is None else last, step_days=5, steps=steps)


def test_means_of_steps_by_hand():
    given = weather()
    offset, factor = np.array(SCALE).T
    found = told(given)
    assert found.shape == (7, 3)
    # the first date is day 5: the five days up to it are days 1 to 5; the first step after day 15 is days 16 to 20
    np.testing.assert_allclose(found[0], (given.values[1:6].mean(axis=0) - offset) / factor, rtol=1e-5)
    np.testing.assert_allclose(found[3], (given.values[16:21].mean(axis=0) - offset) / factor, rtol=1e-5)


def test_irregular_dates_have_the_days_between_them():
    given = weather()
    dates = START + np.array([5, 7, 15])
    found = network_weather(given, dates, dates[-1] + 5, step_days=5, steps=1)
    offset, factor = np.array(SCALE).T
    np.testing.assert_allclose(found[1], (given.values[6:8].mean(axis=0) - offset) / factor, rtol=1e-5)
    np.testing.assert_allclose(found[2], (given.values[8:16].mean(axis=0) - offset) / factor, rtol=1e-5)


def test_nothing_after_the_last_target_is_looked_at():
    given, last = weather(), CONTEXT[-1] + 12
    later = given.values.copy()
    later[given.dates > last] = 99
    assert np.array_equal(told(given, last), told(replace(given, values=later), last))
    known = given.dates <= last
    cut = told(replace(given, dates=given.dates[known], values=given.values[known]), last)
    assert np.array_equal(cut, told(given, last))


def test_short_holes_are_filled_along_a_line():
    given = weather()
    values = given.values.copy()
    values[20 : 20 + LONGEST_HOLE, 0] = np.nan
    found = complete(replace(given, values=values), START, START + 59)
    line = np.linspace(values[19, 0], values[20 + LONGEST_HOLE, 0], LONGEST_HOLE + 2)
    np.testing.assert_allclose(found[19 : 21 + LONGEST_HOLE, 0], line, rtol=1e-5)
    assert np.array_equal(found[:, 1:], values[:, 1:])


def test_long_holes_are_refused_by_name_and_day():
    given = weather()
    given.values[20 : 21 + LONGEST_HOLE, 1] = np.nan
    with pytest.raises(InputError, match="lacks precipitation from 2020-05-21 to 2020-05-26"):
        told(given)


def test_weather_that_ends_too_early_is_refused():
    with pytest.raises(InputError, match="the weather lacks temperature from 2020-05-21"):
        told(weather(20))


def test_a_missing_variable_is_named():
    with pytest.raises(InputError, match="lacks radiation"):
        told(Weather(START + np.arange(60), np.ones((60, 2), np.float32), VARIABLES[:2]))


def test_days_in_any_order_with_holes():
    found = on_every_day(START + np.array([3, 0]), np.array([[3.0], [0.0]], np.float32), ("rain",))
    np.testing.assert_array_equal(found.values[:, 0], [0, np.nan, np.nan, 3])


def earthnet_file(folder, shape=(80, 80, 5, 150)):
    values = np.full(shape, 0.9, np.float16)
    if shape[2] == 5:
        values[39:41, 39:41] = np.array([0.1, 0.5, 0.7, 0.65, 0.75], np.float16)[:, None]
    np.savez(folder / NAME, mesodynamic=values, highresdynamic=np.zeros((1, 1, 5, 1), np.float16))
    return folder / NAME


def test_earthnet_units_and_the_middle_of_the_window(tmp_path):
    found = earthnet_weather(earthnet_file(tmp_path), np.datetime64("2017-06-30", "D"), 39.0)
    assert found.names == (*EARTHNET, "radiation")
    np.testing.assert_allclose(found.values[7, :5], [5.0, 1000.0, 20.0, 15.0, 25.0], atol=0.1)
    assert found.dates[[0, -1]].astype(str).tolist() == ["2017-06-30", "2017-11-26"]


def test_radiation_from_the_range_of_temperature(tmp_path):
    found = earthnet_weather(earthnet_file(tmp_path), np.datetime64("2017-06-30", "D"), 39.0)
    of_year = np.array([180.0])
    expected = 0.16 * np.sqrt(10) * above_the_air(of_year, 39.0)[0]
    assert found.values[0, -1] == pytest.approx(expected, rel=0.01)


def test_radiation_that_is_there_stays():
    given = weather()
    assert with_radiation(given, 40.0) is given


def test_earthnet_of_another_shape(tmp_path):
    with pytest.raises(InputError, match="has shape"):
        earthnet_weather(earthnet_file(tmp_path, (80, 80, 4, 150)), START, 39.0)


@pytest.mark.parametrize("where", [0.5, 0.999])
def test_damaged_weather_is_refused(tmp_path, where):
    path = earthnet_file(tmp_path)
    content = bytearray(path.read_bytes())
    first = int(len(content) * where) if where < 0.9 else len(content) - 30
    content[first : first + 20] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read .*get the file again"):
        earthnet_weather(path, START, 39.0)


def test_minicubes_bring_eobs():
    time = START.astype("datetime64[ns]") + np.arange(3).astype("timedelta64[D]")
    values = {"eobs_tg": ("time", [10.0, 11, 12]), "eobs_rr": ("time", [0.0, np.nan, 2])}
    found = eobs_weather(xr.Dataset(values, {"time": time}))
    assert found.names == ("temperature", "precipitation")
    np.testing.assert_array_equal(found.values, np.array([[10, 0], [11, np.nan], [12, 2]], np.float32))


def test_weather_of_a_part_of_the_time_keeps_its_days(tmp_path):
    path = str(earthnet_file(tmp_path))
    crop = new_cube(np.zeros((1, 1, 2, 2), np.float32), np.ones((1, 2, 2), bool), ["2017-09-02"], [band_named("red")])
    assert read_weather([path], crop).dates[0] == np.datetime64("2017-06-30")


def test_a_table_of_weather(tmp_path):
    path = tmp_path / "w.csv"
    path.write_text("date,temperature,precipitation,radiation\n2020-05-01,10,0,200\n2020-05-02,,1.5,180\n")
    found = read_weather_table(path)
    np.testing.assert_array_equal(found.values, np.array([[10, 0, 200], [np.nan, 1.5, 180]], np.float32))


def test_tables_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "w.csv"
    path.write_text("date,temperature,precipitation,radiation\n2020-05-01,10,0,200\n", encoding="utf-8-sig")
    assert read_weather_table(path).values.tolist() == [[10, 0, 200]]


HEAD = "date,temperature,precipitation,radiation\n2020-05-01,10,0,200\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("date,temperature\n2020-05-01,10\n", "a row for each day"),
        ("", "a row for each day"),
        (
            "date,temperature,precipitation,radiation\n2020-05-01,warm,0,1\n",
            "row 2, column temperature: could not convert",
        ),
        (HEAD + "2020-05-02,10\n", "row 3 ends before the column precipitation"),
        (HEAD + "2020-05-02,283,0,200\n", "row 3: temperature is 283; it is in degrees Celsius"),
        (HEAD + "2020-05-02,1e30,0,200\n", "temperature is 1e30"),
        (HEAD + "2020-05-02,10,-1,200\n", "precipitation is -1"),
        (HEAD + "2020-05-02,10,0,inf\n", "radiation is inf"),
        ("date,temperature,precipitation,radiation\n2020-05-01,1,0,1\n2020-05-01,1,0,1\n", "a day twice"),
        ("date,temperature,precipitation,radiation\nMay,1,0,1\n", "is no date"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, text, message):
    path = tmp_path / "w.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_weather_table(path)


def test_no_table(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_weather_table(tmp_path / "none.csv")


def test_what_networks_are_told_of_the_weather_in_numbers():
    values = np.tile(np.float32([20.0, 2.5, 250.0]), (60, 1))
    found = network_weather(
        Weather(START + np.arange(60), values, VARIABLES), CONTEXT, CONTEXT[-1] + 20, step_days=5, steps=4
    )
    np.testing.assert_allclose(found, np.tile([1.0, 0.5, 1.0], (7, 1)), rtol=1e-6)  # shipped weights learnt from these


def test_radiation_of_minicubes_is_from_their_lowest_and_highest_temperature():
    values = {"eobs_tg": 15.0, "eobs_tn": 10.0, "eobs_tx": 19.0}
    time = START.astype("datetime64[ns]") + np.arange(2).astype("timedelta64[D]")
    cube = xr.Dataset({name: ("time", [value] * 2) for name, value in values.items()}, {"time": time})
    found = with_radiation(eobs_weather(cube), 45.0)
    since_new_year = np.array([121.0, 122.0])
    np.testing.assert_allclose(found.values[:, -1], 0.16 * 3 * above_the_air(since_new_year, 45.0), rtol=1e-5)

import csv
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from forecast_builders import START, context_of, days, episode

from clearcube.cube import band_named
from clearcube.errors import InputError
from clearcube.forecasting.baselines import Climatology, Harmonic, Persistence, Seasonal
from clearcube.forecasting.baselines_series import days_since_seen, interpolated, last_value
from clearcube.forecasting.baselines_tables import EVERYWHERE, courses, kinds_of, usual_error
from clearcube.forecasting.contexts import filled_context
from clearcube.forecasting.episode import Forecaster, ndvi_of
from clearcube.forecasting.registry import make_forecaster
from clearcube.forecasting.vegetation import LEGENDS
from clearcube.methods import make_filler

NAN = np.nan
ALL = (Persistence(), Climatology(), Harmonic())


def pixels(*series):
    """A context with one pixel for each series of NDVI."""
    return context_of(np.array(series, np.float32).T[:, None, :])


def test_persistence_is_exact():
    context = pixels([0.2, 0.4, 0.6], [0.7, 0.3, NAN], [NAN, NAN, NAN])
    forecast = Persistence().forecast(context, days(4, first=15))
    expected = ndvi_of(context.reflectance, context.bands)
    assert np.array_equal(forecast.mean[:, 0, 0], np.repeat(expected[2, 0, 0], 4))
    assert np.array_equal(forecast.mean[:, 0, 1], np.repeat(expected[1, 0, 1], 4))
    assert np.isnan(forecast.mean[:, 0, 2]).all() and np.isnan(forecast.std[:, 0, 2]).all()


def test_persistence_takes_the_last_filled_value():
    context = pixels([0.2, NAN, 0.6, NAN], [0.5, 0.5, 0.5, 0.5])
    filled = filled_context(context, make_filler("linear"))
    filled.reflectance[-1, :, 0, 0] = filled.reflectance[0, :, 0, 0]  # as if the filler saw it fall
    forecast = Persistence().forecast(filled, days(2, first=20))
    assert forecast.mean[:, 0, 0] == pytest.approx(0.2, abs=1e-6)


def test_uncertainty_grows_with_the_days_since_the_last_observation():
    context = pixels([0.2, 0.2, 0.2], [0.2, NAN, NAN])
    assert days_since_seen(context, days(2, first=15))[:, 0].tolist() == [[5, 15], [10, 20]]
    for model in (Persistence(), Harmonic()):
        std = model.forecast(context, days(20, first=15)).std
        assert (np.diff(std, axis=0) >= 0).all() and (std[-1] > std[0]).all() and (std > 0).all()
        assert (std[:, 0, 1] >= std[:, 0, 0]).all() and std[0, 0, 1] > std[0, 0, 0]


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.name)
def test_nothing_after_the_context_is_looked_at(model):
    place = episode()
    dates = place.target_dates
    one = model.forecast(place.context, dates, landcover=place.landcover)
    part = model.forecast(place.context, dates[:7], landcover=place.landcover)
    assert np.array_equal(one.mean[:7], part.mean, equal_nan=True)
    assert np.array_equal(one.std[:7], part.std, equal_nan=True)
    assert isinstance(model, Forecaster) and one.mean.shape == place.target_ndvi.shape


@pytest.mark.parametrize("model", [*ALL, Seasonal()], ids=lambda model: model.name)
def test_requests_that_cannot_be_met_are_refused(model):
    place = episode()
    short = pixels([0.2, 0.4])
    with pytest.raises(InputError, match="at least 3 dates"):
        model.forecast(short, days(3, first=20))
    with pytest.raises(InputError, match="NDVI needs the bands"):
        model.forecast(replace(place.context, bands=(band_named("red"), band_named("green"))), place.target_dates)
    with pytest.raises(InputError, match="come after the context's last date"):
        model.forecast(place.context, place.context.dates)
    with pytest.raises(InputError, match="come after the context's last date"):
        model.forecast(place.context, place.target_dates[:0])


def test_climatology_follows_the_land_cover_and_not_the_context():
    place = episode()
    forecast = Climatology("simulated").forecast(place.context, place.target_dates, landcover=place.landcover)
    for code in np.unique(place.landcover):
        usual, spread = courses()[LEGENDS["simulated"][code]].at(place.target_dates)
        here = place.landcover == code
        np.testing.assert_allclose(forecast.mean[:, here], np.repeat(usual[:, None], here.sum(), 1), rtol=1e-6)
        np.testing.assert_allclose(forecast.std[:, here], np.repeat(spread[:, None], here.sum(), 1), rtol=1e-6)
    told = Climatology().forecast(place.context, place.target_dates, landcover=place.landcover)
    assert np.array_equal(told.mean, forecast.mean)


def test_without_land_cover_the_likeliest_course_is_taken():
    dates = days(10, first=60)
    wanted = ("grass", "tree", "water")
    series = np.stack([courses()[kind].at(dates)[0] for kind in wanted] + [np.full(10, NAN)], axis=1)
    context = context_of(series[:, None].astype(np.float32), dates)
    later = days(20, first=110)
    forecast = Climatology().forecast(context, later)
    expected = [courses()[kind].at(later)[0] for kind in (*wanted, EVERYWHERE)]
    np.testing.assert_allclose(forecast.mean[:, 0], np.stack(expected, 1), rtol=1e-6)


def test_courses_are_plausible_and_go_round_the_year():
    assert {"tree", "grass", "crop", "water", EVERYWHERE} <= set(courses())
    for course in courses().values():
        assert (np.abs(course.mean) <= 1).all() and (course.std >= 0.03).all() and (np.diff(course.days) > 0).all()
    turn = np.array(["2020-12-31", "2021-01-01"], "datetime64[D]")
    mean, _ = courses()["tree"].at(turn)
    assert abs(mean[1] - mean[0]) < 0.02
    summer, winter = (np.array([day], "datetime64[D]") for day in ("2021-08-01", "2021-01-15"))
    assert courses()["tree"].at(summer)[0] > courses()["tree"].at(winter)[0] + 0.1


def test_kinds_of_unknown_codes_are_empty():
    assert kinds_of(np.array([[10, 15, 40]]), "worldcover", (1, 3)).tolist() == [["tree", "", "crop"]]
    assert kinds_of(np.array([[1, 8, 200]]), "simulated", (1, 3)).tolist() == [["crop", "water", ""]]
    assert (kinds_of(None, "", (2, 2)) == "").all()


def test_usual_errors_are_those_of_the_table():
    few, many = usual_error("persistence", np.array([0, 10_000]))
    assert 0 < few < many < 0.5


def year_and_more(last=75, step=5):
    """A context from START to `last` days beyond a year, NDVI by the day of the year."""
    dates = days((365 + last) // step + 1, step=step)
    return dates, 0.4 + 0.3 * np.sin(2 * np.pi * (dates - START).astype(float) / 365)


def test_seasonal_repeats_the_year_before():
    dates, ndvi = year_and_more()
    context = context_of(np.stack([ndvi, ndvi], 1)[:, None].astype(np.float32), dates)
    later = dates[-1] + 5 * np.arange(1, 21)
    forecast = Seasonal().forecast(context, later)
    expected = 0.4 + 0.3 * np.sin(2 * np.pi * (later - START).astype(float) / 365)
    np.testing.assert_allclose(forecast.mean[:, 0, 0], expected, atol=2e-3)


def test_seasonal_averages_the_years_that_there_are():
    dates = days(160)
    level = np.where(np.arange(160) < 73, 0.2, 0.6).astype(np.float32)
    later = dates[-1] + 5 * np.arange(1, 4)
    forecast = Seasonal().forecast(context_of(level[:, None, None], dates), later)
    assert forecast.mean[:, 0, 0] == pytest.approx(0.4, abs=1e-6)


def test_seasonal_needs_the_year_before():
    place = episode()
    with pytest.raises(InputError, match="need the year before"):
        Seasonal().forecast(place.context, place.target_dates)


def test_harmonic_carries_a_yearly_wave_on():
    dates, ndvi = year_and_more(last=300)
    given = np.where(np.arange(len(dates)) % 3 == 0, NAN, ndvi).astype(np.float32)
    later = dates[-1] + 5 * np.arange(1, 21)
    forecast = Harmonic().forecast(context_of(given[:, None, None], dates), later)
    expected = 0.4 + 0.3 * np.sin(2 * np.pi * (later - START).astype(float) / 365)
    np.testing.assert_allclose(forecast.mean[:, 0, 0], expected, atol=0.03)


def test_a_level_context_stays_level():
    context = pixels([0.5] * 10, [NAN] * 10)
    forecast = Harmonic().forecast(context, days(20, first=50))
    assert forecast.mean[:, 0, 0] == pytest.approx(0.5, abs=1e-4) and np.isnan(forecast.mean[:, 0, 1]).all()


def test_series_between_dates():
    values = np.array([[[0.0]], [[NAN]], [[1.0]]], np.float32)
    wanted = START + np.array([-3, 5, 8, 30])
    assert interpolated(values, days(3), wanted)[:, 0, 0] == pytest.approx([0, 0.5, 0.8, 1])
    assert last_value(values)[0, 0] == 1


@pytest.mark.parametrize("name", ["persistence", "climatology", "seasonal", "harmonic"])
def test_baselines_are_made_by_name(name):
    assert make_forecaster(name).name == name


@pytest.mark.parametrize("model", [Persistence(), Seasonal(), Harmonic()], ids=lambda model: model.name)
def test_std_is_the_error_that_this_model_had_so_many_days_after_the_last_observation(model):
    text = files("clearcube.forecasting").joinpath("baseline_errors.csv").read_text().splitlines()
    table = {(row["model"], row["days"]): float(row["rms"]) for row in csv.DictReader(text[1:])}
    dates, ndvi = year_and_more()
    context = context_of(ndvi[:, None, None].astype(np.float32), dates)
    std = model.forecast(context, dates[-1] + np.array([5, 45])).std[:, 0, 0]
    assert std == pytest.approx([table[model.name, "5"], table[model.name, "45"]])


def test_courses_are_of_days_since_new_year():
    for course in courses().values():
        within = course.days < 365
        mean, std = course.at(np.datetime64("2021-01-01") + course.days[within].astype(int))
        assert np.array_equal(mean, course.mean[within]) and np.array_equal(std, course.std[within])

from dataclasses import replace

import numpy as np
import pytest

from clearcube.simulation import SceneConfig, simulate
from clearcube.simulation.climate import EVALUATION_BELTS, Climate, random_climate, random_latitude
from clearcube.simulation.config import EARTHNET_FOUR
from clearcube.simulation.weather import SPIN_UP, above_the_air, daily_weather
from clearcube.simulation.weather_effects import CAPACITIES, Drivers, skies_of

DAYS = tuple(range(0, 150, 5))


def config(climate=None, **changes):
    base = SceneConfig(
        height=24, width=24, start=np.datetime64("2018-03-01", "D"), days=DAYS, bands=EARTHNET_FOUR,
        climate=climate or Climate(),
    )  # fmt: skip
    return replace(base, **changes)


def many(climate, seeds=60):
    return [daily_weather(config(climate), seed) for seed in range(seeds)]


def test_weather_covers_the_scene_and_the_time_before():
    weather = daily_weather(config(), 3)
    assert weather.dates[0] == np.datetime64("2018-03-01") - SPIN_UP
    assert weather.dates[-1] == config().dates[-1]
    for series in (weather.temperature, weather.precipitation, weather.radiation):
        assert series.shape == weather.dates.shape
        assert np.isfinite(series).all()


def test_weather_depends_on_the_seed_alone():
    one, again, other = (daily_weather(config(), seed) for seed in (1, 1, 2))
    assert np.array_equal(one.temperature, again.temperature)
    assert not np.array_equal(one.temperature, other.temperature)


def test_wet_days_come_as_often_as_the_climate_says():
    share = np.mean([(weather.precipitation > 0).mean() for weather in many(Climate(wet_days=0.3), 150)])
    assert share == pytest.approx(0.3, abs=0.03)


def test_wet_days_are_darker_and_rain_persists():
    weather = many(Climate())
    wet = np.stack([each.precipitation > 0 for each in weather])
    clearness = np.stack([each.clearness for each in weather])
    assert clearness[wet].mean() < clearness[~wet].mean() - 0.2
    assert wet[:, 1:][wet[:, :-1]].mean() > wet.mean() + 0.1


def test_warm_spells_are_dry():
    weather = many(Climate())
    departure = np.stack([each.temperature - each.usual for each in weather])[:, :360].reshape(-1, 40).mean(axis=1)
    wet = np.stack([each.precipitation > 0 for each in weather])[:, :360].reshape(-1, 40).mean(axis=1)
    assert np.corrcoef(departure, wet)[0, 1] < -0.3


def test_clear_days_are_warm_in_summer_and_cold_in_winter():
    weather = many(Climate())
    month = weather[0].dates.astype("datetime64[M]").astype(int) % 12 + 1
    departure = np.stack([each.temperature - each.usual for each in weather])
    clearness = np.stack([each.clearness for each in weather])
    for months, sign in (((6, 7, 8), 1), ((12, 1, 2), -1)):
        warmth, light = departure[:, np.isin(month, months)], clearness[:, np.isin(month, months)]
        assert sign * (warmth[light > 0.8].mean() - warmth[light < 0.4].mean()) > 0.3


def test_summers_are_warm_by_the_swing():
    weather = daily_weather(config(), 0)
    assert weather.usual.max() - weather.usual.min() == pytest.approx(2 * Climate().swing, rel=0.05)
    assert str(weather.dates[weather.usual.argmax()])[5:7] == "07"
    assert str(weather.dates[weather.usual.argmin()])[5:7] == "01"


def test_radiation_above_the_air_is_that_of_the_tables():
    # FAO paper 56, example 8: 3 September at 20 degrees south, 32.2 MJ per m2 and day
    assert above_the_air(np.array([246.0]), -20.0)[0] * 0.0864 == pytest.approx(32.2, abs=0.3)


def test_without_a_climate_there_is_no_weather():
    plain = replace(config(), climate=None)
    assert Drivers.of(plain, 0) is None
    assert skies_of(plain, 0) == [plain.sky] * len(DAYS)


def test_warm_springs_come_early():
    leads, warmth = [], []
    for seed in range(40):
        drivers = Drivers.of(config(), seed)
        leads.append((drivers.growth - drivers.day)[-60])
        warmth.append((drivers.weather.temperature - drivers.weather.usual)[-180:-60].mean())
    assert np.corrcoef(leads, warmth)[0, 1] > 0.8
    assert 2 < np.std(leads) < 12


def test_growth_never_runs_backwards():
    for seed in range(20):
        assert (np.diff(Drivers.of(config(), seed).growth) > 0).all()


def test_drought_needs_dry_weather_and_hits_shallow_soils_first():
    dry = Drivers.of(config(Climate(wet_days=0.12, soil_water=60)), 1)
    wet = Drivers.of(config(Climate(wet_days=0.6, rain=7, soil_water=160)), 1)
    assert dry.stress[:, -30:].mean() > wet.stress[:, -30:].mean() + 0.3
    usual = np.mean([Drivers.of(config(), seed).stress.mean(axis=1) for seed in range(10)], axis=0)
    assert (np.diff(usual) < 0).all()
    assert dry.stress.min() >= 0
    assert dry.stress.max() <= 1


def test_irrigated_parcels_and_water_lose_nothing():
    drivers = Drivers.of(config(Climate(wet_days=0.1, soil_water=50)), 1)
    landcover = np.array([5, 5, 8], np.uint8)  # grassland twice, water
    left = drivers.left_by_drought(np.array([100.0, 200.0]), landcover, np.array([False, True, False]), np.ones(3))
    assert (left[:, 1:] == 1).all()
    assert left[1, 0] < 0.8


def test_soils_between_those_followed_lie_between():
    drivers = Drivers.of(config(Climate(wet_days=0.2)), 1)
    grass, never = np.full(3, 5, np.uint8), np.zeros(3, bool)
    soils = np.array([CAPACITIES[1], 0.5 * (CAPACITIES[1] + CAPACITIES[2]), CAPACITIES[2]])
    left = drivers.left_by_drought(np.array([200.0]), grass, never, soils)[0]
    assert left[1] == pytest.approx(0.5 * (left[0] + left[2]))


def test_harvest_waits_for_three_dry_days():
    drivers = Drivers.of(config(), 5)
    rain = drivers.weather.precipitation
    due = drivers.growth[SPIN_UP + np.arange(0, 100, 7)].astype(np.float32)
    waited = drivers.harvested(due)
    assert (waited >= due).all()
    index = np.searchsorted(drivers.growth, waited - 1e-3)
    spells = [bool((rain[i - 2 : i + 1] <= 1).all()) for i in index]
    late = drivers.day[index] - drivers.day[np.searchsorted(drivers.growth, due)] >= 18
    assert all(np.array(spells) | late)


def test_harvest_outside_the_weather_stays():
    drivers = Drivers.of(config(), 5)
    due = np.array([-1000.0, 5000.0], np.float32)
    assert np.array_equal(drivers.harvested(due), due)


def test_dark_days_are_cloudy():
    weather = daily_weather(config(), 2)
    clearness = weather.clearness[SPIN_UP + np.array(DAYS)]
    overcast = np.array([sky.overcast for sky in skies_of(config(), 2)])
    assert np.corrcoef(clearness, overcast)[0, 1] < -0.8


def test_clouds_of_simulated_places_are_as_frequent_as_real_ones():
    rng, shares = np.random.default_rng(0), []
    for seed in range(16):
        latitude = random_latitude(rng, evaluation=False)
        place = config(random_climate(rng, latitude), latitude=latitude)
        shares.append(simulate(place, seed).observed.mean())
    assert 0.35 < np.median(shares) < 0.65
    assert np.std(shares) > 0.07


def test_weather_changes_the_scene_and_nothing_else_does():
    one, again = simulate(config(), 4), simulate(config(), 4)
    assert np.array_equal(one.clear, again.clear)
    other = simulate(config(Climate(temperature=16.0, wet_days=0.15)), 4)
    assert np.array_equal(one.landcover, other.landcover)
    assert np.abs(one.surface - other.surface).max() > 0.05


def test_places_of_evaluation_are_nowhere_in_training():
    rng = np.random.default_rng(0)
    training = np.array([random_latitude(rng, evaluation=False) for _ in range(300)])
    evaluation = np.array([random_latitude(rng, evaluation=True) for _ in range(300)])

    def held_out(latitude):
        return np.any([(low <= latitude) & (latitude <= high) for low, high in EVALUATION_BELTS], axis=0)

    assert not held_out(training).any()
    assert held_out(evaluation).all()


def test_the_south_is_warmer_and_sunnier_with_fewer_wet_days_and_dry_summers():
    rng = np.random.default_rng(0)
    south, north = ([random_climate(rng, latitude) for _ in range(100)] for latitude in (37.0, 58.0))

    def mean(places, name):
        return np.mean([getattr(place, name) for place in places])

    assert mean(south, "temperature") > mean(north, "temperature") + 5
    assert mean(south, "bright") > mean(north, "bright") + 0.05
    assert mean(south, "wet_days") < mean(north, "wet_days") - 0.1
    assert mean(south, "wet_summers") < -0.4 < 0 < mean(north, "wet_summers")

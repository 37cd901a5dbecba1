from dataclasses import replace

import numpy as np
import pytest
import torch

from clearcube.cube import Band
from clearcube.errors import InputError
from clearcube.filler import Block
from clearcube.forecasting import network_forecaster
from clearcube.forecasting.episode import Weather, unfilled
from clearcube.forecasting.network_forecaster import LONGEST_CONTEXT, NetworkForecaster, make_network_forecaster
from clearcube.forecasting.registry import make_forecaster
from clearcube.forecasting.weather import VARIABLES
from clearcube.networks import checkpoint
from clearcube.networks.forecast import ForecastConfig, ForecastNet, at_leads

BANDS = (Band("blue", 490.0), Band("red", 665.0), Band("nir08", 865.0))
START = np.datetime64("2020-04-01", "D")
METADATA = {"scaling": "", "provenance": {}, "licence": "Apache-2.0"}


def saved(folder, name="w", **sizes):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = ForecastNet(ForecastConfig(**{"fine": 4, "coarse": 4, "time": 4, **sizes}))
    path = folder / f"{name}.safetensors"
    checkpoint.save(path, net, METADATA)
    return str(path)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def guided(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("weights"), weather=3)


def block(times=10, size=16, step=5, seed=0):
    rng = np.random.default_rng(seed)
    reflectance = rng.uniform(0.05, 0.4, (times, 3, size, size)).astype(np.float32)
    observed = rng.random((times, size, size)) > 0.3
    return Block(reflectance, observed, START + step * np.arange(times), BANDS)


def ahead(context, *days):
    return context.dates[-1] + np.array(days, dtype=np.int64)


def weather(context, seed=0):
    dates = np.arange(context.dates[0] - 10, context.dates[-1] + 130)
    values = np.random.default_rng(seed).normal(8, 2, (len(dates), 3)).astype(np.float32)
    return Weather(dates, values, VARIABLES)


def test_forecast_of_filled_and_unfilled_contexts(path):
    context = block()
    for given in (context, unfilled(context)):
        found = NetworkForecaster(path).forecast(given, ahead(context, 5, 50, 100))
        assert found.mean.shape == found.std.shape == (3, 16, 16)
        assert np.isfinite(found.mean).all()
        assert (found.std > 0).all()
        assert np.abs(found.mean).max() <= 1


def test_what_was_observed_is_told(path):
    context = block()
    seen = replace(context, observed=np.ones_like(context.observed))
    one, other = (NetworkForecaster(path).forecast(each, ahead(context, 50)).mean for each in (context, seen))
    assert not np.array_equal(one, other)


def test_earlier_targets_do_not_change_with_later_ones(path):
    context, model = block(), NetworkForecaster(path)
    assert np.array_equal(
        model.forecast(context, ahead(context, 10)).mean, model.forecast(context, ahead(context, 10, 60)).mean[:1]
    )


def test_without_guidance_weather_changes_nothing(path):
    context, model = block(), NetworkForecaster(path)
    assert not model.guided
    plain = model.forecast(context, ahead(context, 40))
    told = model.forecast(context, ahead(context, 40), weather=weather(context))
    assert np.array_equal(plain.mean, told.mean)


def test_guided_looks_at_weather_up_to_the_last_target_and_no_further(guided):
    context, model = block(), NetworkForecaster(guided)
    given, target = weather(context), ahead(context, 10, 37)
    later = np.where((given.dates > target[-1])[:, None], np.float32(40), given.values)
    before = np.where((given.dates == target[-1])[:, None], np.float32(40), given.values)
    found, same, other = (
        model.forecast(context, target, weather=replace(given, values=values)).mean
        for values in (given.values, later, before)
    )
    assert model.guided
    assert np.array_equal(found, same)
    assert not np.array_equal(found, other)


def test_long_contexts_count_by_their_last_dates(path):
    long = block(times=30)
    last = slice(-LONGEST_CONTEXT, None)
    short = Block(long.reflectance[last], long.observed[last], long.dates[last], BANDS)
    one, other = (NetworkForecaster(path).forecast(each, ahead(long, 20)).mean for each in (long, short))
    assert np.array_equal(one, other)


def test_bands_are_found_by_name(path):
    context = block()
    swapped = replace(context, reflectance=context.reflectance[:, ::-1].copy(), bands=BANDS[::-1])
    one, other = (NetworkForecaster(path).forecast(each, ahead(context, 20)).mean for each in (context, swapped))
    assert np.array_equal(one, other)


def test_windows_agree_with_the_whole(path, monkeypatch):
    context = block(size=136)
    whole = NetworkForecaster(path).forecast(context, ahead(context, 50)).mean
    monkeypatch.setattr("clearcube.forecasting.network_forecaster.WINDOW", 64)
    parts = NetworkForecaster(path).forecast(context, ahead(context, 50)).mean
    np.testing.assert_allclose(parts, whole, atol=1e-3)


def test_by_name(path):
    model = make_forecaster("convlstm", weights=path)
    assert (model.name, model.path, model.horizon) == ("convlstm", path, 100)


def test_the_guided_model_by_name(path, guided):
    model = make_forecaster("convlstm-guided", weights=guided)
    assert (model.name, model.guided) == ("convlstm-guided", True)
    with pytest.raises(InputError, match="does not use weather"):
        make_forecaster("convlstm-guided", weights=path)


def test_weights_that_ship_by_name():
    assert make_forecaster("convlstm", weights="forecast") == make_forecaster("convlstm")
    assert make_forecaster("convlstm-guided").guided
    assert not make_forecaster("convlstm").guided


@pytest.mark.parametrize(
    ("days", "message"),
    [((101,), "trained to look 100 days"), ((0,), "come after"), ((20, 10), "ascend"), ((), "ascend")],
)
def test_dates_that_cannot_be_forecast(path, days, message):
    context = block()
    with pytest.raises(InputError, match=message):
        NetworkForecaster(path).forecast(context, ahead(context, *days))


def test_too_short_a_context(path):
    with pytest.raises(InputError, match="at least 3 dates"):
        NetworkForecaster(path).forecast(block(times=2), ahead(block(times=2), 5))


def test_no_near_infrared(path):
    context = block()
    without = Block(context.reflectance[:, :2], context.observed, context.dates, BANDS[:2])
    with pytest.raises(InputError, match="NDVI needs"):
        NetworkForecaster(path).forecast(without, ahead(context, 5))


def test_nothing_to_go_by(path):
    context = block()
    empty = replace(context, reflectance=np.full_like(context.reflectance, np.nan))
    with pytest.raises(InputError, match="nothing is observed"):
        NetworkForecaster(path).forecast(empty, ahead(context, 5))


def test_guided_needs_its_weather(guided):
    context = block()
    with pytest.raises(InputError, match="guided forecasts"):
        NetworkForecaster(guided).forecast(context, ahead(context, 5))
    with pytest.raises(InputError, match="the weather lacks temperature"):
        given = weather(context)
        early = given.dates <= context.dates[-1] + 10
        known = replace(given, dates=given.dates[early], values=given.values[early])
        NetworkForecaster(guided).forecast(context, ahead(context, 50), weather=known)


def test_weights_of_a_fill(tmp_path):
    from clearcube.networks.seq2seq import Seq2Seq, Seq2SeqConfig

    checkpoint.save(tmp_path / "f.safetensors", Seq2Seq(Seq2SeqConfig()), METADATA)
    with pytest.raises(InputError, match="which fills cubes"):
        make_network_forecaster(weights=tmp_path / "f.safetensors")


def test_no_such_weights(tmp_path):
    with pytest.raises(InputError, match="no such checkpoint"):
        make_network_forecaster(weights=tmp_path / "none.safetensors")


def test_elevation_is_taken_about_its_mean(tmp_path):
    model, context = NetworkForecaster(saved(tmp_path, elevation=True)), block()
    hill = np.random.default_rng(0).uniform(100, 400, (16, 16)).astype(np.float32)
    low, high, flat = (
        model.forecast(context, ahead(context, 50), elevation=each).mean for each in (hill, hill + 500, None)
    )
    np.testing.assert_allclose(low, high, atol=1e-4)
    assert not np.array_equal(low, flat)


def test_network_and_context_go_to_the_device_and_forecasts_come_back(tmp_path, monkeypatch):
    moved = []
    monkeypatch.setattr(network_forecaster, "_device", lambda: torch.device("meta"))
    model = network_forecaster._network(saved(tmp_path))
    assert {part.device.type for part in model.parameters()} == {"meta"}
    context = block()
    given = network_forecaster._context(context, slice(None), None, None)

    def watched(steps, leads, step_days):
        moved.extend([steps.mean.device.type, leads.device.type])
        return torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)

    monkeypatch.setattr(network_forecaster, "at_leads", watched)
    mean, std = network_forecaster._in_windows(model, given, torch.tensor([[5.0]]))
    assert moved == ["meta", "meta"] and isinstance(mean, np.ndarray) and (std == 1).all()


def test_windows_see_their_own_elevation(tmp_path, monkeypatch):
    model, context = NetworkForecaster(saved(tmp_path, elevation=True)), block(size=136)
    hill = np.random.default_rng(0).uniform(100, 400, (136, 136)).astype(np.float32)
    whole = model.forecast(context, ahead(context, 50), elevation=hill).mean
    monkeypatch.setattr("clearcube.forecasting.network_forecaster.WINDOW", 64)
    parts = model.forecast(context, ahead(context, 50), elevation=hill).mean
    np.testing.assert_allclose(parts, whole, atol=1e-3)


def test_days_count_from_the_last_date_of_the_context(path, monkeypatch):
    told, nothing = [], np.zeros((2, 16, 16), np.float32)
    monkeypatch.setattr(network_forecaster, "_in_windows", lambda *given: told.extend(given) or (nothing, nothing))
    context = block(times=4)
    NetworkForecaster(path).forecast(context, ahead(context, 5, 37))
    _, given, leads = told
    assert given.days.tolist() == [[-15, -10, -5, 0]] and leads.tolist() == [[5, 37]]
    assert given.day_of_year.tolist() == [107]  # 16 April 2020


def test_mean_and_std_are_those_of_the_network(path):
    context = block()
    steps = checkpoint.load(path)[0](network_forecaster._context(context, slice(None), None, None))
    mean, log_std = (each[0].detach().numpy() for each in at_leads(steps, torch.tensor([[5.0, 50.0]]), 5))
    found = NetworkForecaster(path).forecast(context, ahead(context, 5, 50))
    np.testing.assert_allclose(found.mean, mean.clip(-1, 1), atol=1e-5)
    np.testing.assert_allclose(found.std, np.exp(log_std), rtol=1e-4)

from dataclasses import replace

import numpy as np
import pytest
import torch

from clearcube.errors import InputError
from clearcube.networks import checkpoint
from clearcube.networks.forecast import (
    FALLBACK_NDVI,
    RECENT_DAYS,
    Context,
    ForecastConfig,
    ForecastNet,
    Steps,
    at_leads,
    enlarged,
    ndvi_given,
    persistence,
    recent,
    static_maps,
)

SMALL = ForecastConfig(fine=4, coarse=4, time=4, steps=6)


def network(config=SMALL, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return ForecastNet(config).eval()


def context(n=2, t=5, size=8, weather=None, seed=0):
    rng = torch.Generator().manual_seed(seed)
    given = torch.rand(n, t, size, size, generator=rng) > 0.3
    red_nir = torch.rand(n, t, 2, size, size, generator=rng) * 0.4 * given.unsqueeze(2)
    days = torch.arange(-5.0 * (t - 1), 1, 5).expand(n, t)
    return Context(red_nir, given, given, days, torch.full((n,), 100.0), weather)


def run(net, given):
    with torch.inference_mode():
        return net(given)


def test_a_forecast_for_every_step_and_pixel():
    steps = run(network(), context())
    assert steps.base.shape == (2, 8, 8)
    assert steps.mean.shape == steps.log_std.shape == (2, 6, 8, 8)
    assert steps.mean.dtype == torch.float32


@pytest.mark.parametrize("size", [5, 6, 7, 9])
def test_any_size(size):
    assert run(network(), context(size=size)).mean.shape[-2:] == (size, size)


def test_any_number_of_dates():
    for dates in (1, 3, 12):
        assert run(network(), context(t=dates)).mean.isfinite().all()


def test_persistence_by_hand():
    ndvi = torch.tensor([0.1, 0.2, 0.3]).reshape(1, 3, 1, 1).repeat(1, 1, 1, 3)
    given = torch.tensor([[True, True, True], [True, True, False], [False, False, False]]).T.reshape(1, 3, 1, 3)
    # the third pixel has nothing: it takes the mean of 0.3 and 0.2
    torch.testing.assert_close(persistence(ndvi, given)[0, 0], torch.tensor([0.3, 0.2, 0.25]))


def test_persistence_of_nothing():
    assert persistence(torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 3, dtype=torch.bool)).unique() == FALLBACK_NDVI


def test_ndvi_by_hand():
    red_nir = torch.tensor([[0.1, 0.3], [0.0, 0.0], [0.1, 0.3]]).reshape(1, 3, 2, 1, 1)
    given = torch.tensor([True, True, False]).reshape(1, 3, 1, 1)
    torch.testing.assert_close(
        ndvi_given(Context(red_nir, given, given, None, None)).flatten(), torch.tensor([0.5, 0, 0])
    )


def one_pixel(ndvi, given, observed, days):
    shape = (1, len(ndvi), 1, 1)
    flags = [torch.tensor(each).reshape(shape) for each in (given, observed)]
    told = Context(None, *flags, torch.tensor([days]), None)
    values = torch.tensor(ndvi).reshape(shape)
    return static_maps(values, told, persistence(values, told.given)).flatten()


def test_static_maps_by_hand():
    found = one_pixel([0.2, 0.6, 0.4], [True, True, True], [True, True, False], [-10.0, -5.0, 0.0])
    means = [np.average([0.2, 0.6, 0.4], weights=np.exp([-10 / scale, -5 / scale, 0])) for scale in RECENT_DAYS]
    departures = [4 * (0.4 - mean) for mean in means]
    expected = torch.tensor([0.8, *departures, 0.0, 0.8, 2 / 3, 0.8, 0.1], dtype=torch.float32)
    torch.testing.assert_close(found, expected)


def test_static_maps_of_a_pixel_that_was_never_observed():
    found = one_pixel([0.6, 0.6], [True, True], [False, False], [-5.0, 0.0])
    torch.testing.assert_close(found, torch.tensor([1.2, 0, 0, 0, 0, 0, 0, 0]))


def test_the_recent_past_of_a_pixel_without_values_is_its_base():
    told = Context(None, torch.zeros(1, 2, 1, 2, dtype=torch.bool), None, torch.tensor([[-5.0, 0.0]]), None)
    base = torch.tensor([[[0.3, 0.7]]])
    torch.testing.assert_close(recent(torch.zeros(1, 2, 1, 2), told, base, 12.0), base)


def test_what_was_observed_and_what_was_filled_are_told_apart():
    # the same values, filled or observed, differ in the last map of each date alone
    net, bare = network(), context()
    values = torch.where(bare.given.unsqueeze(2), bare.red_nir, torch.tensor(0.2))
    everywhere = torch.ones_like(bare.given)
    shown = []
    for observed in (bare.observed, everywhere):
        inputs = []
        handle = net.stem.register_forward_pre_hook(lambda module, args, kept=inputs: kept.append(args[0]))
        run(net, bare._replace(red_nir=values, given=everywhere, observed=observed))
        handle.remove()
        shown.append(torch.nn.functional.pixel_shuffle(inputs[0], 2))
    torch.testing.assert_close(shown[0][:, :-1], shown[1][:, :-1])
    assert torch.equal(shown[0][:, -1].reshape(5, 2, 8, 8).transpose(0, 1), bare.observed.float())
    assert (shown[1][:, -1] == 1).all()


def test_the_residual_is_linear_in_the_static_maps():
    net, given = network(), context()
    with torch.no_grad():
        net.out.weight.zero_()
        net.out.bias.zero_()[2] = 0.5  # the coefficient of the first map, twice the base
    steps = run(net, given)
    torch.testing.assert_close(steps.mean, (2 * steps.base).unsqueeze(1).expand_as(steps.mean))


def test_values_where_nothing_is_given_do_not_matter():
    given = context()
    rubbish = torch.where(given.given.unsqueeze(2), given.red_nir, torch.tensor(7.0))
    torch.testing.assert_close(run(network(), given).mean, run(network(), given._replace(red_nir=rubbish)).mean)


def test_padding_repeats_the_edge():
    grown = enlarged(context(size=6))
    assert grown.given.shape[-2:] == (8, 8)
    assert torch.equal(grown.red_nir[..., 6:, :6], grown.red_nir[..., 5:6, :6].expand(-1, -1, -1, 2, -1))
    assert grown.observed.dtype == torch.bool


def test_samples_do_not_see_each_other():
    both = context()
    alone = Context(*(None if part is None else part[:1] for part in both))
    torch.testing.assert_close(run(network(), both).mean[:1], run(network(), alone).mean, atol=1e-5, rtol=0)


def test_leads_between_steps_by_hand():
    steps = Steps(torch.zeros(1, 1, 1), torch.tensor([1.0, 3.0]).reshape(1, 2, 1, 1), torch.zeros(1, 2, 1, 1))
    mean, log_std = at_leads(steps, torch.tensor([[1.0, 5.0, 7.5, 10.0]]), 5)
    torch.testing.assert_close(mean.flatten(), torch.tensor([0.2, 1.0, 2.0, 3.0]))
    assert log_std.shape == (1, 4, 1, 1)


def test_dates_that_are_asked_for_do_not_change_each_other():
    steps = run(network(), context(n=1))
    few, _ = at_leads(steps, torch.tensor([[12.0]]), 5)
    many, _ = at_leads(steps, torch.tensor([[1.0, 12.0, 29.0]]), 5)
    assert torch.equal(few[:, 0], many[:, 1])


def test_weather_of_later_steps_changes_nothing_earlier():
    config = replace(SMALL, weather=3)
    told = torch.randn(2, 11, 3)
    other = told.clone()
    other[:, 5 + 4 :] += 5
    one, two = (run(network(config), context(weather=each)).mean for each in (told, other))
    assert torch.equal(one[:, :4], two[:, :4])
    assert not torch.equal(one[:, 4:], two[:, 4:])


def test_elevation_is_an_input_of_its_own():
    net = network(replace(SMALL, elevation=True))
    flat, hill = context(), context()._replace(elevation=torch.rand(2, 8, 8))
    assert not torch.equal(run(net, flat).mean, run(net, hill).mean)


def test_the_default_is_of_a_few_hundred_thousand_parameters():
    assert 2e5 < sum(p.numel() for p in ForecastNet(ForecastConfig()).parameters()) < 5e5


def test_sizes_that_cannot_be():
    with pytest.raises(InputError, match="positive sizes"):
        ForecastConfig(steps=0)


def test_checkpoint_round_trip(tmp_path):
    net = network(replace(SMALL, weather=3))
    checkpoint.save(tmp_path / "w.safetensors", net, {"scaling": "", "provenance": {}, "licence": "Apache-2.0"})
    loaded, metadata = checkpoint.load(tmp_path / "w.safetensors")
    told = context(weather=torch.randn(2, 11, 3))
    assert isinstance(loaded, ForecastNet)
    assert loaded.config == net.config
    assert torch.equal(run(net, told).mean, run(loaded, told).mean)
    assert metadata["licence"] == "Apache-2.0"
    assert np.isfinite(run(loaded, told).log_std.numpy()).all()


def shown_to(net, layer, given):
    """What a layer of the network is given."""
    inputs = []
    handle = layer.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    run(net, given)
    handle.remove()
    return inputs[0]


def test_what_is_told_of_dates_and_steps_by_hand():
    net, days = network(replace(SMALL, weather=1)), [-40.0, -10.0, 0.0]
    weather = torch.rand(1, 3 + 6, 1)
    told = context(n=1, t=3, weather=weather)._replace(days=torch.tensor([days]))
    every, gaps = np.array([*days, 5, 10, 15, 20, 25, 30]), np.array([5, 30, 10, 5, 5, 5, 5, 5, 5])
    season = 2 * np.pi * (100 + every) / 365.25
    expected = np.stack([np.sin(season), np.cos(season), every / 50, gaps / 10, weather[0, :, 0].numpy()], 1)
    for layer, part in ((net.of_date[0], expected[:3]), (net.of_step[0], expected[3:])):
        np.testing.assert_allclose(shown_to(net, layer, told)[:, 0], part, atol=1e-5)


def test_what_each_date_shows_by_hand():
    net, told = network(replace(SMALL, elevation=True)), context(n=1)
    told = told._replace(observed=torch.rand(1, 5, 8, 8) < 0.5, elevation=torch.rand(1, 8, 8))
    maps = torch.nn.functional.pixel_shuffle(shown_to(net, net.stem, told), 2)
    red, infrared = told.red_nir[0, :, 0], told.red_nir[0, :, 1]
    ndvi = torch.where(told.given[0], (infrared - red) / (infrared + red), 0.0)
    base = persistence(ndvi[None], told.given)
    for date in range(5):
        given, observed = told.given[0, date], told.observed[0, date]
        anomaly = torch.where(given, 4 * (ndvi[date] - base[0]), 0.0)
        expected = [anomaly, 2 * ndvi[date], 5 * red[date], 2 * infrared[date], given, given & observed]
        torch.testing.assert_close(maps[date], torch.stack([*map(torch.Tensor.float, expected), told.elevation[0]]))


@pytest.mark.parametrize(("bias", "log_std"), [(9.0, 0.0), (-9.0, -5.0), (-1.5, -1.5)])
def test_std_stays_within_its_limits(bias, log_std):
    net = network()
    with torch.no_grad():
        net.out.weight.zero_()
        net.out.bias[1] = bias
    assert run(net, context()).log_std.unique().tolist() == [log_std]


def test_the_recent_past_reaches_back_any_number_of_days():
    told = Context(None, torch.tensor([True, False])[None, :, None, None], None, torch.tensor([[-400.0, 0.0]]), None)
    ndvi = torch.tensor([0.6, 0.0])[None, :, None, None]
    torch.testing.assert_close(recent(ndvi, told, torch.zeros(1, 1, 1), 12.0), torch.full((1, 1, 1), 0.6))

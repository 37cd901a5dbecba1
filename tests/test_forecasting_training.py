import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from clearcube.errors import InputError
from clearcube.filler import Block, Estimate
from clearcube.forecasting import simulated
from clearcube.forecasting.batches import Batches
from clearcube.forecasting.contexts import Denoising, filled_context
from clearcube.forecasting.pack import ForecastData, PackedEpisodes, joined, packed, simulated_pack
from clearcube.forecasting.simulated import simulate_with_truth
from clearcube.forecasting.stretches import real_pack, stretches
from clearcube.forecasting.training import train
from clearcube.forecasting.training_config import ForecastTraining, forecast_config_from, read_forecast_config
from clearcube.forecasting.training_step import loss_terms, new_learner, train_step
from clearcube.forecasting.training_validation import stretched, validated
from clearcube.methods import make_filler
from clearcube.networks import checkpoint
from clearcube.networks.forecast import Steps
from clearcube.simulation.climate import EVALUATION_BELTS
from clearcube.simulation.scene import CLEAN
from clearcube.training.validation import NamedBlock

FILLS = ("last", "linear")
GRID = {"step_days": 5, "steps": 20}


def fillers():
    return {"none": None} | {name: make_filler(name) for name in FILLS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("episodes")


@pytest.fixture(scope="module")
def data(folder):
    train_pack = simulated_pack(folder, range(6), 16, fillers(), **GRID)
    return ForecastData(
        ((train_pack, 1.0),), simulated_pack(folder, range(50, 53), 16, fillers(), **GRID), tuple(fillers())
    )


@pytest.fixture(scope="module")
def pack(data):
    return data.train[0][0]


def config(tmp_path, **changes):
    rates = {"steps": 4, "crop": 16, "batch": 2, "precision": "float32"} | changes.pop("optimisation", {})
    sizes = {"fine": 6, "coarse": 6, "time": 6}
    table = {
        "output": str(tmp_path / "run"),
        "network": sizes,
        "optimisation": rates,
        "episodes": {"size": 16, "simulated": 6},
    }
    return forecast_config_from(table | {"check": {"every": 2, "save": 2}} | changes)


def test_simulated_episodes_are_the_same_for_a_seed_and_of_their_kind():
    one, again, other = (simulate_with_truth(3, size=16, evaluation=kind).episode for kind in (True, True, False))
    assert np.array_equal(one.context.reflectance, again.context.reflectance, equal_nan=True)
    assert one.name != other.name
    assert one.context.dates[0] >= np.datetime64("2023-01-01")
    assert other.context.dates[0] < np.datetime64("2022-01-01")
    assert (np.diff(one.context.dates).astype(int) == 5).all()
    assert one.leads.tolist() == list(range(5, 101, 5))


def test_context_of_an_episode_is_nan_where_not_observed():
    episode = simulate_with_truth(1, size=16).episode
    nan = np.isnan(episode.context.reflectance).any(axis=1)
    assert nan[~episode.context.observed].all()
    assert not nan[episode.context.observed].any()
    assert episode.weather.dates[-1] >= episode.target_dates[-1]


def test_target_is_a_clear_observation_near_the_truth():
    made = simulate_with_truth(2, size=24)
    episode = made.episode
    known = np.isfinite(episode.target_ndvi)
    assert 0.05 < known.mean() < 1
    truth = episode.truth_ndvi[len(episode.context.dates) :]
    assert np.sqrt(np.mean((episode.target_ndvi[known] - truth[known]) ** 2)) < 0.15
    np.testing.assert_array_equal(episode.target_ndvi[known], made.clear_ndvi[10:][known])


def test_targets_are_known_where_the_sky_was_clear_and_the_mask_said_so(monkeypatch):
    scenes, made = [], simulated.simulate
    monkeypatch.setattr(simulated, "simulate", lambda *given: scenes.append(made(*given)) or scenes[-1])
    episode, scene = simulate_with_truth(2, size=24).episode, scenes[0]
    clear = scene.observed & (scene.contamination <= CLEAN)
    assert (scene.observed != clear)[10:].any()
    np.testing.assert_array_equal(np.isfinite(episode.target_ndvi), clear[10:])
    red, infrared = scene.surface[:, 2], scene.surface[:, 3]  # the ground itself, without air and view angle
    np.testing.assert_allclose(episode.truth_ndvi, (infrared - red) / (infrared + red), atol=1e-5)


def test_belts_of_evaluation_are_narrow_and_apart():
    assert all(low < high for low, high in EVALUATION_BELTS)


def test_filled_contexts_keep_observations_and_see_no_cloud():
    context = simulate_with_truth(4, size=16).episode.context
    cloudy = np.where(context.observed[:, None], context.reflectance, np.float32(0.9))
    seen = context.observed.any(axis=0)
    for name in ("last", "linear", "whittaker"):
        filled = filled_context(replace(context, reflectance=cloudy), make_filler(name))
        at = np.broadcast_to(context.observed[:, None], filled.reflectance.shape)
        assert np.array_equal(filled.reflectance[at], context.reflectance[at])
        assert np.isfinite(filled.reflectance[:, :, seen]).all()
        assert np.array_equal(
            filled.reflectance, filled_context(context, make_filler(name)).reflectance, equal_nan=True
        )


def test_filled_contexts_are_those_of_the_prepared_filler():
    context = simulate_with_truth(4, size=16).episode.context
    filler = make_filler("linear")
    mean = filler.prepare([context]).fill(context).mean
    assert np.array_equal(filled_context(context, filler).reflectance, mean, equal_nan=True)


class Judge:
    """Fills with a constant, and takes the observations of one date for contaminated."""

    name, halo = "judge", 0

    def prepare(self, sample):
        return self

    def fill(self, block):
        contamination = np.zeros(block.observed.shape, np.float32)
        contamination[3] = 0.9
        return Estimate(np.full_like(block.reflectance, 0.25), None, contamination)


def test_denoising_replaces_what_is_not_believed_and_says_so():
    context = simulate_with_truth(4, size=16).episode.context
    plain, clean = filled_context(context, Judge()), filled_context(context, Denoising(Judge()))
    assert np.array_equal(plain.observed, context.observed)
    elsewhere = (context.observed & (np.arange(10) != 3)[:, None, None]).any(axis=0)
    assert not clean.observed[3, elsewhere].any()
    assert (clean.reflectance[3][:, elsewhere] == np.float32(0.25)).all()
    others = np.arange(10) != 3
    assert np.array_equal(clean.reflectance[others], plain.reflectance[others])
    alone = context.observed[3] & ~elsewhere  # a pixel that has nothing else keeps what it has
    assert clean.observed[3, alone].all()


def test_without_a_filler_the_context_stays_bare():
    context = simulate_with_truth(4, size=16).episode.context
    assert np.array_equal(filled_context(context, None).reflectance, context.reflectance, equal_nan=True)


def test_a_pack_holds_what_the_episode_holds(pack):
    made = simulate_with_truth(0, size=16)
    context = made.episode.context
    bare = context.reflectance[:, 2:].astype(np.float16)  # red and near infrared of blue, green, red, near infrared
    np.testing.assert_array_equal(pack.red_nir[0, 0], bare)
    for kept in pack.observed[0]:
        np.testing.assert_array_equal(kept, context.observed)
    np.testing.assert_allclose(pack.target[0], made.clear_ndvi[10:], atol=1e-3)
    assert pack.leads[0].tolist() == made.episode.leads.tolist()
    last = context.dates[-1]
    assert pack.days[0].tolist() == (context.dates - last).astype(int).tolist()
    assert pack.day_of_year[0] == (last - last.astype("datetime64[Y]").astype("datetime64[D]")).astype(int) + 1
    assert np.isfinite(pack.weather).all()
    assert len(pack) == 6


def test_episodes_are_read_again_from_their_files(folder, pack, monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("made again")

    monkeypatch.setattr("clearcube.forecasting.pack.simulate_with_truth", fail)
    again = simulated_pack(folder, range(6), 16, fillers(), **GRID)
    assert np.array_equal(again.red_nir, pack.red_nir, equal_nan=True)
    with pytest.raises(AssertionError, match="made again"):
        simulated_pack(folder, range(6), 16, {"linear": make_filler("linear")}, **GRID)


def test_a_context_that_cannot_be_filled_stays_bare():
    class Refusing:
        def prepare(self, sample):
            raise InputError("too little")

    episode = simulate_with_truth(1, size=16).episode
    pack = packed(episode, episode.target_ndvi, {"none": None, "x": Refusing()}, **GRID)
    assert np.array_equal(pack.red_nir[:, 0], pack.red_nir[:, 1], equal_nan=True)


def test_batches_depend_on_seed_and_step_alone(data, tmp_path):
    one, other = (Batches(config(tmp_path), data.train) for _ in range(2))
    one.batch(0)
    for a, b in zip(one.batch(5).context, other.batch(5).context, strict=True):
        assert a is None or torch.equal(a, b)


def test_batches_hold_crops_of_all_fillings(data, tmp_path):
    batches = Batches(config(tmp_path, optimisation={"crop": 8, "fewer_dates": 0.0, "batch": 4}), data.train)
    drawn = [batches.batch(step) for step in range(6)]
    assert drawn[0].context.red_nir.shape == (4, 10, 2, 8, 8)
    assert drawn[0].target.shape == (4, 20, 8, 8)
    given = torch.cat([batch.context.given.flatten(1).float().mean(1) for batch in drawn])
    assert (given < 1).any()
    assert (given == 1).any()


def test_samples_are_told_what_their_own_filling_kept(pack, tmp_path):
    marked = replace(pack, red_nir=pack.red_nir.copy(), observed=np.zeros_like(pack.observed))
    marked.red_nir[:, 0], marked.red_nir[:, 1], marked.red_nir[:, 2] = 0, 1, 2
    marked.observed[:, 1] = True
    context = Batches(config(tmp_path, optimisation={"batch": 20}), ((marked, 1.0),)).batch(0).context
    filling = context.red_nir[:, :, 0]
    assert filling.unique().tolist() == [0, 1, 2] and torch.equal(context.observed, filling == 1)


def test_contexts_may_lose_dates_but_never_the_last(data, tmp_path):
    batches = Batches(config(tmp_path, optimisation={"fewer_dates": 1.0}), data.train)
    counts = {batches.batch(step).context.days.shape[1] for step in range(20)}
    assert len(counts) > 2
    assert all((batches.batch(step).context.days[:, -1] == 0).all() for step in range(5))


def test_weather_is_given_to_guided_networks(data, tmp_path):
    guided = config(tmp_path, network={"fine": 4, "coarse": 4, "weather": 3})
    assert Batches(guided, data.train).batch(0).context.weather.shape[2] == 3
    assert Batches(config(tmp_path), data.train).batch(0).context.weather is None


def test_loss_by_hand(data, tmp_path):
    batch = Batches(config(tmp_path, optimisation={"batch": 1}), data.train).batch(0)
    target = torch.full_like(batch.target, np.nan)
    target[:, 3] = 0.5
    steps = Steps(torch.zeros(1, 16, 16), torch.full((1, 20, 16, 16), 0.4), torch.zeros(1, 20, 16, 16))
    terms = loss_terms(steps, batch._replace(target=target), 5)
    assert float(terms["error"]) == pytest.approx(0.01 / 0.02, rel=1e-4)
    assert float(terms["likelihood"]) == pytest.approx(0.5 * 0.01, rel=1e-4)


def test_errors_count_less_where_the_std_is_larger(data, tmp_path):
    batch = Batches(config(tmp_path, optimisation={"batch": 1}), data.train).batch(0)
    target = torch.full_like(batch.target, np.nan)
    target[:, 3, 0, :2] = torch.tensor([0.5, 0.6])
    log_std = torch.zeros(1, 20, 16, 16)
    log_std[:, 3, 0, 1] = np.log(4)
    steps = Steps(torch.zeros(1, 16, 16), torch.full((1, 20, 16, 16), 0.4), log_std)
    terms = loss_terms(steps, batch._replace(target=target), 5)
    assert float(terms["error"]) == pytest.approx((0.01 + 0.04 / 4) / 1.25 / 0.02, rel=1e-4)


def test_a_run_writes_log_state_and_weights(data, tmp_path):
    settings, records = config(tmp_path), []
    progress = train(settings, replace(data, files={"a.nc": "00"}), records.append)
    assert progress.step == 4
    net, metadata = checkpoint.load(tmp_path / "run/last.safetensors")
    assert net.config == settings.network
    assert metadata["provenance"]["files"] == {"a.nc": "00"}
    assert metadata["provenance"]["config"] == json.loads(json.dumps(settings.plain()))
    assert metadata["guided"] is False
    assert checkpoint.load(tmp_path / "run/best.safetensors")[0].config == settings.network
    assert {"none", "last", "persistence linear", "spread"} <= set(records[-1]["rmse"])
    lines = (tmp_path / "run/log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == records


def test_a_resumed_run_ends_where_an_unbroken_one_does(data, tmp_path):
    whole = config(tmp_path / "a")
    train(whole, data)
    broken = config(tmp_path / "b")
    train(broken, data, until=2)
    log = tmp_path / "b/run/log.jsonl"
    losses = [json.loads(line) for line in (tmp_path / "a/run/log.jsonl").read_text().splitlines()]
    assert [record["step"] for record in losses if "loss" in record] == [4]
    with log.open("a") as file:  # it went on after the save, and was killed
        file.write('{"step": 3, "seconds": 9, "loss": {}}\n{"step": 3, "sec')
    train(broken, data, resume=True)
    logs = [path.read_text().splitlines() for path in (log, tmp_path / "a/run/log.jsonl")]
    assert len({tuple(json.loads(line)["step"] for line in lines) for lines in logs}) == 1
    told = [[json.loads(line).get("loss") for line in lines] for lines in logs]
    assert told[0] == told[1]
    one, other = (checkpoint.load(tmp_path / name / "run/last.safetensors")[0] for name in "ab")
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_a_folder_with_another_run_is_written_to_on_request_alone(data, tmp_path):
    settings = config(tmp_path)
    train(settings, data, until=2)
    with pytest.raises(InputError, match="holds another run"):
        train(settings, data)
    train(settings, data, overwrite=True, until=1)
    assert not [
        name for name in ("state.pt", "last.safetensors", "best.safetensors") if (tmp_path / "run" / name).exists()
    ]


def test_states_that_cannot_be_resumed(data, tmp_path):
    settings = config(tmp_path)
    with pytest.raises(InputError, match="no state to resume"):
        train(settings, data, resume=True)
    train(settings, data, until=2)
    with pytest.raises(InputError, match="another configuration"):
        train(replace(settings, seed=5), data, resume=True)
    (tmp_path / "run/state.pt").write_bytes(b"half")
    with pytest.raises(InputError, match="not a complete state"):
        train(settings, data, resume=True)


def test_stds_are_stretched_by_the_spread(data, tmp_path):
    settings = config(tmp_path)
    network, batch = new_learner(settings).network, Batches(settings, data.train).batch(0)
    with torch.no_grad():
        before, after = network(batch.context), stretched(network, {"spread": 1.5})(batch.context)
    torch.testing.assert_close(after.log_std - before.log_std, torch.full_like(after.log_std, np.log(1.5)))
    assert torch.equal(after.mean, before.mean)


def test_validation_compares_with_the_last_value_of_the_context(data, tmp_path):
    settings, pack = config(tmp_path), data.validation
    network = new_learner(settings).average
    network.out.bias[0] += 0.3  # what the network says is another thing
    found = validated(network, data, settings)
    red, infrared = np.moveaxis(pack.red_nir[:, data.fills.index("linear"), -1].astype(np.float32), 1, 0)
    errors = ((infrared - red) / (infrared + red))[:, None] - pack.target
    assert found["persistence linear"] == pytest.approx(np.sqrt(np.nanmean(errors**2)), abs=2e-3)
    assert found["linear"] > found["persistence linear"] + 0.01


def test_samples_come_from_packs_by_their_shares(data, pack, tmp_path):
    other = replace(pack, day_of_year=np.full_like(pack.day_of_year, 999))
    batches = Batches(config(tmp_path, optimisation={"batch": 40}), ((pack, 3.0), (other, 1.0)))
    share = np.mean([(batches.batch(step).context.day_of_year == 999).float().mean() for step in range(5)])
    assert 0.1 < share < 0.4


def test_a_loss_that_is_not_finite_stops_the_run(data, tmp_path):
    settings = config(tmp_path)
    learner = new_learner(settings)
    with torch.no_grad():
        learner.network.out.bias.fill_(float("nan"))
    with pytest.raises(InputError, match="not a finite number"):
        train_step(learner, Batches(settings, data.train).batch(0), settings, 0, 0.0)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"episodes": {"sise": 3}}, "'sise' is not known"),
        ({"optimisation": {"crop": 30}}, "multiple of 4"),
        ({"optimisation": {"precision": "int8"}}, "precision"),
        ({"network": {"steps": 0}}, "positive sizes"),
        ({"episodes": {"real": 1.0}}, "real must lie"),
        ({"seed": "a"}, "give a whole number"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"seed": 2**70}, "below 2\\^63"),
        ({"output": ""}, "output must name a folder"),
        ({"network": {"weather": 3}, "train": ["a.nc"]}, "simulated places alone"),
        ({"network": {"weather": 2}}, "must be 0 or 3"),
        ({"network": {"step_days": 7}}, "140 days; targets to learn from end after 100"),
        ({"optimisation": {"learning_rate": -1.0}}, "learning_rate and clip must be positive"),
        ({"optimisation": {"clip": 0.0}}, "learning_rate and clip must be positive"),
        ({"optimisation": {"threads": 0}}, "threads must be positive"),
        ({"optimisation": {"weight_decay": -1.0}}, "must be >= 0"),
        ({"optimisation": {"average": 7.0}}, "average must lie"),
        ({"optimisation": {"fewer_dates": 3.0}}, "fewer_dates must lie"),
        ({"episodes": {"fills": ["linear", "linear"]}}, "names a method twice"),
    ],
)
def test_configurations_that_cannot_be(table, message):
    with pytest.raises(InputError, match=message):
        forecast_config_from(table)


def test_configuration_files(tmp_path):
    with pytest.raises(InputError, match="no such configuration"):
        read_forecast_config(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("= 3")
    with pytest.raises(InputError, match="not a TOML file"):
        read_forecast_config(tmp_path / "bad.toml")


@pytest.mark.parametrize(("name", "weather"), [("forecast", 0), ("forecast-guided", 3)])
def test_the_shipped_configurations_are_such(request, name, weather):
    found = read_forecast_config(request.config.rootpath / f"configs/{name}.toml")
    assert isinstance(found, ForecastTraining)
    assert "seq2seq" in found.episodes.fills
    assert found.network.weather == weather


def test_a_guided_network_may_begin_with_one_that_knows_no_weather(data, tmp_path):
    train(config(tmp_path), data)
    path = str(tmp_path / "run/last.safetensors")
    sizes = {"fine": 6, "coarse": 6, "time": 6, "weather": 3}
    guided = new_learner(config(tmp_path, network=sizes, start=path)).network
    context = Batches(config(tmp_path, network=sizes), data.train).batch(0).context
    with torch.inference_mode():
        torch.testing.assert_close(guided(context).mean, checkpoint.load(path)[0](context).mean)
    for wrong in ({**sizes, "fine": 8}, {**sizes, "elevation": True}):
        with pytest.raises(InputError, match="other sizes"):
            new_learner(config(tmp_path, network=wrong, start=path))


def test_a_guided_run(data, tmp_path):
    settings = config(tmp_path, network={"fine": 4, "coarse": 4, "time": 4, "weather": 3})
    train(settings, data)
    _, metadata = checkpoint.load(tmp_path / "run/last.safetensors")
    assert metadata["guided"] is True


def real_cube(times=40, size=20, step=4):
    episode = simulate_with_truth(1, size=size).episode
    rng = np.random.default_rng(0)
    reflectance = rng.uniform(0.1, 0.4, (times, 4, size, size)).astype(np.float32)
    observed = rng.random((times, size, size)) < 0.6
    dates = np.datetime64("2018-01-01", "D") + step * np.arange(times)
    return NamedBlock("real", Block(reflectance, observed, dates, episode.context.bands))


def test_real_cubes_give_stretches_within_the_horizon():
    found = list(stretches(real_cube(), 16, 60))
    assert [str(each.context.dates[0]) for each in found[:2]] == ["2018-01-01", "2018-01-21"]
    assert all(each.leads[0] == 4 and each.leads[-1] <= 60 for each in found)
    assert all(np.isnan(each.target_ndvi).any() for each in found)


def test_elevation_of_real_cubes_is_learnt_from(data, tmp_path):
    hill = np.add.outer(100.0 * np.arange(20), np.zeros(20)).astype(np.float32)
    hill[0] = np.nan
    real = real_pack([replace(real_cube(), elevation=hill)], 16, fillers(), **GRID)
    np.testing.assert_allclose(real.elevation[0, 1:, 0], np.arange(15) - 7.0)
    assert (real.elevation[0, 0] == 0).all()
    settings = config(tmp_path, network={"fine": 6, "coarse": 6, "time": 6, "elevation": True})
    batch = Batches(settings, [(real, 1.0)]).batch(0)
    learner = new_learner(settings)
    before = learner.network.stem.weight[:, -4:].clone()
    train_step(learner, batch, settings, 0, 0.5)
    assert batch.context.elevation.abs().max() > 1
    assert (learner.network.stem.weight[:, -4:] != before).any()


def test_targets_beyond_the_last_step_do_not_count(data, tmp_path):
    settings = config(tmp_path, network={"fine": 6, "coarse": 6, "time": 6, "steps": 4})
    batch, net = Batches(settings, data.train).batch(0), new_learner(settings).network
    far = batch.leads > 20
    assert far.any() and not far.all()
    changed = batch._replace(target=torch.where(far[..., None, None], -1.0, batch.target))
    terms = [loss_terms(net(each.context), each, 5) for each in (batch, changed)]
    torch.testing.assert_close(terms[0], terms[1])


def test_dark_stretches_are_left_out():
    cube = real_cube()
    hidden = replace(cube.block, observed=np.zeros_like(cube.block.observed))
    assert not list(stretches(NamedBlock("dark", hidden), 16, 100))
    dark = NamedBlock("dark", hidden)
    with pytest.raises(InputError, match=r"nothing can be learnt from dark: an episode takes 15 dates of 16 x 16"):
        real_pack([dark], 16, fillers(), **GRID)
    with pytest.warns(UserWarning, match="nothing can be learnt from dark"):
        assert len(real_pack([dark, real_cube()], 16, fillers(), **GRID))
    assert real_pack([], 16, fillers(), **GRID) is None


def test_real_and_simulated_episodes_learn_together(data, pack, tmp_path):
    real = real_pack([real_cube()], 16, fillers(), **GRID)
    assert isinstance(real, PackedEpisodes)
    assert real.target.shape[1] == 20
    assert np.isnan(real.weather).all()
    assert len(joined([real, pack])) == len(real) + 6
    assert train(config(tmp_path), replace(data, train=((pack, 0.5), (real, 0.5)))).step == 4


@pytest.mark.slow
def test_a_short_training_beats_persistence_by_a_twentieth(tmp_path):
    train_pack = simulated_pack(tmp_path, range(80), 24, fillers(), **GRID)
    test_pack = simulated_pack(tmp_path, range(500, 530), 24, fillers(), **GRID)
    rates = {"steps": 400, "crop": 24, "batch": 4, "precision": "float32"}
    settings = config(
        tmp_path, optimisation=rates, network={"fine": 16, "coarse": 24}, check={"every": 400, "save": 400},
        episodes={"size": 24},
    )  # fmt: skip
    found = train(settings, ForecastData(((train_pack, 1.0),), test_pack, tuple(fillers()))).validations[-1]["rmse"]
    for name in ("none", *FILLS):
        assert found[name] < 0.95 * found[f"persistence {name}"], (name, found)

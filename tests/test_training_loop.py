import dataclasses
import json

import numpy as np
import pytest
import torch
from builders import BANDS, cloudy_cube

from clearcube.errors import InputError
from clearcube.filler import Block
from clearcube.networks import checkpoint
from clearcube.networks.seq2seq import Seq2SeqConfig
from clearcube.training.config import LossConfig, OptimisationConfig, SamplingConfig, TrainingConfig, ValidationConfig
from clearcube.training.log import RunLog
from clearcube.training.loop import train
from clearcube.training.packing import TrainingData
from clearcube.training.samples import Sampler
from clearcube.training.step import new_learner, one_cycle, train_step
from clearcube.training.validation import NamedBlock, experiments, gains, overall
from clearcube.workflows.train import train_network

TINY = Seq2SeqConfig(channels=(4, 8), hidden=(2,), look_channels=(4, 4), look_hidden=(2,), basis=4)


def real(seed=0):
    cube = cloudy_cube(16, 32, 32, never=False, seed=seed, cloud=0.2)
    dates = cube["time"].values.astype("datetime64[D]")
    observed = cube["observed"].values.copy()
    observed[[2, 5, 9, 12]] = True
    reflectance = np.where(observed[:, None], cube["truth"].values, cube["reflectance"].values)
    return NamedBlock(f"place{seed}", Block(reflectance, observed, dates, BANDS))


DATA = TrainingData((real(),), (real(1),), {"a.nc": "00"})


def config(folder, **changes):
    made = TrainingConfig(
        output=str(folder),
        network=TINY,
        sampling=SamplingConfig(size=16, frames=10, dates=(5,), free_bands=0.2),
        optimisation=OptimisationConfig(steps=8, precision="float32", average=0.9),
        check=ValidationConfig(every=4, save=2, scenarios=("frames", "trailing")),
    )
    return dataclasses.replace(made, **changes)


def losses(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(config(whole), DATA)
    train(config(parts), DATA, until=4)
    train(config(parts), DATA, resume=True)
    one, two = (torch.load(folder / "state.pt", weights_only=True) for folder in (whole, parts))
    assert one["progress"]["step"] == two["progress"]["step"] == 8
    for part in ("generator", "average"):
        for name, value in one["learner"][part].items():
            assert value.equal(two["learner"][part][name]), name
    assert one["progress"]["validations"] == two["progress"]["validations"]


def test_a_run_leaves_a_checkpoint_that_says_how_it_was_made(tmp_path):
    records = []
    train(config(tmp_path, optimisation=OptimisationConfig(steps=4, precision="float32")), DATA, records.append)
    model, metadata = checkpoint.load(tmp_path / "last.safetensors")
    assert model.config == TINY
    made = metadata["provenance"]
    assert (made["steps"], made["seed"], made["files"]) == (4, 0, {"a.nc": "00"})
    assert "cores" in made["hardware"] or "x" in made["hardware"]
    assert made["config"]["network"]["channels"] == [4, 8]
    assert set(records[-1]["gain_db"]) == {"frames", "trailing", "all"}
    assert (tmp_path / "best.safetensors").is_file()
    assert losses(tmp_path) == [json.loads(json.dumps(each)) for each in losses(tmp_path)]


def test_the_adversarial_part_joins_after_the_warm_up(tmp_path):
    weights = LossConfig(adversarial=0.01)
    rates = OptimisationConfig(steps=4, precision="float32", warm_up=0.5)
    made = config(tmp_path, loss=weights, optimisation=rates)
    learner, sampler = new_learner(made), Sampler(made.sampling, [], 0)
    first = train_step(learner, [sampler.batch(0)], made, 0, 0.0)
    judged = train_step(learner, [sampler.batch(1)], made, 1, 0.5)
    assert "adversarial" not in first
    assert np.isfinite(judged["adversarial"])
    assert all(p.requires_grad for p in learner.discriminator.parameters())


def test_an_untrained_network_equals_linear_interpolation():
    tests = experiments([real(1)], ValidationConfig(scenarios=("frames", "leading")))
    made = config("unused")
    found = gains(new_learner(made).average, tests, "float32")
    assert overall(found)["all"] == pytest.approx(0, abs=1e-3)


def test_a_loss_that_is_not_a_number_ends_the_run_with_a_reason(tmp_path):
    made = config(tmp_path)
    learner, sampler = new_learner(made), Sampler(made.sampling, [], 0)
    with torch.no_grad():
        learner.generator.fill.head_bias.fill_(float("nan"))
    with pytest.raises(InputError, match=r"not a finite number at step 3 \(distance.*learning_rate"):
        train_step(learner, [sampler.batch(0)], made, 3, 0.1)


def test_accumulated_batches_make_one_step(tmp_path):
    made = config(tmp_path)
    sampler = Sampler(made.sampling, [], 0)
    learner, twice = new_learner(made), new_learner(made)
    batch = sampler.batch(0)
    one = train_step(learner, [batch], made, 0, 0.5)
    two = train_step(twice, [batch, batch], made, 0, 0.5)
    assert one["distance"] == pytest.approx(two["distance"], rel=1e-5)


def test_what_cannot_be_resumed_is_refused(tmp_path):
    with pytest.raises(InputError, match="no state to resume from"):
        train(config(tmp_path / "a"), DATA, resume=True)
    train(config(tmp_path / "b"), TrainingData(), until=2)
    with pytest.raises(InputError, match="another configuration"):
        train(config(tmp_path / "b", seed=1), TrainingData(), resume=True)
    (tmp_path / "b" / "state.pt").write_bytes(b"half")
    with pytest.raises(InputError, match="not a complete state"):
        train(config(tmp_path / "b"), TrainingData(), resume=True)


def test_validation_that_does_not_get_better_ends_the_run(tmp_path):
    rates = OptimisationConfig(steps=50, precision="float32", learning_rate=1e-30, weight_decay=0.0)
    check = ValidationConfig(every=1, save=50, scenarios=("frames",), patience=2)
    progress = train(config(tmp_path, optimisation=rates, check=check), DATA)
    assert progress.step < 10


def test_the_learning_rate_rises_and_falls():
    values = [one_cycle(p) for p in np.linspace(0, 1, 101)]
    top = int(np.argmax(values))
    assert max(values) == pytest.approx(1, abs=1e-2)
    assert (np.diff(values[: top + 1]) > 0).all()
    assert (np.diff(values[top:]) < 0).all()
    assert values[-1] == pytest.approx(0, abs=1e-6)


def test_lightning_fabric_takes_the_same_step(tmp_path):
    pytest.importorskip("lightning_fabric")
    from clearcube.training.devices import SeveralDevices

    made = config(tmp_path)
    batch = Sampler(made.sampling, [], 0).batch(0)
    plain, fabric = new_learner(made), new_learner(made)
    where = SeveralDevices(1, "cpu")
    where.place(fabric)
    one = train_step(plain, [batch], made, 0, 0.5)
    two = train_step(fabric, [batch], made, 0, 0.5, where=where)
    assert one == pytest.approx(two, rel=1e-5)
    assert list(fabric.state()["generator"]) == list(plain.state()["generator"])
    assert where.agreed(True)


def test_the_average_follows_the_weights_by_its_decay(tmp_path):
    made = config(tmp_path)
    learner, batch = new_learner(made), Sampler(made.sampling, [], 0).batch(0)
    name = "fill.head_weight"
    mean = learner.generator.state_dict()[name].clone()
    for step in range(3):
        train_step(learner, [batch], made, step, 0.5)
        decay = min(0.9, (1 + step) / (10 + step))
        mean = decay * mean + (1 - decay) * learner.generator.state_dict()[name]
    torch.testing.assert_close(learner.average.state_dict()[name], mean)


def test_bfloat16_takes_nearly_the_same_step(tmp_path):
    made = config(tmp_path)
    half = dataclasses.replace(made, optimisation=dataclasses.replace(made.optimisation, precision="bfloat16"))
    batch = Sampler(made.sampling, [], 0).batch(0)
    one, two = (train_step(new_learner(c), [batch], c, 0, 0.5) for c in (made, half))
    assert one["distance"] == pytest.approx(two["distance"], rel=0.02)


def test_tensorboard_gets_losses_gains_and_pictures(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    check = ValidationConfig(every=2, save=2, log=1, scenarios=("frames",))
    rates = OptimisationConfig(steps=2, precision="float32", warm_up=0.0)
    train(config(tmp_path, check=check, optimisation=rates, loss=LossConfig(adversarial=0.01)), DATA)
    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    scalars, pictures = board.Tags()["scalars"], board.Tags()["images"]
    wanted = {"loss/distance", "loss/likelihood", "loss/spectral", "loss/gradient", "loss/contamination"}
    assert wanted | {"loss/adversarial", "gain_db/frames"} <= set(scalars)
    assert pictures == ["given, filled, true"]
    assert (tmp_path / "sample.png").read_bytes().startswith(b"\x89PNG")


def test_a_log_goes_on_after_the_step_of_the_saved_state(tmp_path):
    sums = {}
    with RunLog(tmp_path, lambda record: None, every=2, sums=sums) as log:
        for step in range(1, 6):
            log.step(step, 0.0, {"distance": float(step)}, last=False)
        kept = {name: list(each) for name, each in sums.items()}
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 6, "lo')
    heard = []
    with RunLog(tmp_path, heard.append, every=2, sums=kept, step=5) as log:
        log.step(6, 0.0, {"distance": 6.0}, last=False)
        log.step(7, 0.0, {"distance": 7.0, "adversarial": 1.0}, last=True)
    assert [record["step"] for record in losses(tmp_path)] == [2, 4, 6, 7]
    assert heard[0]["loss"] == {"distance": 5.5}
    assert heard[1]["loss"] == {"distance": 7.0, "adversarial": 1.0}


def test_five_lines_train_on_own_cubes(tmp_path, monkeypatch):
    cloudy_cube(12, 32, 32, never=False).drop_vars("truth").to_netcdf(tmp_path / "mine.nc")
    monkeypatch.chdir(tmp_path)
    text = 'output = "own"\n[[train]]\npath = "*.nc"\n[optimisation]\nsteps = 1\n'
    (tmp_path / "c.toml").write_text(text)
    heard = []
    folder = train_network(tmp_path / "c.toml", heard.append)
    _, metadata = checkpoint.load(folder / "last.safetensors")
    assert list(metadata["provenance"]["files"]) == ["mine.nc"]
    assert len(text.splitlines()) == 5 and heard[-1]["step"] == 1


def test_a_run_begins_with_the_weights_of_a_checkpoint(tmp_path):
    first = config(tmp_path / "first", optimisation=OptimisationConfig(steps=2, precision="float32"))
    train(first, DATA)
    path = tmp_path / "first" / "last.safetensors"
    learner = new_learner(dataclasses.replace(first, seed=5, start=str(path)))
    for name, value in checkpoint.load(path)[0].state_dict().items():
        assert value.equal(learner.generator.state_dict()[name]), name
    other = dataclasses.replace(first, start=str(path), network=dataclasses.replace(TINY, channels=(4, 12)))
    with pytest.raises(InputError, match="another kind or size"):
        new_learner(other)

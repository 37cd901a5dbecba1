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
from clearcube.training.loop import train
from clearcube.training.packing import TrainingData
from clearcube.training.samples import Sampler
from clearcube.training.step import new_learner, one_cycle, train_step
from clearcube.training.validation import NamedBlock, experiments, gains, overall

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

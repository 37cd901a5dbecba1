import dataclasses
import hashlib
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import BANDS, QUICK_TRAINING, cloudy_cube
from network_builders import METADATA, TINY
from safetensors.numpy import load_file
from typer.testing import CliRunner

from clearcube.cli import app
from clearcube.cube import band_named
from clearcube.errors import InputError
from clearcube.filler import Block
from clearcube.methods.temporal import fill_block
from clearcube.methods.temporal_kernels import LINEAR
from clearcube.networks import checkpoint, shipped
from clearcube.networks.discriminator import DiscriminatorConfig, PatchDiscriminator
from clearcube.networks.utilise import UtiliseConfig
from clearcube.training import loop, validation
from clearcube.training.adversarial import judged
from clearcube.training.config import (
    LossConfig,
    OptimisationConfig,
    SamplingConfig,
    TrainingConfig,
    ValidationConfig,
    config_from,
)
from clearcube.training.drawing import in_order, sampler_of
from clearcube.training.log import RunLog
from clearcube.training.loop import train
from clearcube.training.packing import TrainingData
from clearcube.training.samples import Sampler
from clearcube.training.state import Progress, alone_in, command, load_state, save_state, save_weights
from clearcube.training.step import forward, new_learner, one_cycle, train_step
from clearcube.training.validation import NamedBlock, experiments, gains, overall, predicted
from clearcube.workflows.train import train_network


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


def test_a_run_goes_on_with_the_files_that_it_began_with(tmp_path):
    train(config(tmp_path), DATA, until=4)
    with pytest.raises(InputError, match=r"a.nc is not the file that the run began with \(sha256 00, now 02\)"):
        train(config(tmp_path), dataclasses.replace(DATA, files={"a.nc": "02"}), resume=True)
    for files, words in (
        ({"a.nc": "00", "b.nc": "01"}, "added b.nc"),
        ({}, "missing a.nc"),
        ({"b.nc": "00"}, "added b.nc; missing a.nc"),
    ):
        with pytest.raises(InputError, match=rf"not those that the run began with \({words}\): give the same ones"):
            train(config(tmp_path), dataclasses.replace(DATA, files=files), resume=True)
    train(config(tmp_path), DATA, resume=True)
    made = checkpoint.load(tmp_path / "last.safetensors")[1]["provenance"]
    assert made["files"] == {"a.nc": "00"}
    assert made["hardware"].endswith(", float32")


def test_large_cubes_are_judged_window_by_window(monkeypatch):
    model, left = new_learner(config("unused")).average.eval(), DATA.validation[0].block
    whole = predicted(model, left, "float32")
    monkeypatch.setattr(validation, "WINDOW", 16)
    monkeypatch.setattr(validation, "AROUND", 8)
    parts = predicted(model, left, "float32")
    assert parts.shape == whole.shape and np.isfinite(parts).all()
    assert np.abs(parts - whole).max() < 0.02  # the halo is small here


def test_early_stopping_needs_cubes_to_judge_by(tmp_path):
    check = ValidationConfig(patience=2)
    with pytest.raises(InputError, match=r"check.patience .* there are none under \[\[validation\]\]"):
        train(config(tmp_path, check=check), TrainingData(DATA.train))
    assert not (tmp_path / "log.jsonl").exists()


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
    for written, told in zip(losses(tmp_path), records, strict=True):
        assert (written.keys(), written["step"]) == (told.keys(), told["step"])
        for part in ("loss", "gain_db"):
            assert written.get(part, {}) == pytest.approx(told.get(part, {}), abs=1e-3)


def test_checkpoints_stay_on_request(tmp_path, small_bank):
    check = ValidationConfig(every=4, save=2, keep=3, scenarios=("frames", "trailing"))
    made = config(tmp_path, check=check)
    train(made, DATA)
    kept = sorted(path.name for path in tmp_path.glob("step_*"))
    assert kept == ["step_000003.safetensors", "step_000006.safetensors"]
    assert [checkpoint.load(tmp_path / name)[1]["provenance"]["steps"] for name in kept] == [3, 6]
    other = dataclasses.replace(made, optimisation=OptimisationConfig(steps=2, precision="float32"))
    train(other, DATA, overwrite=True)
    assert not list(tmp_path.glob("step_*")), "another run's checkpoints are gone"


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
    batch = Sampler(made.sampling, [], 0).batch(0)
    one, two = (train_step(new_learner(made), [batch] * count, made, 0, 0.5) for count in (1, 2))
    assert one["distance"] == pytest.approx(two["distance"], rel=1e-5)
    assert one["norm"] == pytest.approx(two["norm"], rel=1e-4)


def test_gradients_are_clipped(tmp_path):
    made = config(tmp_path, optimisation=OptimisationConfig(precision="float32", clip=1e-3))
    learner, batch = new_learner(made), Sampler(made.sampling, [], 0).batch(0)
    told = train_step(learner, [batch], made, 0, 0.5)["norm"]
    gradients = [p.grad for p in learner.generator.parameters() if p.grad is not None]
    assert told > 1e-3, "the log tells the norm before it is clipped"
    assert torch.stack([g.norm() for g in gradients]).norm().item() == pytest.approx(1e-3, rel=1e-3)


def test_what_cannot_be_resumed_is_refused(tmp_path, small_bank):
    with pytest.raises(InputError, match="no state to resume from"):
        train(config(tmp_path / "a"), DATA, resume=True)
    train(config(tmp_path / "b"), TrainingData(), until=2)
    with pytest.raises(InputError, match="another configuration"):
        train(config(tmp_path / "b", seed=1), TrainingData(), resume=True)


def _changed(path, **changes):
    torch.save(torch.load(path, weights_only=True) | changes, path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b"half"), "not a complete state of a run"),
        (lambda path: path.write_bytes(path.read_bytes()[:2000]), "not a complete state of a run"),
        (lambda path: torch.save([1, 2], path), "not a complete state of a run"),
        (lambda path: torch.save({"config": "{}"}, path), "not a complete state of a run"),
        (lambda path: _changed(path, progress={"stepz": 1}), "not a complete state of a run.*stepz"),
        (lambda path: _changed(path, progress={"step": "a"}), "not a complete state of a run.*step is 'a'"),
        (lambda path: _changed(path, learner={"generator": 3}), "not a complete state of a run"),
        (lambda path: _changed(path, config='{"stepz": 3}'), "belongs to another configuration"),
    ],
)
def test_a_damaged_state_is_refused(tmp_path, damage, message):
    made = config(tmp_path)
    save_state(tmp_path, new_learner(made), Progress(step=3, seconds=1.5), made)
    assert load_state(tmp_path, new_learner(made), made, Progress(), config_from) == Progress(step=3, seconds=1.5)
    damage(tmp_path / "state.pt")
    with pytest.raises(InputError, match=rf"state\.pt:? .*{message}" if "belongs" not in message else message):
        load_state(tmp_path, new_learner(made), made, Progress(), config_from)


def test_another_run_is_replaced_only_on_request(tmp_path, small_bank):
    made = config(tmp_path, optimisation=OptimisationConfig(steps=1, precision="float32"))
    train(made, TrainingData())
    (tmp_path / "best.safetensors").write_bytes(b"of another run")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(InputError, match=r"holds another run \(state.pt, last.*\): go on with --resume, .*--overwrite"):
        train(dataclasses.replace(made, seed=4), TrainingData())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    train(dataclasses.replace(made, seed=4), TrainingData(), overwrite=True)
    assert checkpoint.load(tmp_path / "last.safetensors")[1]["provenance"]["seed"] == 4
    assert not (tmp_path / "best.safetensors").exists()
    (tmp_path / "state.pt").unlink()
    with pytest.raises(InputError, match=r"holds another run \(last.safetensors, log.jsonl\): set output"):
        train(made, TrainingData())
    with pytest.raises(InputError, match=r"log.jsonl is a file; set output to a folder"):
        train(dataclasses.replace(made, output=str(tmp_path / "log.jsonl" / "run")), TrainingData())


def test_a_loss_that_is_not_a_number_leaves_what_was_saved_to_go_on_from(tmp_path, monkeypatch, small_bank):
    def step(learner, batches, config, step, *_, **__):
        if step == 2:
            raise InputError("the loss is not a finite number")
        return {"distance": 1.0}

    monkeypatch.setattr(loop, "train_step", step)
    with pytest.raises(InputError, match=r"finite number; .*kept: with start = \".*/a/last.safetensors\" and"):
        train(config(tmp_path / "a"), TrainingData())
    again = config(tmp_path / "b", start=str(tmp_path / "a" / "last.safetensors"))
    assert train(again, TrainingData(), until=1).step == 1
    never = dataclasses.replace(again, output=str(tmp_path / "c"), check=ValidationConfig(save=50))
    with pytest.raises(InputError, match=r"finite number$"):
        train(never, TrainingData())


def test_cubes_that_offer_nothing_to_validate_on_are_named(tmp_path):
    block = DATA.validation[0].block
    short = NamedBlock("short", Block(block.reflectance[:2], block.observed[:2], block.dates[:2], block.bands))
    made = config(tmp_path / "run", check=ValidationConfig(scenarios=("run60",)))
    with pytest.raises(InputError, match=r"none of the cubes of \[\[validation\]\] \(short\) is long .* for run60"):
        train(made, TrainingData(validation=(short,)))
    assert not (tmp_path / "run").exists()
    made = config(tmp_path / "run", check=ValidationConfig(scenarios=("frames",)))
    with pytest.warns(UserWarning, match=r"1 of the cubes of \[\[validation\]\] judge nothing.* frames: short"):
        train(made, TrainingData(validation=(*DATA.validation, short)), until=1)


FIXED = {"ganfilling": {"width": 1}, "frame2frame": {"width": 1}, "utilise": {"width": 4}}


def of_bands(*names):
    block = DATA.train[0].block
    order = [max(("blue", "green", "red", "nir").index(n), 0) if n in ("blue", "green", "red") else 3 for n in names]
    bands = tuple(map(band_named, names))
    return NamedBlock("-".join(names), Block(block.reflectance[:, order], block.observed, block.dates, bands))


def fixed(kind, **sizes):
    network = {"kind": kind} | FIXED[kind] | sizes
    return config_from({"network": network, "sampling": {"free_bands": 0}})


@pytest.mark.parametrize("kind", FIXED)
@pytest.mark.parametrize("near", ["nir", "nir08"])
def test_bands_come_in_the_order_of_the_published_networks(kind, near):
    usual, mixed = of_bands("blue", "green", "red", near), of_bands(near, "red", "green", "blue")
    found = in_order(fixed(kind), TrainingData((mixed, usual), (mixed,)))
    for cube in (*found.train, *found.validation):
        assert cube.block.bands == usual.block.bands
        np.testing.assert_array_equal(cube.block.reflectance, usual.block.reflectance)
    assert in_order(config("unused"), TrainingData((mixed,))).train == (mixed,)


@pytest.mark.parametrize("kind", FIXED)
def test_bands_that_a_published_network_does_not_take_are_refused(kind):
    cube = of_bands("red", "nir", "swir16", "swir22")
    with pytest.raises(InputError, match=f"4 bands .red, nir, swir16, swir22.; this {kind} takes blue, green"):
        in_order(fixed(kind), TrainingData((), (cube,)))


def test_another_number_of_bands_is_taken_in_the_order_of_the_first_cube():
    made = fixed("utilise", bands=3)
    first, other = of_bands("red", "nir", "swir16"), of_bands("swir16", "red", "nir")
    found = in_order(made, TrainingData((first,), (other,)))
    assert found.validation[0].block.bands == first.block.bands
    with pytest.raises(InputError, match="this utilise takes red, nir, swir16"):
        in_order(made, TrainingData((first, of_bands("red", "nir", "swir22"))))
    with pytest.raises(InputError, match="a utilise of 3 bands needs cubes to train on"):
        in_order(made, TrainingData())


def test_checkpoints_may_be_read_by_whom_other_files_may(tmp_path):
    before = os.umask(0o027)
    try:
        checkpoint.save(tmp_path / "w.safetensors", new_learner(config(tmp_path)).average, METADATA)
    finally:
        os.umask(before)
    assert (tmp_path / "w.safetensors").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("called", "arguments", "said"),
    [
        ("/lib/clearcube/training/__main__.py", ["c.toml"], "python -m clearcube.training c.toml"),
        ("/lib/clearcube/__main__.py", ["train", "c.toml"], "python -m clearcube train c.toml"),
        ("/bin/clearcube", ["train", "my file.toml"], "clearcube train 'my file.toml'"),
    ],
)
def test_the_command_is_kept_as_it_was_called(monkeypatch, called, arguments, said):
    monkeypatch.setattr("sys.argv", [called, *arguments])
    assert command() == said


def test_the_command_says_how_to_go_on_and_what_it_made(tmp_path, monkeypatch, small_bank):
    def step(learner, batches, config, step, *_, **__):
        if step == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return {"distance": 1.0}

    def run(*options):
        done = CliRunner().invoke(app, ["train", str(tmp_path / "c.toml"), *options])
        return done.exit_code, done.output

    quick = QUICK_TRAINING.format(folder=tmp_path / "run", steps=2, precision="float32")
    (tmp_path / "c.toml").write_text(f"{quick}[check]\nsave = 1\n")
    with monkeypatch.context() as patched:
        patched.setattr(loop, "train_step", step)
        code, output = run("--quiet")
    assert code == 143
    state = tmp_path / "run" / "state.pt"
    assert output == f"terminated\nwhat is done is kept in {state}: go on with the same command and --resume\n"
    code, output = run("--resume")
    assert (code, output.splitlines()[-1]) == (0, f"{tmp_path}/run: weights are in last.safetensors")
    monkeypatch.setenv("LOCAL_RANK", "1")  # the second of several processes
    code, output = run("--overwrite")
    assert (code, "weights are in" in output) == (0, False)
    code, output = run()
    assert (code, output.startswith("error: ")) == (2, True)
    assert "go on with --resume" in output


def test_validation_that_does_not_get_better_ends_the_run(tmp_path):
    rates = OptimisationConfig(steps=50, precision="float32", learning_rate=1e-30, weight_decay=0.0)
    check = ValidationConfig(every=1, save=50, scenarios=("frames",), patience=2)
    progress = train(config(tmp_path, optimisation=rates, check=check), DATA)
    assert progress.step < 10
    for name in ("last.safetensors", "best.safetensors"):
        assert checkpoint.load(tmp_path / name)[1]["provenance"]["steps"] <= progress.step
    assert checkpoint.load(tmp_path / "last.safetensors")[1]["provenance"]["steps"] == progress.step
    assert losses(tmp_path)[-1]["step"] == progress.step
    assert "loss" in losses(tmp_path)[-1]


@pytest.mark.parametrize("data", [DATA, TrainingData()], ids=["validated", "not validated"])
def test_weights_that_are_ruined_are_not_saved(tmp_path, monkeypatch, small_bank, data):
    def step(learner, *_, **__):
        with torch.no_grad():
            for value in learner.average.parameters():
                value.fill_(torch.nan)
        return {"distance": 1.0}

    monkeypatch.setattr(loop, "train_step", step)
    made = config(tmp_path, optimisation=OptimisationConfig(steps=1, precision="float32"))
    kept = dataclasses.replace(
        made, optimisation=OptimisationConfig(steps=9, precision="float32"), check=ValidationConfig(save=50, keep=1)
    )
    for each in (made, kept):
        with pytest.raises(InputError, match=r"not finite numbers after step 1; lower optimisation.learning_rate"):
            train(each, data, overwrite=True)
    assert not list(tmp_path.glob("*.safetensors"))


def test_cubes_that_a_line_fills_exactly_are_judged_all_the_same():
    block = real(1).block
    flat = dataclasses.replace(block, reflectance=np.full_like(block.reflectance, 0.2))
    tests = experiments([NamedBlock("flat", flat)], ValidationConfig(scenarios=("frames",)))
    assert np.isfinite(overall(gains(new_learner(config("unused")).average, tests, "float32"))["all"])


def test_two_runs_cannot_write_into_one_folder(tmp_path, small_bank):
    made = config(tmp_path, optimisation=OptimisationConfig(steps=1, precision="float32"))
    with alone_in(tmp_path), pytest.raises(InputError, match="another run writes into"):
        train(made, TrainingData())
    train(made, TrainingData())


def test_a_log_is_never_without_what_is_kept_of_it(tmp_path, monkeypatch):
    lines = [f'{{"step": {i}}}\n' for i in (1, 2, 3)]
    (tmp_path / "log.jsonl").write_text("".join(lines))
    with RunLog(tmp_path, print, every=1, sums={}, step=2):
        assert (tmp_path / "log.jsonl").read_text() == "".join(lines[:2]), "before anything else is written"


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


def test_a_run_begins_with_the_weights_of_a_checkpoint(tmp_path, monkeypatch, small_bank):
    first = config(tmp_path / "first", optimisation=OptimisationConfig(steps=2, precision="float32"))
    train(first, DATA)
    path = tmp_path / "first" / "last.safetensors"
    monkeypatch.setattr(shipped, "embedded", lambda: [path])
    for start in (str(path), "last"):
        folder = tmp_path / Path(start).name
        second = config(folder, start=start, optimisation=OptimisationConfig(steps=1, precision="float32"))
        train(second, TrainingData())
        files = checkpoint.load(folder / "last.safetensors")[1]["provenance"]["files"]
        assert files == {start: hashlib.sha256(path.read_bytes()).hexdigest()}
    learner = new_learner(dataclasses.replace(first, seed=5, start=str(path)))
    for name, value in checkpoint.load(path)[0].state_dict().items():
        assert value.equal(learner.generator.state_dict()[name]), name
    other = dataclasses.replace(first, start=str(path), network=dataclasses.replace(TINY, channels=(4, 12)))
    with pytest.raises(InputError, match="another kind or size"):
        new_learner(other)


def test_sharpening_joins_a_network_that_began_without_and_learns_alone(tmp_path):
    first = config(tmp_path / "first", optimisation=OptimisationConfig(steps=1, precision="float32"))
    train(first, TrainingData())
    path = tmp_path / "first" / "last.safetensors"
    before = checkpoint.load(path)[0].state_dict()
    second = config(
        tmp_path / "second",
        start=str(path),
        network=dataclasses.replace(TINY, sharpened=True),
        loss=LossConfig(adversarial=0.5),
        optimisation=OptimisationConfig(
            steps=4, precision="float32", warm_up=0, learns=("sharpening",), weight_decay=0
        ),
    )
    train(second, TrainingData())
    after = checkpoint.load(tmp_path / "second" / "last.safetensors")[0].state_dict()
    assert set(after) == set(before) | {"sharpening.weight"}
    assert all(after[name].equal(value) for name, value in before.items())
    assert after["sharpening.weight"].abs().max() > 0
    resumed = train(dataclasses.replace(second, output=str(tmp_path / "again")), TrainingData(), until=2)
    assert resumed.step == 2
    train(dataclasses.replace(second, output=str(tmp_path / "again")), TrainingData(), resume=True)
    again = checkpoint.load(tmp_path / "again" / "last.safetensors")[0].state_dict()
    assert all(again[name].equal(value) for name, value in after.items())
    blunt = dataclasses.replace(second, network=TINY, start=str(tmp_path / "second" / "last.safetensors"))
    with pytest.raises(InputError, match="another kind or size"):
        new_learner(dataclasses.replace(blunt, optimisation=OptimisationConfig()))


def test_parts_that_are_to_learn_must_be_there(tmp_path):
    named = config(tmp_path, optimisation=OptimisationConfig(learns=("fill", "sharpening")))
    with pytest.raises(InputError, match=r"learns: this network has no part 'sharpening'; it has .*look, fill"):
        new_learner(named)
    learner = new_learner(dataclasses.replace(named, optimisation=OptimisationConfig(learns=("fill",))))
    learning = {name.split(".")[0] for name, p in learner.generator.named_parameters() if p.requires_grad}
    assert learning == {"fill"}
    sharp = dataclasses.replace(named, network=dataclasses.replace(TINY, sharpened=True))
    learner = new_learner(dataclasses.replace(sharp, optimisation=OptimisationConfig()))
    held = {name for name, p in learner.generator.named_parameters() if not p.requires_grad}
    assert held == {"sharpening.weight"}  # nothing asks for detail without a discriminator
    with pytest.raises(InputError, match=r"nothing is to learn: .*set loss\.adversarial above 0"):
        new_learner(dataclasses.replace(sharp, optimisation=OptimisationConfig(learns=("sharpening",))))
    named = dataclasses.replace(named, sampling=dataclasses.replace(named.sampling, free_bands=0))
    rates = OptimisationConfig(learns=("network",))
    published = dataclasses.replace(named, network=UtiliseConfig(width=16), optimisation=rates)
    with pytest.raises(InputError, match="no part 'network'; it has "):
        new_learner(published)


def test_what_is_to_learn_must_matter_to_the_loss(tmp_path):
    rates = OptimisationConfig(precision="float32", learns=("look",))
    made = config(tmp_path, optimisation=rates, loss=LossConfig(contamination=0, believed=0))
    with pytest.raises(
        InputError, match=r"no part of the loss depends on what is to learn; change optimisation\.learns"
    ):
        train_step(new_learner(made), [Sampler(made.sampling, [], 0).batch(0)], made, 0, 0.5)


class Brightness(PatchDiscriminator):
    """Takes bright images for real."""

    def __init__(self):
        super().__init__(DiscriminatorConfig(halvings=1))
        self.gain = torch.nn.Parameter(torch.tensor(1.0))

    def forward(self, images, base, observed, judged, days, wavelengths):
        return self.gain * torch.nn.functional.avg_pool2d(images.mean(2), self.patch)


def test_what_the_discriminator_takes_for_real_costs_the_generator_less(tmp_path):
    made = config(tmp_path)
    batch = Sampler(made.sampling, [], 0).batch(0)
    output = forward(new_learner(made).generator, batch, "float32")
    bright = dataclasses.replace(output, estimate=output.estimate + 1)
    losses = [judged(Brightness(), each, batch, None, "float32", lambda loss: None) for each in (output, bright)]
    assert losses[1][0].item() < losses[0][0].item()
    assert losses[0][1].item() == pytest.approx(2, abs=0.5)  # images alike: it cannot tell


class Told(PatchDiscriminator):
    """Keeps what it is told; its scores are the means of patches of the first band."""

    def __init__(self):
        super().__init__(DiscriminatorConfig(halvings=1))
        self.told = []

    def forward(self, *given):
        self.told.append(given)
        return torch.nn.functional.avg_pool2d(given[0][:, :, 0], self.patch)


def test_the_discriminator_is_asked_about_hidden_pixels_alone(tmp_path):
    made = config(tmp_path)
    batch, judge = Sampler(made.sampling, [], 0).batch(0), Told()
    output = forward(new_learner(made).generator, batch, "float32")
    said, own = judged(judge, output, batch, None, "float32", lambda loss: None)
    counted, observed = batch.weight > 0, batch.observed
    assert 0 < counted.float().mean() < 1
    fake = torch.where(observed.unsqueeze(2), batch.given, output.estimate)
    real = torch.where(counted.unsqueeze(2), batch.target, fake)
    for images, (shown, base, seen, asked, days, wavelengths) in zip((real, fake, fake), judge.told, strict=True):
        assert torch.equal(shown, images)
        assert base is output.base and seen is observed and days is batch.days and wavelengths is batch.wavelengths
        assert torch.equal(asked, counted)
    pool = torch.nn.functional.avg_pool2d
    share, scores = pool(counted.float(), 8), [pool(images[:, :, 0], 8) for images in (real, fake)]
    hinge = [torch.relu(1 - scores[0]), torch.relu(1 + scores[1])]
    expected = sum((each * share).sum() / share.sum() for each in hinge)
    assert own.item() == pytest.approx(expected.item(), rel=1e-5)
    assert said.item() == pytest.approx(-((scores[1] * share).sum() / share.sum()).item(), rel=1e-5)


def test_experiments_hide_what_they_score():
    cube = real(1)
    cube.block.reflectance[0, 1, 0, :8] = np.nan
    finite = np.isfinite(cube.block.reflectance).all(axis=1)
    known = cube.block.observed & finite
    tests = experiments([cube], ValidationConfig(scenarios=("partial", "frames", "trailing"), seeds=(0, 1)))
    assert {(test.scenario, test.seed) for test in tests} == {
        (s, i) for s in ("partial", "frames", "trailing") for i in (0, 1)
    }
    for test in tests:
        left = test.left.observed
        assert test.scored.any() and (test.scored <= (known & ~left)).all() and (left <= known).all()
        assert left.any(axis=0)[test.scored.any(axis=0)].all()
        kept = (left | ~cube.block.observed) & finite  # clouds are as they were delivered
        expected = np.where(kept[:, None], cube.block.reflectance, np.nan)
        np.testing.assert_array_equal(test.left.reflectance, expected)


def test_gains_by_hand(monkeypatch):
    truth = real(1).block.reflectance
    tests = experiments([real(1)], ValidationConfig(scenarios=("partial", "trailing"), seeds=(0, 1)))
    wrong = truth + np.array([0.1, 0, 0, 0], np.float32)[:, None, None]
    wrong = np.where(tests[0].scored[:, None], wrong, np.float32(9))
    assert tests[0].psnr(wrong) == pytest.approx(-10 * np.log10(0.1**2 / 4), abs=1e-4)
    monkeypatch.setattr(validation, "predicted", lambda model, block, precision: truth + np.float32(0.01))
    found = gains(None, tests, "float32")
    linear = [test.psnr(fill_block(test.left, rule=LINEAR)) for test in tests]
    assert found == {
        "partial": {"place1": pytest.approx(40 - np.mean(linear[:2]), abs=1e-3)},
        "trailing": {"place1": pytest.approx(40 - np.mean(linear[2:]), abs=1e-3)},
    }
    assert overall({"a": {"x": 1.0, "y": 3.0}, "b": {"x": 5.0}}) == {"a": 2.0, "b": 5.0, "all": 3.5}


def test_checkpoints_hold_the_average_of_the_weights(tmp_path, small_bank):
    check = ValidationConfig(every=2, save=4, keep=4, scenarios=("frames",))
    rates = OptimisationConfig(steps=4, precision="float32", average=0.9)
    train(config(tmp_path, check=check, optimisation=rates), DATA)
    learner = torch.load(tmp_path / "state.pt", weights_only=True)["learner"]
    assert any(not value.equal(learner["average"][name]) for name, value in learner["generator"].items())
    for file in ("last.safetensors", "step_000004.safetensors"):
        for name, value in checkpoint.load(tmp_path / file)[0].state_dict().items():
            assert value.equal(learner["average"][name]), name


def test_each_step_learns_from_its_own_batches(tmp_path, monkeypatch, small_bank):
    given = []
    monkeypatch.setattr(loop, "train_step", lambda learner, batches, *_, **__: given.append(batches) or {"distance": 1})
    made = config(tmp_path, optimisation=OptimisationConfig(steps=2, precision="float32", accumulation=3))
    train(made, TrainingData())
    sampler = sampler_of(made, TrainingData())
    assert [len(batches) for batches in given] == [3, 3]
    for step, batches in enumerate(given):
        for part, batch in enumerate(batches):
            assert batch.given.equal(sampler.batch(step, part).given)


def test_the_hours_before_a_stop_count(tmp_path, small_bank):
    made = config(tmp_path, optimisation=OptimisationConfig(steps=8, hours=2.5, precision="float32"))
    train(made, TrainingData(), until=2)
    path = tmp_path / "state.pt"
    saved = torch.load(path, weights_only=True)["progress"]
    _changed(path, progress=saved | {"seconds": 7200.0})
    assert 7200 < train(made, TrainingData(), resume=True, until=4).seconds < 7500
    _changed(path, progress=saved | {"seconds": 9000.0})
    assert train(made, TrainingData(), resume=True).step == 2


@pytest.mark.parametrize("stored", ["float32", "float16"])
def test_checkpoints_are_stored_in_the_type_that_was_asked_for(tmp_path, stored):
    made, path = config(tmp_path, stored=stored), tmp_path / "w.safetensors"
    save_weights(path, new_learner(made), made, Progress())
    assert {tensor.dtype.name for tensor in load_file(path).values()} == {stored}


def test_what_a_failed_run_had_learnt_best_is_named_first(tmp_path, monkeypatch):
    def step(learner, batches, config, step, *_, **__):
        if step == 3:
            raise InputError("the loss is not a finite number")
        return {"distance": 1.0}

    monkeypatch.setattr(loop, "train_step", step)
    check = ValidationConfig(every=1, save=1, scenarios=("frames",))
    with pytest.raises(InputError, match=r"finite number; .*kept: with start = \".*/best.safetensors\" and"):
        train(config(tmp_path, check=check), DATA)


def test_the_best_weights_are_those_of_the_best_validation(tmp_path, monkeypatch, small_bank):
    means = iter([0.5, 2.0, 2.0, 1.0])
    monkeypatch.setattr(loop, "gains", lambda *given: {"frames": {"place1": next(means)}})
    rates = OptimisationConfig(steps=4, precision="float32")
    check = ValidationConfig(every=1, save=1, scenarios=("frames",), pictures=False)
    progress = train(config(tmp_path, check=check, optimisation=rates), DATA)
    made = checkpoint.load(tmp_path / "best.safetensors")[1]
    assert made["provenance"]["steps"] == 2 and made["validation"]["gain_db"] == {"frames": {"place1": 2.0}}
    assert (progress.best, progress.since_best) == (2.0, 2)
    assert [each["gains"]["all"] for each in progress.validations] == [0.5, 2.0, 2.0, 1.0]


def test_the_log_keeps_five_decimals(tmp_path):
    with RunLog(tmp_path, lambda record: None, every=1, sums={}) as log:
        log.step(1, 12.34, {"distance": 0.123456}, last=False)
        log.validation(1, 12.34, {"all": 1.000004})
    loss, gain = losses(tmp_path)
    assert loss == {"step": 1, "seconds": 12.3, "loss": {"distance": 0.12346}}
    assert gain == {"step": 1, "seconds": 12.3, "gain_db": {"all": 1.0}}


def test_a_state_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    made = config(tmp_path)
    learner = new_learner(made)
    save_state(tmp_path, learner, Progress(step=3), made)
    whole = torch.save

    def full(content, path):
        whole(content, path)
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0\nframe #0")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match=r"state\.pt\.partial: cannot be written.*unexpected pos"):
        save_state(tmp_path, learner, Progress(step=6), made)
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]
    assert load_state(tmp_path, new_learner(made), made, Progress(), config_from).step == 3

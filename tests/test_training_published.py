"""Training the published networks: their samples, their losses, their discriminator."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import BANDS, cloudy_cube

from clearcube.cube import band_named
from clearcube.errors import InputError
from clearcube.filler import Block
from clearcube.networks import checkpoint
from clearcube.networks.ganfilling import Discriminator, GanFillingConfig, Generator
from clearcube.networks.utilise import Utilise
from clearcube.training.config import config_from, read_config
from clearcube.training.drawing import OwnBandsSampler, clean_sampler_of, sampler_of
from clearcube.training.loop import train
from clearcube.training.packing import TrainingData
from clearcube.training.published_samples import PublishedSampler, clear_part
from clearcube.training.step import new_learner, train_step
from clearcube.training.validation import NamedBlock

CONFIGS = Path(__file__).parents[1] / "configs"
SIZES = {
    "ganfilling": {"kind": "ganfilling", "width": 1},
    "frame2frame": {"kind": "frame2frame", "width": 1},
    "utilise": {"kind": "utilise", "width": 4},
    "seq2seq": {"kind": "seq2seq"},
}


def block(clear=(0, 2, 3, 5, 6, 8, 9), bands=BANDS):
    cube = cloudy_cube(12, 40, 36, never=False, seed=3, cloud=0.3, bands=bands)
    observed = cube["observed"].values.copy()
    observed[list(clear)] = True
    values = np.where(observed[:, None], cube["truth"].values, cube["reflectance"].values)
    return Block(values, observed, cube["time"].values.astype("datetime64[D]"), bands)


DATA = TrainingData((NamedBlock("place", block()),), (NamedBlock("other", block()),))


def config(kind, way="hidden", folder="unused", **loss):
    return config_from(
        {
            "output": str(folder),
            "network": SIZES[kind],
            "sampling": {"way": way, "size": 32, "frames": 4, "dates": [4], "free_bands": 0, "patterns": 0.3},
            "loss": loss,
            "optimisation": {"steps": 3, "precision": "float32", "warm_up": 0},
            "check": {"every": 3, "save": 3, "scenarios": ["trailing"]},
        }
    )


def test_masked_samples_lie_over_series_without_gaps_of_which_every_pixel_counts():
    sampler = PublishedSampler(config("utilise", "masked").sampling, [block()], 0)
    shares = []
    for step in range(8):
        batch = sampler.batch(step)
        assert (batch.weight == 1).all() and batch.target.isfinite().all()
        hidden = ~batch.observed.unsqueeze(2).expand_as(batch.given)
        assert batch.given[hidden].isnan().all()
        assert batch.given[~hidden].equal(batch.target[~hidden])
        shares.append(batch.observed.float().mean())
    assert 0.3 < np.mean(shares) < 0.95


@pytest.mark.parametrize("simulated", [0.0, 1.0])
def test_delivered_samples_keep_their_clouds_and_count_what_is_clear(simulated):
    made = dataclasses.replace(config("ganfilling", "delivered").sampling, simulated=simulated, patterns=0.0)
    clouds = 0
    for step in range(6):
        batch = PublishedSampler(made, [block()], 0).batch(step)
        assert batch.weight.equal(batch.observed.float())
        seen = batch.given.isfinite()
        assert batch.given[seen].equal(batch.target[seen])
        clouds += int((seen.all(2) & ~batch.observed).sum())
    assert clouds > 0


def test_a_clear_part_is_clear_and_made_of_clear_dates():
    whole = block()
    part = clear_part(np.random.default_rng(0), whole, 4, 32)
    assert part.observed.all() and part.reflectance.shape == (4, 4, 32, 32)
    assert np.isin(part.dates, whole.dates[[0, 2, 3, 5, 6, 8, 9]]).all()
    assert clear_part(np.random.default_rng(0), block(clear=(1, 2)), 4, 32) is None


@pytest.mark.parametrize(
    ("kind", "way", "loss"),
    [
        ("ganfilling", "delivered", {"absolute": 100, "adversarial": 1}),
        ("frame2frame", "delivered", {"absolute": 100, "adversarial": 1}),
        ("utilise", "masked", {"absolute": 1}),
        ("utilise", "hidden", {}),
        ("ganfilling", "hidden", {"adversarial": 0.01}),
    ],
)
def test_a_step_learns_from_what_the_network_says(kind, way, loss):
    made = config(kind, way, **loss)
    learner = new_learner(made)
    before = {name: value.clone() for name, value in learner.generator.state_dict().items()}
    sampler, clean = sampler_of(made, DATA), clean_sampler_of(made, DATA)
    for step in range(2):
        terms = train_step(learner, [sampler.batch(step)], made, step, 0.5, clean=[clean.batch(step)] if clean else [])
    assert set(terms) == {"distance", "absolute", "gradient", "spectral", "norm"} | (
        {"adversarial", "discriminator"} if "adversarial" in loss else set()
    )
    after = learner.generator.state_dict()
    assert any(not value.equal(before[name]) for name, value in after.items())
    if kind != "utilise":
        assert clean.batch(0).target.shape[1:] == (4, 4, 64, 64)
        assert isinstance(learner.discriminator, Discriminator)


def test_the_published_discriminator_learns_to_tell_clean_series_from_the_fill():
    made = config("ganfilling", "delivered", adversarial=1, absolute=0)
    rates = dataclasses.replace(made.optimisation, learning_rate=0.0, discriminator_rate=0.005)
    frozen = dataclasses.replace(made, optimisation=rates, network=GanFillingConfig(4))
    learner, sampler, clean = new_learner(frozen), sampler_of(made, DATA), clean_sampler_of(made, DATA)
    verdicts = [
        train_step(learner, [sampler.batch(i)], frozen, i, 0.5, clean=[clean.batch(i)])["adversarial"] for i in range(8)
    ]
    assert verdicts[-1] > verdicts[0] + 0.2


@pytest.mark.parametrize(("kind", "network"), [("ganfilling", Generator), ("utilise", Utilise)])
def test_a_run_leaves_a_checkpoint_of_the_published_network_itself(tmp_path, kind, network):
    made = config(kind, "hidden", tmp_path)
    progress = train(made, DATA)
    model, metadata = checkpoint.load(tmp_path / "last.safetensors")
    assert type(model) is network
    assert metadata["provenance"]["config"]["network"]["kind"] == kind
    assert np.isfinite(progress.validations[-1]["gains"]["trailing"])
    train(dataclasses.replace(made), DATA, resume=True)


def test_kinds_are_told_apart_and_come_back_from_plain_values():
    for kind in SIZES:
        made = config(kind)
        assert made.plain()["network"]["kind"] == kind
        assert config_from(made.plain()) == made
    assert config("frame2frame").network.recurrent is False
    with pytest.raises(InputError, match="no network of the kind 'gan'; there are seq2seq, ganfilling"):
        config_from({"network": {"kind": "gan"}})
    with pytest.raises(InputError, match=r"utilise has a fixed number of bands; set sampling.free_bands to 0"):
        config_from({"network": {"kind": "utilise"}})


def test_cubes_of_other_bands_are_refused_or_followed():
    six = tuple(map(band_named, ("blue", "green", "red", "nir", "swir16", "swir22")))
    data = TrainingData((NamedBlock("six", block(bands=six)),))
    with pytest.raises(
        InputError, match=r"six has 6 bands \(blue, .*; a utilise of 4 bands trains on cubes of so many"
    ):
        sampler_of(config("utilise"), data)
    with pytest.raises(InputError, match=r"differ in their number of bands: place has 4 .* and six has 6"):
        sampler_of(config_from({}), TrainingData(DATA.train + data.train))
    small = config_from({"sampling": {"size": 16, "frames": 12, "dates": [4], "free_bands": 0.0, "patterns": 0.3}})
    sampler = sampler_of(small, data)
    assert isinstance(sampler, OwnBandsSampler)
    assert {sampler.batch(step).wavelengths.shape[1] for step in range(4)} == {6}


SHIPPED = (
    "ganfilling-small",
    "ganfilling-small-second",
    "utilise",
    "utilise-ours",
    "seq2seq-first",
    "seq2seq",
    "seq2seq-adversarial",
)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_configurations_can_be_read(name):
    made = read_config(CONFIGS / f"{name}.toml")
    assert made.output == f"runs/{name}"
    assert (made.loss.adversarial > 0) == name.startswith(("ganfilling-small", "seq2seq-adversarial"))


def test_clean_series_are_as_many_as_those_to_be_filled_and_others():
    made = config("ganfilling", "masked", adversarial=1)
    made = dataclasses.replace(made, sampling=dataclasses.replace(made.sampling, size=64, frames=12))
    filled, clean = sampler_of(made, DATA).batch(0), clean_sampler_of(made, DATA).batch(0)
    assert filled.target.shape == clean.target.shape == (3, 4, 4, 64, 64)
    assert not filled.target.equal(clean.target)


def test_clean_series_have_the_bands_of_cubes_that_are_too_short_for_them():
    short = block()
    short = Block(short.reflectance[:3, :3], short.observed[:3], short.dates[:3], short.bands[:3])
    table = {"network": {"kind": "ganfilling", "bands": 3}, "loss": {"adversarial": 0.1}, "output": "unused"}
    made = config_from(table | {"sampling": {"way": "delivered", "dates": [3], "size": 64, "free_bands": 0.0}})
    data = TrainingData((NamedBlock("short", short),))
    assert clean_sampler_of(made, data).batch(0).target.shape[1:] == (4, 3, 64, 64)


def test_cubes_alone_that_are_shorter_than_samples_are_warned_of():
    made = config("ganfilling", "delivered", absolute=1)
    longer = dataclasses.replace(made, sampling=dataclasses.replace(made.sampling, simulated=0.0, dates=(4, 40)))
    with pytest.warns(UserWarning, match=r"no cube has the 40 dates of the longest samples"):
        sampler_of(longer, DATA)


@pytest.mark.parametrize("way", ["masked", "delivered"])
def test_batches_with_bands_of_their_own_hold_no_real_cube(way):
    made = config_from(
        {
            "output": "unused",
            "sampling": {
                "way": way,
                "size": 16,
                "frames": 8,
                "dates": [4],
                "free_bands": 1,
                "patterns": 0.3,
                "simulated": 0,
            },
        }
    )
    sampler = sampler_of(made, DATA)
    usual = {len(BANDS)}
    counts = {sampler.batch(step).target.shape[2] for step in range(12)}
    assert counts - usual


def test_a_discriminator_that_is_lost_stops_before_it_learns():
    made = config("seq2seq", adversarial=0.1)
    learner, batch = new_learner(made), sampler_of(made, DATA).batch(0)
    first, *rest = learner.discriminator.parameters()
    with torch.no_grad():
        first.fill_(torch.nan)
    before = [value.clone() for value in rest]
    with pytest.raises(InputError, match=r"not a finite number at step 3 \(discriminator\)"):
        train_step(learner, [batch], made, 3, 0.5)
    assert all(torch.equal(*pair) for pair in zip(rest, before, strict=True))


def test_only_the_published_discriminator_needs_large_samples():
    plain = {"output": "x", "loss": {"adversarial": 0.1}}
    small = {"size": 16, "free_bands": 0}
    made = config_from(plain | {"network": {"kind": "utilise", "width": 4}, "sampling": small})
    assert made.sampling.size == 16
    with pytest.raises(InputError, match="published discriminator"):
        config_from(plain | {"network": {"kind": "ganfilling", "width": 1}, "sampling": small})

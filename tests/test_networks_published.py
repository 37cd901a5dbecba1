"""The published networks against the authors' own outputs, and the files that the authors released."""

import argparse
import json
import os
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clearcube.errors import InputError
from clearcube.networks import checkpoint, ganfilling, utilise
from clearcube.networks.ganfilling import GanFillingConfig
from clearcube.networks.published import load_published
from clearcube.networks.utilise import Utilise, UtiliseConfig, joined, window_starts


def with_golden_weights(model):
    state = model.state_dict()
    for k, (name, tensor) in enumerate(state.items()):
        i = np.arange(tensor.numel(), dtype=np.float64)
        u = np.abs(np.sin(12.9898 * (i + 1) + 78.233 * (k + 1))) * 43758.5453
        u = 2 * (u - np.floor(u)) - 1
        fan = np.prod(tensor.shape[1:]) if tensor.ndim > 1 else 25
        state[name] = torch.from_numpy((1.6 * np.sqrt(3 / fan) * u).astype(np.float32)).reshape(tensor.shape)
    model.load_state_dict(state)
    return model.eval()


def golden_input(times, height, width):
    """(T, 4, H, W)."""
    t, c, h, w = np.meshgrid(*(np.arange(n, dtype=np.float64) for n in (times, 4, height, width)), indexing="ij")
    x = 0.5 + 0.5 * np.sin(0.11 * h + 0.07 * w + 0.9 * c + 0.5 * t + 0.002 * h * w)
    return torch.from_numpy(x.astype(np.float32))


def shapes(model):
    return [(name, list(value.shape)) for name, value in model.state_dict().items()]


@torch.no_grad()
def test_ganfilling_generator_meets_the_golden_output(reference):
    golden = np.load(reference / "ganfilling_golden.npz")["generator_output"]
    generator = with_golden_weights(ganfilling.Generator(GanFillingConfig(8)))
    out = generator(golden_input(10, 128, 128).permute(1, 2, 3, 0)[None])[:, :, ::4, ::4]
    assert golden.std() > 0.05
    np.testing.assert_allclose(out.numpy(), golden, atol=1e-4)


@torch.no_grad()
def test_ganfilling_discriminator_meets_the_golden_output(reference):
    golden = np.load(reference / "ganfilling_golden.npz")["discriminator_output"]
    discriminator = with_golden_weights(ganfilling.Discriminator(GanFillingConfig(8))).train()
    out = discriminator(golden_input(4, 64, 64).permute(1, 2, 3, 0)[None])
    np.testing.assert_allclose(out.numpy(), golden, atol=1e-4)


@torch.no_grad()
def test_utilise_meets_the_golden_output(reference):
    golden = np.load(reference / "utilise_golden.npz")["output"]
    model = with_golden_weights(Utilise(UtiliseConfig()))
    out = model(golden_input(6, 64, 64)[None], torch.tensor([[120, 125, 130, 140, 145, 160]]))[..., ::2, ::2]
    assert golden.std() > 0.05
    np.testing.assert_allclose(out.numpy(), golden, atol=1e-4)


def test_names_and_shapes_are_the_published_ones_in_order(reference):
    expected = json.loads((reference / "ganfilling_tensors.json").read_text())
    with torch.device("meta"):
        assert shapes(ganfilling.Generator(GanFillingConfig())) == list(expected["generator"].items())
        assert shapes(ganfilling.Discriminator(GanFillingConfig())) == list(expected["discriminator"].items())
        expected = json.loads((reference / "utilise_tensors.json").read_text())
        assert shapes(Utilise(UtiliseConfig())) == list(expected.items())


@torch.no_grad()
@settings(max_examples=4, deadline=None)
@given(st.integers(1, 3), st.integers(1, 140), st.integers(1, 20), st.booleans())
def test_ganfilling_keeps_any_shape(times, height, width, recurrent):
    generator = ganfilling.Generator(GanFillingConfig(2, 3, recurrent))
    out = generator(torch.rand(1, 3, height, width, times))
    assert out.shape == (1, 3, height, width, times)
    assert out.min() >= 0 and out.max() <= 1


@torch.no_grad()
def test_frame2frame_sees_each_date_alone():
    torch.manual_seed(0)
    images = torch.rand(1, 4, 128, 128, 3)
    alone = ganfilling.Generator(GanFillingConfig(2, recurrent=False))
    recurrent = ganfilling.Generator(GanFillingConfig(2))
    recurrent.load_state_dict(alone.state_dict())
    torch.testing.assert_close(alone(images)[..., 1], alone(images[..., 1:2])[..., 0])
    torch.testing.assert_close(alone(images)[..., :1], recurrent(images[..., :1]))
    assert (alone(images)[..., 2] - recurrent(images)[..., 2]).abs().max() > 1e-4


def test_published_inputs():
    reflectance = torch.tensor([-0.1, 0.5, 1.7, torch.nan, torch.inf])[None, None, None, None]
    assert ganfilling.published_input(reflectance).flatten().tolist() == [0, 0.5, 1, 1, 1]
    observed = torch.tensor([True, False, True, True, False])[None, None, None]
    assert utilise.published_input(reflectance, observed).flatten().tolist() == [0, 1, 1, 0, 1]


def test_published_start():
    generator = ganfilling.Generator(GanFillingConfig(8))
    ganfilling.initialise(generator)
    assert generator.conv_out.bias.abs().max() == 0
    assert abs(generator.conv_lstm_d1.conv.weight.std().item() - 0.02) < 1e-3


@torch.no_grad()
@settings(max_examples=4, deadline=None)
@given(st.integers(1, 12), st.integers(1, 20), st.integers(1, 20))
def test_utilise_keeps_any_shape(times, height, width):
    model = Utilise(UtiliseConfig(3, 4)).eval()
    days = torch.arange(times)[None] * 5
    assert model.fill(torch.rand(1, times, 3, height, width), days).shape == (1, times, 3, height, width)


def test_windows_join_where_they_differ_least():
    assert window_starts(7) == [0] and window_starts(10) == [0] and window_starts(20) == [0, 5, 10]
    first, second = torch.zeros(1, 10, 1, 2, 2), torch.ones(1, 10, 1, 2, 2)
    second[:, 2] = 0.25  # the seventh date of the series
    whole = joined([first, second], [0, 5])[0, :, 0, 0, 0].tolist()
    assert whole == [0] * 7 + [0.25] + [1] * 7


@torch.no_grad()
def test_a_series_of_one_window_is_filled_in_one_go():
    model, images, days = Utilise(UtiliseConfig(2, 4)).eval(), torch.rand(1, 8, 2, 16, 16), torch.arange(8)[None]
    assert torch.equal(model.fill(images, days), model(images, days))


def save_authors_file(path, **options):
    model = ganfilling.Generator(GanFillingConfig(2))
    namespace = argparse.Namespace(inputChannels=4, outputChannels=4, lr=2e-4, **options)
    torch.save({"model": model.state_dict(), "configuration": namespace}, path)
    return model


def test_authors_ganfilling_file_loads_and_converts(tmp_path):
    published = save_authors_file(tmp_path / "GANFilling.pt")
    model, metadata = load_published(tmp_path / "GANFilling.pt")
    assert model.config == GanFillingConfig(2, 4) and metadata["licence"] == "BSD-2-Clause"
    checkpoint.save(tmp_path / "converted.safetensors", model, metadata)
    converted, _ = checkpoint.load(tmp_path / "converted.safetensors")
    for name, value in published.state_dict().items():
        assert torch.equal(converted.state_dict()[name], value)


def test_authors_utilise_file_loads(tmp_path):
    published = Utilise(UtiliseConfig(4, 8))
    content = {"model_state_dict": published.state_dict(), "optimizer_state_dict": {"state": {}, "param_groups": []}}
    torch.save(content, tmp_path / "utilise.pth")
    model, _ = load_published(tmp_path / "utilise.pth")
    assert model.config == UtiliseConfig(4, 8)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in published.state_dict().items())


class Malice:
    def __reduce__(self):
        return os.system, ("touch executed",)


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_else_is_unpickled(tmp_path, monkeypatch, zipped):
    monkeypatch.chdir(tmp_path)
    save_authors_file("GANFilling.pt", extra=Malice())
    if not zipped:
        (tmp_path / "GANFilling.pt").write_bytes(pickle.dumps({"model": Malice()}))
    with pytest.raises(InputError, match=r"(refused|not a complete).* from its authors$") as refusal:
        load_published("GANFilling.pt")
    assert "weights_only" not in str(refusal.value)
    assert not (tmp_path / "executed").exists()


def test_truncated_foreign_and_absent_files_are_refused(tmp_path):
    save_authors_file(tmp_path / "whole.pt")
    content = (tmp_path / "whole.pt").read_bytes()
    (tmp_path / "half.pt").write_bytes(content[: len(content) // 2])
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 255
    (tmp_path / "flipped.pt").write_bytes(flipped)
    torch.save({"weights": torch.zeros(2)}, tmp_path / "foreign.pt")
    torch.save({"model": {"conv1.weight": torch.zeros(2, 4, 3, 3)}}, tmp_path / "partial.pt")
    for name, message in (
        ("half.pt", "not a complete"),
        ("flipped.pt", r"the checksum of '.*' in it is wrong"),
        ("foreign.pt", "neither"),
        ("absent.pt", "no such"),
        ("partial.pt", "differ in name or shape"),
    ):
        with pytest.raises(InputError, match=message):
            load_published(tmp_path / name)


@torch.no_grad()
def test_each_window_is_filled_with_its_own_dates():
    model, images = Utilise(UtiliseConfig(2, 4)).eval(), torch.rand(1, 17, 2, 16, 16)
    days = torch.arange(17)[None] ** 2
    parts = [model(images[:, first : first + 10], days[:, first : first + 10]) for first in (0, 5, 7)]
    assert model.fill(images, days).equal(joined(parts, [0, 5, 7]))


def test_sizes_that_no_network_has_are_refused_with_the_file(tmp_path):
    model = Utilise(UtiliseConfig(4, 8))
    state = {
        name: value[:6] if name == "in_conv.conv.conv.0.weight" else value for name, value in model.state_dict().items()
    }
    torch.save({"model_state_dict": state}, tmp_path / "odd.pth")
    with pytest.raises(InputError, match=r"odd\.pth: utilise needs .*damaged"):
        load_published(tmp_path / "odd.pth")

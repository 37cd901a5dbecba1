import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from clearcube.errors import InputError
from clearcube.networks.checkpoint import HEADER, assembled, load, save
from clearcube.networks.ganfilling import GanFillingConfig, Generator
from clearcube.networks.seq2seq import Seq2Seq, Seq2SeqConfig
from clearcube.networks.utilise import Utilise, UtiliseConfig

METADATA = {"scaling": "reflectance", "provenance": {"seeds": [1, 2], "hours": 0.5}, "licence": "Apache-2.0"}
TINY = Seq2SeqConfig((4, 6), (4,), (4, 4), (0,), basis=3, smoother_days=20)


@pytest.mark.parametrize(
    "model",
    [Seq2Seq(TINY), Generator(GanFillingConfig(2, recurrent=False)), Utilise(UtiliseConfig(3, 4))],
    ids=lambda model: type(model).__name__,
)
def test_round_trip(tmp_path, model):
    save(tmp_path / "a.safetensors", model, METADATA)
    loaded, metadata = load(tmp_path / "a.safetensors")
    assert metadata == METADATA and loaded.config == model.config and not loaded.training
    assert list(loaded.state_dict()) == list(model.state_dict())
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in model.state_dict().items())
    assert all(parameter.requires_grad and not parameter.is_meta for parameter in loaded.parameters())
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_half_the_numbers_take_half_the_space_and_come_back_nearly_the_same(tmp_path):
    model = Utilise(UtiliseConfig(3, 16))
    save(tmp_path / "a.safetensors", model, METADATA)
    save(tmp_path / "b.safetensors", model, METADATA, half=True)
    sizes = [(tmp_path / name).stat().st_size for name in ("a.safetensors", "b.safetensors")]
    assert sizes[1] < 0.6 * sizes[0]
    loaded, _ = load(tmp_path / "b.safetensors")
    for name, value in model.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=1e-3, atol=1e-6)
        assert loaded.state_dict()[name].dtype == torch.float32


def test_a_loaded_network_runs(tmp_path):
    model = Seq2Seq(TINY).eval()
    with torch.no_grad():
        model.fill.head_weight.normal_(0, 0.1)
    save(tmp_path / "a.safetensors", model, METADATA)
    given = (torch.rand(1, 3, 2, 8, 8), torch.rand(1, 3, 8, 8) > 0.4, torch.arange(3.0)[None], torch.ones(1, 3))
    wavelengths = torch.tensor([490.0, 665.0])
    with torch.no_grad():
        assert torch.equal(
            load(tmp_path / "a.safetensors")[0](*given, wavelengths).mean, model(*given, wavelengths).mean
        )


@pytest.fixture
def parts(tmp_path):
    save(tmp_path / "good.safetensors", Seq2Seq(TINY), METADATA)
    header = {
        "format": 1,
        "architecture": "seq2seq",
        "config": {
            "channels": [4, 6],
            "hidden": [4],
            "look_channels": [4, 4],
            "look_hidden": [0],
            "basis": 3,
            "smoother_days": 20,
            "disbelief": 0.5,
        },
        "metadata": METADATA,
    }
    return tmp_path / "bad.safetensors", load_file(tmp_path / "good.safetensors"), header


def rewrite(path, tensors, header):
    save_file(tensors, path, metadata={HEADER: json.dumps(header)})


def test_the_hand_written_header_is_good_although_it_lacks_what_came_later(parts):
    rewrite(*parts)
    assert load(parts[0])[0].config == TINY
    del parts[2]["config"]["disbelief"]
    rewrite(*parts)
    with pytest.raises(InputError, match="must hold exactly"):
        load(parts[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "os.system"}, "architecture 'os.system'"),
        ({"architecture": "utilise"}, "must hold exactly"),
        ({"architecture": ["seq2seq"]}, "architecture"),
        ({"format": 2}, "format 2"),
        ({"metadata": {"licence": "MIT"}}, "metadata lack"),
        ({"config": {"channels": [10**9, 6]}}, "channels cannot be"),
        ({"config": {"channels": [4] * 1000}}, "channels cannot be"),
        ({"config": {"channels": "__import__('os')"}}, "channels cannot be"),
        ({"config": {"channels": [90_000, 90_000]}}, "differ in name or shape"),
        ({"config": {"channels": [4, -6]}}, "channels cannot be"),
        ({"config": {"hidden": []}}, "seq2seq needs"),
        ({"config": {"basis": True}}, "basis cannot be"),
        ({"config": {"basis": 4}}, "differ in name or shape"),
        ({"config": {"smoother_days": float("nan")}}, "smoother_days cannot be"),
        ({"config": {"smoother_days": 10**400}}, "smoother_days cannot be"),
        ({"config": {"channels": [1] * 16, "hidden": [1] * 15}}, "at most 7 levels"),
        ({"config": {"extra": 1}}, "must hold exactly"),
        ({"config": {"causal": 1}}, "causal cannot be"),
        ({"config": None}, "must hold exactly"),
    ],
)
def test_malicious_headers_are_refused(parts, change, message):
    path, tensors, header = parts
    for key, value in change.items():
        header[key] = {**header[key], **value} if key == "config" and value else value
    rewrite(path, tensors, header)
    with pytest.raises(InputError, match=message):
        load(path)


@pytest.mark.parametrize("text", ["[1]", "{", "[" * 100_000, ""])
def test_headers_that_are_no_table_are_refused(parts, text):
    path, tensors, _ = parts
    save_file(tensors, path, metadata={HEADER: text})
    with pytest.raises(InputError, match=r"not a|not a complete"):
        load(path)


def test_damaged_tensors_are_refused(parts):
    path, tensors, header = parts
    name = "fill.of_season.bias"
    rewrite(path, {**tensors, name: tensors[name] * torch.nan}, header)
    with pytest.raises(InputError, match=f"'{name}' holds values that are not finite"):
        load(path)
    rewrite(path, {**tensors, name: tensors[name].int()}, header)
    with pytest.raises(InputError, match="not finite"):
        load(path)
    rewrite(path, {**tensors, name: tensors[name].double() + 1e300}, header)
    with pytest.raises(InputError, match="not finite"):
        load(path)
    rewrite(path, {**tensors, name: tensors[name].to(torch.float8_e4m3fn)}, header)
    with pytest.raises(InputError, match="not finite"):
        load(path)
    del tensors[name]
    rewrite(path, tensors, header)
    with pytest.raises(InputError, match="file none"):
        load(path)


@pytest.mark.parametrize(
    "tensor",
    [torch.zeros(1).expand(2, 3), torch.zeros(2, 3).to_sparse(), torch.zeros(2, 3, device="meta")],
    ids=["not all stored", "sparse", "meta"],
)
def test_tensors_that_are_no_arrays_of_numbers_are_refused(tensor):
    class Net(torch.nn.Module):
        def __init__(self, config):
            super().__init__()
            self.config, self.weight = config, torch.nn.Parameter(torch.zeros(2, 3))

    with pytest.raises(InputError, match=r"x.pt: tensor 'weight' holds values that are not"):
        assembled(Net, 0, {"weight": tensor}, "x.pt")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
def test_truncated_files_are_refused(parts, share):
    path, _, _ = parts
    content = path.with_name("good.safetensors").read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match="not a complete"):
        load(path)


def test_other_files_are_refused(parts):
    path, tensors, _ = parts
    with pytest.raises(InputError, match="no such"):
        load(path.with_name("absent.safetensors"))
    save_file(tensors, path)
    with pytest.raises(InputError, match="without clearcube's header"):
        load(path)
    torch.save({"model": tensors}, path)
    with pytest.raises(InputError, match="weights convert"):
        load(path)


def test_what_cannot_be_saved(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(InputError, match="not an architecture"):
        save(path, torch.nn.Linear(2, 2), METADATA)
    with pytest.raises(InputError, match="lack licence"):
        save(path, Seq2Seq(TINY), {"scaling": 1, "provenance": 1})
    with pytest.raises(InputError, match="not plain values"):
        save(path, Seq2Seq(TINY), {**METADATA, "tensor": torch.zeros(1)})
    assert not path.exists()


def test_half_precision_files_are_read_as_float32(parts):
    path, tensors, header = parts
    rewrite(path, {name: value.half() for name, value in tensors.items()}, header)
    assert all(parameter.dtype == torch.float32 for parameter in load(path)[0].parameters())

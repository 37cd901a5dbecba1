import argparse
import shutil

import pytest
import torch
from builders import cloudy_cube
from cli_builders import assert_refused, contents, run, spoilt, stored
from network_builders import METADATA

from clearcube.errors import InputError
from clearcube.network_filler import embedded_weights, sha256_of
from clearcube.networks import checkpoint
from clearcube.networks.ganfilling import GanFillingConfig, Generator
from clearcube.networks.shipped import SUMS
from clearcube.workflows.weights import verify

OF_ONE = ("mixture_prior", "validation", "adaptation", "source_sha256")
"""What is said of one checkpoint and not of the mean of several."""


def test_what_ships_is_listed_and_shown():
    listed, shown = run("weights", "list"), run("weights", "show", "seq2seq")
    assert listed.exit_code == shown.exit_code == 0
    digest = sha256_of(embedded_weights("seq2seq"))
    for word in ("name", "seq2seq", "any optical", "MB", digest[:12], "Apache-2.0"):
        assert word in listed.output
    for word in (digest, "config", "channels", "provenance", "steps", "Apache-2.0", "any optical"):
        assert word in shown.output


def test_what_ships_is_what_is_listed(tmp_path, monkeypatch):
    (tmp_path / "seq2seq").touch()
    monkeypatch.chdir(tmp_path)  # a file of that name is none of those that ship
    result = run("weights", "verify")
    assert result.exit_code == 0, f"{result.output}\nafter new weights: sha256sum *.safetensors > {SUMS}"
    assert "seq2seq.safetensors: OK" in result.output


def test_a_change_is_noticed(tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    for path in embedded_weights("seq2seq").parent.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    assert set(verify(folder).values()) == {""}
    changed, gone = folder / "seq2seq.safetensors", folder / "utilise.safetensors"
    changed.write_bytes(changed.read_bytes()[:-1] + b"x")
    gone.unlink()
    (folder / "other.safetensors").write_bytes(b"")
    found = verify(folder)
    assert "differs from what was shipped" in found.pop(changed.name)
    assert "is missing, though" in found.pop(gone.name)
    assert "is not listed" in found.pop("other.safetensors")
    assert set(found.values()) == {""} and found
    (folder / SUMS).write_text("one word\nalone\n")
    with pytest.raises(InputError, match="is damaged"):
        verify(folder)


def test_damaged_checkpoints_hide_no_others_and_fill_nothing(tmp_path, monkeypatch):
    cube_path = stored(tmp_path / "cube.zarr", cloudy_cube(times=6, height=16, width=16))
    package = tmp_path / "package"
    shutil.copytree(embedded_weights("seq2seq").parent, package / "weights")
    monkeypatch.setattr("clearcube.networks.shipped.files", lambda _: package)
    cut, flipped = (package / "weights" / f"{name}.safetensors" for name in ("utilise", "seq2seq"))
    cut.write_bytes(cut.read_bytes()[:1000])
    flipped.write_bytes(flipped.read_bytes()[:-1] + b"x")
    verified, listed = run("weights", "verify"), run("weights", "list")
    assert verified.exit_code == listed.exit_code == 2
    told = " ".join(verified.output.split())
    for words in ("seq2seq.safetensors: FAILED", "seq2seq-l1.safetensors: OK", "utilise.safetensors differs from"):
        assert words in told
    assert "seq2seq-l1 " in listed.output and "utilise.safetensors: " in listed.output
    filled = run("fill", cube_path, tmp_path / "out.zarr", "--method", "seq2seq")
    assert_refused(filled, "is not the file that was shipped", "install clearcube again")
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.parametrize(("file", "network"), [("GANFilling.pt", "ganfilling"), ("utilise.pth", "utilise")])
def test_converted_weights_are_the_same_network(tmp_path, weights, file, network):
    target = tmp_path / "out.safetensors"
    result = run("weights", "convert", weights / file, target)
    assert result.exit_code == 0, result.output
    assert f"{network}, " in result.output
    key = {"ganfilling": "model", "utilise": "model_state_dict"}[network]
    namespace = torch.serialization.safe_globals([argparse.Namespace])
    with namespace:
        before = torch.load(weights / file, weights_only=True)[key]
    model, metadata = checkpoint.load(target)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert metadata["source_sha256"] == sha256_of(weights / file)
    shown = run("weights", "show", target).output
    assert "blue, green, red, nir" in shown
    assert file in shown
    assert_refused(run("weights", "convert", weights / file, target), "exists", "--overwrite")
    assert run("weights", "convert", weights / file, target, "--overwrite").exit_code == 0


def test_bad_checkpoints_are_refused_and_nothing_is_written(tmp_path, weights, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where a file that is executed would leave its trace
    (tmp_path / "bad").mkdir()
    names = spoilt(tmp_path / "bad", weights)
    checkpoint.save(tmp_path / "ours.safetensors", Generator(GanFillingConfig(width=2)), METADATA)
    before, out = contents(tmp_path), tmp_path / "out.safetensors"
    for name in names:
        assert_refused(run("weights", "show", tmp_path / "bad" / name), name)
        assert_refused(run("weights", "convert", tmp_path / "bad" / name, out), name)
    assert_refused(run("weights", "show", "nothing"), "nothing: no such checkpoint", "seq2seq")
    assert_refused(run("weights", "convert", tmp_path / "none.pt", out), "none.pt")
    assert_refused(run("weights", "convert", tmp_path / "ours.safetensors", out), "need no conversion")
    assert_refused(run("weights", "convert", weights / "GANFilling.pt", tmp_path / "out.pt"), "*.safetensors")
    absent = tmp_path / "no" / "out.safetensors"
    assert_refused(run("weights", "convert", weights / "GANFilling.pt", absent), "cannot write", "out.safetensors")
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "state",
    [
        {"conv1.weight": torch.zeros(4, 4, 3, 3), 3: torch.zeros(1)},
        {"conv1.weight": torch.zeros(1).expand(10**10, 4, 3, 3)},
        {"conv1.weight": torch.zeros(1).expand(4, 10**10, 3, 3)},
    ],
)
def test_files_of_no_network_are_refused_without_a_traceback(tmp_path, state):
    torch.save({"model": state}, tmp_path / "k.pt")
    assert_refused(run("weights", "convert", tmp_path / "k.pt", tmp_path / "out.safetensors"), "k.pt")


def test_what_terminals_obey_is_shown_and_not_obeyed(tmp_path):
    metadata = METADATA | {"licence": "a\ud800\x1b[2Jb", "note": "caf\u00e9\nline"}
    checkpoint.save(tmp_path / "a.safetensors", Generator(GanFillingConfig(width=2)), metadata)
    result = run("weights", "show", tmp_path / "a.safetensors")
    assert result.exit_code == 0, result.output
    assert r"a\ud800\x1b[2Jb" in result.output and "\x1b" not in result.output and "caf\u00e9\nline" in result.output


def test_an_average_is_the_mean_of_the_weights(tmp_path):
    models = [Generator(GanFillingConfig(width=2)) for _ in range(3)]
    paths, out = [tmp_path / f"step_{i}.safetensors" for i in range(3)], tmp_path / "mean.safetensors"
    for i, (model, path) in enumerate(zip(models, paths, strict=True)):
        provenance = {"seed": 0, "steps": i}
        checkpoint.save(path, model, METADATA | {key: {"gram": [i]} for key in OF_ONE} | {"provenance": provenance})
    result = run("weights", "average", *paths, out)
    assert result.exit_code == 0, result.output
    assert "mean of 3 checkpoints" in result.output
    made, metadata = checkpoint.load(out)
    states = [model.state_dict() for model in models]
    for name, value in made.state_dict().items():
        torch.testing.assert_close(value, sum(state[name] for state in states) / 3)
    assert metadata["provenance"]["steps"] == 2
    assert metadata["provenance"]["average_of"] == {path.name: sha256_of(path) for path in paths}
    assert not {*OF_ONE} & metadata.keys(), "they were measured for one of them"
    assert_refused(run("weights", "average", *paths, out), "exists", "--overwrite")
    assert run("weights", "average", *paths[:2], out, "--overwrite").exit_code == 0
    assert_refused(run("weights", "average", paths[0], tmp_path / "one.safetensors"), "at least two")
    checkpoint.save(paths[1], Generator(GanFillingConfig(width=4)), METADATA)
    assert_refused(run("weights", "average", *paths, tmp_path / "no.safetensors"), "step_1", "another kind or size")
    assert not (tmp_path / "no.safetensors").exists()


def test_converted_weights_can_be_averaged(tmp_path, weights):
    paths, out = [tmp_path / f"{name}.safetensors" for name in "ab"], tmp_path / "mean.safetensors"
    for path in paths:
        assert run("weights", "convert", weights / "GANFilling.pt", path).exit_code == 0
    assert run("weights", "average", *paths, out).exit_code == 0
    provenance = checkpoint.load(out)[1]["provenance"]
    assert "GANFilling" in provenance["source"]
    assert provenance["file"] == "GANFilling.pt"
    assert list(provenance["average_of"]) == [path.name for path in paths]


def test_files_of_older_versions_can_be_averaged(tmp_path):
    paths, out = [tmp_path / f"{name}.safetensors" for name in "ab"], tmp_path / "mean.safetensors"
    for path in paths:
        checkpoint.save(path, Generator(GanFillingConfig(width=2)), METADATA | {"provenance": "in words"})
    assert run("weights", "average", *paths, out).exit_code == 0
    provenance = checkpoint.load(out)[1]["provenance"]
    assert provenance["source"] == "in words"
    assert list(provenance["average_of"]) == [path.name for path in paths]

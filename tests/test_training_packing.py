import hashlib

import numpy as np
import pytest
from builders import cloudy_cube

from clearcube.cube import Band
from clearcube.errors import InputError
from clearcube.training import __main__ as command
from clearcube.training import packing
from clearcube.training.config import config_from
from clearcube.training.packing import TrainingData, gathered, matches, read_pack, write_pack
from clearcube.workflows.train import pack_cubes


def stored(path, **options):
    cloudy_cube(8, 20, 20, **options).drop_vars("truth").to_netcdf(path)
    return path


def test_cubes_are_gathered_with_their_checksums(tmp_path):
    paths = [stored(tmp_path / f"{name}.nc", seed=i) for i, name in enumerate("ab")]
    data = gathered(config_from({"train": [f"{tmp_path}/*.nc"]}))
    assert [cube.name for cube in data.train] == ["a", "b"]
    assert data.files == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    assert data.train[0].block.reflectance.shape == (8, 4, 20, 20)


def test_a_pack_holds_the_same_cubes(tmp_path):
    stored(tmp_path / "a.nc")
    data = gathered(config_from({"train": [str(tmp_path / "a.nc")], "validation": [str(tmp_path / "a.nc")]}))
    write_pack(tmp_path / "p.npz", data)
    back = read_pack(tmp_path / "p.npz")
    for mine, theirs in zip(data.train + data.validation, back.train + back.validation, strict=True):
        assert mine.name == theirs.name
        assert mine.block.bands == theirs.block.bands
        np.testing.assert_array_equal(mine.block.dates, theirs.block.dates)
        np.testing.assert_array_equal(mine.block.observed, theirs.block.observed)
        np.testing.assert_allclose(mine.block.reflectance, theirs.block.reflectance, atol=5.1e-5)
    assert back.files == data.files


def test_files_that_only_measure_are_refused(tmp_path, monkeypatch):
    path = stored(tmp_path / "a.nc")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(packing, "test_sums", lambda: {digest: "secret.nc"})
    with pytest.raises(InputError, match=r"files that only measure \(secret.nc\); take it out of 'validation'"):
        gathered(config_from({"validation": [str(path)]}))


def test_the_shipped_list_names_the_test_files(shared):
    listed = packing.test_sums()
    files = [path for path in (shared / "data" / "test").rglob("*") if path.is_file()]
    assert {hashlib.sha256(path.read_bytes()).hexdigest() for path in files} == set(listed)
    with pytest.raises(InputError, match="only measure"):
        gathered(config_from({"train": [str(files[0])]}))


def test_an_empty_folder_and_a_pattern_without_match_are_named(tmp_path):
    with pytest.raises(InputError, match="an empty folder"):
        matches(str(tmp_path))
    with pytest.raises(InputError, match="nothing matches"):
        matches(str(tmp_path / "*.nc"))


def test_bands_without_wavelength_are_refused(tmp_path):
    bands = (Band("blue", 490.0), Band("thing", float("nan")))
    path = stored(tmp_path / "a.nc", bands=bands)
    with pytest.raises(InputError, match=r"a\.nc: band 'thing' has the centre wavelength nan"):
        gathered(config_from({"train": [str(path)]}))


def test_a_pack_needs_a_file_in_a_folder_that_exists(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(f'[[train]]\npath = "{stored(tmp_path / "a.nc")}"\n')
    with pytest.raises(InputError, match=r"the folder .*none of the file p\.npz does not exist; make it first"):
        pack_cubes(config, tmp_path / "none" / "p.npz")
    with pytest.raises(InputError, match="is a folder; name the file to write"):
        pack_cubes(config, tmp_path)
    with pytest.raises(OSError, match="directory"):
        write_pack(tmp_path, TrainingData())
    assert [path.name for path in tmp_path.parent.iterdir() if "partial" in path.name] == []
    assert pack_cubes(config, tmp_path / "p.npz") == 1


def test_other_files_are_not_packs(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"not this")
    with pytest.raises(InputError, match="not a file of training data"):
        read_pack(tmp_path / "x.npz")
    with pytest.raises(InputError, match="clearcube pack"):
        read_pack(tmp_path / "none.npz")


def test_the_module_trains_from_a_pack(tmp_path, capsys):
    write_pack(tmp_path / "p.npz", TrainingData())
    text = f"""
    output = "{tmp_path}/run"
    [network]
    channels = [4, 4]
    hidden = [2]
    look_channels = [4, 4]
    look_hidden = [0]
    [sampling]
    size = 16
    frames = 6
    dates = [5]
    [optimisation]
    steps = 25
    precision = "float32"
    """
    (tmp_path / "c.toml").write_text(text)
    assert command.main([str(tmp_path / "c.toml"), str(tmp_path / "p.npz")]) == 0
    assert '"step": 25' in capsys.readouterr().out
    assert (tmp_path / "run" / "last.safetensors").is_file()
    assert command.main([str(tmp_path / "c.toml"), str(tmp_path / "none.npz")]) == 2
    assert "error: " in capsys.readouterr().err

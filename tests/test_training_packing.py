import hashlib
import io
import json
import os
import signal
import zipfile

import numpy as np
import pytest
import rasterio
from builders import QUICK_TRAINING, cloudy_cube

from clearcube.cube import Band
from clearcube.errors import InputError
from clearcube.training import __main__ as command
from clearcube.training import packing
from clearcube.training.config import config_from
from clearcube.training.names import distinct_names, distinct_stems
from clearcube.training.packing import HEADER, TrainingData, gathered, matches, read_pack, write_pack
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
    for name, seed in (("a", 0), ("b", 1)):
        stored(tmp_path / f"{name}.nc", seed=seed)
    data = gathered(config_from({"train": [str(tmp_path / "a.nc")], "validation": [str(tmp_path / "b.nc")]}))
    write_pack(tmp_path / "p.npz", data)
    back = read_pack(tmp_path / "p.npz")
    for mine, theirs in zip(data.train + data.validation, back.train + back.validation, strict=True):
        assert mine.name == theirs.name
        assert mine.block.bands == theirs.block.bands
        np.testing.assert_array_equal(mine.block.dates, theirs.block.dates)
        np.testing.assert_array_equal(mine.block.observed, theirs.block.observed)
        np.testing.assert_allclose(mine.block.reflectance, theirs.block.reflectance, atol=5.1e-5)
    assert back.files == data.files


def test_what_has_a_value_has_one_in_the_pack(tmp_path):
    stored(tmp_path / "a.nc")
    data = gathered(config_from({"train": [str(tmp_path / "a.nc")]}))
    data.train[0].block.reflectance[0, 0, 0, :4] = -5, 5, -np.inf, np.nan
    write_pack(tmp_path / "p.npz", data)
    back = read_pack(tmp_path / "p.npz").train[0].block.reflectance[0, 0, 0, :4]
    np.testing.assert_allclose(back, [-3.2767, 3.2767, -3.2767, np.nan], rtol=1e-6)


def test_files_that_only_measure_are_refused(tmp_path, monkeypatch):
    path = stored(tmp_path / "a.nc")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(packing, "test_sums", lambda: {digest: "secret.nc"})
    with pytest.raises(InputError, match=r"a held-out test file \(secret.nc\); take it out of 'validation'"):
        gathered(config_from({"validation": [str(path)]}))


def test_what_trains_cannot_judge(tmp_path):
    train, judge = stored(tmp_path / "a.nc"), tmp_path / "b.nc"
    judge.write_bytes(train.read_bytes())
    with pytest.raises(InputError, match=r"b.nc is to train and to validate; what trains cannot judge"):
        gathered(config_from({"train": [str(train)], "validation": [str(judge)]}))
    parts = [{"path": str(train), "bbox": box} for box in ([500000, 0, 500100, 9e6], [500100, 0, 9e6, 9e6])]
    data = gathered(config_from({"train": parts[:1], "validation": parts[1:]}))
    widths = [cube.block.observed.shape[2] for cube in (*data.train, *data.validation)]
    assert sum(widths) == 20, "parts of a cube may"


@pytest.mark.parametrize(
    ("train", "judge", "shared"),
    [
        ({}, {"time": "2020-03-11/2020-03-22"}, True),
        ({"time": "2020-03-11/2020-03-22"}, {"time": "2020-03-16/2020-04-04"}, True),
        ({"time": "2020-03-11/2020-03-20"}, {"time": "2020-03-21/2020-04-04"}, False),
        ({"time": "2020-03-11/2020-03-22"}, {"bbox": [500000, 0, 500100, 9e6]}, True),
    ],
)
def test_parts_that_train_and_judge_share_nothing(tmp_path, train, judge, shared):
    path = str(stored(tmp_path / "a.nc"))
    made = config_from({"train": [{"path": path} | train], "validation": [{"path": path} | judge]})
    if shared:
        with pytest.raises(
            InputError, match=r"a.nc is to train and to validate.*give each a part of it with bbox or time"
        ):
            gathered(made)
    else:
        assert sum(len(cube.block.dates) for cube in (*gathered(made).train, *gathered(made).validation)) == 8


def rasters(folder, years, linked=()):
    """A folder of 4-band GeoTIFFs, four dates of a year in a folder of its own; years in `linked` lie elsewhere."""
    place = rasterio.transform.from_origin(600000, 5000000, 10, 10)
    size = {"height": 20, "width": 20, "count": 4, "dtype": "float32", "crs": "EPSG:32631", "transform": place}
    folder.mkdir()
    for year in years:
        own = folder / str(year)
        if year in linked:
            own.symlink_to(folder.with_name(f"archive{year}"), target_is_directory=True)
            own = own.resolve()
        own.mkdir()
        for date in range(4):
            with rasterio.open(own / f"reflectance_{year}010{date + 1}.tif", "w", **size) as file:
                file.write(np.random.default_rng(year + date).uniform(0.1, 0.4, (4, 20, 20)).astype(np.float32))
                file.descriptions = ("blue", "green", "red", "nir")
    return folder


def test_a_folder_within_another_shares_its_files(tmp_path):
    site = rasters(tmp_path / "site", (2018, 2019))
    for train, judge in ((site, site / "2019"), (site / "2019", site)):
        with pytest.raises(InputError, match="is to train and to validate"):
            gathered(config_from({"train": [str(train)], "validation": [str(judge)]}))
    apart = gathered(config_from({"train": [str(site / "2018")], "validation": [str(site / "2019")]}))
    assert [len(cube.block.dates) for cube in (*apart.train, *apart.validation)] == [4, 4]


def test_files_behind_links_are_recorded_and_refused_too(tmp_path, monkeypatch):
    site = rasters(tmp_path / "site", (2018, 2019), linked=(2019,))
    data = gathered(config_from({"train": [str(site)]}))
    assert len(data.files) == len(data.train[0].block.dates) == 8
    digest = hashlib.sha256(next((tmp_path / "archive2019").iterdir()).read_bytes()).hexdigest()
    monkeypatch.setattr(packing, "test_sums", lambda: {digest: "secret"})
    with pytest.raises(InputError, match="held-out test file"):
        gathered(config_from({"train": [str(site)]}))


def test_a_pack_is_for_the_cubes_of_its_configuration(tmp_path, capsys):
    for i, name in enumerate("ab"):
        stored(tmp_path / f"{name}.nc", seed=i)
    text = QUICK_TRAINING.format(folder=tmp_path / "run", steps=1, precision="float32")
    sources = {name: f'[[train]]\npath = "{tmp_path}/{name}.nc"\n' for name in "ab"}
    configs = {name: tmp_path / f"{name}.toml" for name in ("a", "b", "none")}
    for name, path in configs.items():
        path.write_text(text + sources.get(name, ""))
    assert pack_cubes(configs["a"], tmp_path / "p.npz") == 1
    for name, given, words in (
        ("b", [str(tmp_path / "p.npz")], "made for other cubes than the configuration names"),
        ("none", [str(tmp_path / "p.npz")], "made for other cubes than the configuration names"),
        ("a", [], "the configuration names cubes: make DATA with 'clearcube pack CONFIG DATA'"),
    ):
        assert command.main([str(configs[name]), *given]) == 2
        assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert command.main([str(configs["a"]), str(tmp_path / "p.npz")]) == 0
    assert command.main([str(configs["none"]), "--overwrite"]) == 0, "scenes alone need no file"
    assert (tmp_path / "run" / "last.safetensors").is_file()


def test_the_shipped_list_names_the_test_files(shared):
    listed = packing.test_sums()
    files = [path for path in (shared / "data" / "test").rglob("*") if path.is_file()]
    assert {hashlib.sha256(path.read_bytes()).hexdigest() for path in files} == set(listed)
    with pytest.raises(InputError, match="held-out test file"):
        gathered(config_from({"train": [str(files[0])]}))


def test_an_empty_folder_and_a_pattern_without_match_are_named(tmp_path):
    with pytest.raises(InputError, match="is empty"):
        matches(str(tmp_path))
    with pytest.raises(InputError, match="no file matches"):
        matches(str(tmp_path / "*.nc"))
    with pytest.raises(InputError, match="download it first"):
        matches("https://place/cube.nc")


def test_bands_without_wavelength_are_refused(tmp_path):
    bands = (Band("blue", 490.0), Band("thing", float("nan")))
    path = stored(tmp_path / "a.nc", bands=bands)
    with pytest.raises(InputError, match=r"a\.nc: band 'thing' has the centre wavelength nan"):
        gathered(config_from({"train": [str(path)]}))


def test_a_pack_makes_its_folder_and_needs_a_file(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(f'[[train]]\npath = "{stored(tmp_path / "a.nc")}"\n')
    assert pack_cubes(config, tmp_path / "runs" / "p.npz") == 1
    assert len(read_pack(tmp_path / "runs" / "p.npz").train) == 1
    with pytest.raises(InputError, match="is a folder; name the file to write"):
        pack_cubes(config, tmp_path)
    with pytest.raises(OSError, match="directory"):
        write_pack(tmp_path, TrainingData())
    assert [path.name for path in tmp_path.parent.iterdir() if "partial" in path.name] == []
    assert pack_cubes(config, tmp_path / "p.npz") == 1


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(f'[[train]]\npath = "{stored(tmp_path / "a.nc")}"\n')
    return path


def test_a_pack_replaces_a_file_only_on_request(tmp_path, config):
    target = tmp_path / "p.npz"
    target.write_bytes(b"precious")
    with pytest.raises(InputError, match=r"p\.npz exists: choose another name, or replace it with --overwrite"):
        pack_cubes(config, target)
    assert target.read_bytes() == b"precious"
    assert pack_cubes(config, target, overwrite=True) == 1
    assert len(read_pack(target).train) == 1


@pytest.mark.parametrize("name", ["a.nc", "config.toml", "link.npz", "mask.nc", "start.safetensors"])
def test_a_pack_never_replaces_what_it_is_made_of(tmp_path, config, name):
    (tmp_path / "mask.nc").write_bytes(b"mask")
    (tmp_path / "start.safetensors").write_bytes(b"weights")
    text = config.read_text() + f'mask = "{tmp_path}/mask.nc:SCL"\n'
    config.write_text(f'start = "{tmp_path}/start.safetensors"\n' + text)
    (tmp_path / "link.npz").symlink_to(tmp_path / "a.nc")
    before = (tmp_path / name).read_bytes()
    with pytest.raises(InputError, match="which is read; choose another name"):
        pack_cubes(config, tmp_path / name, overwrite=True)
    assert (tmp_path / name).read_bytes() == before


def test_cubes_of_the_same_name_keep_their_checksums_and_names_apart(tmp_path):
    for i, folder in enumerate("abcd"):
        (tmp_path / folder).mkdir()
        stored(tmp_path / folder / "x.nc", seed=i)
    data = gathered(config_from({"train": f"{tmp_path}/[ab]/x.nc", "validation": f"{tmp_path}/[cd]/x.nc"}))
    assert list(data.files) == [f"{folder}/x.nc" for folder in "abcd"] and len(set(data.files.values())) == 4
    assert [cube.name for cube in data.validation] == ["c/x", "d/x"]


def test_names_are_as_short_as_tells_files_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [tmp_path / "a" / "x.nc", tmp_path / "b" / "x.nc", tmp_path / "y.nc", tmp_path / "y.zarr"]
    assert list(distinct_names(paths).values()) == ["a/x.nc", "b/x.nc", "y.nc", "y.zarr"]
    assert list(distinct_stems(paths).values()) == ["a/x", "b/x", "y.nc", "y.zarr"]
    assert list(distinct_stems([tmp_path / "y.nc", (tmp_path / "y.nc").relative_to(tmp_path)]).values()) == ["y", "y"]
    assert distinct_names([]) == distinct_stems([]) == {}


def test_masks_that_a_pattern_names_are_recorded(tmp_path):
    cube = stored(tmp_path / "a.nc")
    (tmp_path / "m1.nc").write_bytes(cube.read_bytes())
    data = gathered(config_from({"train": {"path": str(cube), "mask": f"{tmp_path}/m*.nc:observed=clear"}}))
    assert set(data.files) == {"a.nc", "m1.nc"}


def test_a_folder_holds_cubes_or_is_one(tmp_path):
    cube = cloudy_cube(4, 20, 20).drop_vars("truth")
    for folder in ("files", "stores"):
        (tmp_path / folder).mkdir()
    cube.to_netcdf(tmp_path / "files" / "a.nc")
    (tmp_path / "files" / "README.txt").write_text("about a")
    for name in ("one", "two"):
        cube.to_zarr(tmp_path / "stores" / name, zarr_format=2)
    (tmp_path / "rasters").mkdir()
    place = rasterio.transform.from_origin(600000, 5000000, 10, 10)
    size = {"height": 20, "width": 20, "count": 4, "dtype": "float32", "crs": "EPSG:32631", "transform": place}
    for date in range(4):
        with rasterio.open(tmp_path / "rasters" / f"reflectance_2020010{date + 1}.tif", "w", **size) as file:
            file.write(cube["reflectance"].values[date])
            file.descriptions = ("blue", "green", "red", "nir")
    assert matches(str(tmp_path / "files")) == [tmp_path / "files" / "a.nc"]
    assert matches(str(tmp_path / "stores")) == [tmp_path / "stores" / "one", tmp_path / "stores" / "two"]
    assert matches(str(tmp_path / "stores" / "one")) == [tmp_path / "stores" / "one"]
    assert matches(str(tmp_path / "rasters")) == [tmp_path / "rasters"]
    data = gathered(config_from({"train": [str(tmp_path / name) for name in ("files", "stores", "rasters")]}))
    assert [cube.name for cube in data.train] == ["a", "one", "two", "rasters"]
    assert {len(cube.block.dates) for cube in data.train} == {4}


def test_a_pack_of_files_that_only_measure_is_refused(tmp_path, monkeypatch):
    write_pack(tmp_path / "p.npz", TrainingData(files={"innocent.nc": "12ab"}))
    monkeypatch.setattr(packing, "test_sums", lambda: {"12ab": "secret.nc"})
    with pytest.raises(InputError, match=r"innocent.nc is a held-out test file \(secret.nc\); .*p.npz was"):
        read_pack(tmp_path / "p.npz")


def _with_header(path, header):
    np.savez(path, **{HEADER: np.array(json.dumps(header))})


def _as_npy(path):
    file = io.BytesIO()
    np.save(file, np.arange(3))
    path.write_bytes(file.getvalue())


def _flipped(path):
    content = bytearray(path.read_bytes())
    info = zipfile.ZipFile(path).infolist()[0]
    start = info.header_offset + 30 + len(info.filename) + 60
    content[start : start + 40] = bytes(255 - byte for byte in content[start : start + 40])
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        lambda path: path.write_bytes(b""),
        _flipped,
        _as_npy,
        lambda path: _with_header(path, [1]),
        lambda path: _with_header(path, {"files": [], "train": [], "validation": []}),
        lambda path: _with_header(path, {"files": {}, "train": 3, "validation": []}),
        lambda path: _with_header(path, {"files": {}, "train": [{"name": "a"}], "validation": []}),
    ],
    ids=["cut", "empty", "flipped", "npy", "header", "files", "cubes", "without"],
)
def test_a_damaged_pack_is_refused(tmp_path, capsys, damage):
    stored(tmp_path / "a.nc")
    write_pack(tmp_path / "p.npz", gathered(config_from({"train": [str(tmp_path / "a.nc")]})))
    damage(tmp_path / "p.npz")
    (tmp_path / "c.toml").write_text(f'output = "{tmp_path}/run"')
    assert command.main([str(tmp_path / "c.toml"), str(tmp_path / "p.npz")]) == 2
    assert "p.npz: not a complete file of training data (" in capsys.readouterr().err


def test_the_module_says_what_it_cannot_use(tmp_path, capsys, monkeypatch):
    write_pack(tmp_path / "p.npz", TrainingData())
    (tmp_path / "c.toml").write_text(f'output = "{tmp_path}/c.toml"')
    for arguments, message in (
        ([tmp_path, tmp_path / "p.npz"], "is a folder; name the configuration file in it"),
        ([tmp_path / "c.toml", tmp_path / "p.npz"], "c.toml is a file; set output to a folder"),
    ):
        assert command.main([str(each) for each in arguments]) == 2
        assert message in capsys.readouterr().err
    (tmp_path / "run").mkdir()
    (tmp_path / "c.toml").write_text(f'output = "{tmp_path}/run"')
    (tmp_path / "run" / "state.pt").touch()
    monkeypatch.setattr(command, "train", _interrupted)
    assert command.main([str(tmp_path / "c.toml"), str(tmp_path / "p.npz")]) == 2
    assert "holds another run (state.pt): go on with --resume" in capsys.readouterr().err
    assert command.main([str(tmp_path / "c.toml"), str(tmp_path / "p.npz"), "--resume"]) == 130
    go_on = f"\nwhat is done is kept in {tmp_path}/run/state.pt: go on with the same command and --resume\n"
    assert capsys.readouterr().err == "interrupted" + go_on
    monkeypatch.setattr(command, "train", _terminated)
    assert command.main([str(tmp_path / "c.toml"), str(tmp_path / "p.npz"), "--resume"]) == 143
    assert capsys.readouterr().err == "terminated" + go_on
    os.utime(tmp_path / "run" / "state.pt", (1e9, 1e9))  # of the run before: nothing of this one is kept
    assert command.main([str(tmp_path / "c.toml"), str(tmp_path / "p.npz"), "--overwrite"]) == 143
    assert capsys.readouterr().err == "terminated\n"


def _interrupted(*_, **__):
    raise KeyboardInterrupt


def _terminated(*_, **__):
    os.kill(os.getpid(), signal.SIGTERM)
    raise AssertionError("the signal had no effect")


def test_other_files_are_not_packs(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"not this")
    with pytest.raises(InputError, match="not a complete file of training data"):
        read_pack(tmp_path / "x.npz")
    with pytest.raises(InputError, match="clearcube pack"):
        read_pack(tmp_path / "none.npz")


def test_the_module_trains_from_a_pack(tmp_path, capsys):
    write_pack(tmp_path / "p.npz", TrainingData())
    text = QUICK_TRAINING.format(folder=tmp_path / "run", steps=25, precision="float32")
    (tmp_path / "c.toml").write_text(text)
    assert command.main([str(tmp_path / "c.toml"), str(tmp_path / "p.npz")]) == 0
    assert '"step": 25' in capsys.readouterr().out
    assert (tmp_path / "run" / "last.safetensors").is_file()
    assert command.main([str(tmp_path / "c.toml"), str(tmp_path / "none.npz")]) == 2
    assert "error: " in capsys.readouterr().err


def test_two_parts_of_one_cube_are_told_apart(tmp_path):
    path = stored(tmp_path / "a.nc")
    days = [str(day)[:10] for day in cloudy_cube(8, 20, 20)["time"].values]
    parts = [{"path": str(path), "time": f"{days[i]}/{days[i + 3]}"} for i in (0, 4)]
    data = gathered(config_from({"validation": parts, "check": {"scenarios": ["trailing"]}}))
    assert [cube.name for cube in data.validation] == ["a", "a#2"]

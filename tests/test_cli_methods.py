"""Methods and checkpoints on the command line."""

import json
import signal
import time

import numpy as np
import pytest
import rasterio
import xarray as xr
from builders import BANDS, cloudy_cube
from cli_builders import assert_refused, clearcube, contents, files, run, spoilt, stored

from clearcube import open_cube
from clearcube.cube import Source


@pytest.fixture
def cube_path(tmp_path):
    return stored(tmp_path / "cube.zarr", cloudy_cube(times=6, height=24, width=24))


def attributes(path):
    with xr.open_zarr(path) as out:
        return dict(out.attrs)


def test_auto_is_the_default_and_says_what_it_took(cube_path, tmp_path):
    result = run("fill", cube_path, tmp_path / "out.zarr")
    assert result.exit_code == 0, result.output
    assert "method seq2seq (auto: every band is optical" in result.output
    found = attributes(tmp_path / "out.zarr")
    assert found["method"] == "seq2seq"
    assert found["method_reason"].startswith("auto: every band is optical")
    assert "network_sha256" in json.loads(found["prepared"])


def test_auto_takes_linear_where_few_dates_are_observed(tmp_path):
    source = stored(tmp_path / "cube.zarr", cloudy_cube(times=3, height=16, width=16))
    result = run("fill", source, tmp_path / "out.zarr")
    assert "method linear (auto: only 2 of the dates have observations, seq2seq needs 3)" in result.output
    assert attributes(tmp_path / "out.zarr")["method"] == "linear"


def test_a_killed_run_of_auto_resumes_to_the_same_bytes(tmp_path):
    source = stored(tmp_path / "cube.zarr", cloudy_cube(times=5, height=260, width=260), time=1)
    arguments = ("fill", source, tmp_path / "out.zarr", "--window", "16", "--workers", "1")  # nine cells
    assert run("fill", source, tmp_path / "whole.zarr", *arguments[3:]).exit_code == 0
    process = clearcube(*arguments)
    log = tmp_path / "out.zarr.stage" / "done.log"
    while process.poll() is None and not (log.exists() and "fill" in log.read_text()):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "out.zarr").exists()
    assert_refused(run(*arguments, "--resume", "-m", "linear"), "method was 'seq2seq' and is 'linear'")
    assert run(*arguments, "--resume", "-m", "seq2seq").exit_code == 0
    assert files(tmp_path / "out.zarr") == files(tmp_path / "whole.zarr")


@pytest.mark.parametrize(("file", "name"), [("GANFilling.pt", "ganfilling"), ("utilise.pth", "utilise")])
def test_weights_tell_the_network(cube_path, tmp_path, weights, file, name):
    result = run("fill", cube_path, tmp_path / "out.zarr", "--weights", weights / file)
    assert result.exit_code == 0, result.output
    assert f"method {name} (the network that the weights belong to)" in result.output
    out, before = xr.open_zarr(tmp_path / "out.zarr").load(), xr.open_zarr(cube_path).load()
    seen = np.broadcast_to(before.observed.values[:, None], before.reflectance.shape)
    np.testing.assert_array_equal(out.reflectance.values[seen], before.reflectance.values[seen])
    assert np.isfinite(out.reflectance.values).all()
    assert out.attrs["method"] == name


def test_denoise_replaces_and_says_so(tmp_path):
    cube = cloudy_cube(times=8, height=32, width=32, cloud=0.1, never=False).load()
    missed = np.zeros(cube["observed"].shape, bool)
    missed[2, 8:18, 8:18] = True  # a cloud that the mask does not know
    cube["observed"] = cube["observed"] | missed
    cube["reflectance"] = cube["reflectance"].where(~xr.zeros_like(cube["observed"]).copy(data=missed), np.float32(0.7))
    source = stored(tmp_path / "cube.zarr", cube)
    assert run("fill", source, tmp_path / "kept.zarr", "-q").exit_code == 0
    assert run("fill", source, tmp_path / "out.zarr", "-q", "--denoise").exit_code == 0
    kept, out = (xr.open_zarr(tmp_path / name).load() for name in ("kept.zarr", "out.zarr"))
    replaced = out.source.values == Source.REPLACED
    assert not (kept.source.values == Source.REPLACED).any()
    assert replaced[missed].mean() > 0.3 and replaced[~missed].mean() < 0.05
    np.testing.assert_allclose(np.moveaxis(kept.reflectance.values, 1, -1)[missed], 0.7)
    away = np.abs(np.moveaxis(out.reflectance.values - cube["truth"].values, 1, -1)[replaced & missed])
    assert away.mean() < 0.4 * np.abs(0.7 - np.moveaxis(cube["truth"].values, 1, -1)[replaced & missed]).mean()
    assert attributes(tmp_path / "out.zarr")["settings"].count("denoise") == 1


def test_the_probability_of_contamination_is_written_on_request(cube_path, tmp_path, weights):
    arguments = ("--weights", weights / "suspicious.safetensors", "-q", "--contamination")
    assert run("fill", cube_path, tmp_path / "a.zarr", *arguments).exit_code == 0
    assert run("fill", cube_path, tmp_path / "b.nc", *arguments, "--dtype", "int16", "--layout", "bands").exit_code == 0
    assert run("fill", cube_path, tmp_path / "c", *arguments, "--denoise").exit_code == 0
    whole, packed = xr.open_zarr(tmp_path / "a.zarr").load(), xr.open_dataset(tmp_path / "b.nc").load()
    found, observed = whole.contamination.values, xr.open_zarr(cube_path).observed.values
    np.testing.assert_array_equal(np.isfinite(found), observed)
    assert found[observed].min() >= 0 and found[observed].max() <= 1
    np.testing.assert_allclose(packed.contamination.values, found, atol=6e-5)
    file = sorted((tmp_path / "c" / "contamination").glob("*.tif"))[0]
    with rasterio.open(file) as raster:
        np.testing.assert_array_equal(np.isfinite(raster.read(1)), observed[0])
    again = open_cube(tmp_path / "b.nc")
    assert again.sizes["band"] == whole.sizes["band"], "it is not taken for a band"
    assert open_cube(tmp_path / "c").sizes["band"] == whole.sizes["band"]


def test_spoilt_checkpoints_are_refused_and_nothing_is_written(cube_path, tmp_path, weights, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where a file that is executed would leave its trace
    (tmp_path / "bad").mkdir()
    names = spoilt(tmp_path / "bad", weights)
    before = contents(tmp_path)
    for name in [*names, "none.pt"]:
        assert_refused(run("fill", cube_path, tmp_path / "out.zarr", "--weights", tmp_path / "bad" / name), name)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--modes", "3"], ["no option 'modes'", "--method dineof"]),
        (["-m", "linear", "--denoise"], ["'linear'", "--denoise", "seq2seq"]),
        (["-m", "linear", "--weights", "x.pt"], ["no option 'weights'"]),
        (["--smooth"], ["'seq2seq' (auto", "--smooth goes with whittaker"]),
        (["-m", "ganfilling", "--weights", "UTILISE"], ["holds utilise, not ganfilling"]),
        (["--weights", "UTILISE", "--denoise"], ["'utilise'", "does not judge"]),
        (["--weights", "UTILISE", "--bands", "blue,green,red"], ["utilise takes blue, green, red and nir"]),
        (["--adapt-steps", "0"], ["--adapt-steps is 0"]),
        (["-m", "linear", "--adapt"], ["no option 'adapt'"]),
        (["--weights", "UTILISE", "--adapt"], ["'utilise' has no option 'adapt'"]),
        (["-m", "frame2frame"], ["no weights of 'frame2frame' ship", "--weights FILE"]),
    ],
)
def test_what_does_not_go_together_is_refused(cube_path, tmp_path, weights, arguments, words):
    before = contents(tmp_path)
    given = [weights / "utilise.pth" if each == "UTILISE" else each for each in arguments]
    assert_refused(run("fill", cube_path, tmp_path / "out.zarr", *given), *words)
    assert contents(tmp_path) == before


def test_adaptation_is_kept_in_the_stage_until_the_end(cube_path, tmp_path, weights, monkeypatch, small_bank):
    from clearcube.workflows import fill

    seen = []

    def finishing(output):
        def fail(stage):
            seen.append((stage.path / "adapted.safetensors").read_bytes())
            raise OSError("the disk is gone")

        return fail if len(seen) < 2 else found(output)

    monkeypatch.setattr("clearcube.network_filler.adaptation.SIZE", 16)
    found = fill._finisher
    monkeypatch.setattr(fill, "_finisher", finishing)
    tiny = ("--weights", weights / "suspicious.safetensors", "--adapt-steps", "1")
    arguments = ("fill", cube_path, tmp_path / "out.zarr", *tiny, "-q")
    assert_refused(run(*arguments), "the disk is gone", "--resume")
    assert_refused(run(*arguments, "--resume"), "the disk is gone")
    assert seen[0] == seen[1]
    assert run(*arguments, "--resume").exit_code == 0
    assert json.loads(attributes(tmp_path / "out.zarr")["prepared"])["adaptation_steps"] == 1
    assert not (tmp_path / "out.zarr.stage").exists()


def test_bands_of_unknown_wavelength_are_left_to_linear(tmp_path):
    cube = cloudy_cube(times=5, height=16, width=16, bands=BANDS[:2])
    cube = cube.assign_coords(wavelength=("band", [np.nan, 560.0]), band=["first", "second"])
    result = run("fill", stored(tmp_path / "cube.zarr", cube), tmp_path / "out.zarr", "--bands", "first,second")
    assert result.exit_code == 0, result.output
    assert "method linear (auto: the wavelength of band 'first' is not known" in result.output

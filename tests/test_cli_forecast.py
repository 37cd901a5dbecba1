import errno
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from builders import cloudy_cube
from typer.testing import CliRunner

from clearcube.cli import app
from clearcube.cube import Source, band_named, new_cube
from clearcube.forecasting.episode import Forecast
from clearcube.networks import checkpoint
from clearcube.networks.forecast import ForecastConfig, ForecastNet
from clearcube.workflows.forecast import forecast_dataset, target_dates
from clearcube.writers.stage import opened

START = np.datetime64("2021-04-01", "D")
TINY_RUN = """
output = "{folder}/run"
[network]
fine = 4
coarse = 4
time = 4
[episodes]
simulated = 2
validation = 1
size = 16
fills = ["linear"]
[optimisation]
steps = 2
crop = 16
batch = 2
precision = "float32"
[check]
every = 2
save = 2
"""


def weights(folder, **sizes):
    path = folder / f"weights{len(sizes)}.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = ForecastNet(ForecastConfig(**{"fine": 4, "coarse": 4, "time": 4, **sizes}))
    checkpoint.save(path, net, {"scaling": "", "provenance": {}, "licence": "Apache-2.0"})
    return str(path)


def cube(folder, times=10, bands=("red", "nir"), step=5):
    rng = np.random.default_rng(0)
    dates = START + step * np.arange(times)
    reflectance = rng.uniform(0.05, 0.4, (times, len(bands), 16, 20)).astype(np.float32)
    observed = rng.random((times, 16, 20)) > 0.3
    made = new_cube(
        reflectance, observed, dates, [band_named(name) for name in bands],
        y=5_600_000 - 10.0 * np.arange(16), x=500_000 + 10.0 * np.arange(20), crs=32631,
    )  # fmt: skip
    path = folder / f"cube{times}{len(bands)}.nc"
    variables = {name: made["reflectance"].isel(band=i, drop=True) for i, name in enumerate(bands)}
    clear = made["observed"].astype(np.uint8)
    xr.Dataset({**variables, "clear": clear}, attrs={"crs": "EPSG:32631"}).to_netcdf(path)
    return str(path)


def run(*args):
    return CliRunner().invoke(app, ["forecast", *map(str, args), "--mask", "clear=clear", "-q"])


@pytest.fixture
def told(tmp_path):
    return ["--fill", "linear", "--weights", weights(tmp_path)]


@pytest.mark.parametrize("suffix", ["nc", "zarr"])
def test_a_forecast_says_what_it_is(tmp_path, told, suffix):
    out = tmp_path / f"out.{suffix}"
    result = run(cube(tmp_path), out, *told)
    assert result.exit_code == 0, result.output
    with xr.open_dataset(out) as found:
        assert found["ndvi"].dims == ("time", "y", "x")
        assert found["lead_time"].values.tolist() == list(range(5, 101, 5))
        assert found["lead_time"].attrs["units"] == "days"
        assert found["time"].values[0] == np.datetime64("2021-05-21")
        assert (found["source"] == Source.FORECAST).all()
        assert found["source"].attrs["standard_name"] == "status_flag"
        assert found.attrs["Conventions"].startswith("CF-")
        assert found.attrs["model"] == "convlstm"
        assert found.attrs["fill"] == "linear"
        assert found.attrs["guided"].startswith("no")
        assert found["ndvi"].attrs["grid_mapping"] == "spatial_ref"
        assert np.isfinite(found["ndvi_std"]).all()
    assert [path.name for path in tmp_path.glob("*.stage")] == []


def test_unfilled_contexts_give_another_forecast(tmp_path):
    given, told = cube(tmp_path), ["--weights", weights(tmp_path)]
    for fill in ("none", "last"):
        assert run(given, tmp_path / f"{fill}.nc", "--fill", fill, *told).exit_code == 0
    with xr.open_dataset(tmp_path / "none.nc") as one, xr.open_dataset(tmp_path / "last.nc") as other:
        assert not np.array_equal(one["ndvi"], other["ndvi"])


def test_persistence_by_name(tmp_path):
    result = run(cube(tmp_path), tmp_path / "out.nc", "--fill", "linear", "--model", "persistence", "--horizon", "10d")
    assert result.exit_code == 0, result.output
    with xr.open_dataset(tmp_path / "out.nc") as found:
        assert found.sizes["time"] == 2
        assert np.array_equal(found["ndvi"][0], found["ndvi"][1], equal_nan=True)


def test_another_step(tmp_path, told):
    assert run(cube(tmp_path), tmp_path / "out.nc", *told, "--every", "12d", "--horizon", "40").exit_code == 0
    with xr.open_dataset(tmp_path / "out.nc") as found:
        assert found["lead_time"].values.tolist() == [12, 24, 36]


def test_what_cannot_be_forecast_is_flagged_unfilled():
    given, mean = cloudy_cube(times=4, height=5, width=6), np.full((2, 5, 6), 0.5, np.float32)
    mean[:, 3, 4] = np.nan
    target = given["time"].values[-1].astype("datetime64[D]") + np.array([5, 10])
    source = forecast_dataset(given, Forecast(mean, mean), target, {})["source"].values
    np.testing.assert_array_equal(source, np.where(np.isnan(mean), Source.UNFILLED, Source.FORECAST))


def test_the_usual_step_is_the_median_one():
    dates = START + np.array([0, 2, 7, 12, 30])
    assert (target_dates(dates, 12, None) - START).astype(int).tolist() == [35, 40]


def test_what_comes_before_the_time_asked_for_changes_nothing(tmp_path, told):
    given = cube(tmp_path, times=24)
    for name, time in (("a", "/2021-06-20"), ("b", "2021-04-10/2021-06-20")):
        assert run(given, tmp_path / f"{name}.nc", *told, "--time", time).exit_code == 0
    with xr.open_dataset(tmp_path / "a.nc") as whole, xr.open_dataset(tmp_path / "b.nc") as part:
        assert whole["time"].values[0] == part["time"].values[0] == np.datetime64("2021-06-25")
        np.testing.assert_allclose(whole["ndvi"], part["ndvi"], atol=1e-3)


@pytest.mark.parametrize(
    ("times", "bands", "options", "message"),
    [
        (2, ("red", "nir"), [], "at least 3 dates"),
        (10, ("red", "green"), [], "NDVI needs the bands"),
        (10, ("blue", "nir"), [], "NDVI needs the bands"),
        (10, ("red", "nir"), ["--horizon", "105d"], "trained to look 100 days"),
        (10, ("red", "nir"), ["--horizon", "3d"], "before the first step"),
        (10, ("red", "nir"), ["--horizon", "soon"], "number of days"),
        (10, ("red", "nir"), ["--model", "prophet"], "unknown model"),
        (10, ("red", "nir"), ["--horizon", "105d"], "the models persistence, climatology"),
        (10, ("red", "nir"), ["--fill", "guess"], "unknown fill 'guess'; choose one of none, "),
        (10, ("red", "nir"), ["--fill", "guess"], "seq2seq-kept"),
        (10, ("red", "nir"), ["--fill", "none", "--fill-weights", "nothere"], "--fill none takes no weights"),
        (10, ("red", "nir"), ["--model", "persistence"], "no option 'weights'"),
    ],
)
def test_bad_input_ends_with_2_and_leaves_nothing(tmp_path, told, times, bands, options, message):
    out = tmp_path / "out.nc"
    result = run(cube(tmp_path, times, bands), out, *told, *options)
    assert result.exit_code == 2
    assert message in result.output
    assert not list(tmp_path.glob("out.nc*"))


def test_outputs_that_cannot_be(tmp_path, told):
    given = cube(tmp_path)
    for out, message in ((tmp_path / "out.tif", "name it .zarr or .nc"), (given, "is an input too")):
        result = run(given, out, *told)
        assert (result.exit_code, message in result.output) == (2, True)


def test_an_output_is_replaced_only_on_request(tmp_path, told):
    given, out = cube(tmp_path), tmp_path / "out.nc"
    assert run(given, out, *told).exit_code == 0
    assert "--overwrite" in run(given, out, *told).output
    assert run(given, out, *told, "--overwrite", "--horizon", "5d").exit_code == 0
    with xr.open_dataset(out) as found:
        assert found.sizes["time"] == 1


def table(folder, days, hole=()):
    path = folder / "weather.csv"
    lines = [f"{START - 10 + day},12,2,{'' if day in hole else 180}" for day in range(days)]
    path.write_text("\n".join(["date,temperature,precipitation,radiation", *lines]))
    return path


@pytest.mark.parametrize("given", ["glob", "folder", "landcover", "weather"])
def test_nothing_that_is_read_is_replaced(tmp_path, told, given):
    place = tmp_path / "cubes"
    place.mkdir()
    source = cube(place)
    named = {"glob": f"{place}/*.nc", "folder": place}.get(given, source)
    out, options = source, []
    if given in ("landcover", "weather"):
        out, options = tmp_path / "other.nc", [f"--{given}", tmp_path / "other.nc"]
        out.write_bytes(b"mine")
    before = Path(out).read_bytes()
    result = run(named, out, *told, *options, "--overwrite")
    assert result.exit_code == 2, result.output
    assert "is an input too" in result.output or "lies inside the input" in result.output
    assert Path(out).read_bytes() == before


def test_folders_of_others_and_unfinished_fills_are_not_thrown_away(tmp_path, told, monkeypatch):
    source = cube(tmp_path)
    foreign = tmp_path / "keep.zarr"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("mine")
    result = run(source, foreign, *told, "--overwrite")
    assert result.exit_code == 2 and "clearcube did not write" in result.output
    assert (foreign / "thesis.txt").exists()
    with opened(tmp_path / "out.nc", {"a": 1}, resume=False, overwrite=False) as stage:
        (stage.path / "work").write_text("hours")
    with monkeypatch.context() as patched:  # it is known before anything is computed
        patched.setattr("clearcube.workflows.forecast.filled_context", None)
        result = run(source, tmp_path / "out.nc", *told)
    assert result.exit_code == 2 and "unfinished" in result.output and (stage.path / "work").exists()
    assert "--resume" not in result.output and "delete it" in result.output
    assert run(source, tmp_path / "out.nc", *told, "--overwrite").exit_code == 0 and not stage.path.exists()


def test_a_forecast_that_cannot_be_written_leaves_what_was_there(tmp_path, told, monkeypatch):
    source, out = cube(tmp_path), tmp_path / "out.nc"
    out.write_text("mine")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device", str(out))

    monkeypatch.setattr("clearcube.writers.stores.finish_netcdf", fail)
    result = run(source, out, *told, "--overwrite")
    assert result.exit_code == 2 and "make room" in result.output and "--resume" not in result.output
    assert out.read_text() == "mine" and not (tmp_path / "out.nc.stage").exists()


def test_guided_forecasts_are_named_so(tmp_path):
    told = ["--fill", "linear", "--weights", weights(tmp_path, weather=3)]
    result = run(cube(tmp_path), tmp_path / "out.nc", *told, "--weather", table(tmp_path, 160))
    assert result.exit_code == 0, result.output
    with xr.open_dataset(tmp_path / "out.nc") as found:
        assert found.attrs["guided"].startswith("by the weather") and found.attrs["model"] == "convlstm-guided"


@pytest.mark.parametrize(
    ("days", "hole", "message"),
    [
        (100, (), "the weather lacks temperature"),
        (160, range(60, 70), "lacks radiation from"),
        (0, (), "a row for each"),
    ],
)
def test_weather_with_missing_days(tmp_path, days, hole, message):
    told = ["--fill", "linear", "--weights", weights(tmp_path, weather=3)]
    result = run(cube(tmp_path), tmp_path / "out.nc", *told, "--weather", table(tmp_path, days, hole))
    assert result.exit_code == 2
    assert message in result.output


def test_guided_weights_without_weather(tmp_path):
    result = run(cube(tmp_path), tmp_path / "out.nc", "--fill", "linear", "--weights", weights(tmp_path, weather=3))
    assert (result.exit_code, "guided forecasts" in result.output) == (2, True)


def test_weather_for_a_model_that_knows_none(tmp_path, told):
    result = run(cube(tmp_path), tmp_path / "out.nc", *told, "--weather", table(tmp_path, 160))
    assert (result.exit_code, "does not use weather" in result.output) == (2, True)


@pytest.mark.parametrize(
    "told", [["--horizon", "100000d", "--every", "20000d"], ["--horizon", "99999999999999999999d"]]
)
def test_horizons_of_more_than_ten_years_are_refused(tmp_path, told):
    result = run(cube(tmp_path), tmp_path / "out.nc", "--fill", "none", "--model", "persistence", *told)
    assert result.exit_code == 2 and "longer than 3660 days" in result.output, result.output


def test_a_forecast_tells_when_it_was_made_and_with_which_weights(tmp_path):
    result = run(cube(tmp_path), tmp_path / "out.nc", "--fill", "seq2seq", "--weights", weights(tmp_path))
    assert result.exit_code == 0, result.output
    with xr.open_dataset(tmp_path / "out.nc") as found:
        made = found["forecast_reference_time"]
        assert made.attrs["standard_name"] == "forecast_reference_time" and made.ndim == 0
        leads = (found["time"] - made) / np.timedelta64(1, "D")
        np.testing.assert_array_equal(leads, found["lead_time"])
        assert len(found.attrs["weights_sha256"]) == len(found.attrs["fill_weights_sha256"]) == 64


@pytest.mark.parametrize("model", ["persistence", "harmonic", "convlstm"])
def test_nothing_observed_is_refused(tmp_path, model):
    given = tmp_path / "cloud.nc"
    with xr.open_dataset(cube(tmp_path)) as clear:
        clear.load().assign(clear=clear["clear"] * 0).to_netcdf(given)
    result = run(given, tmp_path / "out.nc", "--fill", "linear", "--model", model)
    assert result.exit_code == 2 and "nothing is observed in the input, 2021-04-01 to" in result.output, result.output
    assert not (tmp_path / "out.nc").exists()
    assert run(given, tmp_path / "usual.nc", "--fill", "linear", "--model", "climatology").exit_code == 0


@pytest.mark.parametrize("told", [["--horizon", "105d"], ["--model", "convlstm-guided"], ["--model", "seasonal"]])
def test_what_is_known_before_is_refused_before_filling(tmp_path, told, monkeypatch):
    def filled(*_):
        raise AssertionError("filled first")

    monkeypatch.setattr("clearcube.workflows.forecast.filled_context", filled)
    result = run(cube(tmp_path), tmp_path / "out.nc", "--fill", "linear", *told)
    assert result.exit_code == 2 and not isinstance(result.exception, AssertionError), result.output


def test_dates_by_the_usual_step():
    dates = np.array(["2021-01-01", "2021-01-03", "2021-01-05", "2021-01-20"], "datetime64[D]")
    assert (target_dates(dates, 7, None) - dates[-1]).astype(int).tolist() == [2, 4, 6]


def test_training_from_the_command_line(tmp_path, monkeypatch):
    config = tmp_path / "run.toml"
    config.write_text(TINY_RUN.format(folder=tmp_path))
    result = CliRunner().invoke(app, ["train-forecast", str(config)])
    assert result.exit_code == 0, result.output
    assert "episodes 2 of 2" in result.output
    _, metadata = checkpoint.load(tmp_path / "run/last.safetensors")
    assert metadata["provenance"]["episodes"] == {"simulated": 2, "real": 0}
    assert "the best ones in best.safetensors" in result.output
    again = CliRunner().invoke(app, ["train-forecast", str(config), "--resume", "-q"])
    assert again.exit_code == 0, again.output
    refused = CliRunner().invoke(app, ["train-forecast", str(config)])
    assert refused.exit_code == 2 and "holds another run" in refused.output and "--resume" in refused.output
    monkeypatch.setattr("clearcube.forecasting.training.train", lambda *_, **__: None)
    (tmp_path / "run/best.safetensors").unlink()
    anew = CliRunner().invoke(app, ["train-forecast", str(config), "--overwrite"])
    assert anew.exit_code == 0 and "last.safetensors" in anew.output and "best" not in anew.output, anew.output


def test_test_files_never_train(tmp_path, monkeypatch):
    import hashlib
    from pathlib import Path

    path = cube(tmp_path)
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    monkeypatch.setattr("clearcube.training.packing.test_sums", lambda: {digest: "a test cube"})
    config = tmp_path / "run.toml"
    config.write_text(f'train = ["{path}"]\n' + TINY_RUN.format(folder=tmp_path))
    result = CliRunner().invoke(app, ["train-forecast", str(config)])
    assert (result.exit_code, "held-out test file" in result.output) == (2, True)

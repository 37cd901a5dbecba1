"""What a user meets on the command line: networks, judges of pictures, bad input, files of other programs."""

import inspect
import json
import warnings

import numpy as np
import pytest
import torch
import xarray as xr
import zarr
from builders import cloudy_cube
from cli_builders import run
from evaluation_builders import alexnet, tiny_inception
from network_builders import saved

from clearcube.cli import app
from clearcube.cli.fill import READING
from clearcube.cube import Source
from clearcube.evaluation.records import load
from clearcube.readers.open import open_cube
from clearcube.workflows.evaluation_plan import EvaluationRequest, fillers_of
from clearcube.workflows.score import _uncertainty, score_files

pytestmark = pytest.mark.usefixtures("no_figures")


def place(seed, size=32, **options):
    return cloudy_cube(times=8, height=size, width=size, cloud=0.02, seed=seed, never=False, **options)


def write(cube, path):
    cube.drop_vars("truth", errors="ignore").to_zarr(path, zarr_format=2)
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write(place(0), tmp_path_factory.mktemp("cubes") / "place0.zarr")


@pytest.fixture(scope="module")
def judged(store, tmp_path_factory):
    """A run with a network of one's own and networks that judge pictures."""
    folder = tmp_path_factory.mktemp("judged")
    torch.save(alexnet(), folder / "lpips.pth")
    torch.save(tiny_inception(), folder / "inception.pth")
    judges = ("--lpips", folder / "lpips.pth", "--fid", folder / "inception.pth")
    weights = ("--weights", saved(folder, 0.05, "mine"), "--weights", saved(folder, 0.0, "other"))
    arguments = ("--methods", "linear", "--scenarios", "frames", "--seeds", "0-1", "--out", folder / "out", "--quiet")
    result = run("evaluate", store, *arguments, *judges, *weights)
    assert result.exit_code == 0, result.output
    return folder


def test_networks_of_ones_own_stand_in_the_table(judged):
    rows = [line.split(",") for line in (judged / "out" / "summary.csv").read_text().splitlines()[1:]]
    psnr = {row[0]: float(row[4]) for row in rows if row[2:4] == ["psnr", "all"]}
    assert psnr.keys() == {"linear", "mine", "other"} and all(np.isfinite(list(psnr.values())))
    about = json.loads((judged / "out" / "provenance.json").read_text())
    assert len(about["settings"]["weights"]["mine"]) == 64 and about["settings"]["judges"].keys() == {"lpips", "fid"}


def test_lpips_and_fid_are_reported_where_weights_are_given(judged):
    rows = [line.split(",") for line in (judged / "out" / "summary.csv").read_text().splitlines()[1:]]
    found = {(row[0], row[2]): row[4] for row in rows}
    for metric in ("lpips", "fid"):
        assert float(found["linear", metric]) > 0, metric
    features = load(judged / "out" / "sums" / "place0.npz").outcomes["linear", "frames", 0].features
    assert features["filled"].shape == features["truth"].shape and features["truth"].shape[1] == 12
    assert "| fid |" in (judged / "out" / "report.md").read_text()


def test_networks_can_be_judged_without_what_they_are_mixed_with(judged, tmp_path):
    path = str(judged / "mine.safetensors")
    for alone in (False, True):
        request = EvaluationRequest((), tmp_path, ("linear",), ("frames",), (0,), weights=(path,), alone=alone)
        makers, _ = fillers_of(request)
        assert makers["mine"]().alone == alone


def test_two_methods_of_one_name_are_refused(store, judged):
    arguments = ("--methods", "linear", "--out", judged / "none", "--weights", judged / "mine.safetensors")
    result = run("evaluate", store, *arguments, "--weights", judged / "mine.safetensors")
    assert result.exit_code == 2 and "two methods would be called 'mine'" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--lpips", "none.pth"), "the weights none.pth do not exist; check --lpips"),
        (("--fid", "none.pth"), "the weights none.pth do not exist; check --fid"),
        (("--methods", "linear,ganfilling-tiny"), "or a checkpoint that ships ("),
        (("--methods", "linear,forecast"), "holds a network that forecasts and fills nothing"),
    ],
)
def test_weights_that_are_not_there_are_named(store, tmp_path, arguments, words):
    result = run("evaluate", store, "--methods", "linear", "--out", tmp_path / "out", *arguments)
    assert result.exit_code == 2 and words in result.output.replace("\n", " ")
    assert not (tmp_path / "out").exists()


def test_a_cube_without_a_clear_date_is_left_out_and_nothing_to_score_is_no_success(store, tmp_path):
    cloudy = place(1)
    cloudy["observed"][:, 4:] = False
    write(cloudy, tmp_path / "cloudy.zarr")
    options = ("--methods", "linear", "--scenarios", "frames", "--seeds", "0", "--quiet")
    result = run("evaluate", tmp_path / "cloudy.zarr", *options, "--out", tmp_path / "alone")
    assert result.exit_code == 1 and "nothing could be scored: cloudy (frames)" in result.output
    assert "no clear date between two others" in (tmp_path / "alone" / "report.md").read_text()
    result = run("evaluate", tmp_path / "cloudy.zarr", store, *options, "--out", tmp_path / "both")
    assert result.exit_code == 0
    page = (tmp_path / "both" / "report.md").read_text()
    assert "## Left out" in page and "| cloudy | frames | linear 0 |" in page


def test_a_cube_that_cannot_be_read_is_named_and_the_others_go_on(store, tmp_path):
    (tmp_path / "broken.nc").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    options = ("--methods", "linear", "--scenarios", "frames", "--seeds", "0", "--quiet")
    result = run("evaluate", store, tmp_path / "broken.nc", *options, "--out", tmp_path / "out")
    assert result.exit_code == 1 and "all methods on broken" in result.output
    assert "| broken |" in (tmp_path / "out" / "report.md").read_text()
    assert list(json.loads((tmp_path / "out" / "provenance.json").read_text())["inputs"]) == ["place0"]
    result = run("evaluate", tmp_path / "broken.nc", *options, "--out", tmp_path / "none")
    assert result.exit_code == 2 and "no cube can be read" in result.output
    assert not (tmp_path / "none").exists()


def test_predictions_on_another_grid_or_of_other_dates_or_bands_are_refused(store, tmp_path):
    truth = place(0)
    moved = truth.assign_coords(x=truth["x"] + 40.0)
    later = truth.assign_coords(time=truth["time"] + np.timedelta64(1, "D"))
    zone, last = place(0, crs=32632), str(truth["time"].values[6])[:10]
    cases = {
        "moved": (moved, "are on different grids: x begins"),
        "later": (later, "differ in 'time'"),
        "zone": (zone, "are on different grids: EPSG:32632 and EPSG:32631"),
        "small": (truth.isel(y=slice(0, 20)), "has the shape"),
        "fewer": (truth.isel(time=slice(0, 6)), f"6 and 8 entries, without counterpart is {last} of truth"),
        "three": (truth.isel(band=slice(0, 3)), "3 and 4 entries, without counterpart is nir of truth"),
        "bands": (truth.isel(band=[1, 0, 2, 3]), "differ in 'band'"),
    }
    for name, (cube, words) in cases.items():
        write(cube, tmp_path / f"{name}.zarr")
        for on in ("all", "hidden"):
            result = run("score", tmp_path / f"{name}.zarr", store, "--on", on)
            assert result.exit_code == 2 and words in result.output.replace("\n", " "), (name, on, result.output)


def test_fills_whose_rows_run_the_other_way_are_scored_place_by_place(tmp_path):
    truth, back = place(0).isel(y=slice(None, None, -1)), slice(None, None, -1)  # south up: GeoTIFFs turn it
    hidden = np.zeros(truth["observed"].shape, bool)
    hidden[3, :9] = truth["observed"].values[3, :9]
    np.save(tmp_path / "hidden.npy", hidden)
    left = truth["observed"] & ~hidden
    write(truth, tmp_path / "truth.zarr")
    write(truth.isel(y=back), tmp_path / "turned.zarr")
    np.save(tmp_path / "turned.npy", hidden[:, back])
    write(truth.assign(observed=left, reflectance=truth["reflectance"].where(left)), tmp_path / "given.zarr")
    options = ("--method", "linear", "--mask", "observed", "--quiet")
    assert run("fill", tmp_path / "given.zarr", tmp_path / "rasters", *options).exit_code == 0
    found = []
    for name, masks in (("truth", "hidden.npy"), ("turned", "turned.npy"), ("truth", None)):
        hiding = ("--hidden", tmp_path / masks) if masks else ()
        result = run("score", tmp_path / "rasters", tmp_path / f"{name}.zarr", *hiding)
        assert result.exit_code == 0, result.output
        found.append({line.split()[0]: line.split()[-1] for line in result.output.splitlines()[1:]})
    assert "coverage90" in found[0] and found[0] == found[1] == found[2]


def test_values_that_are_not_reflectance_are_refused_and_options_make_them_so(store, tmp_path):
    cube = place(0)
    write(cube.assign(reflectance=cube["reflectance"] * 1e4), tmp_path / "numbers.zarr")
    options = ("--methods", "linear", "--scenarios", "leading", "--seeds", "0", "--quiet", "--mask", "observed")
    result = run("evaluate", tmp_path / "numbers.zarr", *options, "--out", tmp_path / "out")
    assert result.exit_code == 2 and "add --scale 0.0001" in result.output.replace("\n", " ")
    result = run("evaluate", tmp_path / "numbers.zarr", store, *options, "--out", tmp_path / "both")
    assert result.exit_code == 1 and "all methods on numbers" in result.output
    mask = np.zeros(cube["observed"].shape, bool)
    mask[2] = cube["observed"].values[2]
    np.save(tmp_path / "hidden.npy", mask)
    scored = ("score", tmp_path / "numbers.zarr", store, "--hidden", tmp_path / "hidden.npy")
    result = run(*scored)
    assert result.exit_code == 2 and "add --filled-scale 0.0001" in result.output.replace("\n", " ")
    result = run(*scored, "--filled-scale", "0.0001")
    assert result.exit_code == 0, result.output
    found = {line.split()[0]: line.split()[-1] for line in result.output.splitlines()[1:]}
    assert float(found["mae"]) < 1e-7 and "truth" not in found and "ndvi_truth_squared" not in found


def test_masks_in_a_file_are_named_once(store, judged, tmp_path):
    masks = judged / "out" / "hidden" / "place0.npz"
    result = run("score", store, store, "--hidden", masks)
    words = result.output.replace("\n", "")
    assert result.exit_code == 2 and f"name one of them: {masks}:frames_0" in words, words
    assert run("score", store, store, "--hidden", f"{masks}:frames_0").exit_code == 0


def test_bands_of_a_fill_that_are_named_by_the_user_are_scored(store, tmp_path):
    cube = place(0)
    names = {f"v{k}": str(band) for k, band in enumerate(cube["band"].values)}
    variables = {name: cube["reflectance"].sel(band=band, drop=True) for name, band in names.items()}
    xr.Dataset(variables).to_netcdf(tmp_path / "other.nc")
    named = ",".join(f"{band}={name}" for name, band in names.items())
    result = run("score", tmp_path / "other.nc", store, "--on", "all", "--filled-bands", named)
    assert result.exit_code == 0, result.output
    assert float({line.split()[0]: line.split()[-1] for line in result.output.splitlines()[1:]}["mae"]) < 1e-6


def test_a_fill_of_this_program_is_scored_with_its_uncertainty(store, tmp_path):
    cube = place(0)
    hidden = np.zeros(cube["observed"].shape, bool)
    hidden[3] = cube["observed"].values[3]
    np.save(tmp_path / "hidden.npy", hidden)
    given = cube.assign(observed=cube["observed"] & ~hidden, reflectance=cube["reflectance"].where(~hidden[:, None]))
    write(given, tmp_path / "given.zarr")
    result = run("fill", tmp_path / "given.zarr", tmp_path / "filled.zarr", "--method", "linear", "--mask", "observed")
    assert result.exit_code == 0, result.output
    result = run("score", tmp_path / "filled.zarr", store, "--hidden", tmp_path / "hidden.npy")
    assert result.exit_code == 0, result.output
    found = {line.split()[0]: line.split()[-1] for line in result.output.splitlines()[1:]}
    assert {"psnr", "ssim", "sam", "coverage90", "crps", "ndvi_uce", "niqe", "roughness_ratio"} <= found.keys()
    assert 0.5 < float(found["coverage90"]) <= 1
    result = run("score", tmp_path / "filled.zarr", store)  # by what it says of its sources
    assert f"{'psnr':<16}" in result.output and found["psnr"] in result.output
    for name, layout in (("folder", "cube"), ("bands.nc", "bands")):  # other formats hold the same std
        options = ("--method", "linear", "--mask", "observed", "--layout", layout, "--quiet")
        assert run("fill", tmp_path / "given.zarr", tmp_path / name, *options).exit_code == 0
        result = run("score", tmp_path / name, store, "--hidden", tmp_path / "hidden.npy")
        again = {line.split()[0]: line.split()[-1] for line in result.output.splitlines()[1:]}
        for metric in ("psnr", "coverage90", "crps"):
            assert float(again[metric]) == pytest.approx(float(found[metric]), rel=1e-3), (name, metric)
    chosen = ("--bands", "red,blue", "--filled-bands", "red,blue")  # the std of these bands, in this order
    scores = score_files(
        *(str(tmp_path / "filled.zarr"), str(store), "hidden", str(tmp_path / "hidden.npy")),
        opening={"bands": ["red", "blue"]},
        filled_opening={"bands": ["red", "blue"]},
    )
    every = score_files(str(tmp_path / "filled.zarr"), str(store), "hidden", str(tmp_path / "hidden.npy"))
    of = [{(s.metric, s.band): s.value for s in each if s.band in ("red", "blue")} for each in (scores, every)]
    assert of[0]["crps", "red"] == of[1]["crps", "red"] != of[1]["crps", "blue"] == of[0]["crps", "blue"]
    assert run("score", tmp_path / "filled.zarr", store, "--hidden", tmp_path / "hidden.npy", *chosen).exit_code == 0
    for on in ("observed", "all"):  # of copies neither intervals nor pictures say anything
        result = run("score", tmp_path / "filled.zarr", store, "--hidden", tmp_path / "hidden.npy", "--on", on)
        copies = {line.split()[0] for line in result.output.splitlines()[1:]}
        assert {"psnr", "ssim", "ndvi_rmse"} <= copies and not copies & {"coverage90", "crps", "niqe", "ms_ssim"}, on


def test_a_fill_that_saw_what_counts_as_hidden_is_told(store, tmp_path):
    hidden = place(0)["observed"].values.copy()
    hidden[:3], hidden[4:] = False, False
    np.save(tmp_path / "hidden.npy", hidden)
    options = ("--method", "linear", "--mask", "observed", "--quiet")
    assert run("fill", store, tmp_path / "filled.zarr", *options).exit_code == 0
    with pytest.warns(UserWarning, match="pixels that count as hidden"):
        score_files(str(tmp_path / "filled.zarr"), str(store), "hidden", str(tmp_path / "hidden.npy"))


@pytest.mark.parametrize("flag", [Source.REPLACED, Source.SMOOTHED])
def test_observations_that_a_fill_replaced_do_not_count_as_hidden(store, tmp_path, flag):
    options = ("--method", "linear", "--mask", "observed", "--quiet")
    assert run("fill", store, tmp_path / "filled.zarr", *options).exit_code == 0
    source = zarr.open_group(tmp_path / "filled.zarr", mode="r+")["source"]
    source[2] = np.where(source[2] == Source.OBSERVED, flag, source[2])
    result = run("score", tmp_path / "filled.zarr", store)
    assert result.exit_code == 2 and "nothing to score: no pixel" in result.output


def test_evaluate_and_score_read_inputs_as_fill_does(store, tmp_path):
    commands = {command.callback.__name__: command.callback for command in app.registered_commands}
    reading = set(READING) - {"every", "dates"}
    assert {"paths", *READING, "chunks"} == inspect.signature(open_cube).parameters.keys()
    for name in ("evaluate", "score"):
        assert reading <= inspect.signature(commands[name]).parameters.keys(), name
    truth = place(0)
    part = write(truth.isel(time=slice(1, 6)), tmp_path / "part.zarr")
    first, last = (str(truth["time"].values[each])[:10] for each in (1, 5))
    assert run("score", part, store, "--on", "all").exit_code == 2
    result = run("score", part, store, "--on", "all", "--time", f"{first}/{last}")
    assert result.exit_code == 0, result.output


def test_a_fill_of_another_program_is_scored_whatever_it_calls_time(store, tmp_path):
    cube = place(0)
    hidden = np.zeros(cube["observed"].shape, bool)
    hidden[3] = cube["observed"].values[3]
    np.save(tmp_path / "hidden.npy", hidden)
    bands = {name: cube["reflectance"].sel(band=name, drop=True) for name in ("blue", "green", "red", "nir")}
    theirs = xr.Dataset({**bands, "reflectance_std": cube["observed"].astype(float)}).drop_vars("spatial_ref")
    for dim in ("t", "time"):  # one with a std that is none of the bands
        path = tmp_path / f"{dim}.nc"
        theirs.rename({"time": dim} if dim == "t" else {}).to_netcdf(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its CRS, which it has not
            found = score_files(str(path), str(store), "hidden", str(tmp_path / "hidden.npy"))
        assert {"psnr", "ssim"} <= {each.metric for each in found} and "crps" not in {each.metric for each in found}


@pytest.mark.parametrize("written", ["cube.zarr", "cube.nc", "bands.nc", "cogs"])
def test_a_score_knows_how_errors_of_bands_go_together_whatever_their_order(tmp_path, written):
    names = ["nir", "blue", "red"]
    write(place(0).sel(band=names), tmp_path / "in.zarr")
    options = ("--method", "linear", "--mask", "observed", "--quiet")
    kinds = {"bands.nc": ("--layout", "bands")}
    for path in (tmp_path / "plain.zarr", tmp_path / written):
        assert run("fill", tmp_path / "in.zarr", path, *options, *kinds.get(path.name, ())).exit_code == 0
    measured = json.loads(zarr.open_group(tmp_path / "plain.zarr", mode="r").attrs["prepared"])["error_correlation"]
    assert len(np.unique(measured)) == 4
    filled = open_cube(tmp_path / written)
    places = [names.index(name) for name in filled["band"].values]
    assert (written == "bands.nc") == (places != [0, 1, 2])
    _, correlation = _uncertainty(str(tmp_path / written), filled)
    np.testing.assert_array_equal(correlation, np.array(measured)[np.ix_(places, places)])
    order = ("--bands", ",".join(filled["band"].values))
    result = run("score", tmp_path / written, tmp_path / "in.zarr", "--on", "all", "--mask", "observed", *order)
    assert result.exit_code == 0 and "ndvi" in result.output, result.output


@pytest.mark.parametrize("damage", ["cut.npz", "plain.npz", "empty.npz", "archive.npy", "numbers.npy"])
def test_damaged_masks_are_one_message(store, tmp_path, damage):
    path = tmp_path / damage
    if damage == "cut.npz":
        np.savez_compressed(path, shape=(3, 4, 5), partial_0=np.zeros(8, np.uint8))
        path.write_bytes(path.read_bytes()[:-40])
    elif damage == "empty.npz":
        np.savez(path, shape=(3, 4, 5))
    else:
        with path.open("wb") as file:
            (np.savez if damage == "archive.npy" else np.save)(file, np.zeros((3, 4, 5)))
    result = run("score", store, store, "--hidden", path)
    assert result.exit_code == 2 and damage in result.output and "Traceback" not in result.output

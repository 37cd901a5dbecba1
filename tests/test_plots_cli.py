import json
import shutil

import numpy as np
import pytest
import xarray as xr
from builders import band_named, cloudy_cube
from cli_builders import assert_refused, run

from clearcube.cli.plot import in_order
from clearcube.landcover import class_names
from clearcube.readers.filled import open_filled
from clearcube.readers.filled_std import std_of_pixel


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two cubes, what they are filled to, and a file of land cover."""
    folder = tmp_path_factory.mktemp("place")
    for seed in (0, 1):
        cube = cloudy_cube(times=6, height=12, width=10, seed=seed, cloud=0.1, never=False)
        cube = cube.drop_vars("truth").assign_coords(x=cube["x"] + 1000 * seed)
        cube.to_zarr(folder / f"cube{seed}.zarr", zarr_format=2)
        filled = run("fill", folder / f"cube{seed}.zarr", folder / f"filled{seed}.zarr", "--ndvi", "--quiet")
        assert filled.exit_code == 0, filled.output
    np.save(folder / "landcover.npy", np.repeat([10, 40, 80], 4)[:, None] * np.ones(10, np.int64))
    return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluated")
    cube = cloudy_cube(times=10, height=24, width=24, cloud=0.03, never=False).drop_vars("truth")
    cube.to_zarr(folder / "place.zarr", zarr_format=2)
    arguments = ("--methods", "linear,nearest", "--scenarios", "frames,trailing", "--seeds", "0", "--quiet")
    result = run("evaluate", folder / "place.zarr", *arguments, "--out", folder / "results")
    assert result.exit_code == 0, result.output
    return folder / "results"


@pytest.mark.parametrize("suffix", ["png", "pdf", "SVG"])
def test_a_sequence_of_two_cubes_with_land_cover(place, tmp_path, suffix):
    figure = tmp_path / f"figure.{suffix}"
    land = ("--landcover", place / "landcover.npy", "--landcover", place / "landcover.npy")
    inputs = ("--input", place / "cube0.zarr", "--input", place / "cube1.zarr")
    filled = (place / "filled0.zarr", place / "filled1.zarr")
    result = run("plot", "--style", "sequence", *filled, figure, *inputs, *land, "--dates", 2)
    assert result.exit_code == 0, result.output
    assert [path.name for path in tmp_path.iterdir()] == [figure.name]
    if suffix == "SVG":
        text = figure.read_text()
        for word in (">A</text>", ">B</text>", "tree cover", "cropland", "NDVI", "true colour", "not observed"):
            assert word in text


def test_inputs_may_follow_one_input_option(place, tmp_path):
    filled = (place / "filled0.zarr", place / "filled1.zarr")
    given = ("--input", place / "cube0.zarr", place / "cube1.zarr")
    result = run("plot", "--style", "sequence", *filled, tmp_path / "f.svg", *given, "--dates", 1)
    assert result.exit_code == 0, result.output
    swapped = ("--input", place / "cube1.zarr", "--input", place / "cube0.zarr")
    turned = run("plot", "--style", "sequence", *filled, tmp_path / "g.svg", *swapped)
    assert_refused(turned, "another grid")
    assert in_order(["a", "f.pdf", "y"], ["x"]) == (["a"], in_order(["a", "f.pdf"], [])[1], ["x", "y"])


def test_a_pixel_by_its_coordinates(place, tmp_path):
    given = ("--input", place / "cube0.zarr")
    result = run(
        "plot", "--style", "pixel", place / "filled0.zarr", tmp_path / "f.svg", "--at", "500035,5599965", *given
    )
    assert result.exit_code == 0, result.output
    text = (tmp_path / "f.svg").read_text()
    for word in ("500035, 5599965", "EPSG:32631", "row 3, column 3", "90 % interval", "blue", "NDVI", "interpolated"):
        assert word in text
    alone = run("plot", "--style", "pixel", place / "filled0.zarr", tmp_path / "g.svg", "--at", "500035,5599965")
    assert alone.exit_code == 0, alone.output


@pytest.mark.parametrize(
    ("name", "layout", "dtype"), [("a.zarr", "bands", "int16"), ("b.nc", "cube", "float32"), ("c", "cube", "int16")]
)
def test_the_std_of_a_pixel_is_what_was_written_in_every_format(place, tmp_path, name, layout, dtype):
    options = ("--ndvi", "--layout", layout, "--dtype", dtype, "--quiet")
    assert run("fill", place / "cube0.zarr", tmp_path / name, *options).exit_code == 0
    with xr.open_zarr(place / "filled0.zarr") as truth:
        expected = truth["reflectance_std"].isel(y=3, x=4).values
        expected_ndvi = truth["ndvi_std"].isel(y=3, x=4).values
    found = std_of_pixel(str(tmp_path / name), open_filled(str(tmp_path / name)), 3, 4)
    assert set(found) == {"blue", "green", "red", "nir", "ndvi"}
    for band, label in enumerate(("blue", "green", "red", "nir")):
        np.testing.assert_allclose(found[label], expected[:, band], atol=6e-5)
    np.testing.assert_allclose(found["ndvi"], expected_ndvi, atol=6e-5)


@pytest.mark.parametrize("style", ["scores", "calibration"])
def test_figures_of_an_evaluation(results, tmp_path, style):
    result = run("plot", "--style", style, results, tmp_path / "figure.svg")
    assert result.exit_code == 0, result.output
    text = (tmp_path / "figure.svg").read_text()
    words = {"scores": ("PSNR (dB)", "gap length (days)", "linear", "nearest", "better"), "calibration": ("nominal",)}
    for word in words[style]:
        assert word in text


def test_the_figures_say_what_the_tables_say(results):
    import csv

    from clearcube.plots import svg_text
    from clearcube.workflows.figures import figure_of_calibration, figure_of_scores, report_svgs, results_in

    found = results_in(results)
    assert (found.methods, found.scenarios, found.cubes) == (("linear", "nearest"), ("frames", "trailing"), 1)
    only = type(found)(found.pools, found.methods, ("frames",), 1)
    with (results / "summary.csv").open() as file:
        table = {(row["method"], row["scenario"], row["metric"]): row["pooled"] for row in csv.DictReader(file)}
    right = figure_of_scores(only).axes[1]
    for line, method in zip(right.lines, found.methods, strict=True):
        assert line.get_ydata()[0] == pytest.approx(float(table[method, "frames", "psnr"]), rel=1e-6)
    reliability = figure_of_calibration(only).axes[0]
    for line, method in zip(reliability.lines[1:], found.methods, strict=True):
        actual = dict(zip(np.round(line.get_xdata()).astype(int), line.get_ydata(), strict=True))
        for level in (50, 80, 90, 95):
            expected = 100 * float(table[method, "frames", f"coverage{level}"])
            assert actual[level] == pytest.approx(expected, abs=0.05)
    svgs = report_svgs(found)
    assert list(svgs) == ["scores", "calibration"]
    assert svgs["scores"] == svg_text(figure_of_scores(found))
    assert report_svgs(type(found)({}, (), (), 0)) == {}


def test_bad_input_is_refused_and_nothing_written(place, results, tmp_path):
    filled, cube = place / "filled0.zarr", place / "cube0.zarr"
    other, figure = place / "cube1.zarr", tmp_path / "figure.png"
    sequence = ("plot", "--style", "sequence")
    pixel = ("plot", "--style", "pixel", filled, figure)
    assert_refused(run("plot", "--style", "fancy", filled, figure), "'fancy'", "sequence")
    assert_refused(run("plot", filled), "FILLED... FIGURE")
    assert_refused(run("plot", filled, tmp_path / "figure.bmp"), ".png, .pdf, .svg")
    assert_refused(run("plot", tmp_path / "none.zarr", figure), "none.zarr")
    assert_refused(run("plot", filled, figure, "--dates", 0), "--dates is 0")
    assert_refused(run("plot", filled, filled, figure), "2 were given")
    assert_refused(run("plot", filled, figure, "--at", "1,2"), "takes no --at")
    assert_refused(run("plot", filled, figure, "--landcover", "x"), "takes no --landcover")
    assert_refused(run(*sequence, filled, figure), "--input")
    assert_refused(run(*sequence, filled, figure, "--input", tmp_path / "none.nc"), "none.nc")
    assert_refused(run(*sequence, filled, figure, "--input", other), "another grid")
    assert_refused(run(*sequence, filled, filled, figure, "--input", cube), "2 filled cubes and 1 inputs")
    more = ("--input", cube, "--input", other, "--input", place / "filled1.zarr")
    assert_refused(run(*sequence, filled, filled, figure, *more), "2 filled cubes and 3 inputs")
    assert_refused(run(*sequence, filled, figure, "--input", cube, "--landcover", "no.tif"), "no.tif does not exist")
    land = ("--landcover", place / "landcover.npy")
    pair = (filled, place / "filled1.zarr", figure, "--input", cube, "--input", other)
    assert_refused(run(*sequence, *pair, *land), "one --landcover for each")
    assert_refused(run(*sequence, cube, figure, "--input", cube), "was not written by")
    assert_refused(run(*pixel), "--at X,Y")
    assert_refused(run(*pixel, "--at", "0,0"), "outside the cube", "EPSG:32631")
    assert_refused(run(*pixel, "--at", "one,two"), "give numbers")
    assert_refused(run(*pixel, "--at", "1,2,3"), "give two")
    assert_refused(run(*pixel, "--at", "nan,1"), "outside the cube")
    assert_refused(run("plot", "--style", "scores", tmp_path / "none", figure), "does not exist")
    assert_refused(run("plot", "--style", "scores", place, figure), "no finished evaluation")
    assert_refused(run("plot", "--style", "scores", results, figure, "--input", cube), "takes no --input")
    assert not list(tmp_path.iterdir())


def test_the_folder_of_a_figure_is_made(place, tmp_path):
    assert run("plot", place / "filled0.zarr", tmp_path / "new" / "f.png").exit_code == 0
    assert (tmp_path / "new" / "f.png").stat().st_size > 10_000


def test_a_damaged_evaluation_is_refused(results, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(results, folder)
    figure = tmp_path / "figure.png"
    (folder / "sums" / "place.npz").unlink()
    assert_refused(run("plot", "--style", "scores", folder, figure), "place.npz")
    about = json.loads((folder / "provenance.json").read_text())
    (folder / "provenance.json").write_text(json.dumps({"methods": about["methods"]}))
    assert_refused(run("plot", "--style", "calibration", folder, figure), "damaged")
    assert not figure.exists()


def test_classes_are_called_by_their_flags_or_by_the_scheme_that_knows_them():
    flagged = xr.DataArray(np.array([[0, 1]]), attrs={"flag_values": [0, 1], "flag_meanings": "cereal maize"})
    assert class_names(flagged.values, flagged.attrs) == {0: "cereal", 1: "maize"}
    assert class_names(np.array([[10, 40], [80, 3]]))[80] == "water"
    assert class_names(np.array([[62, 73], [162, 3]]))[73] == "cultivated"


@pytest.mark.filterwarnings("ignore:.*no CRS is known")
def test_a_cube_without_reference_system_and_visible_bands(tmp_path):
    bands = (band_named("nir"),)
    cube = cloudy_cube(times=4, height=9, width=8, bands=bands, crs=None).drop_vars("truth")
    cube = cube.assign_coords(y=np.arange(9.0), x=np.arange(8.0))
    cube.to_zarr(tmp_path / "cube.zarr", zarr_format=2)
    for output in ("filled", "filled.nc"):
        assert run("fill", tmp_path / "cube.zarr", tmp_path / output, "--quiet").exit_code == 0
        given = ("--input", tmp_path / "cube.zarr")
        drawn = run("plot", "--style", "sequence", tmp_path / output, tmp_path / f"{output}.svg", *given)
        assert drawn.exit_code == 0, drawn.output
        assert "nir" in (tmp_path / f"{output}.svg").read_text()


def test_rasters_of_a_cube_with_its_rows_upwards_are_shown_beside_it(tmp_path):
    cube = cloudy_cube(times=4, height=9, width=8).drop_vars("truth").isel(y=slice(None, None, -1))
    cube.to_zarr(tmp_path / "cube.zarr", zarr_format=2)
    assert run("fill", tmp_path / "cube.zarr", tmp_path / "filled", "--quiet").exit_code == 0
    drawn = run("plot", tmp_path / "filled", tmp_path / "f.png", "--input", tmp_path / "cube.zarr")
    assert drawn.exit_code == 0, drawn.output

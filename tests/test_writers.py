import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
import rasterio
import xarray as xr
from builders import MeanFiller, PreparedMean, cloudy_cube

from clearcube.cube import PIXEL_SIZE, Band, Source, steps_of
from clearcube.errors import InputError
from clearcube.fill_cube import FillSettings, StagedFill, fill_with
from clearcube.readers import open_cube
from clearcube.readers.filled import open_filled
from clearcube.readers.filled_std import std_of_pixel
from clearcube.writers.cf import annotated, in_band_variables
from clearcube.writers.encoding import OutputFormat
from clearcube.writers.rasters import finish_cogs
from clearcube.writers.stage import opened, stage_path
from clearcube.writers.stores import finish_netcdf

SETTINGS = FillSettings(ndvi=True, invent_distance=3)


@pytest.fixture(scope="module")
def cube():
    return cloudy_cube(times=35)  # more dates than a chunk holds


@pytest.fixture(scope="module")
def filled(cube):
    return fill_with(cube, MeanFiller(), SETTINGS)


def complete(cube, folder, output_format=None, window=16, filler=None):
    with opened(folder / "out", {}, resume=False, overwrite=True) as stage:
        format_of = output_format or OutputFormat()
        StagedFill(cube, filler or MeanFiller(), SETTINGS, format_of, stage, window=window).run()
        return stage


def assert_matches(loaded, filled, tolerance=0.0):
    for name in filled.data_vars:
        np.testing.assert_allclose(loaded[name].values, filled[name].values, rtol=0, atol=tolerance, err_msg=str(name))
    for name in ("time", "y", "x"):
        np.testing.assert_array_equal(loaded[name].values, filled[name].values)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_opens_in_xarray_as_it_was_filled(cube, filled, tmp_path, zarr_format):
    stage = complete(cube, tmp_path, OutputFormat(zarr_format=zarr_format))
    loaded = xr.load_dataset(stage.filled, engine="zarr", decode_coords="all")
    assert_matches(loaded, filled)
    assert loaded.rio.crs.to_epsg() == 32631
    assert loaded.reflectance.dtype == np.float32
    assert loaded.source.dtype == np.uint8
    assert loaded.days_to_observation.dtype == np.int16
    assert list(loaded.band.values) == ["blue", "green", "red", "nir"]


def test_zarr_opens_in_rasterio_with_its_place(cube, filled, tmp_path):
    stage = complete(cube, tmp_path, OutputFormat(layout="bands"))
    with rasterio.open(f'ZARR:"{stage.filled}":/red') as red:
        assert red.crs.to_epsg() == 32631
        assert tuple(red.transform)[:6] == (10, 0, 500_000, 0, -10, 5_600_000)
        assert red.count == filled.sizes["time"]
        np.testing.assert_array_equal(red.read(3), filled.reflectance.values[2, 2])


def test_netcdf_opens_in_xarray_and_rasterio(cube, filled, tmp_path):
    finish_netcdf(complete(cube, tmp_path).filled, tmp_path / "out.nc")
    assert_matches(xr.load_dataset(tmp_path / "out.nc", decode_coords="all"), filled)
    with rasterio.open(f"netcdf:{tmp_path / 'out.nc'}:ndvi") as ndvi:
        assert ndvi.crs.to_epsg() == 32631
        np.testing.assert_array_equal(ndvi.read(1), filled.ndvi.values[0])


def test_netcdf_has_flags_of_their_variable_s_type_and_no_fill_value_of_a_coordinate(cube, tmp_path):
    legend = {"flag_values": np.array([10, 40], np.int16), "flag_meanings": "trees crops"}
    cover = np.full((cube.sizes["y"], cube.sizes["x"]), 40, np.int16)
    finish_netcdf(complete(cube.assign(landcover=(("y", "x"), cover, legend)), tmp_path).filled, tmp_path / "out.nc")
    stored = xr.open_dataset(tmp_path / "out.nc", decode_cf=False)
    for name in ("source", "landcover"):
        assert stored[name].attrs["flag_values"].dtype == stored[name].dtype
    assert stored.landcover.attrs["flag_meanings"] == "trees crops"
    assert all("_FillValue" not in stored[name].attrs for name in ("time", "y", "x"))


def test_int16_keeps_half_a_count(cube, filled, tmp_path):
    stage = complete(cube, tmp_path, OutputFormat(dtype="int16"))
    finish_netcdf(stage.filled, tmp_path / "out.nc")
    for loaded in (xr.load_dataset(stage.filled, engine="zarr"), xr.load_dataset(tmp_path / "out.nc")):
        seen = np.broadcast_to(cube.observed.values[:, None], cube.reflectance.shape)
        difference = np.abs(loaded.reflectance.values - filled.reflectance.values)
        assert difference[seen].max() <= 0.501e-4
        assert np.nanmax(difference) <= 1.1e-4  # invented from values that were rounded before
        assert (np.isnan(loaded.reflectance.values) == np.isnan(filled.reflectance.values)).all()
        assert (loaded.source.values == filled.source.values).all()


def test_int16_holds_extremes_instead_of_wrapping():
    stored = OutputFormat(dtype="int16").encoded(np.array([5.0, -5.0, np.nan], np.float32))
    assert stored.tolist() == [32767, -32767, -32768]


def test_band_layout_has_a_variable_for_each_band(cube, filled, tmp_path):
    stage = complete(cube, tmp_path, OutputFormat(layout="bands"))
    loaded = xr.load_dataset(stage.filled, engine="zarr")
    for index, band in enumerate(["blue", "green", "red", "nir"]):
        np.testing.assert_array_equal(loaded[band].values, filled.reflectance.values[:, index])
        np.testing.assert_array_equal(loaded[f"{band}_std"].values, filled.reflectance_std.values[:, index])
    assert loaded["nir"].attrs["radiation_wavelength"] == 842
    assert loaded["nir"].attrs["radiation_wavelength_units"] == "nm"
    assert loaded["nir"].attrs["ancillary_variables"] == "nir_std source days_to_observation"
    assert "band" not in loaded.dims


@dataclass(frozen=True)
class UnevenFiller(MeanFiller):
    """Fills with the pixel's mean; each band has a std of its own."""

    def prepare(self, sample):
        return PreparedUneven(sample[0].reflectance.shape[1])


@dataclass(frozen=True)
class PreparedUneven(PreparedMean):
    def fill(self, block):
        estimate = super().fill(block)
        return replace(estimate, std=estimate.std * np.arange(1, self.bands + 1, dtype=np.float32)[:, None, None])


@pytest.mark.parametrize("layout", ["cogs", "cube", "bands"])
def test_bands_of_ones_own_are_read_back_with_their_wavelength_and_std(tmp_path, layout):
    own = [("blue", 490.0), ("yellow", 600.5), ("red", 664.6), ("nir", 832.8), ("lwir11", 10895.0), ("haze", np.nan)]
    cube = cloudy_cube(times=4, height=24, width=20, bands=tuple(Band(*each) for each in own))
    filled = fill_with(cube, UnevenFiller(), SETTINGS)
    stored = complete(cube, tmp_path, OutputFormat("bands" if layout == "bands" else "cube"), filler=UnevenFiller())
    path = tmp_path / ("written" if layout == "cogs" else "written.nc")
    if layout == "cogs":
        path.mkdir()
        finish_cogs(stored.filled, path, tmp_path / "scratch")
    else:
        finish_netcdf(stored.filled, path)
    found = open_filled(str(path))
    assert found.band.values.tolist() == [name for name, _ in own]
    np.testing.assert_array_equal(found.wavelength, [nanometres for _, nanometres in own])
    np.testing.assert_array_equal(found.reflectance, filled.reflectance)
    np.testing.assert_array_equal(found.source, filled.source)
    std = std_of_pixel(str(path), found, 3, 4)
    assert set(std) == {*(name for name, _ in own), "ndvi"}
    for index, (name, _) in enumerate(own):
        np.testing.assert_array_equal(std[name], filled.reflectance_std[:, index, 3, 4])
    np.testing.assert_array_equal(std["ndvi"], filled.ndvi_std[:, 3, 4])


@pytest.mark.parametrize("name", ["time", "source", "ndvi", "red_std", "a/b"])
def test_band_layout_refuses_names_of_other_variables(filled, name):
    renamed = filled.assign_coords(band=[name, "green", "red", "nir"])
    with pytest.raises(InputError, match=rf"the band '{name}' cannot have a variable of this name"):
        in_band_variables(renamed)


@pytest.mark.parametrize(("rows", "columns"), [(1, 24), (20, 1), (1, 1)])
def test_a_cog_of_a_lone_row_or_column_has_its_place(tmp_path, rows, columns):
    cube = cloudy_cube(times=3)
    part = cube.isel(y=slice(2, 2 + rows), x=slice(3, 3 + columns))
    (tmp_path / "cogs").mkdir()
    finish_cogs(complete(part, tmp_path).filled, tmp_path / "cogs", tmp_path / "scratch")
    with rasterio.open(next((tmp_path / "cogs").glob("*.tif"))) as file:
        x, y = file.transform * (0.5, 0.5)
        assert (x, y) == (float(part.x[0]), float(part.y[0]))
        size = 1 if rows == columns else 10  # nothing tells the size of a lone pixel
        assert (file.transform.a, file.transform.e) == (size, -size)


def test_a_cog_of_a_lone_pixel_has_the_size_that_its_axes_tell(tmp_path):
    part = cloudy_cube(times=3).isel(y=[2], x=[3])
    part["y"].attrs[PIXEL_SIZE], part["x"].attrs[PIXEL_SIZE] = 20.0, 10.0
    (tmp_path / "cogs").mkdir()
    finish_cogs(complete(part, tmp_path).filled, tmp_path / "cogs", tmp_path / "scratch")
    with rasterio.open(next((tmp_path / "cogs").glob("*.tif"))) as file:
        assert (file.transform.a, file.transform.e) == (10, -20)
        assert file.transform * (0.5, 0.5) == (float(part.x[0]), float(part.y[0]))
    again = open_cube(tmp_path / "cogs")
    assert steps_of(again) == (-20, 10)


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_cogs_hold_each_date(cube, filled, tmp_path, dtype):
    stage = complete(cube, tmp_path, OutputFormat(dtype=dtype))
    target = tmp_path / "cogs"
    target.mkdir()
    finish_cogs(stage.filled, target, tmp_path / "scratch")
    for t in (0, 34):
        day = str(filled.time.values[t])[:10]
        stamp = day.replace("-", "")
        with rasterio.open(target / f"reflectance_{stamp}.tif") as file:
            assert file.descriptions == ("blue", "green", "red", "nir")
            assert [file.tags(band)["wavelength_nm"] for band in (1, 2, 3, 4)] == ["490", "560", "665", "842"]
            assert file.crs.to_epsg() == 32631
            assert tuple(file.transform)[:6] == (10, 0, 500_000, 0, -10, 5_600_000)
            assert file.tags()["date"] == day
            assert file.tags()["TIFFTAG_DATETIME"] == day.replace("-", ":") + " 00:00:00"
            assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            values = np.where(file.read_masks() > 0, file.read() * np.array(file.scales)[:, None, None], np.nan)
            np.testing.assert_allclose(values, filled.reflectance.values[t], atol=1.1e-4 if dtype == "int16" else 0)
        with rasterio.open(target / "source" / f"source_{stamp}.tif") as file:
            np.testing.assert_array_equal(file.read(1), filled.source.values[t])
            assert file.colormap(1)[int(Source.OBSERVED)] == (0, 114, 178, 255)
        with rasterio.open(target / "days" / f"days_{stamp}.tif") as file:
            np.testing.assert_array_equal(file.read(1), filled.days_to_observation.values[t])
        for folder in ("std", "ndvi", "ndvi_std"):
            assert (target / folder / f"{folder}_{stamp}.tif").exists()
    assert not list((tmp_path / "scratch").iterdir())


def test_small_cogs_have_overviews_too(tmp_path):
    stage = complete(cloudy_cube(times=4, height=128, width=100), tmp_path, window=128)
    (tmp_path / "cogs").mkdir()
    finish_cogs(stage.filled, tmp_path / "cogs", tmp_path / "scratch")
    for path in (tmp_path / "cogs").rglob("*.tif"):
        with rasterio.open(path) as file:
            assert file.overviews(1) == [2], path


def test_large_cogs_have_overviews(tmp_path):
    cube = cloudy_cube(times=3, height=700, width=700, cloud=0, never=False)
    stage = complete(cube, tmp_path, window=256)
    (tmp_path / "cogs").mkdir()
    finish_cogs(stage.filled, tmp_path / "cogs", tmp_path / "scratch")
    for path in (tmp_path / "cogs").rglob("*.tif"):
        with rasterio.open(path) as file:
            assert file.overviews(1), path


def test_cf_attributes(filled):
    assert filled.attrs["Conventions"] == "CF-1.10"
    reflectance = filled.reflectance.attrs
    assert reflectance["standard_name"] == "surface_bidirectional_reflectance"
    assert reflectance["units"] == "1"
    assert reflectance["grid_mapping"] == "spatial_ref"
    assert set(reflectance["ancillary_variables"].split()) <= set(filled.data_vars)
    flags = dict(zip(filled.source.attrs["flag_meanings"].split(), filled.source.attrs["flag_values"], strict=True))
    assert flags == {flag.name.lower(): int(flag) for flag in Source}
    assert filled.wavelength.attrs["units"] == "nm"
    assert filled.x.attrs["standard_name"] == "projection_x_coordinate"
    assert json.loads(filled.attrs["prepared"]) == {"bands": 4, "std": 0.1}
    geographic = fill_with(cloudy_cube(crs=4326), MeanFiller(), SETTINGS)
    assert geographic.y.attrs["standard_name"] == "latitude"
    assert [geographic[axis].attrs["units"] for axis in ("y", "x")] == ["degrees_north", "degrees_east"]
    assert filled.ndvi_std.attrs["standard_name"] == "normalized_difference_vegetation_index standard_error"


def test_a_cube_that_follows_conventions_and_counts_in_feet(cube):
    made = fill_with(cube.assign_attrs(Conventions="CF-1.8"), MeanFiller(), SETTINGS)
    assert made.attrs["Conventions"] == "CF-1.10"
    feet = annotated(made.assign_coords(spatial_ref=cloudy_cube(crs=2263)["spatial_ref"]), {})
    assert feet["y"].attrs["units"] == feet["x"].attrs["units"] == "US_survey_foot"


def test_a_cube_without_crs_gives_an_output_without(tmp_path):
    stage = complete(cloudy_cube(crs=None), tmp_path)
    loaded = xr.load_dataset(stage.filled, engine="zarr", decode_coords="all")
    assert "spatial_ref" not in loaded.coords
    assert "grid_mapping" not in loaded.reflectance.attrs


def test_unknown_formats_are_refused():
    with pytest.raises(InputError, match="dtype is 'float16'; it must be float32 or int16"):
        OutputFormat(dtype="float16")
    with pytest.raises(InputError, match="zarr-format is 4"):
        OutputFormat(zarr_format=4)


def test_a_stage_is_resumed_only_by_the_same_run(tmp_path):
    output = tmp_path / "out.zarr"
    with opened(output, {"input": {"a": [1, 2]}, "window": 256}, resume=False, overwrite=False) as stage:
        stage.mark("fill 0 0")
    with pytest.raises(InputError, match="--resume"), opened(output, {}, resume=False, overwrite=False):
        pass
    changed = {"input": {"a": [1, 3]}, "window": 256}
    with (
        pytest.raises(InputError, match=r"input.a was \[1, 2\] and is \[1, 3\]"),
        opened(output, changed, resume=True, overwrite=False),
    ):
        pass
    with opened(output, {"input": {"a": [1, 2]}, "window": 256}, resume=True, overwrite=False) as stage:
        assert stage.resumed
        assert stage.done() == {"fill 0 0"}
    with opened(output, changed, resume=False, overwrite=True) as stage:
        assert not stage.resumed
        assert stage.done() == set()


def test_a_line_cut_off_by_a_kill_does_not_count(tmp_path):
    with opened(tmp_path / "out.nc", {}, resume=False, overwrite=False) as stage:
        stage.mark("fill 0 0")
        with (stage.path / "done.log").open("a") as log:
            log.write("fill 0 1")
        assert stage.done() == {"fill 0 0"}


def test_what_a_kill_left_half_written_is_no_part_of_the_output(tmp_path):
    with opened(tmp_path / "out.zarr", {}, resume=False, overwrite=False) as stage:
        half = stage.filled / "ndvi" / "0.8.a3e87b978e7c49bbbaf78cb806eb321e.partial"
        whole = stage.filled / "ndvi" / "0.7"
        half.parent.mkdir(parents=True)
        for file in (half, whole):
            file.write_bytes(b"1")
    with opened(tmp_path / "out.zarr", {}, resume=True, overwrite=False) as stage:
        assert stage.resumed and whole.exists() and not half.exists()


def test_a_second_writer_is_refused(tmp_path):
    output = tmp_path / "out.zarr"
    with opened(output, {}, resume=False, overwrite=False):
        code = (
            "from pathlib import Path; from clearcube.writers.stage import opened; import sys\n"
            "with opened(Path(sys.argv[1]), {}, resume=True, overwrite=True): pass"
        )
        import subprocess
        import sys

        other = subprocess.run([sys.executable, "-c", code, str(output)], capture_output=True, text=True, check=False)
    assert other.returncode != 0
    assert "is being written by another process" in other.stderr
    assert stage_path(output).exists()


def test_a_stage_whose_removal_is_stopped_is_none_to_resume(tmp_path, monkeypatch):
    def stopped(path):
        monkeypatch.undo()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), opened(tmp_path / "out", {}, resume=False, overwrite=False) as stage:
        monkeypatch.setattr("clearcube.writers.stage.shutil.rmtree", stopped)
        stage.remove()
    assert list(tmp_path.iterdir()) == []


def test_an_unreadable_manifest_is_explained(tmp_path):
    output = tmp_path / "out.zarr"
    with opened(output, {}, resume=False, overwrite=False) as stage:
        (stage.path / "manifest.json").write_text("{")
    with (
        pytest.raises(InputError, match="start over with --overwrite"),
        opened(output, {}, resume=True, overwrite=False),
    ):
        pass


@pytest.mark.parametrize("axes", [("y",), ("x",), ("y", "x")])
def test_cogs_are_north_up_and_west_left_whatever_the_cube_is(tmp_path, axes):
    plain = cloudy_cube(times=3)
    cube = plain.isel({axis: slice(None, None, -1) for axis in axes})
    stage = complete(cube, tmp_path)
    (tmp_path / "cogs").mkdir()
    finish_cogs(stage.filled, tmp_path / "cogs", tmp_path / "scratch")
    filled = fill_with(cube, MeanFiller(), SETTINGS).sel(y=plain.y, x=plain.x)
    with rasterio.open(sorted((tmp_path / "cogs").glob("*.tif"))[0]) as file:
        assert tuple(file.transform)[:6] == (10, 0, 500_000, 0, -10, 5_600_000)
        np.testing.assert_array_equal(file.read(), filled.reflectance.values[0])


def test_no_data_of_the_days_is_minus_one(tmp_path):
    cube = cloudy_cube(times=3)
    (tmp_path / "cogs").mkdir()
    finish_cogs(complete(cube, tmp_path).filled, tmp_path / "cogs", tmp_path / "scratch")
    with rasterio.open(next((tmp_path / "cogs" / "days").glob("*.tif"))) as file:
        assert file.nodata == -1
        np.testing.assert_array_equal(file.read_masks(1) == 0, ~cube.observed.values.any(axis=0))


def test_overviews_hold_means_of_values_but_flags_and_days_that_there_are(tmp_path):
    stage = complete(cloudy_cube(times=4, height=128, width=128, never=False), tmp_path, window=128)
    (tmp_path / "cogs").mkdir()
    finish_cogs(stage.filled, tmp_path / "cogs", tmp_path / "scratch")
    for folder in (".", "std", "ndvi", "source", "days"):
        path = sorted((tmp_path / "cogs" / folder).glob("*.tif"))[0]
        with rasterio.open(path) as whole, rasterio.open(path, overview_level=0) as overview:
            fours, coarse = whole.read(1).reshape(64, 2, 64, 2), overview.read(1)
        if folder in ("source", "days"):
            assert (fours == coarse[:, None, :, None]).any(axis=(1, 3)).all(), folder
        else:
            np.testing.assert_allclose(coarse, fours.mean(axis=(1, 3)), rtol=1e-4, atol=1e-6, err_msg=folder)


def test_what_has_no_dates_is_never_packed(tmp_path):
    height = np.linspace(0, 461, 40 * 50, dtype=np.float32).reshape(40, 50)
    cube = cloudy_cube(times=4, height=40, width=50).assign(elevation=(("y", "x"), height))
    stage = complete(cube, tmp_path, OutputFormat(dtype="int16"))
    finish_netcdf(stage.filled, tmp_path / "out.nc")
    for loaded in (xr.load_dataset(stage.filled, engine="zarr"), xr.load_dataset(tmp_path / "out.nc")):
        np.testing.assert_array_equal(loaded["elevation"], height)


def test_a_run_that_replaces_an_output_can_be_resumed(tmp_path):
    output = tmp_path / "out.zarr"
    with opened(output, {}, resume=False, overwrite=True) as stage:
        stage.mark("fill 0 0")
    with opened(output, {}, resume=True, overwrite=True) as stage:
        assert stage.resumed and stage.done() == {"fill 0 0"}


def test_a_line_cut_off_by_a_kill_does_not_swallow_the_next(tmp_path):
    output = tmp_path / "out.zarr"
    with opened(output, {}, resume=False, overwrite=False) as stage:
        stage.mark("one")
        with (stage.path / "done.log").open("a") as log:
            log.write("tw")
    with opened(output, {}, resume=True, overwrite=False) as stage:
        stage.mark("two")
        assert stage.done() == {"one", "two"}


def test_a_stage_that_is_wiped_is_no_stage_from_the_first_moment_on(tmp_path, monkeypatch):
    output = tmp_path / "out.zarr"
    with opened(output, {}, resume=False, overwrite=False) as stage:
        (stage.filled / "red").mkdir(parents=True)
        stage.mark("fill 0 0")

    def stopped(path):
        assert not (stage.path / "manifest.json").exists() and not (stage.path / "done.log").exists()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("clearcube.writers.stage.shutil.rmtree", stopped)
        with pytest.raises(KeyboardInterrupt), opened(output, {}, resume=False, overwrite=True):
            pass
    with opened(output, {}, resume=True, overwrite=False) as stage:
        assert not stage.resumed


def test_a_folder_that_is_no_stage_is_left_alone(tmp_path):
    mine = tmp_path / "out.stage" / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("years of work")
    with pytest.raises(InputError, match=r"out\.stage, where .* would grow, is not clearcube's"):
        opened(tmp_path / "out", {}, resume=False, overwrite=True).__enter__()
    assert mine.read_text() == "years of work"

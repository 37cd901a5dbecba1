import re
import zipfile

import numpy as np
import pytest
import xarray as xr

from clearcube import fill
from clearcube.cube import check_cube, crs_of, dates_of, elevation_of
from clearcube.errors import InputError
from clearcube.readers import open_cube
from clearcube.readers.earthnet_names import parse_name, tile_corner

STEM = "29SND_2017-06-30_2017-11-26_1081_1209_1721_1849_16_96_26_106.npz"


def frames(count, channels=5, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 1, (128, 128, channels, count)).astype(np.float16)
    values[:, :, -1] = rng.random((128, 128, count)) < 0.3
    return values


def write(folder, name, values, **arrays):
    np.savez(folder / name, highresdynamic=values, **arrays)
    return folder / name


def test_a_name_tells_dates_and_place():
    name = parse_name("/some/where/context_" + STEM)
    assert (name.part, name.tile, name.sequence_length) == ("context", "29SND", 30)
    dates = name.dates(10)
    assert (str(dates[0]), str(dates[1]), str(dates[-1])) == ("2017-07-04", "2017-07-09", "2017-08-18")
    assert str(parse_name("target_" + STEM).dates(20)[0]) == "2017-08-23"
    assert str(parse_name("target_" + STEM).dates(20)[-1]) == "2017-11-26"
    y, x = name.grid(128, 128)
    assert (x[0], y[0]) == (499980 + 20 * 1721 + 10, 4400040 - 20 * 1081 - 10)
    assert (x[-1], y[-1]) == (499980 + 20 * 1849 - 10, 4400040 - 20 * 1209 + 10)
    assert name.crs == "EPSG:32629"


def test_four_tiles_lie_57_rows_further_south():
    shifted = parse_name("32UMC_2018-01-28_2018-11-23_57_185_0_128_1_2_3_4.npz")
    assert shifted.grid(128, 128)[0][0] == tile_corner("32UMC")[1] - 20 * (57 + 57) - 10
    assert shifted.sequence_length == 60


@pytest.mark.parametrize(
    ("tile", "west", "north"),
    [
        ("29SND", 499980, 4400040),
        ("31UDS", 399960, 5700000),
        ("34TET", 499980, 5300040),
        ("33SXD", 600000, 4400040),
        ("32TNT", 499980, 5300040),
        ("23KPQ", 600000, 7500000),
    ],
)
def test_corners_of_tiles_are_those_of_sentinel2(tile, west, north):
    assert tile_corner(tile) == (west, pytest.approx(north, abs=60))


@pytest.mark.parametrize("name", ["cube.npz", "29SND_2017_1.npz", "context_29SND_2017-06-30_2017-11-26.npz"])
def test_a_name_that_tells_nothing_is_refused(name):
    with pytest.raises(InputError, match="the name does not tell dates and place"):
        parse_name(name)


def test_context_and_target_make_one_cube_in_either_order(tmp_path):
    whole = frames(30)
    context = write(tmp_path, "context_" + STEM, whole[..., :10])
    target = write(tmp_path, "target_" + STEM, whole[..., 10:])
    cube = check_cube(open_cube([target, context]))
    np.testing.assert_array_equal(cube.reflectance, whole[:, :, :4].astype(np.float32).transpose(3, 2, 0, 1))
    np.testing.assert_array_equal(cube.observed, (whole[:, :, 4] == 0).transpose(2, 0, 1))
    assert (np.diff(dates_of(cube)).astype(int) == 5).all()
    assert cube.attrs["georeference"] == "approximate"
    assert cube.attrs["acquisitions"] == 30
    assert cube.band.values.tolist() == ["blue", "green", "red", "nir08"]
    assert crs_of(cube).to_epsg() == 32629
    assert open_cube(tmp_path).identical(cube.assign_attrs(source_files=[str(context), str(target)]))


def test_the_train_layout_has_three_masks(tmp_path):
    values = frames(30, channels=7)
    values[:, :, 4] = 50
    values[:, :, 5] = 4
    values[:64, :, 5] = 9
    file = write(tmp_path, STEM, values, landcover=np.full((1, 128, 128), 73, np.uint8))
    observed = (values[:, :, 6] == 0).transpose(2, 0, 1)
    cube = open_cube(file)
    np.testing.assert_array_equal(cube.observed, observed)
    np.testing.assert_array_equal(open_cube(file, mask="mask").observed, observed)
    assert not open_cube(file, mask="cloud_probability").observed.any()
    assert open_cube(file, mask="cloud_probability", max_cloud_probability=50).observed.all()
    assert open_cube(file, mask="scl").observed.mean() == 0.5
    assert open_cube(file, mask="none").observed.all()
    assert (cube.landcover == 73).all()


def test_scale_offset_and_no_data_of_the_user_count(tmp_path):
    values = frames(10)
    values[0, 0, :4, 2] = 0.5
    cube = open_cube(write(tmp_path, "context_" + STEM, values), scale=0.5, offset=0.25, nodata=0.5)
    expected = 0.5 * values[:, :, :4].astype(np.float64).transpose(3, 2, 0, 1) + 0.25
    expected[expected == 0.5] = np.nan
    np.testing.assert_allclose(cube.reflectance, expected, rtol=1e-6)


def test_the_mask_is_trusted_and_missing_values_are_never_observed(tmp_path):
    values = frames(10)
    values[..., 4, :] = 0
    values[:, :, :4, 3] = np.nan
    values[:, :, :4, 5], values[:, :, 4, 5] = 1.0, 1
    values[0, 0, 2, 7] = np.nan
    observed = open_cube(write(tmp_path, "context_" + STEM, values)).observed
    assert observed.sum(("y", "x")).values.tolist() == [16384] * 3 + [0, 16384, 0, 16384, 16383, 16384, 16384]


def test_dilation_grows_clouds_and_not_missing_frames(tmp_path):
    values = frames(10)
    values[..., 4, :] = 0
    values[64, 64, 4, 0] = 1
    values[64, 64, 4, 1], values[64, 64, :4, 1] = 1, np.nan
    observed = open_cube(write(tmp_path, "context_" + STEM, values), dilate=1).observed
    assert (~observed).sum(("y", "x")).values.tolist()[:2] == [5, 1]


def test_land_cover_from_a_file(tmp_path):
    file = write(tmp_path, "context_" + STEM, frames(10))
    np.savez(tmp_path / "landcover", landcover=np.full((1, 128, 128), 62, np.uint8))
    np.save(tmp_path / "other.npy", np.zeros((3, 128)))
    assert (open_cube(file, landcover=tmp_path / "landcover.npz").landcover == 62).all()
    with pytest.raises(InputError, match=r"has the shape .3, 128., the cube 128 x 128"):
        open_cube(file, landcover=tmp_path / "other.npy")
    with pytest.raises(InputError, match=r"absent.npy does not exist"):
        open_cube(file, landcover=tmp_path / "absent.npy")


def test_land_cover_with_coordinates_beside_an_approximate_cube(tmp_path):
    file = write(tmp_path, "context_" + STEM, frames(10))
    y, x = parse_name("context_" + STEM).grid(128, 128)
    codes = np.arange(128 * 128).reshape(128, 128) % 100
    for name, rows, columns, wanted in (("shifted", y + 700, x - 90, codes), ("turned", y[::-1], x, codes[::-1])):
        land = xr.Dataset({"landcover": (("y", "x"), codes)}, {"y": rows, "x": columns}, {"crs": "EPSG:32629"})
        land.to_netcdf(tmp_path / f"{name}.nc")
        np.testing.assert_array_equal(open_cube(file, landcover=tmp_path / f"{name}.nc").landcover, wanted)


def test_elevation_is_in_metres_and_stays_so_in_what_is_filled(tmp_path):
    stored = np.linspace(0.5, 0.75, 128 * 128).astype(np.float16).reshape(128, 128, 1)
    cube = open_cube(write(tmp_path, "context_" + STEM, frames(10), highresstatic=stored))
    metres = elevation_of(cube)
    assert cube.elevation.attrs["units"] == "m" and cube.elevation.dtype == np.float32
    np.testing.assert_allclose(metres, 4000 * stored[..., 0].astype(np.float64) - 2000, atol=1e-3)
    assert (metres.min(), metres.max()) == (0, 1000)
    fill(cube.isel(y=slice(8), x=slice(8)), "linear").to_zarr(tmp_path / "filled.zarr", zarr_format=2)
    again = open_cube(tmp_path / "filled.zarr")
    assert again.attrs["format"] != "earthnet"
    np.testing.assert_array_equal(elevation_of(again), metres[:8, :8])


def test_objects_are_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return open, (str(tmp_path / "sprung"), "w")

    file = write(tmp_path, STEM, np.array([Trap()], dtype=object))
    with pytest.raises(InputError, match="holds pickled objects"):
        open_cube(file)
    assert not (tmp_path / "sprung").exists()


def bad_files(folder):
    good = write(folder, STEM, frames(30, 7)).read_bytes()
    yield "cut off", good[: len(good) // 2], "is in no format that clearcube reads|cannot be read as npz"
    yield "empty", b"", "is empty"
    yield "text", b"hello, this is no archive", "is in no format that clearcube reads"
    yield "scrambled", good[:5000] + bytes(3000) + good[8000:], "damaged or cut off"


def test_an_archive_of_other_files_is_no_cube(tmp_path):
    with zipfile.ZipFile(tmp_path / "product.zip", "w") as archive:
        archive.writestr("S2A.SAFE/MTD_MSIL2A.xml", "<a/>")
    with pytest.raises(InputError, match=r"product\.zip is a zip archive of files; unpack it"):
        open_cube(tmp_path / "product.zip")


@pytest.mark.parametrize("case", range(4))
def test_damaged_files_are_refused(tmp_path, case):
    _, content, message = list(bad_files(tmp_path))[case]
    (tmp_path / STEM).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        open_cube(tmp_path / STEM)
    assert str(tmp_path / STEM) in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((128, 128, 5), np.float16), "'highresdynamic' is float16 of shape"),
        (np.zeros((8, 8, 6, 30), np.float16), "'highresdynamic' is float16 of shape"),
        (np.zeros((8, 8, 5, 31), np.float16), "holds 31 dates, but its name tells of 30"),
        (np.zeros((128, 128, 5, 1), np.float16), "only one date"),
    ],
)
def test_other_shapes_are_refused(tmp_path, values, message):
    with pytest.raises(InputError, match=message):
        open_cube(write(tmp_path, "context_" + STEM, values))


def test_what_is_no_single_cube_is_refused(tmp_path):
    context = write(tmp_path, "context_" + STEM, frames(10))
    other = write(tmp_path, "context_" + STEM.replace("1081_1209", "953_1081"), frames(10))
    with pytest.raises(InputError, match=r"953.* is another place or time than .*1081"):
        open_cube([context, other])
    with pytest.raises(InputError, match="is given twice"):
        open_cube([context, context])
    whole = write(tmp_path, STEM, frames(30))
    with pytest.raises(InputError, match="hold the same dates"):
        open_cube([context, whole])
    np.savez(tmp_path / ("target_" + STEM), something=np.zeros(3))
    with pytest.raises(InputError, match="no array 'highresdynamic'"):
        open_cube(tmp_path / ("target_" + STEM))
    with pytest.raises(InputError, match=re.escape("no band 'B05'; the bands there are blue, green, red, nir08")):
        open_cube(context, bands=["B05"])


def test_every_real_cube_opens(shared):
    for file in sorted((shared / "data").glob("*/earthnet2021/*.npz")):
        cube = check_cube(open_cube(file))
        assert cube.sizes["time"] == (10 if file.name.startswith("context") else 20)
        assert 0.6 < float(cube.observed.mean()) < 0.95
        assert np.isfinite(cube.reflectance.values[:, :, cube.observed.values.any(0)]).any()


def test_other_pixels_than_the_name_tells_are_refused(tmp_path):
    path = write(tmp_path, "context_" + STEM, frames(10)[:, :64])
    with pytest.raises(InputError, match="holds 128 x 64 pixels, but its name tells of 128 x 128"):
        open_cube(path)

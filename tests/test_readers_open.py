import re

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from clearcube.cube import check_cube, dates_of, steps_of
from clearcube.errors import InputError
from clearcube.readers import open_cube
from clearcube.readers.decoding import Decoding
from clearcube.readers.mask_spec import MaskSpec
from clearcube.readers.merging import merge_days

Y, X = 5000005.0 - 10 * np.arange(8), 400005.0 + 10 * np.arange(6)
TIMES = np.array(["2020-01-03T10:50", "2020-01-08T10:40", "2020-01-13T10:50"], dtype="datetime64[ns]")


def store(path, values=None, times=TIMES, y=Y, x=X, crs="EPSG:32631", **masks):
    """A store with the band red, all 0.2 unless given, and masks (time, y, x)."""
    shape = (len(times), len(y), len(x))
    values = np.full(shape, 0.2, np.float32) if values is None else np.asarray(values, np.float32)
    fields = {"red": values, **masks}
    coords = {"time": times, "y": y, "x": x}
    xr.Dataset({k: (("time", "y", "x"), v) for k, v in fields.items()}, coords, {"crs": crs}).to_netcdf(
        path, engine="h5netcdf"
    )
    return path


def flags(*marked, shape=(3, 8, 6), dtype=np.int16):
    """Zeros with ones at the marked (time, y, x)."""
    values = np.zeros(shape, dtype)
    for place in marked:
        values[place] = 1
    return values


def unobserved(cube):
    return [tuple(int(i) for i in place) for place in np.argwhere(~cube.observed.values)]


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("none", (None, None, None)),
        ("SCL", ("SCL", None, None)),
        ("SCL=scl", ("SCL", None, "scl")),
        ("a/b.nc:SCL", ("SCL", "a/b.nc", None)),
        ("a=b.nc:my mask=bad", ("my mask", "a=b.nc", "bad")),
        ("s3://place/scl.zarr:SCL", ("SCL", "s3://place/scl.zarr", None)),
        ("C:/data/scl.nc:SCL=scl", ("SCL", "C:/data/scl.nc", "scl")),
    ],
)
def test_masks_as_users_write_them(text, parsed):
    spec = MaskSpec.parse(text)
    assert (spec.variable, spec.file, spec.kind) == parsed


@pytest.mark.parametrize("text", ["SCL=cloud", "s3://place/scl.zarr", "file.nc:", ""])
def test_masks_that_cannot_be_read(text):
    with pytest.raises(InputError, match=re.escape(f"mask is '{text}'")):
        MaskSpec.parse(text)


def test_a_mask_of_ones_own_needs_its_kind(tmp_path):
    file = store(tmp_path / "a.nc", cloudy=flags((1, 2, 3)), prob=50 * flags((2, 0, 0)))
    assert unobserved(open_cube(file)) == []
    assert unobserved(open_cube(file, mask="cloudy=bad")) == [(1, 2, 3)]
    assert open_cube(file, mask="cloudy=clear").observed.values.sum() == 1
    assert unobserved(open_cube(file, mask="prob=probability")) == [(2, 0, 0)]
    assert unobserved(open_cube(file, mask="prob=probability", max_cloud_probability=50)) == []
    with pytest.raises(InputError, match="name does not tell what it means; write cloudy=KIND, one of scl"):
        open_cube(file, mask="cloudy")
    with pytest.raises(InputError, match=r"no mask 'SCL'; the variables with dates there are red, cloudy, prob"):
        open_cube(file, mask="SCL")


def test_a_variable_called_observed(tmp_path):
    file = store(tmp_path / "a.nc", observed=1 - flags((1, 2, 3)))
    assert unobserved(open_cube(file)) == [(1, 2, 3)]
    assert unobserved(open_cube(file, mask="none")) == []
    assert unobserved(open_cube(store(tmp_path / "b.nc", observed=1 - flags((0, 1, 1), dtype=np.float32)))) == [
        (0, 1, 1)
    ]
    boolean = store(tmp_path / "c.nc", observed=flags((2, 2, 2)) == 0)
    assert unobserved(open_cube(boolean)) == [(2, 2, 2)]
    odd = store(tmp_path / "d.nc", observed=4 * flags((1, 2, 3)))
    with pytest.raises(InputError, match=r"'observed' holds 4, where only 0 and 1 .* observed=clear or observed=bad"):
        open_cube(odd)
    assert unobserved(open_cube(odd, mask="observed=bad")) == [(1, 2, 3)]


def test_a_probability_in_fractions_wants_a_fraction(tmp_path):
    file = store(tmp_path / "a.nc", cloud_probability=flags((1, 2, 3)).astype(np.float32) * 0.7)
    with pytest.raises(InputError, match=r"goes up to 0.7 only, the threshold is 40"):
        open_cube(file)
    assert unobserved(open_cube(file, max_cloud_probability=0.4)) == [(1, 2, 3)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scl_keep": (4, 12)}, "scl_keep is"),
        ({"max_cloud_probability": -1}, "max_cloud_probability is -1"),
        ({"dilate": -1}, "dilate is -1"),
        ({"scale": 0.0}, "scale is 0.0"),
        ({"offset": -1000}, "offset is -1000, .* give -0.1"),
        ({"chunks": 0}, "chunks is 0"),
        ({"format": "grib"}, "format is 'grib'; it must be one of earthnet, store, rasters"),
        ({"bands": []}, "bands is"),
        ({"bands": ["red", "red"]}, "bands is"),
        ({"bbox": (0, 0, 1)}, "bbox is 0,0,1; it must be LEFT,BOTTOM,RIGHT,TOP"),
        ({"bbox": (2, 0, 1, 1)}, "bbox is 2,0,1,1; it must be"),
        ({"bbox": "0,0,1,1"}, "bbox is 0,0,1,1; it must be LEFT,BOTTOM,RIGHT,TOP, four numbers"),
        ({"bbox": (0, 0, 1, 1)}, "in which the input has no pixel: its y goes from 4999935 to 5000005"),
        ({"time": "2021/2022"}, "the input has dates from 2020-01-03 to 2020-01-13 only"),
        ({"time": "2020-01-03/2020-01-04"}, "only one date"),
        ({"mask": "absent.nc:SCL"}, r"absent.nc does not exist"),
        ({"every": "weekly"}, "every is 'weekly'"),
    ],
)
def test_options_that_cannot_be(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        open_cube(store(tmp_path / "a.nc"), **options)


def test_inputs_that_cannot_be(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.nc").write_text("these are words, no numbers")
    (tmp_path / "nothing.nc").write_bytes(b"")
    good = store(tmp_path / "good.nc")
    np.savez(tmp_path / "a.npz", a=np.zeros(3))
    for paths, message in (
        ([], "no input was given"),
        (tmp_path / "absent.nc", r"absent.nc does not exist"),
        (tmp_path / "*.tif", r"no file matches .*\*.tif"),
        (tmp_path / "empty", "empty is empty|the folder .* is empty"),
        (tmp_path / "text.nc", r"text.nc is in no format that clearcube reads"),
        (tmp_path / "nothing.nc", r"nothing.nc is empty"),
        ([good, tmp_path / "a.npz"], "of several formats"),
        ([good, good], "is given twice"),
    ):
        with pytest.raises(InputError, match=message):
            open_cube(paths)
    with pytest.raises(InputError, match="neither NetCDF nor Zarr"):
        open_cube(tmp_path / "text.nc", format="netcdf")


def test_a_mask_from_another_file(tmp_path):
    bands = store(tmp_path / "bands.nc")
    coarse = {"y": Y[::2] - 5, "x": X[::2] + 5}
    marked = store(tmp_path / "mask.nc", times=TIMES[::-1], clouds=flags((0, 0, 1), shape=(3, 4, 3)), **coarse)
    cube = open_cube(bands, mask=f"{marked}:clouds=bad")
    assert unobserved(cube) == [(2, 0, 2), (2, 0, 3), (2, 1, 2), (2, 1, 3)]
    assert cube.attrs["mask"] == "clouds (0 = clear)"
    days = store(
        tmp_path / "days.nc", times=TIMES.astype("datetime64[D]").astype("datetime64[ns]"), clouds=flags((0, 0, 1))
    )
    assert unobserved(open_cube(bands, mask=f"{days}:clouds=bad")) == [(0, 0, 1)]
    for name, options, message in (
        ("place.nc", {"x": X + 1000}, "the mask 'clouds' of .*place.nc does not cover the cube"),
        ("crs.nc", {"crs": "EPSG:32632"}, "the mask 'clouds' of .*crs.nc has another CRS"),
        (
            "dates.nc",
            {"times": TIMES + np.timedelta64(1, "D")},
            "the mask 'clouds' of .*dates.nc does not have the cube's dates",
        ),
    ):
        other = store(tmp_path / name, clouds=flags(), **options)
        with pytest.raises(InputError, match=message):
            open_cube(bands, mask=f"{other}:clouds=bad")


def test_clouds_grow_and_missing_data_does_not(tmp_path):
    values = np.full((3, 8, 6), 0.2)
    values[1, 5, 2] = np.nan
    file = store(tmp_path / "a.nc", values, SCL=np.where(flags((0, 3, 3)), 9, 4).astype(np.uint8))
    cube = open_cube(file, dilate=1)
    assert unobserved(cube) == [(0, 2, 3), (0, 3, 2), (0, 3, 3), (0, 3, 4), (0, 4, 3), (1, 5, 2)]
    box = (X[0] - 5, Y[2] - 5, X[-1] + 5, Y[0] + 5)
    assert unobserved(open_cube(file, dilate=1, bbox=box)) == [(0, 2, 3)]
    assert unobserved(open_cube(file, mask="none", dilate=1)) == [(1, 5, 2)]


def test_a_box_takes_pixels_by_their_centres(tmp_path):
    file = store(tmp_path / "a.nc", SCL=np.full((3, 8, 6), 4))
    cube = open_cube(file, bbox=(X[1], Y[4] - 4, X[3] + 9, Y[2] + 4), time="2020-01-08/")
    assert cube.x.values.tolist() == X[1:4].tolist()
    assert cube.y.values.tolist() == Y[2:5].tolist()
    assert dates_of(cube).astype(str).tolist() == ["2020-01-08", "2020-01-13"]


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 3), (3, 1)])
def test_lone_pixels_keep_their_size_and_their_own_mask(tmp_path, rows, columns):
    y, x = 45 - 0.0002 * np.arange(8), 5 + 0.0001 * np.arange(6)  # degrees: a lone pixel is no degree wide
    cloud = np.where(flags((0, 2, 1), (1, 6, 4), (2, 0, 5)), 9, 4).astype(np.uint8)
    file = store(tmp_path / "a.nc", y=y, x=x, crs="EPSG:4326", SCL=cloud)
    box = (x[1] - 1e-5, y[1 + rows] - 1e-5, x[columns] + 1e-5, y[2] + 1e-5)
    cube = open_cube(file, bbox=box)
    assert (cube.sizes["y"], cube.sizes["x"]) == (rows, columns) and unobserved(cube) == [(0, 0, 0)]
    assert steps_of(cube) == pytest.approx((-0.0002, 0.0001))


def test_infinities_are_not_observed_and_told_of(tmp_path):
    values = np.full((3, 8, 6), 0.2)
    values[1, 5, 2], values[2, 0, 0] = np.inf, -np.inf
    cube = open_cube(store(tmp_path / "a.nc", values))
    with pytest.warns(UserWarning, match="infinite values"):
        cube = cube.compute()
    assert unobserved(cube) == [(1, 5, 2), (2, 0, 0)]
    assert np.isnan(cube.reflectance.values[1, 0, 5, 2])


def test_every_band_must_be_finite(tmp_path):
    file = store(tmp_path / "a.nc", blue=np.where(flags((1, 1, 1)), np.nan, 0.1))
    cube = open_cube(file)
    assert unobserved(cube) == [(1, 1, 1)]
    assert np.isfinite(cube.reflectance.sel(band="red")).all()
    assert unobserved(open_cube(file, bands="red")) == []


def naive_merge(values, observed, times, products):
    days = sorted({time.astype("datetime64[D]") for time in times})
    merged, seen = [], []
    for day in days:
        group = [i for i in range(len(times)) if times[i].astype("datetime64[D]") == day]
        group.sort(key=lambda i: (times[i], products[i]))
        pixel_values, pixel_seen = values[group[0]].copy(), observed[group[0]].copy()
        for i, j in np.ndindex(observed.shape[1:]):
            held = [g for g in group if observed[g, i, j]]
            finite = [g for g in group if np.isfinite(values[g, :, i, j]).any()]
            choice = (held or finite or group)[0]
            pixel_values[:, i, j], pixel_seen[i, j] = values[choice, :, i, j], observed[choice, i, j]
        merged.append(pixel_values)
        seen.append(pixel_seen)
    return np.array(merged), np.array(seen), np.array(days)


@settings(max_examples=30, deadline=None)
@given(hours=st.lists(st.integers(0, 100), min_size=2, max_size=7), seed=st.integers(0, 99), lazy=st.booleans())
def test_acquisitions_of_a_day_merge_the_same_in_any_order(hours, seed, lazy):
    rng = np.random.default_rng(seed)
    times = np.datetime64("2020-01-01", "ns") + np.array(hours) * np.timedelta64(6, "h")
    products = [f"p{i}" for i in rng.permutation(len(hours))]
    values = np.where(rng.random((len(hours), 2, 2, 2)) < 0.4, np.nan, rng.random((len(hours), 2, 2, 2)))
    observed = np.isfinite(values).all(1) & (rng.random((len(hours), 2, 2)) < 0.6)
    expected = naive_merge(values, observed, times, products)
    for order in (np.arange(len(hours)), rng.permutation(len(hours))):
        reflectance = xr.DataArray(values[order], {"time": times[order]}, ("time", "band", "y", "x"))
        seen = xr.DataArray(observed[order], {"time": times[order]}, ("time", "y", "x"))
        if lazy:
            reflectance, seen = reflectance.chunk(time=1), seen.chunk(time=1)
        merged, merged_seen = merge_days(reflectance, seen, [products[i] for i in order])
        np.testing.assert_array_equal(merged, expected[0])
        np.testing.assert_array_equal(merged_seen, expected[1])
        np.testing.assert_array_equal(merged.time, expected[2].astype("datetime64[ns]"))


def test_a_day_seen_twice_in_a_store(tmp_path):
    times = np.array(["2020-01-08T11:00", "2020-01-03", "2020-01-08T10:00"], dtype="datetime64[ns]")
    values = np.full((3, 8, 6), 0.1) * np.array([3, 1, 2])[:, None, None]
    values[2, 0, 0] = np.nan
    cube = check_cube(open_cube(store(tmp_path / "a.nc", values, times)))
    assert cube.attrs["acquisitions"] == 3
    assert dates_of(cube).astype(str).tolist() == ["2020-01-03", "2020-01-08"]
    red = cube.reflectance.values[:, 0]
    assert red[1, 0, 0] == np.float32(0.3)
    assert (red[1, 1:] == np.float32(0.2)).all()


def test_a_calendar_adds_dates_and_marks_those_wanted(tmp_path):
    file = store(tmp_path / "a.nc")
    cube = check_cube(open_cube(file, every="4d"))
    assert dates_of(cube).astype(str).tolist() == ["2020-01-03", "2020-01-07", "2020-01-08", "2020-01-11", "2020-01-13"]
    assert cube.wanted.values.tolist() == [True, True, False, True, False]
    assert cube.observed.all(("y", "x")).values.tolist() == [True, False, True, False, True]
    assert cube.acquired.values.tolist() == [True, False, True, False, True]
    assert not {"wanted", "acquired"} & set(open_cube(file).coords)
    later = open_cube(file, dates=["2020-02-01"])
    assert later.wanted.values.tolist() == [False, False, False, True]


def test_opening_reads_nothing_and_computing_reads_each_value_once(tmp_path, monkeypatch):
    values = np.random.default_rng(0).random((3, 8, 6)).astype(np.float32)
    path = tmp_path / "a.zarr"
    dataset = xr.Dataset(
        {name: (("time", "y", "x"), values) for name in ("red", "nir", "SCL")},
        {"time": TIMES[[2, 0, 1]], "y": Y, "x": X},
        {"crs": "EPSG:32631"},
    )
    dataset.to_zarr(path, zarr_format=2, encoding={name: {"chunks": (1, 4, 6)} for name in ("red", "nir", "SCL")})
    read = []
    apply = Decoding.apply
    monkeypatch.setattr(Decoding, "apply", lambda self, stored: read.append(stored.size) or apply(self, stored))
    cube = open_cube(path, dilate=1, every="1d")
    assert read == []
    cube.compute()
    assert sum(read) == 3 * values.size


def test_cubes_of_any_store_survive_pickling(tmp_path):
    import pickle

    cube = open_cube(store(tmp_path / "a.nc", SCL=np.full((3, 8, 6), 4)))
    assert pickle.loads(pickle.dumps(cube)).equals(cube)


def test_rasters_take_the_same_road(tmp_path):
    import rasterio

    for day, value in (("20200103", 2000), ("20200108", 3000)):
        for band, number in (("B02", value), ("SCL", 4 if value == 2000 else 9)):
            with rasterio.open(
                tmp_path / f"{day}_{band}.tif",
                "w",
                driver="GTiff",
                width=6,
                height=8,
                count=1,
                dtype="uint16",
                crs="EPSG:32631",
                transform=rasterio.Affine(10, 0, 400000, 0, -10, 5000010),
            ) as raster:
                raster.write(np.full((8, 6), number, np.uint16), 1)
    cube = check_cube(open_cube(tmp_path, scale=1e-4))
    assert cube.attrs["format"] == "rasters"
    assert cube.observed.all(("y", "x")).values.tolist() == [True, False]
    np.testing.assert_allclose(cube.reflectance.values[:, 0, 0, 0], [0.2, 0.3], rtol=1e-6)
    store(tmp_path / "a.nc", times=cube.time.values)
    masked = open_cube(tmp_path / "a.nc", mask=f"{tmp_path}/*_SCL.tif:SCL")
    np.testing.assert_array_equal(masked.observed, cube.observed)

import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import xarray as xr

from clearcube.cube import check_cube, crs_of, dates_of
from clearcube.errors import InputError
from clearcube.landcover import class_names
from clearcube.readers import open_cube
from clearcube.readers.crs import parse_crs
from clearcube.workflows.fill import FillRequest, fill_files

DATES = np.array(["2020-01-03T10:50", "2020-01-08T10:50", "2020-01-13T10:50"], dtype="datetime64[ns]")
Y, X = 5000005.0 - 10 * np.arange(6), 400005.0 + 10 * np.arange(5)
DN = np.random.default_rng(1).integers(1, 8000, (3, 2, 6, 5)).astype(np.uint16)
REFLECTANCE = (DN * 1e-4).astype(np.float32)
SCALE = {"scale_factor": 1e-4}
WRITERS = {
    "classic.nc": {"engine": "netcdf4", "format": "NETCDF3_64BIT"},
    "netcdf4.nc": {"engine": "h5netcdf"},
    "v2.zarr": {"zarr_format": 2, "consolidated": True},
    "v3.zarr": {"zarr_format": 3, "consolidated": False},
}


def variables(dn=DN, names=("B02", "B04"), dims=("time", "y", "x"), attrs=SCALE, **others):
    bands = {name: (dims, dn[:, i], dict(attrs)) for i, name in enumerate(names)}
    coords = {dims[0]: DATES[: len(dn)], dims[1]: Y, dims[2]: X}
    return xr.Dataset({**bands, **others}, coords, {"crs": "EPSG:32631"})


def save(dataset, path, **encoding):
    options = WRITERS.get(path.name, {"engine": "h5netcdf"})
    if path.suffix == ".zarr":
        dataset.to_zarr(path, encoding=encoding or None, **(options if path.name in WRITERS else {"zarr_format": 2}))
    else:
        dataset.to_netcdf(path, encoding=encoding or None, **options)
    return path


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_store_gives_the_same_cube(tmp_path, name):
    dn = DN.astype(np.int16)
    cube = check_cube(open_cube(save(variables(dn), tmp_path / name)))
    assert cube.reflectance.chunks is not None
    np.testing.assert_array_equal(cube.reflectance, REFLECTANCE)
    assert cube.observed.all()
    assert cube.band.values.tolist() == ["blue", "red"]
    assert cube.wavelength.values.tolist() == [490, 665]
    assert (cube.y.values.tolist(), cube.x.values.tolist()) == (Y.tolist(), X.tolist())
    assert dates_of(cube).astype(str).tolist() == ["2020-01-03", "2020-01-08", "2020-01-13"]
    assert crs_of(cube).to_epsg() == 32631
    assert cube.attrs["mask"].startswith("none")
    assert cube.attrs["source_files"] == [str(tmp_path / name)]


@pytest.mark.parametrize("order", [("time", "band", "y", "x"), ("band", "x", "y", "time"), ("y", "x", "time", "band")])
@pytest.mark.parametrize("labels", [["B02", "B04"], [490, 665], [0.49, 0.665], ["blue", "red"]])
def test_bands_along_a_dimension_in_any_order(tmp_path, order, labels):
    array = xr.DataArray(DN, dims=("time", "band", "y", "x"), coords={"time": DATES, "band": labels, "y": Y, "x": X})
    dataset = array.transpose(*order).assign_attrs(SCALE).to_dataset(name="values")
    cube = open_cube(save(dataset.assign_attrs(epsg=32631), tmp_path / "stack.nc"))
    np.testing.assert_array_equal(cube.reflectance, REFLECTANCE)
    assert cube.band.values.tolist() == ["blue", "red"]
    swapped = open_cube(tmp_path / "stack.nc", bands=["B04", "blue"])
    np.testing.assert_array_equal(swapped.reflectance, REFLECTANCE[:, ::-1])


def test_bands_along_a_dimension_come_as_asked(tmp_path):
    values = np.concatenate([DN, 2 * DN[:, :1]], axis=1)
    coords = {"time": DATES, "band": ["B02", "B04", "B08"], "y": Y, "x": X}
    dataset = xr.DataArray(values, coords, ("time", "band", "y", "x"), name="values").to_dataset()
    cube = open_cube(save(dataset.assign_attrs(epsg=32631), tmp_path / "stack.nc"), bands=("nir", "blue", "red"))
    assert cube.band.values.tolist() == ["nir", "blue", "red"]
    np.testing.assert_array_equal(cube.reflectance, values[:, [2, 0, 1]])


def test_an_entry_called_source_is_no_mask(tmp_path):
    coords = {"time": DATES, "band": ["B02", "source"], "y": Y, "x": X}
    dataset = xr.DataArray(DN, coords, ("time", "band", "y", "x"), name="values").to_dataset()
    cube = open_cube(save(dataset.assign_attrs(epsg=32631), tmp_path / "stack.nc"))
    assert cube.band.values.tolist()[0] == "blue" and cube.observed.values.any()


def test_wavelengths_in_micrometres_become_nanometres(tmp_path):
    coords = {"time": DATES, "band": ["blue", "mine"], "y": Y, "x": X, "wavelength": ("band", [0.48, 1.25])}
    dataset = xr.DataArray(DN, coords, ("time", "band", "y", "x"), name="values").to_dataset()
    cube = open_cube(save(dataset.assign_attrs(epsg=32631), tmp_path / "stack.nc"))
    np.testing.assert_allclose(cube.wavelength, [480, 1250])


@pytest.mark.parametrize(
    "numbers", ["400000 10 0 5000010 0 -10", "400000, 10, 0, 5000010, 0, -10", np.array([4e5, 10, 0, 5000010, 0, -10])]
)
def test_a_geotransform_places_the_centres_of_pixels(tmp_path, numbers):
    attrs = {"GeoTransform": numbers}
    dataset = variables(spatial_ref=((), 0, attrs)).drop_vars(["y", "x"])
    cube = open_cube(save(dataset, tmp_path / "placed.nc"))
    assert (cube.y.values.tolist(), cube.x.values.tolist()) == (Y.tolist(), X.tolist())


@pytest.mark.parametrize("attribute", ["unknown", "1 2 3", np.array([4e5, 10])])
def test_a_geotransform_that_is_none_does_not_matter(tmp_path, attribute):
    cube = open_cube(save(variables(spatial_ref=((), 0, {"GeoTransform": attribute})), tmp_path / "placed.nc"))
    assert (cube.y.values.tolist(), cube.x.values.tolist()) == (Y.tolist(), X.tolist())


def test_a_crs_without_a_number_is_none():
    assert parse_crs("+init=epsg:") is None
    assert parse_crs("+init=epsg:32631").to_epsg() == 32631


def test_a_mask_among_the_bands_is_a_mask(tmp_path):
    values = np.concatenate([DN, np.full((3, 1, 6, 5), 4, np.uint16)], 1)
    values[1, 2] = 9
    coords = {"t": DATES, "bands": ["B02", "B04", "SCL"], "y": Y, "x": X}
    dataset = (
        xr.DataArray(values, coords, ("t", "bands", "y", "x"), name="values").to_dataset().assign_attrs(epsg=32631)
    )
    cube = open_cube(save(dataset, tmp_path / "stack.nc"), scale=1e-4)
    assert cube.band.values.tolist() == ["blue", "red"]
    assert cube.observed.all(("y", "x")).values.tolist() == [True, False, True]


@pytest.mark.parametrize(
    "dims", [("t", "lat", "lon"), ("timestamp", "latitude", "longitude"), ("date", "northing", "easting")]
)
def test_dimensions_go_by_many_names(tmp_path, dims):
    dataset = variables(dims=dims, names=("s2_B02", "S2-L2A-B04"))
    cube = open_cube(save(dataset, tmp_path / "named.nc"))
    np.testing.assert_array_equal(cube.reflectance, REFLECTANCE)
    del dataset.attrs["crs"]
    save(dataset, tmp_path / "bare.nc")
    if dims[1].startswith("lat"):
        assert crs_of(open_cube(tmp_path / "bare.nc")).to_epsg() == 4326
    else:
        with pytest.warns(UserWarning, match="no CRS is known"):
            assert crs_of(open_cube(tmp_path / "bare.nc")) is None


def test_ascending_y_stays_ascending(tmp_path):
    dataset = variables().isel(y=slice(None, None, -1))
    cube = open_cube(save(dataset, tmp_path / "up.nc"))
    assert (np.diff(cube.y) > 0).all()
    np.testing.assert_array_equal(cube.reflectance, REFLECTANCE[:, :, ::-1])


def test_names_of_ones_own(tmp_path):
    file = save(variables(names=("first", "second")), tmp_path / "own.nc")
    with pytest.raises(InputError, match=r"no variable is called like a band; name them with bands, .* first, second"):
        open_cube(file)
    cube = open_cube(file, bands={"red": "second", "mine": "first"})
    assert cube.band.values.tolist() == ["red", "mine"]
    np.testing.assert_array_equal(cube.reflectance, REFLECTANCE[:, ::-1])
    assert np.isnan(cube.wavelength[1])
    with pytest.raises(InputError, match="no variable 'third' for the band red"):
        open_cube(file, bands={"red": "third"})


def test_no_data_comes_before_scale_and_offset(tmp_path):
    dn = DN.astype(np.int16)
    dn[0, 0, 0, 0], dn[0, 1, 0, 1], dn[0, 0, 0, 2] = -1, -999, 0
    attrs = {"scale_factor": 1e-4, "add_offset": -0.1, "_FillValue": np.int16(-1), "missing_value": np.int16(-999)}
    cube = open_cube(save(variables(dn, attrs=attrs), tmp_path / "fill.nc"))
    assert np.isnan(cube.reflectance[0, 0, 0, 0])
    assert np.isnan(cube.reflectance[0, 1, 0, 1])
    assert cube.reflectance[0, 0, 0, 2] == np.float32(-0.1)
    assert cube.observed[0, 0].values.tolist() == [False, False, True, True, True]
    given = open_cube(tmp_path / "fill.nc", scale=1e-3, offset=0.0, nodata=0)
    assert np.isnan(given.reflectance[0, 0, 0, 2])
    np.testing.assert_allclose(given.reflectance[1:], dn[1:] * 1e-3, rtol=1e-6)


def test_no_data_of_a_cube_loaded_from_stac(tmp_path):
    dn = DN.copy()
    dn[0, 0, 0, 0] = 0
    cube = open_cube(save(variables(dn, attrs={**SCALE, "nodata": 0}), tmp_path / "odc.nc"))
    assert np.isnan(cube.reflectance[0, 0, 0, 0])
    assert int((~cube.observed).sum()) == 1


def test_unsigned_in_signed(tmp_path):
    dn = DN.copy()
    dn[0, 0, 0, 0], dn[0, 0, 0, 1] = 65535, 40000
    attrs = {**SCALE, "_Unsigned": "true", "_FillValue": np.int16(-1)}
    cube = open_cube(save(variables(dn.view(np.int16), attrs=attrs), tmp_path / "classic.nc"))
    assert np.isnan(cube.reflectance[0, 0, 0, 0])
    assert cube.reflectance[0, 0, 0, 1] == np.float32(4.0)


def test_a_fill_value_of_zero_does_not_hide_a_scene_class(tmp_path):
    scl = np.full((3, 6, 5), 4, np.uint8)
    scl[0, 0], scl[0, 1] = 0, 9
    attrs = {"_FillValue": np.uint8(0), "scale_factor": 1}
    file = save(variables(SCL=(("time", "y", "x"), scl, attrs)), tmp_path / "scl.nc")
    cube = open_cube(file, dilate=1)
    assert cube.observed[0].all("x").values.tolist() == [False, False, False, True, True, True]
    assert cube.attrs["mask"] == "SCL (classes 4,5,6,7 kept), clouds grown by 1 pixels"
    assert open_cube(file, scl_keep=(4, 9)).observed[0].all("x").values.tolist() == [False] + [True] * 5


def test_a_fill_value_of_zero_does_not_hide_clear_ground(tmp_path):
    qa = np.zeros((3, 6, 5), np.uint16)
    qa[1, 2, 3] = 1024
    field = (("time", "y", "x"), qa, {"_FillValue": np.uint16(0)})
    cube = open_cube(save(variables(QA60=field), tmp_path / "qa60.nc"))
    assert np.argwhere(~cube.observed.values).tolist() == [[1, 2, 3]]


def test_a_cloud_bit_without_data_does_not_grow(tmp_path):
    dn, qa = DN.astype(np.int16), np.zeros((3, 6, 5), np.uint16)
    qa[0, 2, 2] = qa[1, 2, 2] = 1024
    dn[1, :, 2, 2] = -1
    attrs = {**SCALE, "_FillValue": np.int16(-1)}
    dataset = variables(dn, attrs=attrs, QA60=(("time", "y", "x"), qa))
    cube = open_cube(save(dataset, tmp_path / "qa60.nc"), dilate=1)
    assert (~cube.observed).sum(("y", "x")).values.tolist() == [5, 1, 0]


def test_land_cover_and_elevation_of_a_store_are_decoded_and_the_first_file_counts(tmp_path):
    codes, metres = np.full((6, 5), 40, np.uint8), np.arange(30, dtype=np.int16).reshape(6, 5)
    codes[0, 0], metres[0, 0] = 255, -32768
    fields = {
        "landcover": (("x", "y"), codes.T, {"_FillValue": np.uint8(255)}),
        "dem": (("y", "x"), metres, {"_FillValue": np.int16(-32768), "scale_factor": 0.5}),
    }
    one = save(variables(names=("B02",), dn=DN[:, :1], **fields), tmp_path / "one.nc")
    other = (("y", "x"), np.full((6, 5), 10, np.uint8))
    two = save(variables(names=("B04",), dn=DN[:, 1:], landcover=other), tmp_path / "two.nc")
    cube = open_cube([one, two])
    np.testing.assert_array_equal(cube.landcover, np.where(codes == 255, 0, codes))
    np.testing.assert_array_equal(cube.elevation, np.where(metres < 0, np.nan, metres * 0.5))


@pytest.mark.parametrize(
    "crs",
    [
        {"crs": "+init=epsg:32631"},
        {"epsg": 32631},
        {"proj:epsg": 32631},
        {"spatial_ref": "EPSG:32631"},
        {"crs": "nonsense", "epsg": "32631"},
    ],
)
def test_crs_from_attributes(tmp_path, crs):
    dataset = variables()
    dataset.attrs = crs
    assert crs_of(open_cube(save(dataset, tmp_path / "crs.nc"))).to_epsg() == 32631


def test_crs_from_a_number_beside_the_bands(tmp_path):
    dataset = variables().assign_coords(epsg=32631)
    dataset.attrs = {}
    assert crs_of(open_cube(save(dataset, tmp_path / "stackstac.nc"))).to_epsg() == 32631


def test_crs_from_a_grid_mapping_without_wkt(tmp_path):
    from pyproj import CRS

    attrs = {key: value for key, value in CRS.from_epsg(32631).to_cf().items() if key != "crs_wkt"}
    dataset = variables(attrs={**SCALE, "grid_mapping": "utm"}, utm=((), 0, attrs))
    dataset.attrs = {}
    found = crs_of(open_cube(save(dataset, tmp_path / "mapping.nc")))
    assert found.to_dict()["proj"] == "utm"


def test_dates_in_other_writing(tmp_path):
    for number, dates in enumerate((["2020-01-03", "2020-01-08", "2020-01-13"], [20200103, 20200108, 20200113])):
        dataset = variables().assign_coords(time=("time", dates))
        cube = open_cube(save(dataset, tmp_path / f"{number}.nc"))
        assert dates_of(cube).astype(str).tolist() == ["2020-01-03", "2020-01-08", "2020-01-13"]
    dataset = variables().assign_coords(time=("time", ["one", "two", "three"]))
    with pytest.raises(InputError, match="'one' is no date"):
        open_cube(save(dataset, tmp_path / "words.nc"))
    dataset = variables().assign_coords(time=("time", [0, 1, 2], {"units": "days since the flood"}))
    with pytest.raises(InputError, match="the dates in 'time' cannot be read"):
        open_cube(save(dataset, tmp_path / "flood.nc"))


def daily(empty_every=5):
    values = np.full((20, 1, 6, 5), np.nan, np.float32)
    values[4::empty_every] = 0.25
    dates = np.datetime64("2020-01-01", "ns") + np.arange(20).astype("timedelta64[D]")
    return xr.Dataset(
        {"red": (("time", "y", "x"), values[:, 0])}, {"time": dates, "y": Y, "x": X}, {"crs": "EPSG:32631"}
    )


@pytest.mark.parametrize("chunks", [(20, 6, 5), (3, 6, 2), None])
def test_a_daily_axis_keeps_the_dates_with_data(tmp_path, chunks):
    encoding = {"red": {"chunksizes": chunks}} if chunks else {}
    cube = open_cube(save(daily(), tmp_path / "daily.nc", **encoding))
    assert dates_of(cube).astype(str).tolist() == ["2020-01-05", "2020-01-10", "2020-01-15", "2020-01-20"]
    assert (cube.reflectance == np.float32(0.25)).all()


def test_a_daily_axis_of_which_half_holds_data_stays_whole(tmp_path):
    dataset = daily(empty_every=5)
    dataset["red"][:10] = 0.25
    assert open_cube(save(dataset, tmp_path / "full.nc")).sizes["time"] == 20
    dataset["red"][:3] = np.nan
    assert open_cube(save(dataset, tmp_path / "half.nc")).sizes["time"] == 9


def test_an_availability_variable_keeps_lost_dates(tmp_path):
    available = np.zeros(20, np.int16)
    available[[4, 14, 19]] = 1
    dataset = daily().assign(s2_avail=("time", available))
    assert open_cube(save(dataset, tmp_path / "daily.nc")).sizes["time"] == 4
    dataset["s2_avail"][3] = 1
    assert open_cube(save(dataset, tmp_path / "odd.nc")).sizes["time"] == 4


def test_a_lost_acquisition_on_another_axis_stays(tmp_path):
    dataset = daily().isel(time=slice(4, None, 3))
    assert open_cube(save(dataset, tmp_path / "lost.nc")).sizes["time"] == 6


def test_chunks_hold_whole_stored_chunks(tmp_path):
    values = np.ones((2, 3, 300, 350), np.float32)
    coords = {"time": DATES[0] + np.arange(2).astype("timedelta64[D]") * 5, "band": ["blue", "red", "nir"]}
    coords |= {"y": np.arange(300.0), "x": np.arange(350.0)}
    dataset = xr.DataArray(values, coords, ("time", "band", "y", "x"), name="reflectance").to_dataset()
    dataset.attrs["crs"] = "EPSG:32631"
    save(dataset, tmp_path / "a.zarr", reflectance={"chunks": (2, 3, 256, 256)})
    assert open_cube(tmp_path / "a.zarr").reflectance.chunks == ((2,), (3,), (256, 44), (256, 94))
    save(dataset, tmp_path / "b.zarr", reflectance={"chunks": (1, 1, 64, 64)})
    chunks = open_cube(tmp_path / "b.zarr").reflectance.chunks
    assert chunks[0] == (1, 1)
    assert all(size % 64 == 0 for axis in chunks[2:] for size in axis[:-1])
    np.testing.assert_array_equal(open_cube(tmp_path / "b.zarr").reflectance, values)


@pytest.mark.parametrize("layout", ["stack", "bands"])
def test_what_clearcube_writes_is_read(tmp_path, layout):
    packed = (REFLECTANCE * 1e4).round().astype(np.int16)
    packed[0, :, 0, 0] = -32768
    source = np.ones((3, 6, 5), np.uint8)
    source[1, 2, 3], source[2, 1, 1] = 2, 6  # smoothed: seen, too
    source[0, 0, 0] = 0
    attrs = {**SCALE, "_FillValue": np.int16(-32768)}
    flags = {
        "flag_values": np.arange(8, dtype=np.uint8),
        "flag_meanings": "unfilled observed interpolated extrapolated invented replaced smoothed forecast",
    }
    if layout == "stack":
        fields = {"reflectance": (("time", "band", "y", "x"), packed, attrs)}
        fields["reflectance_std"] = (("time", "band", "y", "x"), packed, attrs)
    else:
        fields = {name: (("time", "y", "x"), packed[:, i], attrs) for i, name in enumerate(("blue", "red"))}
        fields |= {f"{name}_std": (("time", "y", "x"), packed[:, i], attrs) for i, name in enumerate(("blue", "red"))}
    dataset = xr.Dataset(
        {**fields, "source": (("time", "y", "x"), source, flags)},
        {"time": DATES, "y": Y, "x": X, **({"band": ["blue", "red"]} if layout == "stack" else {})},
        {"crs": "EPSG:32631"},
    )
    for name in ("filled.nc", "filled.zarr"):
        cube = open_cube(save(dataset, tmp_path / name))
        np.testing.assert_array_equal(cube.observed, np.isin(source, (1, 6)))
        assert np.isnan(cube.reflectance[0, :, 0, 0]).all()
        np.testing.assert_allclose(cube.reflectance[1:], REFLECTANCE[1:], atol=1e-7)
        assert cube.attrs["mask"] == "source (observed)"


@pytest.mark.parametrize(
    ("version", "standard_name", "bands"),
    [
        ({"clearcube_version": "0.1.0"}, "surface_bidirectional_reflectance", ["blue", "yellow"]),
        ({"clearcube_version": "0.1.0"}, "normalized_difference_vegetation_index", ["blue"]),
        ({}, "surface_bidirectional_reflectance", ["blue"]),
    ],
)
def test_variables_with_std_are_bands_in_what_clearcube_wrote_alone(tmp_path, version, standard_name, bands):
    dataset = variables(names=("blue", "yellow"), yellow_std=(("time", "y", "x"), REFLECTANCE[:, 0]))
    dataset["yellow"].attrs |= {"standard_name": standard_name, "radiation_wavelength": 600.5}
    cube = open_cube(save(dataset.assign_attrs(version), tmp_path / "a.nc"))
    assert cube.band.values.tolist() == bands
    assert cube.wavelength.values.tolist() == [490, 600.5][: len(bands)]


@pytest.mark.parametrize("name", WRITERS)
def test_a_url_is_read(tmp_path, name):
    import fsspec

    save(variables(DN.astype(np.int16)), tmp_path / name)
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / name), f"/place/{name}", recursive=True)
    cube = open_cube(f"memory://place/{name}")
    np.testing.assert_array_equal(cube.reflectance, REFLECTANCE)
    np.testing.assert_array_equal(open_cube(f"file://{tmp_path / name}").reflectance, REFLECTANCE)


def test_what_a_file_manager_leaves_beside_stores_is_passed_over(tmp_path):
    save(variables(), tmp_path / "cube.nc")
    (tmp_path / "._cube.nc").write_bytes(b"\0\5\x16\7")
    assert open_cube(tmp_path).sizes["time"] == 3


def test_a_netcdf_in_an_archive_stays_open_while_it_is_read(tmp_path):
    save(variables(), tmp_path / "cube.nc")
    with zipfile.ZipFile(tmp_path / "cubes.zip", "w") as archive:
        archive.write(tmp_path / "cube.nc", "cube.nc")
    cube = open_cube(f"zip://cube.nc::file://{tmp_path / 'cubes.zip'}")
    np.testing.assert_array_equal(cube.reflectance, REFLECTANCE)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://nowhere/cube.zarr", "is not there .*; check the address"),
        ("memory://nowhere/cube.nc", "cannot be read .*; check the address"),
        ("nosuch://place/cube.tif*", "Protocol not known.*; check the address"),
    ],
)
def test_an_address_that_leads_nowhere_is_an_error(url, message):
    with pytest.raises(InputError, match=message):
        open_cube(url)


@pytest.mark.parametrize("dim", ["time", "y", "x"])
def test_a_store_without_values_is_refused(tmp_path, dim):
    with pytest.raises(InputError, match=rf"void\.zarr: the dimension '{dim}' has length 0"):
        open_cube(save(variables().isel({dim: slice(0, 0)}), tmp_path / "void.zarr"))


@pytest.mark.parametrize("name", ["classic.nc", "netcdf4.nc"])
def test_damaged_netcdf_is_refused(tmp_path, name):
    dn = np.random.default_rng(0).integers(0, 9999, (3, 2, 6, 5)).astype(np.int16)
    file = save(variables(dn), tmp_path / name)
    content = file.read_bytes()
    for part in (b"", content[:200], content[:-300], b"no NetCDF at all, but long enough"):
        file.write_bytes(part)
        with pytest.raises(InputError, match=re.escape(str(file))):
            open_cube(file)


def test_a_damaged_zarr_store_says_so_when_it_is_read(tmp_path):
    store = save(variables(), tmp_path / "v2.zarr")
    chunk = next(path for path in (store / "B02").iterdir() if path.name[0].isdigit())
    chunk.write_bytes(chunk.read_bytes()[:10])
    cube = open_cube(store)
    with pytest.raises(InputError, match=r"v2.zarr: 'B02' cannot be read"):
        cube.reflectance.compute()
    (store / ".zmetadata").write_text("{")
    (store / ".zgroup").write_text("{")
    with pytest.raises(InputError, match="cannot be opened as NetCDF or Zarr"):
        open_cube(store)


def test_what_is_no_series_is_refused(tmp_path):
    no_time = variables().isel(time=0, drop=True)
    with pytest.raises(InputError, match="no time axis; 'B02' has the dimensions"):
        open_cube(save(no_time, tmp_path / "still.nc"))
    with pytest.raises(InputError, match="only one date; a series needs at least two"):
        open_cube(save(variables(DN[:1]), tmp_path / "one.nc"))
    with pytest.raises(InputError, match="has no dates"):
        open_cube(save(variables().drop_vars("time"), tmp_path / "undated.nc"))
    with pytest.raises(InputError, match="no variable has the dimensions time, y and x"):
        open_cube(save(xr.Dataset({"a": ("b", [1, 2])}), tmp_path / "other.nc"))
    with pytest.raises(InputError, match="the coordinate 'y' neither ascends nor descends"):
        open_cube(save(variables().isel(y=[0, 2, 1, 3, 4, 5]), tmp_path / "mixed.nc"))
    with pytest.raises(InputError, match=r"no band 'B99'; the bands there are blue .B02., red .B04."):
        open_cube(save(variables(), tmp_path / "bands.nc"), bands=("B99",))
    doubled = variables(np.concatenate([DN, DN[:, :1]], 1), names=("B02", "B04", "blue"))
    with pytest.raises(InputError, match="'B02' and 'blue' both look like the band blue"):
        open_cube(save(doubled, tmp_path / "doubled.nc"))


def test_files_of_a_folder_are_joined_by_date_or_by_band(tmp_path):
    whole = variables()
    for i in (2, 0, 1):
        save(whole.isel(time=[i]), tmp_path / f"part{i}.nc")
    np.testing.assert_array_equal(open_cube(tmp_path).reflectance, REFLECTANCE)
    np.testing.assert_array_equal(open_cube(tmp_path / "part*.nc").reflectance, REFLECTANCE)
    (tmp_path / "bands").mkdir()
    save(whole[["B04"]].isel(time=[1, 2, 0]), tmp_path / "bands" / "red.nc")
    save(whole[["B02"]], tmp_path / "bands" / "blue.nc")
    np.testing.assert_array_equal(open_cube(tmp_path / "bands").reflectance, REFLECTANCE)
    np.testing.assert_array_equal(open_cube(tmp_path / "bands", bands=["red"]).reflectance, REFLECTANCE[:, 1:])
    with pytest.raises(InputError, match="no band 'nir'"):
        open_cube(tmp_path / "bands", bands=["red", "nir"])
    (tmp_path / "scalar").mkdir()
    for i in range(3):
        save(whole.isel(time=i), tmp_path / "scalar" / f"date{i}.nc")
    np.testing.assert_array_equal(open_cube(tmp_path / "scalar").reflectance, REFLECTANCE)


def test_files_that_do_not_fit_are_refused(tmp_path):
    one = save(variables(), tmp_path / "one.nc")
    other = save(variables().assign_coords(x=X + 5), tmp_path / "grid.nc")
    with pytest.raises(InputError, match=r"grid.nc lies on another grid .* than .*one.nc"):
        open_cube([one, other])
    other = save(variables().assign_attrs(crs="EPSG:32632"), tmp_path / "crs.nc")
    with pytest.raises(InputError, match=r"crs.nc has another CRS .EPSG:32632. than .*one.nc"):
        open_cube([one, other])
    other = save(variables(names=("B03", "B08")).isel(time=[0, 1]), tmp_path / "dates.nc")
    with pytest.raises(InputError, match=r"the bands green, nir have other dates than those of .*one.nc"):
        open_cube([one, other])
    other = save(variables(names=("B02", "B08")), tmp_path / "some.nc")
    with pytest.raises(InputError, match=r"different bands, some of them twice .blue."):
        open_cube([one, other])
    (tmp_path / "copy").mkdir()
    with pytest.raises(InputError, match=r"the product one.nc#00000 of .* is given twice"):
        open_cube([one, save(variables(), tmp_path / "copy" / "one.nc")])
    with pytest.raises(InputError, match="given twice"):
        open_cube([one, tmp_path / "copy" / ".." / "one.nc"])


def test_files_of_one_name_in_several_folders_are_joined(tmp_path):
    for year, shift in ((2020, 0), (2021, 366)):
        (tmp_path / str(year)).mkdir()
        later = variables().assign_coords(time=DATES + np.timedelta64(shift, "D"))
        save(later, tmp_path / str(year) / "cube.nc")
    assert open_cube(tmp_path / "20*" / "cube.nc").sizes["time"] == 6


def test_the_order_of_files_with_other_bands_does_not_matter(tmp_path):
    one = save(variables(names=("B08", "B03")), tmp_path / "one.nc")
    other = save(variables(names=("B04", "B02")), tmp_path / "other.nc")
    cubes = [open_cube(paths) for paths in ([one, other], [other, one])]
    for cube in cubes:
        assert cube.band.values.tolist() == ["blue", "green", "red", "nir"]
        np.testing.assert_array_equal(cube.reflectance, REFLECTANCE[:, [1, 1, 0, 0]])


def test_minicubes(shared):
    for file in sorted((shared / "data").glob("*/greenearthnet/*.nc")):
        raw = xr.open_dataset(file, engine="h5netcdf").isel(time=slice(4, None, 5))
        clear = (raw.s2_dlmask < 1) & raw.s2_SCL.isin([1, 2, 4, 5, 6, 7])
        cube = check_cube(open_cube(file))
        assert cube.sizes == {"time": 30, "band": 4, "y": 128, "x": 128}
        np.testing.assert_array_equal(cube.time, raw.time)
        finite = np.isfinite(cube.reflectance).all("band").values
        np.testing.assert_array_equal(cube.observed, clear.values & finite)
        np.testing.assert_allclose(cube.reflectance.sel(band="red"), raw.s2_B04, atol=1e-4)
        assert set(np.unique(cube.landcover)) <= {0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100}
        assert crs_of(cube).to_epsg() == 4326
        assert cube.attrs["format"] == "greenearthnet"


def test_open_eo_cubes(shared):
    for file, clear in (("bap_quintad_cdse.nc", 0.26), ("test_optical_cube.nc", 0.13)):
        cube = check_cube(open_cube(shared / "data/train/gfmap" / file, scale=1e-4))
        assert float(cube.observed.mean()) == pytest.approx(clear, abs=0.01)
        assert cube.band.values.tolist() == ["blue", "green", "red", "nir"]
        assert crs_of(cube).to_epsg() == 32631
        assert 0 < float(cube.reflectance.compute().median()) < 1


def test_masks_on_a_coarser_grid(shared):
    fine, coarse = sorted((shared / "data/train/worldcereal").glob("*.nc"))
    raw = xr.open_dataset(coarse, engine="h5netcdf", mask_and_scale=False)
    clear = raw.SCL.isin([4, 5, 6, 7]).values.repeat(2, 1).repeat(2, 2)
    cube = check_cube(open_cube(fine, mask=f"{coarse}:SCL"))
    finite = np.isfinite(cube.reflectance).all("band").values
    np.testing.assert_array_equal(cube.observed, clear & finite)
    both = open_cube([coarse, fine], bands=("B02", "B03", "B04", "B08"))
    np.testing.assert_array_equal(both.observed, cube.observed)
    with pytest.raises(InputError, match=r"20m.*lies on another grid"):
        open_cube([fine, coarse])
    assert open_cube(coarse).sizes == {"time": 118, "band": 6, "y": 32, "x": 32}


def test_a_store_that_vanishes_is_noticed(tmp_path):
    store = save(variables(), tmp_path / "v2.zarr")
    cube = open_cube(store)
    store.rename(tmp_path / "elsewhere.zarr")
    with pytest.raises(InputError, match=r"v2.zarr is gone"):
        cube.reflectance.compute()
    (tmp_path / "hollow.zarr").mkdir()
    (tmp_path / "hollow.zarr" / "B02").mkdir()
    with pytest.raises(InputError, match=r"hollow.zarr is in no format that clearcube reads"):
        open_cube(tmp_path / "hollow.zarr")


def test_land_cover_of_a_file_is_decoded_turned_and_keeps_its_names(tmp_path):
    path = save(variables(), tmp_path / "cube.nc")
    y, x = open_cube(path).sizes["y"], open_cube(path).sizes["x"]
    codes = np.arange(y * x, dtype=np.uint8).reshape(y, x) % 3
    codes[0, 0] = 255
    flags = {"flag_values": np.array([1, 2], np.uint8), "flag_meanings": "maize wheat", "_FillValue": np.uint8(255)}
    turned = xr.Dataset({"landcover": (("x", "y"), codes.T, flags)})
    turned.to_netcdf(tmp_path / "land.nc")
    found = open_cube(path, landcover=tmp_path / "land.nc").landcover
    assert found.dtype == np.int16 and found.values[0, 0] == 0
    np.testing.assert_array_equal(found.values[1:], codes[1:])
    assert class_names(found.values, found.attrs) == {1: "maize", 2: "wheat"}
    xr.Dataset({"esawc_lc": (("y", "x"), np.full((y, x), 43.0))}).to_netcdf(tmp_path / "between.nc")
    assert (open_cube(path, landcover=tmp_path / "between.nc").landcover == 0).all()  # no class: interpolated
    with rasterio.open(
        tmp_path / "land.tif",
        "w",
        driver="GTiff",
        height=y,
        width=x,
        count=1,
        dtype="uint8",
        nodata=255,
        transform=rasterio.Affine(10, 0, 400000, 0, -10, 5000010),
    ) as raster:
        raster.write(codes, 1)
    assert open_cube(path, landcover=tmp_path / "land.tif").landcover.values[0, 0] == 0


CODES = np.arange(1, 31, dtype=np.uint8).reshape(6, 5)
"""Land cover on Y, X: each pixel another code."""


def land_store(path, y=Y, x=X, codes=CODES, names=("y", "x"), **attrs):
    dataset = xr.Dataset({"landcover": (names, codes)}, {names[0]: y, names[1]: x}, attrs)
    return save(dataset, path)


def land_raster(path, codes=CODES, transform=(10, 0, 400000, 0, -10, 5000010), crs="EPSG:32631"):
    height, width = codes.shape
    profile = {"height": height, "width": width, "transform": rasterio.Affine(*transform), "crs": crs}
    with rasterio.open(path, "w", driver="GTiff", count=1, dtype="uint8", **profile) as raster:
        raster.write(codes, 1)
    return path


@pytest.mark.parametrize("turned", [(1, 1), (-1, 1), (1, -1), (-1, -1)])
@pytest.mark.parametrize("kind", ["store", "raster"])
def test_land_cover_of_a_file_lies_where_its_coordinates_say(tmp_path, turned, kind):
    ways = [slice(None, None, way) for way in turned]
    path = save(variables().isel(y=ways[0], x=ways[1]), tmp_path / "cube.nc")
    file = land_raster(tmp_path / "land.tif") if kind == "raster" else land_store(tmp_path / "land.nc", Y + 5e-3)
    found = open_cube(path, landcover=file).landcover
    np.testing.assert_array_equal(found.sel(y=Y, x=X), CODES)
    np.testing.assert_array_equal(found, CODES[ways[0], ways[1]])


def test_land_cover_with_rounded_coordinates_lies_on_the_cube(tmp_path):
    y, x = Y + 0.2, X + 0.01  # float32 tells half metres apart
    path = save(variables().assign_coords(y=y, x=x), tmp_path / "cube.nc")
    file = land_store(tmp_path / "land.nc", y[::-1].astype(np.float32), x.astype(np.float32), CODES[::-1])
    np.testing.assert_array_equal(open_cube(path, landcover=file).landcover, CODES)


def test_south_up_rasters_and_stores_without_axes_but_a_transform_are_turned(tmp_path):
    path = save(variables(), tmp_path / "cube.nc")
    south_up = land_raster(tmp_path / "land.tif", CODES[::-1], (10, 0, 400000, 0, 10, 4999950))
    np.testing.assert_array_equal(open_cube(path, landcover=south_up).landcover, CODES)
    mapping = ((), 0, {"GeoTransform": "400000 10 0 4999950 0 10"})
    save(xr.Dataset({"landcover": (("y", "x"), CODES[::-1]), "crs": mapping}), tmp_path / "land.nc")
    np.testing.assert_array_equal(open_cube(path, landcover=tmp_path / "land.nc").landcover, CODES)


@pytest.mark.parametrize(
    ("y", "x", "message"),
    [
        (Y + 10, X, "its y goes from 5000015 to 4999965, the cube's from 5000005 to 4999955"),
        (Y, X + 3, "its x goes from 400008 to 400048"),
        (Y[0] + 2 * (Y - Y[0]), X, "its y goes from 5000005 to 4999905"),
        (Y[::-1] - 10, X, "its y goes from 4999945 to 4999995"),
    ],
)
def test_land_cover_of_another_place_or_spacing_is_refused(tmp_path, y, x, message):
    path = save(variables(), tmp_path / "cube.nc")
    for crs in ({}, {"crs": "EPSG:32631"}):
        with pytest.raises(InputError, match=rf"land.nc does not lie on the cube's pixels: {message}.*or warp it"):
            open_cube(path, landcover=land_store(tmp_path / "land.nc", y, x, **crs))
    step = y[1] - y[0], x[1] - x[0]
    transform = (step[1], 0, x[0] - step[1] / 2, 0, step[0], y[0] - step[0] / 2)
    with pytest.raises(InputError, match=rf"land.tif does not lie on the cube's pixels: {message}"):
        open_cube(path, landcover=land_raster(tmp_path / "land.tif", transform=transform))


@pytest.mark.parametrize("case", ["none", "rows", "numbers", "crs", "degrees", "rotated"])
def test_land_cover_that_tells_no_comparable_place_keeps_its_order(tmp_path, case):
    """Of the cube's shape, but without coordinates, with pixel numbers, or in another CRS."""
    path = save(variables().isel(y=slice(None, None, -1)), tmp_path / "cube.nc")
    file = tmp_path / "land.tif"
    if case == "none":
        np.save(file := tmp_path / "land.npy", CODES)
    elif case == "rows":
        file = land_store(tmp_path / "land.nc", np.arange(6), np.arange(5), names=("row", "col"))
    elif case == "numbers":
        land_raster(file, transform=(1, 0, 0, 0, -1, 6), crs=None)
    elif case == "crs":
        land_raster(file, transform=(10, 0, 700000, 0, -10, 5000010), crs="EPSG:32630")
    elif case == "rotated":
        land_raster(file, transform=(8, 6, 400000, 6, -8, 5000010))
    else:
        file = land_store(tmp_path / "land.nc", 45 - 1e-4 * np.arange(6), 1 + 1e-4 * np.arange(5), names=("lat", "lon"))
    np.testing.assert_array_equal(open_cube(path, landcover=file).landcover, CODES)


def test_land_cover_of_a_cube_without_coordinates_keeps_its_order(tmp_path):
    path = save(variables().drop_vars(["y", "x"]), tmp_path / "cube.nc")
    for file in (land_raster(tmp_path / "land.tif"), land_store(tmp_path / "land.nc", Y[::-1])):
        np.testing.assert_array_equal(open_cube(path, landcover=file).landcover, CODES)


def test_a_quality_band_is_recognised_by_name(tmp_path):
    quality = np.full((3, 6, 5), 21824, np.uint16)
    quality[1, 2, 3] = 22280
    path = save(variables(QA_PIXEL=(("time", "y", "x"), quality)), tmp_path / "landsat.nc")
    cube = open_cube(path)
    assert np.argwhere(~cube.observed.values).tolist() == [[1, 2, 3]]
    assert cube.attrs["mask"] == "QA_PIXEL (bits of qa_pixel)"
    assert open_cube(path, mask="none").observed.all()


def test_what_is_no_mask_by_name_is_told(tmp_path):
    path = save(variables(cloudy=(("time", "y", "x"), np.ones((3, 6, 5), np.uint8))), tmp_path / "cube.nc")
    assert open_cube(path).attrs["mask"] == "none found, every value counts as observed (not used: cloudy)"


def test_names_that_only_count_are_no_bands(tmp_path):
    path = save(variables(names=("band_1", "band_2")), tmp_path / "cube.nc")
    with pytest.raises(InputError, match="band_1 to band_2 only count the bands"):
        open_cube(path)
    assert open_cube(path, bands={"blue": "band_1", "red": "band_2"}).band.values.tolist() == ["blue", "red"]


def test_degrees_of_every_pixel_go_into_what_is_written(tmp_path):
    degrees = {
        "lat": (("y", "x"), 45 + np.random.default_rng(0).random((6, 5))),
        "lon": (("y", "x"), 8 + np.random.default_rng(1).random((6, 5))),
    }
    path = save(variables(**degrees), tmp_path / "cube.nc")
    for name in ("out.nc", "out.zarr"):
        fill_files(FillRequest((str(path),), tmp_path / name, "linear", {"mask": "none"}), lambda *_: None)
        with xr.open_dataset(tmp_path / name) as filled:
            np.testing.assert_array_equal(filled.coords["latitude"], degrees["lat"][1])
            np.testing.assert_array_equal(filled.coords["longitude"], degrees["lon"][1])


def test_geotiff_refuses_pixels_of_several_sizes(tmp_path):
    irregular = variables().assign_coords(x=X + np.array([0, 0, 0, 5, 5]))
    path = save(irregular, tmp_path / "cube.nc")
    request = FillRequest((str(path),), tmp_path / "folder", "linear", {"mask": "none"})
    with pytest.raises(InputError, match="several sizes along x"):
        fill_files(request, lambda *_: None)
    assert not (tmp_path / "folder").exists()
    fill_files(replace(request, output=tmp_path / "out.nc"), lambda *_: None)


def test_times_with_zones_are_universal_and_numbers_without_units_are_none(tmp_path):
    zoned = np.array(["2021-04-03T23:30:00-05:00", "2021-04-08T10:00:00Z", "2021-04-13T10:00:00"], object)
    path = save(variables().assign_coords(time=zoned), tmp_path / "zoned.nc")
    assert dates_of(open_cube(path)).astype(str).tolist() == ["2021-04-04", "2021-04-08", "2021-04-13"]
    path = save(variables().assign_coords(time=np.arange(3)), tmp_path / "counted.nc")
    with pytest.raises(InputError, match=r"'time' .*are no dates: give 'time' CF units"):
        open_cube(path)

import numpy as np
import pytest
import xarray as xr

from clearcube.errors import InputError
from clearcube.readers import open_cube
from clearcube.readers.decoding import Decoding

TIMES = np.array(["2020-01-03T10:50", "2020-01-08T10:40", "2020-01-13T10:50"], dtype="datetime64[ns]")
Y, X = 5000005.0 - 10 * np.arange(6), 400005.0 + 10 * np.arange(5)
SCENES = np.random.default_rng(0).integers(0, 12, (3, 6, 5)).astype(np.uint8)
CLEAR = np.isin(SCENES, (4, 5, 6, 7))
VALUES = {"B02": 0.1, "B03": 0.2, "B04": 0.3}


def store(path, *bands, scenes=SCENES, times=TIMES, order=slice(None)):
    """A file with these bands, each of one value at every date, and the scene classes."""
    fields = {band: np.full(scenes.shape, VALUES[band], np.float32) for band in bands}
    variables = {name: (("time", "y", "x"), values) for name, values in {**fields, "SCL": scenes}.items()}
    dataset = xr.Dataset(variables, {"time": times, "y": Y, "x": X}, {"crs": "EPSG:32631"})
    dataset.isel(time=order).to_netcdf(path, engine="h5netcdf")
    return path


@pytest.mark.parametrize("order", [slice(None), [2, 0, 1]])
def test_files_of_one_band_have_one_mask(tmp_path, order):
    files = [store(tmp_path / "B02.nc", "B02"), store(tmp_path / "B04.nc", "B04", order=order)]
    for paths in (files, files[::-1], [*files, store(tmp_path / "B03.nc", "B03")]):
        cube = open_cube(paths)
        assert cube.sizes["band"] == len(paths)
        assert cube.attrs["mask"].startswith("SCL (classes")
        np.testing.assert_array_equal(cube.observed, CLEAR)


def test_files_of_one_band_and_of_some_dates_have_one_mask(tmp_path):
    paths = [
        store(tmp_path / "B02_late.nc", "B02", order=[2]),
        store(tmp_path / "B02_early.nc", "B02", order=[0, 1]),
        store(tmp_path / "B04_early.nc", "B04", order=[0]),
        store(tmp_path / "B04_late.nc", "B04", order=[2, 1]),
    ]
    np.testing.assert_array_equal(open_cube(paths).observed, CLEAR)


def test_a_file_of_a_band_that_is_not_asked_for_may_have_the_mask_too(tmp_path):
    paths = [store(tmp_path / f"{band}.nc", band) for band in VALUES]
    for band in ("blue", "red"):
        cube = open_cube(paths, bands=[band])
        np.testing.assert_array_equal(cube.observed, CLEAR)


def test_a_mask_of_more_dates_beside_that_of_the_band(tmp_path):
    few = store(tmp_path / "B04.nc", "B04", order=[2, 1])
    more = store(tmp_path / "SCL.nc")
    for paths in ([few, more], [more, few]):
        np.testing.assert_array_equal(open_cube(paths).observed, CLEAR[1:])


@pytest.mark.parametrize("parts", [([0, 1, 2], [0, 1, 2]), ([0, 1, 2], [2]), ([1, 2], [0, 1, 2])])
def test_masks_that_differ_are_refused_where_they_are_read(tmp_path, parts):
    """Whether all dates of one file are in the other or not."""
    bands = [store(tmp_path / "B02.nc", "B02", order=parts[0]), store(tmp_path / "B04.nc", "B04")]
    other = SCENES.copy()
    other[2, 4, 3] = 9 if other[2, 4, 3] != 9 else 8
    masks = store(tmp_path / "other.nc", "B03", scenes=other, order=parts[1])
    paths = [bands[0], masks, bands[1]]
    cube = open_cube(paths, bands=["B04"])
    with pytest.raises(InputError, match=r"mask 'SCL' of .*other.nc differs from that of .*B02.nc.*B02.nc:SCL"):
        cube.observed.compute()
    assert open_cube(paths, bands=["B04"], mask="none").observed.all()
    np.testing.assert_array_equal(open_cube(paths, bands=["B04"], mask=f"{bands[1]}:SCL").observed, CLEAR)


def test_values_that_are_missing_in_both_masks_do_not_differ(tmp_path):
    scenes = SCENES.astype(np.float32)
    scenes[1, :3] = np.nan
    paths = [store(tmp_path / f"{band}.nc", band, scenes=scenes) for band in ("B02", "B04")]
    expected = CLEAR.copy()
    expected[1, :3] = False
    np.testing.assert_array_equal(open_cube(paths).observed, expected)


def test_masks_are_compared_without_reading_when_files_are_opened(tmp_path, monkeypatch):
    paths = [store(tmp_path / f"{band}.nc", band) for band in VALUES]
    read = []
    apply = Decoding.apply
    monkeypatch.setattr(Decoding, "apply", lambda self, stored: read.append(stored.size) or apply(self, stored))
    cube = open_cube(paths)
    assert read == []
    cube.compute()
    assert sum(read) == 2 * 3 * SCENES.size


def test_acquisitions_of_one_instant_keep_their_own_masks(tmp_path):
    """Two passes over one place, dated by day: files of the same bands are other acquisitions."""
    west = np.where(np.arange(5) < 2, 4, 0) * np.ones((3, 6, 1), np.uint8)
    paths = [store(tmp_path / "west.nc", "B02", scenes=west), store(tmp_path / "east.nc", "B02", scenes=4 - west)]
    cube = open_cube(paths)
    assert cube.attrs["acquisitions"] == 6
    assert cube.observed.all()


def test_an_instant_that_every_file_has_twice(tmp_path):
    times = TIMES[[0, 0, 1]]
    scenes = np.zeros((3, 6, 5), np.uint8)
    scenes[0, :3], scenes[1, 3:], scenes[2, 0] = 4, 4, 4
    paths = [store(tmp_path / f"{band}.nc", band, scenes=scenes, times=times) for band in ("B02", "B04")]
    observed = open_cube(paths).observed
    assert observed[0].all()
    np.testing.assert_array_equal(observed[1], scenes[2] == 4)

import pytest

from clearcube.cube import BANDS
from clearcube.errors import InputError
from clearcube.readers import names


@pytest.mark.parametrize(
    ("name", "band"),
    [
        ("B02", "blue"),
        ("s2_B02", "blue"),
        ("S2-L2A-B02", "blue"),
        ("B2", "blue"),
        ("b8", "nir"),
        ("B8A", "nir08"),
        ("s2_B8A", "nir08"),
        ("band_04", "red"),
        ("band4", "red"),
        ("B02_10m", "blue"),
        ("B12", "swir22"),
        ("blue", "blue"),
        ("Red", "red"),
        ("nir08", "nir08"),
        ("swir_1", "swir16"),
        ("red_edge_1", "rededge071"),
        ("reflectance_green", "green"),
        ("nbart_nir_2", "nir08"),
        ("LC08_B5", "nir08"),
        ("LC09_SR_B2", "blue"),
        ("LE07_SR_B4", "nir08"),
        ("L30_B06", "swir16"),
    ],
)
def test_bands_are_known_by_many_names(name, band):
    assert names.band_called(name) == BANDS[band]


@pytest.mark.parametrize(
    "name",
    [
        "SCL",
        "B02_std",
        "blue_uncertainty",
        "SR_B5",
        "LC08_B8",
        "LT05_B6",
        "LC08_B8A",
        "ndvi",
        "B99",
        "s2_dlmask",
        "x",
        "B10",
    ],
)
def test_what_is_no_band_is_not_taken_for_one(name):
    assert names.band_called(name) is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SCL", "scl"),
        ("scl", "scl"),
        ("s2_SCL", "scl"),
        ("S2-L2A-SCL", "scl"),
        ("SCL_20m", "scl"),
        ("s2_dlmask", "minicube"),
        ("CLD", "probability"),
        ("MSK_CLDPRB_20m", "probability"),
        ("cloud_probability", "probability"),
        ("observed", "observed"),
        ("not_observed", None),
        ("mask", None),
        ("cloud_mask", None),
    ],
)
def test_masks_are_known_by_name_only_where_the_name_tells_their_meaning(name, kind):
    assert names.mask_kind(name) == kind


def test_dimensions_are_known_by_name():
    assert all(map(names.is_time, ["time", "t", "timestamp", "date"]))
    assert all(map(names.is_y, ["y", "lat", "latitude", "northing", "y_20m"]))
    assert all(map(names.is_x, ["x", "lon", "longitude", "easting", "x20"]))
    assert not names.is_y("year")
    assert names.is_degrees("lat")
    assert not names.is_degrees("y")


def test_wavelengths_name_the_nearest_band():
    assert names.band_at(0.665).name == "red"
    assert names.band_at(864).name == "nir08"
    assert names.band_at(1000).name == "wl1000"


def test_bands_come_in_the_order_asked():
    there = [(name, BANDS[name]) for name in ("blue", "red", "nir")]
    chosen = names.wanted_bands(("B08", "blue"), there, "here")
    assert [band.name for _, band in chosen] == ["nir", "blue"]
    with pytest.raises(InputError, match=r"here: no band 'B99'; the bands there are blue, red, nir"):
        names.wanted_bands(("B99",), there, "here")
    with pytest.raises(InputError, match="'blue' and 'B02' both look like the band blue"):
        names.wanted_bands(None, [*there, ("B02", BANDS["blue"])], "here")

import pickle
import warnings
from pathlib import Path

import dask
import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

from clearcube.cube import Source
from clearcube.errors import InputError
from clearcube.readers.options import ReadOptions
from clearcube.readers.raster_blocks import chunk_shape
from clearcube.readers.raster_names import parse, time_in
from clearcube.readers.rasters import read, recognises

HEIGHT, WIDTH = 20, 24
FOUR = ("blue", "green", "red", "nir")
OLD = "S2A_MSIL2A_20220605T105031_N0301_R051_T31UDS_20220605T140000"
NEW = "S2B_MSIL2A_20220610T105031_N0400_R051_T31UDS_20220610T140000"


def numbers(seed, bands=1, shape=(HEIGHT, WIDTH), dtype="uint16"):
    return np.random.default_rng(seed).integers(1, 9000, (bands, *shape)).astype(dtype)


def write(path, values, *, names=None, pixel=10.0, crs="EPSG:32631", west=600000.0, tags=None, driver=None, **profile):
    path.parent.mkdir(parents=True, exist_ok=True)
    driver = driver or ("JP2OpenJPEG" if path.suffix == ".jp2" else "GTiff")
    if driver == "JP2OpenJPEG":
        profile |= {"QUALITY": 100, "REVERSIBLE": "YES"}
    if crs is not None:
        profile |= {"crs": crs, "transform": Affine(pixel, 0, west, 0, -pixel, 5000000)}
    count, height, width = values.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver=driver, count=count, height=height, width=width, dtype=values.dtype, **profile
        ) as file:
            if names:
                file.descriptions = names
            if tags:
                file.scales, file.offsets = [tags[0]] * count, [tags[1]] * count
            file.write(values)
    return str(path)


def safe(folder, name, seed, *, xml=None):
    root = folder / f"{name}.SAFE"
    stem = f"T31UDS_{name[11:26]}"
    granule = root / "GRANULE" / f"L2A_T31UDS_A012345_{name[11:26]}"
    dn = {}
    for k, band in enumerate(("B02", "B03", "B04", "B08")):
        dn[band, 10] = numbers(seed + k)
        write(granule / "IMG_DATA" / "R10m" / f"{stem}_{band}_10m.jp2", dn[band, 10])
    for k, band in enumerate(("B02", "B04", "B8A", "B11")):
        dn[band, 20] = numbers(seed + 50 + k, shape=(10, 12))
        write(granule / "IMG_DATA" / "R20m" / f"{stem}_{band}_20m.jp2", dn[band, 20], pixel=20.0)
    dn["SCL"] = numbers(seed, shape=(10, 12), dtype="uint8") % 12
    write(granule / "IMG_DATA" / "R20m" / f"{stem}_SCL_20m.jp2", dn["SCL"], pixel=20.0)
    write(granule / "IMG_DATA" / "R60m" / f"{stem}_SCL_60m.jp2", numbers(1, shape=(4, 4), dtype="uint8"), pixel=60.0)
    write(granule / "IMG_DATA" / "R10m" / f"{stem}_TCI_10m.jp2", numbers(1, 3, dtype="uint8"))
    dn["CLD"] = numbers(seed + 9, shape=(10, 12), dtype="uint8") % 101
    write(granule / "QI_DATA" / "MSK_CLDPRB_20m.jp2", dn["CLD"], pixel=20.0)
    write(granule / "QI_DATA" / f"{stem}_PVI.jp2", numbers(1, 3, dtype="uint8"), pixel=320.0)
    if xml:
        (root / "MTD_MSIL2A.xml").write_text(xml)
    return root, dn


def as_reflectance(dn, scale, offset):
    return (dn * np.float64(scale) + offset).astype(np.float32)


def test_one_file_a_date_with_described_bands(tmp_path):
    later, earlier = numbers(1, 4), numbers(2, 4)
    paths = [
        write(tmp_path / "s2_2021-06-10.tif", later, names=FOUR),
        write(tmp_path / "s2_20210605T105031.tif", earlier, names=FOUR),
    ]
    series = read(paths, ReadOptions(scale=1e-4, offset=-0.1))
    assert series.products == ("s2_20210605T105031", "s2_2021-06-10")
    assert series.reflectance.time.values.astype("datetime64[s]").tolist() == [
        np.datetime64("2021-06-05T10:50:31").item(),
        np.datetime64("2021-06-10T00:00:00").item(),
    ]
    assert series.reflectance.band.values.tolist() == list(FOUR)
    assert series.reflectance.wavelength.values.tolist() == [490, 560, 665, 842]
    assert series.reflectance.dtype == np.float32
    np.testing.assert_array_equal(series.reflectance.values[0], as_reflectance(earlier, 1e-4, -0.1))
    np.testing.assert_array_equal(series.reflectance.values[1], as_reflectance(later, 1e-4, -0.1))
    assert series.crs.to_epsg() == 32631
    np.testing.assert_array_equal(series.reflectance.x, 600005 + 10 * np.arange(WIDTH))
    np.testing.assert_array_equal(series.reflectance.y, 4999995 - 10 * np.arange(HEIGHT))


def test_integers_without_any_scale_stay_as_they_are(tmp_path):
    dn = numbers(1, 4)
    series = read([write(tmp_path / "20210605.tif", dn, names=FOUR)], ReadOptions())
    np.testing.assert_array_equal(series.reflectance.values[0], dn)


def test_own_tags_and_nodata_before_offset(tmp_path):
    dn = numbers(1, 2, dtype="int16")
    dn[:, 3, 4], dn[0, 5, 6] = -32768, -1
    path = write(tmp_path / "20210605.tif", dn, names=("red", "B8A"), tags=(1e-4, -0.1), nodata=-32768)
    values = read([path], ReadOptions(nodata=-1)).reflectance.values[0]
    expected = as_reflectance(dn, 1e-4, -0.1)
    expected[:, 3, 4], expected[0, 5, 6] = np.nan, np.nan
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(
        read([path], ReadOptions(scale=2e-4)).reflectance.values[0, 0, 0], as_reflectance(dn[0, 0], 2e-4, -0.1)
    )


def test_bands_by_number_by_order_and_by_the_users_names(tmp_path):
    dn = numbers(1, 4)
    path = write(tmp_path / "20210605.tif", dn)
    by_number = read([path], ReadOptions(bands=("nir", "blue"), variables={"nir": "4", "blue": "1"}))
    assert by_number.reflectance.band.values.tolist() == ["nir", "blue"]
    np.testing.assert_array_equal(by_number.reflectance.values[0], dn[[3, 0]])
    by_order = read([path], ReadOptions(bands=("B02", "B03", "mine", "B08")))
    assert by_order.reflectance.band.values.tolist() == ["blue", "green", "mine", "nir"]
    np.testing.assert_array_equal(by_order.reflectance.values[0], dn)
    with pytest.raises(InputError, match=r"--bands blue=1,green=2"):
        read([path], ReadOptions())
    with pytest.raises(InputError, match="4 bands without names and 2 were named"):
        read([path], ReadOptions(bands=("blue", "red")))


def test_counting_descriptions_are_no_names(tmp_path):
    dn = numbers(1, 2)
    assert read(
        [write(tmp_path / "20210605.tif", dn, names=("B2", "B8A"))], ReadOptions()
    ).reflectance.band.values.tolist() == ["blue", "nir08"]
    with pytest.raises(InputError, match="they have no names"):
        read([write(tmp_path / "20210605.tif", dn, names=("Band 1", "Band 2"))], ReadOptions())


def test_validity_mask_of_the_file_and_alpha(tmp_path):
    dn = numbers(1, 3)
    dn[2] = 65535
    dn[2, :4] = 0
    path = write(tmp_path / "20210605.tif", dn, names=("red", "nir", ""))
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [ColorInterp.gray, ColorInterp.undefined, ColorInterp.alpha]
    values = read([path], ReadOptions()).reflectance.values[0]
    assert values.shape == (2, HEIGHT, WIDTH)
    assert np.isnan(values[:, :4]).all()
    np.testing.assert_array_equal(values[:, 4:], dn[:2, 4:])


def test_a_fourth_band_of_bytes_with_a_name_is_a_band(tmp_path):
    dn = numbers(1, 4, dtype="uint8")
    dn[3, :4] = 0
    path = write(tmp_path / "20210605.tif", dn, names=FOUR)
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    series = read([path], ReadOptions())
    assert series.reflectance.band.values.tolist() == list(FOUR)
    np.testing.assert_array_equal(series.reflectance.values[0], dn)


def test_one_file_a_date_and_band_in_mixed_order(tmp_path):
    dn = {(day, band): numbers(day * 10 + k) for day in (5, 10) for k, band in enumerate(("B02", "nir"))}
    paths = [write(tmp_path / f"site_2021-06-{day:02d}_{band}.tif", values) for (day, band), values in dn.items()]
    scl = numbers(3, shape=(10, 12), dtype="uint8") % 12
    paths.append(write(tmp_path / "site_2021-06-10_SCL.tif", scl, pixel=20.0))
    for order in (paths, paths[::-1]):
        series = read(order, ReadOptions())
        assert series.products == ("site_2021-06-05", "site_2021-06-10")
        assert series.reflectance.band.values.tolist() == ["blue", "nir"]
        for t, day in enumerate((5, 10)):
            for b, band in enumerate(("B02", "nir")):
                np.testing.assert_array_equal(series.reflectance.values[t, b], dn[day, band][0])
        assert series.masks["SCL"].dtype == np.uint8
        np.testing.assert_array_equal(series.masks["SCL"].values, np.stack([0 * scl[0], scl[0]]))
        np.testing.assert_array_equal(series.masks["SCL"].x, 600010 + 20 * np.arange(12))


def test_folders_of_dates_and_of_bands(tmp_path):
    for day in ("2021-06-05", "2021-06-10"):
        for band in ("B04", "B08"):
            write(tmp_path / "dates" / day / f"{band}.tif", numbers(1))
            write(tmp_path / "bands" / band / f"{day}.tif", numbers(1))
    for folder in ("dates", "bands"):
        assert recognises([str(tmp_path / folder)])
        series = read([str(tmp_path / folder)], ReadOptions())
        assert series.reflectance.shape == (2, 2, HEIGHT, WIDTH)
        assert series.products == ("2021-06-05", "2021-06-10")


def test_missing_band_of_a_date_is_named(tmp_path):
    for name in ("20210605_B04", "20210605_B08", "20210610_B04"):
        write(tmp_path / f"{name}.tif", numbers(1))
    with pytest.raises(InputError, match=r"20210610.*no band 'nir'"):
        read([str(tmp_path)], ReadOptions())


def test_linked_products_are_read_and_loops_of_links_end(tmp_path):
    safe(tmp_path / "archive", OLD, 100)
    safe(tmp_path / "archive", NEW, 200)
    place = tmp_path / "place"
    place.mkdir()
    for name in (OLD, NEW):
        (place / f"{name}.SAFE").symlink_to(tmp_path / "archive" / f"{name}.SAFE", target_is_directory=True)
    (place / "all").symlink_to(place, target_is_directory=True)
    assert recognises([str(place)])
    series = read([str(place)], ReadOptions())
    assert series.products == (OLD, NEW)
    np.testing.assert_array_equal(
        series.reflectance.values, read([str(tmp_path / "archive")], ReadOptions()).reflectance
    )


def test_safe_products_of_two_baselines(tmp_path):
    _, old = safe(tmp_path, OLD, 100)
    _, new = safe(tmp_path, NEW, 200)
    new_path = next((tmp_path / f"{NEW}.SAFE").rglob("*_B02_10m.jp2"))
    new["B02", 10][0, 2, 3], new["B02", 10][0, 4, 5] = 0, 65535
    write(new_path, new["B02", 10])
    series = read([str(tmp_path)], ReadOptions())
    assert series.products == (OLD, NEW)
    assert series.reflectance.band.values.tolist() == list(FOUR)
    values = series.reflectance.values
    for b, band in enumerate(("B02", "B03", "B04", "B08")):
        np.testing.assert_array_equal(values[0, b], as_reflectance(old[band, 10][0], 1e-4, 0))
        expected = as_reflectance(new[band, 10][0], 1e-4, -0.1)
        np.testing.assert_array_equal(values[1, b], np.where(np.isin(new[band, 10][0], (0, 65535)), np.nan, expected))
    assert set(series.masks) == {"SCL", "MSK_CLDPRB"}
    np.testing.assert_array_equal(series.masks["SCL"].values, np.concatenate([old["SCL"], new["SCL"]]))
    np.testing.assert_array_equal(series.masks["MSK_CLDPRB"].values, np.concatenate([old["CLD"], new["CLD"]]))


def test_safe_at_20_metres_when_only_that_has_the_bands(tmp_path):
    root, dn = safe(tmp_path, NEW, 7)
    series = read([str(root)], ReadOptions(bands=("red", "nir08")))
    assert series.reflectance.shape == (1, 2, 10, 12)
    np.testing.assert_array_equal(series.reflectance.values[0, 1], as_reflectance(dn["B8A", 20][0], 1e-4, -0.1))
    with pytest.raises(InputError, match="no pixel size has nir, nir08"):
        read([str(root)], ReadOptions(bands=("nir", "nir08")))


def test_metadata_and_options_override_the_baseline(tmp_path):
    xml = "<P><BOA_ADD_OFFSET band_id='1'>-500</BOA_ADD_OFFSET><PROCESSING_BASELINE>02.00</PROCESSING_BASELINE></P>"
    root, dn = safe(tmp_path, NEW, 7, xml=xml)
    values = read([str(root)], ReadOptions(bands=("blue", "green"))).reflectance.values[0]
    np.testing.assert_array_equal(values[0], as_reflectance(dn["B02", 10][0], 1e-4, -0.05))
    np.testing.assert_array_equal(values[1], as_reflectance(dn["B03", 10][0], 1e-4, 0))
    values = read([str(root)], ReadOptions(bands=("blue",), offset=0.0)).reflectance.values[0]
    np.testing.assert_array_equal(values[0], as_reflectance(dn["B02", 10][0], 1e-4, 0))
    values = read([str(root)], ReadOptions(bands=("blue",), scale=2e-4)).reflectance.values[0]
    np.testing.assert_array_equal(values[0], as_reflectance(dn["B02", 10][0], 2e-4, -0.1))  # (DN - 500) x scale


def test_renamed_product_folder(tmp_path):
    root, dn = safe(tmp_path, NEW, 7, xml="<P><PROCESSING_BASELINE>04.00</PROCESSING_BASELINE></P>")
    root = root.rename(tmp_path / "mine.SAFE")
    series = read([str(root)], ReadOptions(bands=("blue",)))
    assert series.reflectance.time.values[0] == np.datetime64("2022-06-10T10:50:31")
    np.testing.assert_array_equal(series.reflectance.values[0, 0], as_reflectance(dn["B02", 10][0], 1e-4, -0.1))
    assert set(series.masks) == {"SCL", "MSK_CLDPRB"}


def test_loose_images_without_a_baseline_warn(tmp_path):
    dn = numbers(1)
    path = write(tmp_path / "T31UDS_20220605T105031_B02_10m.jp2", dn)
    with pytest.warns(UserWarning, match="nothing tells the processing baseline"):
        series = read([path], ReadOptions())
    assert series.products == ("T31UDS_20220605T105031",)
    np.testing.assert_array_equal(series.reflectance.values[0, 0], as_reflectance(dn[0], 1e-4, 0))
    read([path], ReadOptions(offset=0.0))


def test_product_name_of_a_geotiff(tmp_path):
    dn = numbers(1, 4)
    stack = write(tmp_path / "a" / f"{NEW}.tif", dn, names=FOUR)
    np.testing.assert_array_equal(read([stack], ReadOptions()).reflectance.values[0], as_reflectance(dn, 1e-4, -0.1))
    single = [write(tmp_path / "b" / f"{NEW}_{band}.tif", dn[:1]) for band in ("B02", "B03")]
    series = read(single, ReadOptions())
    assert series.products == (NEW,)
    assert series.reflectance.shape == (1, 2, HEIGHT, WIDTH)


def test_same_product_twice_and_two_times_of_a_day(tmp_path):
    for folder in ("a", "b"):
        for band in ("B02", "B03"):
            write(tmp_path / "twice" / folder / f"20210605_{band}.tif", numbers(1))
    assert read([str(tmp_path / "twice")], ReadOptions()).products == ("20210605", "20210605")
    for time in ("20210605T105031", "20210605T110031"):
        write(tmp_path / "times" / f"{time}_red.tif", numbers(1))
    assert read([str(tmp_path / "times")], ReadOptions()).products == ("20210605T105031", "20210605T110031")


def test_what_clearcube_writes(tmp_path):
    dn = numbers(1, 2, dtype="int16")
    flags = np.full((1, HEIGHT, WIDTH), Source.INTERPOLATED, "uint8")
    flags[0, :5] = Source.OBSERVED
    for day in ("20210605", "20210610"):
        write(tmp_path / f"reflectance_{day}.tif", dn, names=("red", "nir"), tags=(1e-4, 0), driver="COG")
        write(tmp_path / "std" / f"std_{day}.tif", dn, names=("red", "nir"), tags=(1e-4, 0), driver="COG")
        write(tmp_path / "ndvi" / f"ndvi_{day}.tif", dn[:1], driver="COG")
        write(tmp_path / "days" / f"days_{day}.tif", dn[:1], driver="COG")
        write(tmp_path / "source" / f"source_{day}.tif", flags, names=("source",), driver="COG")
    series = read([str(tmp_path)], ReadOptions())
    np.testing.assert_array_equal(series.reflectance.values[1], as_reflectance(dn, 1e-4, 0))
    assert list(series.masks) == ["source"]
    np.testing.assert_array_equal(series.masks["source"].values, np.concatenate([flags, flags]))


def of_clearcube(path, values, names, wavelengths, **changed):
    """A file with the tags that clearcube's writer sets, but for changed ones; None = not set."""
    write(path, values, names=names)
    tags = {"clearcube_version": "0.1.0", "long_name": "reflectance, observed or filled", **changed}
    with rasterio.open(path, "r+") as file:
        file.update_tags(**{key: text for key, text in tags.items() if text is not None})
        for index, nanometres in enumerate(wavelengths, start=1):
            file.update_tags(index, wavelength_nm=f"{nanometres:g}")
    return str(path)


def test_names_of_ones_own_are_bands_in_what_clearcube_wrote_alone(tmp_path):
    values = numbers(1, 3, dtype="float32") / 1e4
    given = values, ("blue", "yellow", "nir"), (492.4, 600, 832.8)
    own = of_clearcube(tmp_path / "reflectance_20210605.tif", *given)
    series = read([own], ReadOptions())
    assert series.reflectance.band.values.tolist() == ["blue", "yellow", "nir"]
    assert series.reflectance.wavelength.values.tolist() == [492.4, 600, 832.8]
    np.testing.assert_array_equal(series.reflectance.values[0], values)
    foreign = read([of_clearcube(tmp_path / "20210605.tif", *given, clearcube_version=None)], ReadOptions())
    assert foreign.reflectance.band.values.tolist() == ["blue", "nir"]
    assert foreign.reflectance.wavelength.values.tolist() == [490, 842]
    ndvi = of_clearcube(tmp_path / "n_20210605.tif", values[:1], ("ndvi",), (), long_name="normalized difference")
    with pytest.raises(InputError, match=r"nothing tells which bands it holds \(ndvi"):
        read([ndvi], ReadOptions())


def test_bands_of_ones_own_are_chosen_and_renamed(tmp_path):
    values = numbers(1, 3, dtype="float32") / 1e4
    path = of_clearcube(tmp_path / "reflectance_20210605.tif", values, ("blue", "yellow", "haze"), (490, 600))
    chosen = read([path], ReadOptions(bands=("haze", "B02"))).reflectance
    assert chosen.band.values.tolist() == ["haze", "blue"]
    np.testing.assert_array_equal(chosen.wavelength, [np.nan, 490])
    np.testing.assert_array_equal(chosen.values[0], values[[2, 0]])
    renamed = read([path], ReadOptions(bands=("amber",), variables={"amber": "yellow"})).reflectance
    np.testing.assert_array_equal(renamed.values[0], values[[1]])


def test_a_lone_band_of_ones_own_goes_by_its_description_and_not_by_its_folder(tmp_path):
    path = of_clearcube(tmp_path / "B04" / "reflectance_20210605.tif", numbers(1), ("yellow",), (600,))
    assert read([path], ReadOptions()).reflectance.band.values.tolist() == ["yellow"]


@pytest.mark.parametrize(
    "mapped", [{"red": "4", "blue": "1"}, {"red": "nir"}, {"nir": "red", "red": "nir"}, {"red": "red", "blue": "1"}]
)
def test_a_band_that_the_user_maps_is_no_other_of_that_description(tmp_path, mapped):
    names = ("blue", "green", "red", "nir")
    values = numbers(4, bands=4)
    path = write(tmp_path / "20210610.tif", values, names=names)
    series = read([path], ReadOptions(bands=tuple(mapped), variables=mapped))
    for band, variable in mapped.items():
        position = int(variable) - 1 if variable.isdigit() else names.index(variable)
        np.testing.assert_array_equal(series.reflectance.sel(band=band).values[0], values[position])


def test_mask_bands_within_a_stack_and_masks_alone(tmp_path):
    values = numbers(1, 3, dtype="float32") / 1e4
    values[2] = np.arange(WIDTH) % 2
    path = write(tmp_path / "20210605.tif", values, names=("red", "nir", "usable"))
    assert read([path], ReadOptions()).masks == {}
    series = read([path], ReadOptions(mask="usable"))
    np.testing.assert_array_equal(series.masks["usable"].values, values[2:])
    np.testing.assert_array_equal(series.reflectance.values[0], values[:2])
    alone = read([path], ReadOptions(bands=(), mask="usable"))
    np.testing.assert_array_equal(alone.masks["usable"].values, values[2:])
    assert alone.reflectance.shape == (1, 0, HEIGHT, WIDTH)
    with pytest.raises(InputError, match="no mask 'other'; there are nir, red"):
        read([path], ReadOptions(bands=(), mask="other"))


def test_a_file_that_is_only_a_mask(tmp_path):
    scl = numbers(1, dtype="uint8") % 12
    paths = [write(tmp_path / f"{name}.tif", scl) for name in ("SCL_20210605", "SCL_20210610")]
    series = read(paths, ReadOptions(bands=(), mask="SCL"))
    np.testing.assert_array_equal(series.masks["SCL"].values, np.concatenate([scl, scl]))
    assert series.crs.to_epsg() == 32631
    with pytest.raises(InputError, match="there are masks, but no bands"):
        read(paths, ReadOptions())


def test_probability_missing_at_a_date_is_nan(tmp_path):
    for day in (5, 10):
        write(tmp_path / f"202106{day:02d}_red.tif", numbers(1))
    write(tmp_path / "20210610_cloud_probability.tif", numbers(1, dtype="uint8") % 101)
    mask = read([str(tmp_path)], ReadOptions()).masks["cloud_probability"]
    assert mask.dtype == np.float32
    assert np.isnan(mask.values[0]).all() and np.isfinite(mask.values[1]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [({"crs": "EPSG:32632"}, "CRS"), ({"west": 600020.0}, "transform"), ({"shape": (HEIGHT, 30)}, "shape 20 x 30")],
)
def test_the_odd_grid_is_named(tmp_path, change, message):
    shape = change.pop("shape", (HEIGHT, WIDTH))
    write(tmp_path / "20210601_red.tif", numbers(1, shape=shape), **change)
    for day in (2, 3):
        write(tmp_path / f"2021060{day}_red.tif", numbers(1))
    with pytest.raises(InputError, match=rf"20210601_red\.tif is on another grid.*{message}"):
        read([str(tmp_path)], ReadOptions())


def test_without_georeference(tmp_path):
    dn = numbers(1)
    series = read([write(tmp_path / "20210605_red.tif", dn, crs=None)], ReadOptions())
    assert series.crs is None
    with dask.config.set(scheduler="threads", num_workers=4):
        np.testing.assert_array_equal(series.reflectance.values[0], dn)
    np.testing.assert_array_equal(series.reflectance.x, np.arange(WIDTH) + 0.5)


def test_a_coarse_mask_without_georeference_is_stretched_over_the_bands(tmp_path):
    write(tmp_path / "20210605_red.tif", numbers(1), crs=None)
    write(tmp_path / "20210605_SCL.tif", numbers(1, shape=(5, 12), dtype="uint8"), crs=None)
    mask = read([str(tmp_path)], ReadOptions()).masks["SCL"]
    np.testing.assert_array_equal(mask.y, 2 + 4 * np.arange(5))
    np.testing.assert_array_equal(mask.x, 1 + 2 * np.arange(12))


def test_an_image_keeps_its_own_mask_among_those_of_its_day(tmp_path):
    own, lent = (numbers(seed, dtype="uint8") % 12 for seed in (1, 2))
    write(tmp_path / "a_20210605_red.tif", numbers(1))
    write(tmp_path / "a_20210605_SCL.tif", own)
    write(tmp_path / "b_20210605_SCL.tif", lent)
    np.testing.assert_array_equal(read([str(tmp_path)], ReadOptions()).masks["SCL"].values, own)


@pytest.mark.parametrize("name", ["scene_20211305.tif", "id_4025_4153.tif", "v18991231.tif", "123456789.tif"])
def test_a_name_without_date_is_named(tmp_path, name):
    path = write(tmp_path / name, numbers(1), names=("red",))
    with pytest.raises(InputError, match=rf"{name}.*no date in its name"):
        read([path], ReadOptions())


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("x_2021-06-05", "2021-06-05"),
        ("20210605_20210610", "2021-06-05"),
        ("99999999_20210605", "2021-06-05"),
        ("20210605T105031", "2021-06-05T10:50:31"),
        ("2021-06-05T10:50:31Z", "2021-06-05T10:50:31"),
        ("20210605105031", "2021-06-05T10:50:31"),
        ("20210605_999999", "2021-06-05"),
        ("ndvi_2021_06_05_v2", "2021-06-05"),
        ("2021.06.05", "2021-06-05"),
        ("tile_2001_02_03_20210605", "2021-06-05"),
        ("2021_13_05", None),
        ("21010101", None),
        ("120210605", None),
    ],
)
def test_times_in_names(text, time):
    assert time_in(text) == (None if time is None else np.datetime64(time, "s"))


def test_a_folder_may_be_named_by_a_day_with_underscores(tmp_path):
    folder = tmp_path / "2021_06_05"
    folder.mkdir()
    series = read([write(folder / f"part_{name}.tif", numbers(1)) for name in ("red", "nir")], ReadOptions())
    assert series.reflectance.time.values == [np.datetime64("2021-06-05")]


def test_urls_are_told_by_their_path():
    url = "https://example.org/S2A_31UDS_20210605_0_L2A/B04.tif?signature=20200101"
    assert recognises([url])
    name = parse(url, url, ())
    assert (name.time, name.label) == (np.datetime64("2021-06-05T00:00:00"), "B04")


def test_unusable_files_are_named(tmp_path):
    good = write(tmp_path / "good" / "20210605_red.tif", numbers(1, shape=(300, 300)))
    whole = Path(good).read_bytes()
    image = write(tmp_path / "good" / "T31UDS_20220605T105031_B02_10m.jp2", numbers(1, shape=(300, 300)))
    cases = {
        "20210601_red.tif": (b"", "is empty"),
        "20210602_red.tif": (b"no raster at all", "not a raster"),
        "20210603_red.tif": (whole[:100], "not a raster"),
        "20210604_red.tif": (whole[:-100], "cut off"),
        "T31UDS_20210605T105031_B02_10m.jp2": (Path(image).read_bytes()[:-100], "cut off"),
    }
    for name, (content, message) in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert recognises([str(path)])
        with pytest.raises(InputError, match=f"{name}.*{message}"):
            read([str(path)], ReadOptions())
    with pytest.raises(InputError, match=r"20210607_red\.tif does not exist"):
        read([str(tmp_path / "20210607_red.tif")], ReadOptions())
    (tmp_path / "X.SAFE").mkdir()
    with pytest.raises(InputError, match="no images in this product folder"):
        read([str(tmp_path / "X.SAFE")], ReadOptions())


def test_a_file_that_vanishes_is_an_os_error_with_its_name(tmp_path):
    path = write(tmp_path / "20210605_red.tif", numbers(1))
    series = read([path], ReadOptions())
    (tmp_path / "20210605_red.tif").unlink()
    with pytest.raises(OSError, match=r"20210605_red\.tif cannot be read"):
        series.reflectance.compute()


def test_a_damaged_file_is_bad_input(tmp_path):
    path = tmp_path / "20210605_red.tif"
    write(path, numbers(1, shape=(64, 64)), compress="deflate")
    with rasterio.open(path) as raster:
        start = int(raster.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))
    content = bytearray(path.read_bytes())
    content[start : start + 200] = b"\xff" * 200
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"20210605_red\.tif cannot be read .* damaged"):
        read([str(path)], ReadOptions()).reflectance.compute()


def test_recognises(tmp_path):
    tif = write(tmp_path / "a" / "20210605_red.tif", numbers(1))
    (tmp_path / "a" / "other").write_bytes(Path(tif).read_bytes())
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "text.nc").write_text("x")
    assert recognises([tif, str(tmp_path / "a"), str(tmp_path / "a" / "other")])
    assert not recognises([])
    assert not recognises([tif, str(tmp_path / "b" / "text.nc")])
    assert not recognises([str(tmp_path / "b")])


def test_chunks_follow_blocks(tmp_path):
    tiles = {"tiled": True, "blockxsize": 128, "blockysize": 128}
    dn = numbers(1, 2, shape=(600, 700))
    path = write(tmp_path / "20210605.tif", dn, names=("red", "nir"), **tiles)
    series = read([path], ReadOptions(chunks=300))
    assert series.reflectance.chunks == ((1,), (2,), (256, 256, 88), (256, 256, 188))
    np.testing.assert_array_equal(series.reflectance.values[0], dn)
    assert chunk_shape((10980, 10980), (1, 10980), 2, 2048) == (763, 10980)
    assert chunk_shape((10980, 10980), (1024, 1024), 2, 2048) == (2048, 2048)


def test_the_graph_is_small_and_can_be_pickled(tmp_path):
    paths = [
        write(tmp_path / f"202106{day:02d}_{band}.tif", numbers(day)) for day in range(1, 11) for band in ("red", "nir")
    ]
    lazy = read(paths, ReadOptions(chunks=10)).reflectance.data
    assert len(pickle.dumps(dict(lazy.__dask_graph__()))) < 400 * lazy.npartitions + 40000


def test_band_numbers_of_landsat_are_landsat_s(tmp_path):
    for day in ("20220301", "20220317"):
        product = f"LC08_L2SP_198030_{day}_20220330_02_T1"
        for number in range(1, 8):
            write(tmp_path / f"{product}_SR_B{number}.TIF", numbers(number))
    series = read([str(tmp_path)], ReadOptions(scale=1e-4))
    assert series.reflectance.band.values.tolist() == ["coastal", "blue", "green", "red", "nir08", "swir16", "swir22"]
    assert series.products == tuple(f"LC08_L2SP_198030_{day}_20220330_02_T1" for day in ("20220301", "20220317"))
    np.testing.assert_array_equal(series.reflectance.sel(band="nir08")[0], (numbers(5)[0] * 1e-4).astype(np.float32))
    mapped = read([str(tmp_path)], ReadOptions(bands=("nir",), variables={"nir": "SR_B5"}, scale=1e-4))
    np.testing.assert_array_equal(mapped.reflectance[0, 0], (numbers(5)[0] * 1e-4).astype(np.float32))


def test_what_a_file_manager_leaves_beside_rasters_is_passed_over(tmp_path):
    for day in ("20220301", "20220317"):
        write(tmp_path / f"{day}.tif", numbers(1, 4), names=FOUR)
        (tmp_path / f"._{day}.tif").write_bytes(b"\0\5\x16\7")
    assert read([str(tmp_path)], ReadOptions()).reflectance.sizes["time"] == 2


def test_a_mask_within_the_file_says_what_is_valid(tmp_path):
    dn = numbers(1, 2)
    valid = np.ones((HEIGHT, WIDTH), bool)
    valid[:4] = False
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        path = write(tmp_path / "20210605.tif", dn, names=("red", "nir"))
        with rasterio.open(path, "r+") as file:
            file.write_mask(valid)
    values = read([path], ReadOptions()).reflectance.values[0]
    assert np.isnan(values[:, :4]).all()
    np.testing.assert_array_equal(values[:, 4:], dn[:, 4:])

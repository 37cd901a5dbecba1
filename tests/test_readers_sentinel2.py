import numpy as np
import pytest

from clearcube.errors import InputError
from clearcube.readers.sentinel2 import Radiometry, band_file, band_id_of, parse_product, radiometry

NAME = "S2B_MSIL2A_20220605T105031_N0400_R051_T31UDS_20220605T140000"


def metadata(folder, inside):
    path = folder / "MTD_MSIL2A.xml"
    path.write_text(
        f'<n1:Level-2A xmlns:n1="https://psd.example/"><n1:General_Info>{inside}</n1:General_Info></n1:Level-2A>'
    )
    return str(path)


@pytest.mark.parametrize("suffix", ["", ".SAFE", "_B02_10m", ".tif"])
def test_product_name(suffix):
    product = parse_product(NAME + suffix)
    assert product.name == NAME
    assert product.sensing == np.datetime64("2022-06-05T10:50:31")
    assert product.baseline == 400


def test_names_that_are_no_product():
    assert parse_product("T31UDS_20210605T105031_B02_10m") is None
    assert parse_product(NAME.replace("20220605T105031", "20221305T105031")) is None
    assert parse_product(NAME.replace("N0400", "N9999")).baseline is None


def test_band_files():
    assert band_file("T31UDS_20210605T105031_B8A_20m") == ("B8A", 20)
    assert band_file("L2A_T31UDS_20170605T105031_SCL_20m") == ("SCL", 20)
    assert band_file("T31UDS_20210605T105031_B04") == ("B04", 10)
    assert band_file("2021-06-05_B04") is None
    assert band_id_of("nir08") == "B8A"
    assert band_id_of("mine") is None


@pytest.mark.parametrize(("baseline", "offset"), [(None, None), (300, 0.0), (301, 0.0), (400, -1000.0), (511, -1000.0)])
def test_offset_by_baseline_in_the_name(baseline, offset):
    assert radiometry(None, baseline) == Radiometry(10000.0, {}, offset)


def test_metadata_wins_over_the_name(tmp_path):
    inside = (
        "<BOA_QUANTIFICATION_VALUE unit='none'>20000</BOA_QUANTIFICATION_VALUE>"
        "<BOA_ADD_OFFSET_VALUES_LIST><BOA_ADD_OFFSET band_id='1'>-500</BOA_ADD_OFFSET>"
        "<BOA_ADD_OFFSET band_id='8'>-700</BOA_ADD_OFFSET></BOA_ADD_OFFSET_VALUES_LIST>"
        "<PROCESSING_BASELINE>02.14</PROCESSING_BASELINE>"
    )
    told = radiometry(metadata(tmp_path, inside), 400)
    assert told.quantification == 20000
    assert (told.offset_of("B02"), told.offset_of("B8A"), told.offset_of("B03")) == (-500, -700, 0)


def test_metadata_with_only_a_baseline(tmp_path):
    told = radiometry(metadata(tmp_path, "<PROCESSING_BASELINE>05.09</PROCESSING_BASELINE>"), None)
    assert told.offset_of("B04") == -1000


def test_level_1c_has_its_own_words(tmp_path):
    inside = (
        "<QUANTIFICATION_VALUE unit='none'>20000</QUANTIFICATION_VALUE>"
        "<Radiometric_Offset_List><RADIO_ADD_OFFSET band_id='3'>-500</RADIO_ADD_OFFSET></Radiometric_Offset_List>"
    )
    told = radiometry(metadata(tmp_path, inside), None)
    assert (told.quantification, told.offset_of("B04"), told.offset_of("B03")) == (20000, -500, None)


def test_metadata_that_tells_nothing_leaves_it_to_the_name(tmp_path):
    assert radiometry(metadata(tmp_path, ""), 400).offset == -1000
    assert radiometry(metadata(tmp_path, ""), None).offset is None


def test_broken_metadata_is_named(tmp_path):
    path = tmp_path / "MTD_MSIL2A.xml"
    path.write_text("<a><b>")
    with pytest.raises(InputError, match=r"MTD_MSIL2A\.xml.*cannot be read"):
        radiometry(str(path), 400)

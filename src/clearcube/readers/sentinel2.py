"""What Sentinel-2 products tell: sensing time, processing baseline, and how stored numbers become reflectance.

Nothing here is derived from the sensing date: the offset of baseline 04.00 comes from the product's metadata, else
from the baseline in its name, else it is unknown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree

import numpy as np

from clearcube.cube import SENTINEL2_BANDS
from clearcube.errors import InputError

QUANTIFICATION = 10000.0
"""DN of reflectance 1 where the metadata does not say otherwise."""
OFFSET = -1000.0
"""Offset in DN from baseline 04.00 on."""
OFFSET_BASELINE = 400
"""First baseline with the offset, as in N0400."""
SPECIAL_VALUES = (0.0, 65535.0)
"""DN that mean no data and saturated; neither is a reflectance."""
BAND_ORDER = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
"""Bands by the `band_id` of the metadata."""
NATIVE_RESOLUTION = {
    **dict.fromkeys(("B02", "B03", "B04", "B08"), 10),
    **dict.fromkeys(("B05", "B06", "B07", "B8A", "B11", "B12"), 20),
    **dict.fromkeys(("B01", "B09", "B10"), 60),
}
"""Pixel size in metres of the level-1C files, which do not name it."""
METADATA = ("MTD_MSIL2A.xml", "MTD_MSIL1C.xml")
_UNKNOWN_BASELINES = (9999,)  # written by stand-alone processors; says nothing about the offset
_PRODUCT = re.compile(
    r"S2[A-D]_MSIL(?:1C|2A)_(\d{8}T\d{6})_N(\d{4})(?:_R\d{3})?(?:_T\d{2}[A-Z]{3})?(?:_\d{8}T\d{6})?", re.IGNORECASE
)
_BAND_FILE = re.compile(
    r"(?:^|_)T\d{2}[A-Z]{3}_\d{8}T\d{6}_(B\d[\dA]|SCL|TCI|AOT|WVP|PVI|CLD|SNW)(?:_(10|20|60)m)?$", re.IGNORECASE
)


@dataclass(frozen=True)
class ProductName:
    """A product's name: without suffix, its sensing time (second) and baseline (400 for N0400; None = not told)."""

    name: str
    sensing: np.datetime64
    baseline: int | None


@dataclass(frozen=True)
class Radiometry:
    """reflectance = (DN + offset) / quantification.

    quantification : DN of reflectance 1.
    offsets : Sentinel-2 band id -> offset in DN; bands that are not in it have `offset`.
    offset : offset in DN; None = neither metadata nor name tells.
    """

    quantification: float = QUANTIFICATION
    offsets: Mapping[str, float] = field(default_factory=dict)
    offset: float | None = None

    def offset_of(self, band_id: str | None) -> float | None:
        """Offset of a band in DN; None where nothing tells."""
        return self.offsets.get(band_id or "", self.offset)


def parse_product(text: str) -> ProductName | None:
    """The product that a file or folder name begins with or contains, or None.

    >>> parse_product("S2A_MSIL2A_20220605T105031_N0400_R051_T31UDS_20220605T140000.SAFE").baseline
    400
    """
    match = _PRODUCT.search(text)
    if match is None:
        return None
    try:
        sensing = sensing_time(match[1])
    except ValueError:
        return None
    baseline = int(match[2])
    return ProductName(match[0], sensing, None if baseline in _UNKNOWN_BASELINES else baseline)


def sensing_time(text: str) -> np.datetime64:
    """The instant of YYYYMMDDTHHMMSS, datetime64[s].

    Raises
    ------
    ValueError : it is no date or time of day.
    """
    day, clock = text[:8], text[9:]
    return np.datetime64(f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}", "s")


def band_file(stem: str) -> tuple[str, int | None] | None:
    """What a product's image file holds (band id, SCL, ...) and its pixel size in metres; None for other files.

    >>> band_file("T31UDS_20210605T105031_B02_10m"), band_file("T31UDS_20210605T105031_B11")
    (('B02', 10), ('B11', 20))
    """
    match = _BAND_FILE.search(stem)
    if match is None:
        return None
    name = match[1].upper()
    return name, int(match[2]) if match[2] else NATIVE_RESOLUTION.get(name)


def band_id_of(common_name: str) -> str | None:
    """The Sentinel-2 id of a band by its common name, or None."""
    return next((key for key, band in SENTINEL2_BANDS.items() if band.name == common_name), None)


def metadata_file(folder: str) -> str | None:
    """The product metadata of a product folder, or None where it has none."""
    paths = (os.path.join(folder, name) for name in METADATA)
    return next((path for path in paths if os.path.isfile(path)), None)


def radiometry(metadata: str | None, baseline: int | None) -> Radiometry:
    """How DN become reflectance, by the metadata file (if any), else by the baseline in the product's name.

    Raises
    ------
    InputError : the metadata cannot be read.

    References
    ----------
    ESA, Sentinel-2 Products Specification Document, BOA_ADD_OFFSET, RADIO_ADD_OFFSET and QUANTIFICATION_VALUE.
    """
    if metadata is None:
        return Radiometry(offset=_offset_by(baseline))
    try:
        leaves = [(_tag(leaf), leaf) for leaf in ElementTree.parse(metadata).iter()]
        offsets = {
            BAND_ORDER[int(leaf.get("band_id", ""))]: float(leaf.text or "")
            for tag, leaf in leaves
            if tag in ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET")
        }
        values = {tag: float(leaf.text or "") for tag, leaf in leaves if tag in _NUMBERS}
    except (OSError, ElementTree.ParseError, ValueError, IndexError) as error:
        raise InputError(
            f"{metadata}: this product metadata cannot be read ({error}); download the product again"
        ) from error
    told = values.get("PROCESSING_BASELINE")
    quantification = values.get("BOA_QUANTIFICATION_VALUE", values.get("QUANTIFICATION_VALUE", QUANTIFICATION))
    offset = _offset_by(baseline if told is None else round(told * 100))
    return Radiometry(quantification, offsets, offset)


_NUMBERS = ("BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE", "PROCESSING_BASELINE")


def _offset_by(baseline: int | None) -> float | None:
    """The offset in DN of a baseline, None where it is not known."""
    if baseline is None or baseline in _UNKNOWN_BASELINES:
        return None
    return OFFSET if baseline >= OFFSET_BASELINE else 0.0


def _tag(leaf: ElementTree.Element) -> str:
    """The name of an element without its name space."""
    return leaf.tag.rpartition("}")[2]

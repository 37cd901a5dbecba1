"""What the name of a raster file tells: when it was acquired, of which product it is, and what it holds."""

from __future__ import annotations

import calendar
import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np

from clearcube.errors import InputError
from clearcube.readers import sentinel2
from clearcube.readers.names import band_called, is_band_number, is_landsat, mask_kind
from clearcube.readers.sources import is_url

YEARS = range(1980, 2101)
"""Years that digits in a name may mean."""
_TIME = re.compile(
    r"(?<!\d)(?:(\d{4})-(\d{2})-(\d{2})|(\d{4})(\d{2})(\d{2}))(?:[T_ ]?(\d{2})[:-]?(\d{2})[:-]?(\d{2}))?(?!\d)"
)
_DAY_APART = re.compile(r"(?<!\d)(\d{4})[_.](\d{2})[_.](\d{2})(?!\d)")
_DAY_OF_YEAR = re.compile(r"(?<!\d)(\d{4})(\d{3})(?!\d)")
_RESOLUTION = re.compile(r"(?<![0-9A-Za-z])(10|20|60)m(?![0-9A-Za-z])", re.IGNORECASE)
_NOT_REFLECTANCE = re.compile(
    r"(?:std|days|ndvi|ndvi_std|reflectance_std|contamination)_\d{8}|.*_(?:TCI|AOT|WVP|PVI|SNW|QA_RADSAT|SR_QA_AEROSOL|SR_ATMOS_OPACITY|SR_CLOUD_QA|ST_[A-Z0-9]+)(?:_\d{2}m)?|MSK_(?!CLDPRB).*",
    re.IGNORECASE,
)
_SEPARATORS = re.compile(r"([_\-. ]+)")


@dataclass(frozen=True)
class FileName:
    """What a name tells.

    time : datetime64[s], the sensing time or day.
    product : name of the acquisition that the file is of, the same for its bands and masks.
    stem : the file's name without suffix.
    label : the part of the name that means a band or mask ("B02", "SCL"), or None.
    resolution : pixel size in metres, or None.
    sentinel2 : the product that a Sentinel-2 file belongs to; None for others, and where only the file tells.
    product_folder : folder of the Sentinel-2 product, or None.
    is_sentinel2 : whether stored integers are Sentinel-2's DN.
    """

    time: np.datetime64
    product: str
    stem: str
    label: str | None
    resolution: int | None
    sentinel2: sentinel2.ProductName | None
    product_folder: str | None
    is_sentinel2: bool


def holds_no_reflectance(path: str) -> bool:
    """Whether a name says that a file holds something else: previews, water vapour, clearcube's std and days."""
    return _NOT_REFLECTANCE.fullmatch(_stem(path)) is not None


def time_in(text: str) -> np.datetime64 | None:
    """The first date (ISO or YYYYMMDD) in a text, with its time of day if it has one, or None.

    Where there is none, the first day whose year, month and day are set apart by underscores or points, else the first
    year with a day of the year (A2021093). Digits that are no date of the years 1980 to 2100 are passed over.

    >>> time_in("T31UDS_20210605T105031_B02"), time_in("cell_2021-13-05"), time_in("ndwi_2021_06_05")
    (np.datetime64('2021-06-05T10:50:31'), None, np.datetime64('2021-06-05T00:00:00'))
    """
    for match in (*_TIME.finditer(text), *_DAY_APART.finditer(text)):
        groups = [group for group in match.groups() if group is not None]
        for clock in (groups[3:], []):
            if (time := _time(groups[:3], clock)) is not None:
                return time
    for match in _DAY_OF_YEAR.finditer(text):
        year, day = int(match[1]), int(match[2])
        if year in YEARS and 1 <= day <= 365 + calendar.isleap(year):
            return np.datetime64(f"{year}-01-01", "s") + np.timedelta64(day - 1, "D")
    return None


def parse(path: str, root: str, wanted: Collection[str]) -> FileName:
    """What the path of a raster file tells; `root` is what the user named (the file or a folder above it).

    wanted : names of variables that the user gives for bands and the mask.

    Raises
    ------
    InputError : there is no date in it.
    """
    stem = _stem(path)
    folders = _folders(path)
    label, rest = _label(stem, wanted)
    if label is None and folders:
        folder_label, folder_rest = _label(folders[0], wanted)
        label = folder_label if not folder_rest else None
    image = sentinel2.band_file(stem)
    product, folder = _product(path, stem, image is not None)
    time = product.sensing if product is not None else _time_of(path, folder or root, stem, rest, folders)
    resolution = image[1] if image is not None else _resolution(stem, folders)
    return FileName(
        time,
        _product_name(product, folder, rest, folders),
        stem,
        image[0] if image is not None else label,
        resolution,
        product,
        folder,
        product is not None or image is not None,
    )


def _product_name(
    product: sentinel2.ProductName | None, folder: str | None, rest: str, folders: tuple[str, ...]
) -> str:
    if product is not None:
        return product.name
    if folder is not None:
        return os.path.basename(folder)
    return rest or (folders[0] if folders else "")


def _product(path: str, stem: str, is_image: bool) -> tuple[sentinel2.ProductName | None, str | None]:
    """The Sentinel-2 product of a file and its folder, from its own name or the nearest folder above it."""
    own = sentinel2.parse_product(stem)
    if own is not None:
        return own, None
    folder = path if is_url(path) else os.path.abspath(path)
    for _ in range(6):  # PRODUCT/GRANULE/granule/IMG_DATA/R10m/file
        folder = os.path.dirname(folder)
        name = sentinel2.parse_product(os.path.basename(folder))
        is_product = name is not None or folder.upper().endswith(".SAFE")
        if is_product or (is_image and not is_url(path) and sentinel2.metadata_file(folder) is not None):
            return name, None if is_url(path) else folder
    return None, None


def _time_of(path: str, root: str, stem: str, rest: str, folders: tuple[str, ...]) -> np.datetime64:
    """The time in a file's name, else in a folder below the root, else in its folder if that is what dates it."""
    below = [] if root == path or is_url(path) else os.path.relpath(path, root).split(os.sep)[:-1][::-1]
    for name in [stem, *below]:
        if (time := time_in(name)) is not None:
            return time
    parent = folders[0] if folders else ""
    time = time_in(parent)
    if time is not None and (not rest or any(day.fullmatch(parent) for day in (_TIME, _DAY_APART))):
        return time
    raise InputError(
        f"{path}: no date in its name; rename it so that it has one (2021-06-05, 20210605, 20210605T105031, 2021156)"
    )


def _time(day: list[str], clock: list[str]) -> np.datetime64 | None:
    """An instant from its digits, or None where they are none."""
    if int(day[0]) not in YEARS:
        return None
    text = "-".join(day) + ("T" + ":".join(clock) if clock else "T00:00:00")
    try:
        return np.datetime64(text, "s")
    except ValueError:
        return None


def _label(name: str, wanted: Collection[str]) -> tuple[str | None, str]:
    """The last part of a name that means a band or a mask, and the name without it and without its pixel size.

    Where the name tells a Landsat sensor, the part has it in front, for band numbers mean another band there.
    """
    bare = _RESOLUTION.sub("", name).strip("_-. ")
    tokens = _SEPARATORS.split(bare)
    known = {label.lower() for label in wanted if not label.isdigit()}
    sensor = next((token for token in tokens if is_landsat(token)), None)
    for length in (5, 3, 1):  # parts with their separators between: three words, two words, one
        for start in range(len(tokens) - length, -1, -2):
            text = "".join(tokens[start : start + length])
            label = text if text.lower() in known else _meaning(text, sensor)
            if label is not None:
                rest = "".join(tokens[:start] + tokens[start + length + 1 :]).strip("_-. ")
                return label, rest
    return None, bare


def _meaning(text: str, sensor: str | None) -> str | None:
    """The label of a part of a name, or None where it means nothing; `sensor` is Landsat's, if the name tells one."""
    if sensor is None or not is_band_number(text.lower().removeprefix("sr_")):
        return text if _means(text) else None
    label = f"{sensor}_{text}"
    return label if band_called(label) is not None else None


def _means(text: str) -> bool:
    """Whether a text by itself means a band or a mask (a lone number does not)."""
    if not text[:1].isalpha():
        return False
    return text.lower() == "source" or band_called(text) is not None or mask_kind(text) is not None


def _resolution(stem: str, folders: tuple[str, ...]) -> int | None:
    for name in (stem, folders[0].lstrip("Rr") if folders else ""):
        if (match := _RESOLUTION.search(name)) is not None:
            return int(match[1])
    return None


def _stem(path: str) -> str:
    """The file's name without suffix; of a URL without query."""
    name = urlsplit(path).path if is_url(path) else path
    return os.path.splitext(os.path.basename(name))[0]


def _folders(path: str) -> tuple[str, ...]:
    """The names of the folders above a file, nearest first."""
    place = urlsplit(path).path if is_url(path) else os.path.abspath(path)
    return tuple(part for part in place.split("/")[-2::-1] if part)

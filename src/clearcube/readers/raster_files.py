"""Raster files one at a time: opening them with clear errors, and what they say about themselves."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from clearcube.errors import InputError
from clearcube.readers.sources import is_url

if TYPE_CHECKING:
    from affine import Affine

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
JP2_MAGIC = (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
_WARNINGS = threading.Lock()  # Python's warning filters belong to all threads


@dataclass(frozen=True)
class Grid:
    """Where the pixels of a file are: coordinate reference system (or None), transform, rows and columns."""

    crs: Any
    transform: Affine
    height: int
    width: int

    def difference(self, other: Grid) -> str | None:
        """What is different in the other grid, in words, or None. Origins may differ by a thousandth of a pixel."""
        if (self.height, self.width) != (other.height, other.width):
            return f"shape {other.height} x {other.width} instead of {self.height} x {self.width}"
        if self.crs != other.crs:
            return f"CRS {other.crs} instead of {self.crs}"
        pixel = max(abs(self.transform.a), abs(self.transform.b), 1e-300)
        p, q = self.transform, other.transform
        shifts = [
            abs((p.a - q.a) * x + (p.b - q.b) * y + p.c - q.c) + abs((p.d - q.d) * x + (p.e - q.e) * y + p.f - q.f)
            for x, y in ((0, 0), (self.width, 0), (0, self.height))
        ]
        if max(shifts) > 1e-3 * pixel:
            return f"transform {tuple(other.transform)[:6]} instead of {tuple(self.transform)[:6]}"
        return None


@dataclass(frozen=True)
class RasterInfo:
    """What a file says about itself; lists have one entry for each of its data bands (alpha is none).

    indexes : 1-based positions. descriptions : names or None. nodata : stored value or None.
    block : rows and columns of the pieces that it is stored in.
    masked : whether the file has a validity mask for all its bands. alpha : 1-based position of its alpha band.
    filled : whether it holds reflectance that clearcube wrote, so that descriptions are names of bands whatever they
        are. wavelengths : centres in nm that such a file states, NaN where it does not, and in other files.
    """

    path: str
    grid: Grid
    indexes: tuple[int, ...]
    descriptions: tuple[str | None, ...]
    dtypes: tuple[str, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    nodata: tuple[float | None, ...]
    block: tuple[int, int]
    masked: bool
    alpha: int | None
    georeferenced: bool
    filled: bool
    wavelengths: tuple[float, ...]


@contextmanager
def opened(path: str, *, quiet: bool) -> Iterator[Any]:
    """A handle of its own on a raster. `quiet`: the file is known to have no georeference, do not warn again."""
    with rasterio.Env(GDAL_NUM_THREADS="1"):
        if not quiet:
            handle = rasterio.open(path)
        else:
            with _WARNINGS, warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                handle = rasterio.open(path)
        with handle:
            yield handle


def inspect(path: str) -> RasterInfo:
    """What a raster file says about itself; reads no pixels.

    Raises
    ------
    InputError : it is missing, empty, cut off or no raster.
    """
    if not is_url(path) and not path.startswith("/vsi"):
        _check_local(path)
    try:
        with opened(path, quiet=True) as raster:
            info = _info(path, raster)
            if raster.driver == "GTiff" and os.path.isfile(path):
                _check_blocks(path, raster)
            return info
    except RasterioError as error:
        raise InputError(f"{path} is not a raster that can be read ({error}); remove it or get it again") from error


def _info(path: str, raster: Any) -> RasterInfo:
    alpha = next((k for k in raster.indexes if _is_alpha(raster, k)), None)
    data = [k - 1 for k in raster.indexes if k != alpha]
    masks = [raster.mask_flag_enums[k] for k in data]
    transform = raster.transform
    filled = _is_filled(raster.tags())
    stated = [raster.tags(raster.indexes[k]).get("wavelength_nm", "nan") if filled else "nan" for k in data]
    return RasterInfo(
        path=path,
        grid=Grid(raster.crs, transform, raster.height, raster.width),
        indexes=tuple(raster.indexes[k] for k in data),
        descriptions=tuple(raster.descriptions[k] for k in data),
        dtypes=tuple(raster.dtypes[k] for k in data),
        scales=tuple(raster.scales[k] for k in data),
        offsets=tuple(raster.offsets[k] for k in data),
        nodata=tuple(raster.nodatavals[k] for k in data),
        block=raster.block_shapes[0],
        masked=all(MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags for flags in masks),
        alpha=alpha,
        georeferenced=not transform.is_identity,
        filled=filled,
        wavelengths=tuple(float(nanometres) for nanometres in stated),
    )


def _is_filled(tags: Mapping[str, str]) -> bool:
    """Whether tags are those that clearcube writes into its reflectance, and not into its NDVI or std."""
    return "clearcube_version" in tags and tags.get("long_name", "").startswith("reflectance")


def _is_alpha(raster: Any, index: int) -> bool:
    """Whether a band says which pixels are valid. A fourth band of bytes is called alpha by default: not if it has a
    name of its own.
    """
    return raster.colorinterp[index - 1] == ColorInterp.alpha and not raster.descriptions[index - 1]


def _check_local(path: str) -> None:
    """Refuse what cannot be a whole raster."""
    if not os.path.exists(path):
        raise InputError(f"{path} does not exist; check the path")
    try:
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            start = file.read(12)
            is_whole = not start.startswith(JP2_MAGIC) or _is_whole_jpeg2000(file, size)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if size == 0:
        raise InputError(f"{path} is empty; remove it or get it again")
    if not is_whole:
        raise InputError(f"{path} is cut off; get it again")


def _is_whole_jpeg2000(file: Any, size: int) -> bool:
    """Whether the boxes of a JPEG 2000 file end within it and an open-ended code stream has its end marker.

    Needed because the decoder fills what is missing with zeros and reports no error. ISO/IEC 15444-1, Annex I.
    """
    position = 0
    while position < size:
        file.seek(position)
        header = file.read(16)
        if header[:2] == b"\xff\x4f":  # a bare code stream
            break
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length == 0:  # the last box, to the end of the file
            break
        if length < 8:
            return False
        position += length
    if position >= size:
        return position == size
    file.seek(max(size - 2, 0))
    return bool(file.read(2) == b"\xff\xd9")


def _check_blocks(path: str, raster: Any) -> None:
    """Refuse a TIFF whose pieces lie beyond its end."""
    size = os.path.getsize(path)
    for band in {1, raster.count}:
        rows, columns = raster.block_shapes[band - 1]
        for y in range(-(-raster.height // rows)):
            for x in range(-(-raster.width // columns)):
                start = raster.get_tag_item(f"BLOCK_OFFSET_{x}_{y}", "TIFF", bidx=band)
                length = raster.get_tag_item(f"BLOCK_SIZE_{x}_{y}", "TIFF", bidx=band)
                if start is not None and length is not None and int(start) + int(length) > size:
                    raise InputError(f"{path} is cut off ({size} bytes are there); get it again")

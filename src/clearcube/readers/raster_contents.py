"""What raster files hold: which of their bands is which spectral band or mask, and how stored numbers are scaled."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass

from clearcube.cube import band_named
from clearcube.errors import InputError
from clearcube.readers.names import band_called, canonical, mask_kind, named
from clearcube.readers.options import ReadOptions
from clearcube.readers.raster_blocks import RasterBand
from clearcube.readers.raster_files import RasterInfo
from clearcube.readers.raster_names import FileName
from clearcube.readers.sentinel2 import SPECIAL_VALUES, Radiometry, band_id_of

_NO_NAME = re.compile(r"(band|layer|channel)?[ _-]?\d+|gr[ae]y|undefined", re.IGNORECASE)


@dataclass(frozen=True)
class RasterFile:
    """A file, what its name and its header tell, and what its data bands (positions from 0) are."""

    name: FileName
    info: RasterInfo
    bands: dict[str, int]
    masks: dict[str, int]


def identify(name: FileName, info: RasterInfo, options: ReadOptions) -> RasterFile:
    """Say what the data bands of a file are: as the user maps them, else by names, else in the user's order.

    Raises
    ------
    InputError : nothing tells, or two bands of the file are the same.
    """
    labels = _labels(name, info)
    mapped = {variable.lower(): named(band).name for band, variable in options.variables.items()}
    bands: dict[str, int] = {}
    masks: dict[str, int] = {}
    for position, label in enumerate(labels):
        keys = {str(label).lower()} if label else set()
        keys |= {str(position + 1)} if len(labels) > 1 or not label else set()
        band = next((mapped[key] for key in keys if key in mapped), None)
        if options.bands == ():  # only the mask is wanted, and its number names it too
            keys.add(str(position + 1))
        if band is None and options.mask is not None and options.mask.lower() in keys:
            masks[options.mask] = position
        elif band is None and label and is_mask(label):
            masks[label] = position
        elif band is not None or (label and (band := _band_of(label, info, options, mapped.values())) is not None):
            if band in bands:
                raise InputError(f"{info.path}: two of its bands are '{band}'; say which with --bands {band}=NUMBER")
            bands[band] = position
    if not bands and not masks and options.bands and not options.variables and not any(labels):
        bands = _in_order(options.bands, info)
    if not bands and not masks:
        raise InputError(_unnamed(info, labels))
    return RasterFile(name, info, bands, masks)


def is_mask(label: str) -> bool:
    """Whether a label means a mask (`source` is what clearcube writes)."""
    return label.lower() == "source" or mask_kind(label) is not None


def layer_of(file: RasterFile, band: str, radiometry: Radiometry | None, options: ReadOptions) -> RasterBand:
    """How the stored numbers of a band become reflectance.

    The user's numbers, else the file's own scale and offset, else (integers of a Sentinel-2 product) `radiometry`.
    """
    position = file.bands[band]
    info = file.info
    scale, offset = info.scales[position], info.offsets[position]
    if is_dn(file, position):
        numbers = radiometry or Radiometry()
        shift = numbers.offset_of(band_id_of(band)) or 0.0
        scale = 1 / numbers.quantification
        offset = shift / numbers.quantification if options.scale is None else shift * options.scale
    return RasterBand(
        info.indexes[position],
        scale if options.scale is None else options.scale,
        offset if options.offset is None else options.offset,
        _nodata(file, position, options.nodata),
    )


def wavelength_of(file: RasterFile, band: str) -> float:
    """The centre wavelength of a band in nm: as the file states it, else by the band's name; NaN = unknown."""
    stated = file.info.wavelengths[file.bands[band]]
    return band_named(band).wavelength if math.isnan(stated) else stated


def is_dn(file: RasterFile, position: int) -> bool:
    """Whether a data band holds Sentinel-2's integers, with no scale or offset of its own."""
    info = file.info
    plain = info.scales[position] == 1 and info.offsets[position] == 0
    return file.name.is_sentinel2 and plain and "int" in info.dtypes[position]


def _nodata(file: RasterFile, position: int, given: float | None) -> tuple[float, ...]:
    own = file.info.nodata[position]
    numbers = [] if own is None or own != own else [own]
    if own is None and file.name.is_sentinel2 and "int" in file.info.dtypes[position]:
        numbers.extend(SPECIAL_VALUES)
    return (*numbers, *(() if given is None else (given,)))


def _labels(name: FileName, info: RasterInfo) -> list[str | None]:
    """A name for each data band, or None; the file's name speaks for a single one, if clearcube did not write it."""
    if info.filled:
        return list(info.descriptions)
    if len(info.indexes) == 1 and name.label is not None:
        return [name.label]
    return [text if text and not _is_number(text) else None for text in info.descriptions]


def _is_number(text: str) -> bool:
    """Whether a description only counts ("Band 1"); "B2" is a name."""
    return _NO_NAME.fullmatch(text.strip()) is not None


def _band_of(label: str, info: RasterInfo, options: ReadOptions, mapped: Collection[str]) -> str | None:
    """The band that a label means, if the user has not said that another one is it."""
    band = canonical(label)
    if band in mapped:
        return None
    asked = options.bands is not None and label in options.bands
    return band if asked or info.filled or band_called(label) is not None else None


def _in_order(bands: tuple[str, ...], info: RasterInfo) -> dict[str, int]:
    """The user's names for the bands of a file, one by one."""
    if len(bands) != len(info.indexes):
        raise InputError(
            f"{info.path} has {len(info.indexes)} bands without names and {len(bands)} were named; name them by "
            f"number, --bands {','.join(f'{band}={k + 1}' for k, band in enumerate(bands))} for instance"
        )
    return {named(band).name: position for position, band in enumerate(bands)}


def _unnamed(info: RasterInfo, labels: list[str | None]) -> str:
    found = ", ".join(label for label in labels if label)
    return (
        f"{info.path}: nothing tells which bands it holds ({found or 'they have no names'}); "
        "name them with --bands blue=1,green=2,... (the numbers of its bands)"
    )

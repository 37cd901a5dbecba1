"""What names tell: which variable is which band, which is a mask, which dimension is time, y or x."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from clearcube.cube import BANDS, SENTINEL2_BANDS, Band, band_named
from clearcube.errors import InputError

TIME_NAMES = ("time", "t", "timestamp", "timestamps", "date", "dates", "datetime", "valid_time", "acquisition_time")
_Y_NAME = re.compile(r"(y|lat|latitude|northing|northings|row|rows)_?(\d+m?)?", re.IGNORECASE)
_X_NAME = re.compile(r"(x|lon|long|longitude|easting|eastings|col|cols|column|columns)_?(\d+m?)?", re.IGNORECASE)
_DEGREES_NAME = re.compile(r"(lat|latitude|lon|long|longitude)", re.IGNORECASE)
_SENTINEL2_ID = re.compile(r"(?:band|b)[_-]?0?(\d{1,2})(a?)", re.IGNORECASE)
_RESOLUTION = re.compile(r"[_-](10|20|60)m$", re.IGNORECASE)
_PREFIXES = frozenset(
    {"s2", "s2a", "s2b", "s2c", "sentinel2", "sentinel", "2", "msi", "l1", "l1c", "l2", "l2a"}
    | {"sr", "boa", "toa", "rho", "refl", "reflectance", "nbar", "nbart"}
)
_OLI = {1: "coastal", 2: "blue", 3: "green", 4: "red", 5: "nir08", 6: "swir16", 7: "swir22"}
_TM = {1: "blue", 2: "green", 3: "red", 4: "nir08", 5: "swir16", 7: "swir22"}
_LANDSAT = {
    **dict.fromkeys(("lc08", "lc09", "l8", "l9", "l30"), _OLI),
    **dict.fromkeys(("le07", "lt05", "lt04", "l7", "l5"), _TM),
}
"""What the numbers of Landsat's bands mean, by the sensor as product names write it (L30 is HLS's)."""
_SYNONYMS = {
    "coastal_aerosol": "coastal",
    "rededge1": "rededge071",
    "rededge2": "rededge075",
    "rededge3": "rededge078",
    "red_edge_1": "rededge071",
    "red_edge_2": "rededge075",
    "red_edge_3": "rededge078",
    "nir_1": "nir",
    "nir_2": "nir08",
    "nir_narrow": "nir08",
    "narrow_nir": "nir08",
    "water_vapour": "nir09",
    "swir_1": "swir16",
    "swir_2": "swir22",
}
_MASK_KINDS = {
    "observed": "observed",
    "dlmask": "minicube",
    "scl": "scl",
    "scene_classification": "scl",
    "cld": "probability",
    "cldprb": "probability",
    "msk_cldprb": "probability",
    "clp": "probability",
    "cloud_probability": "probability",
    "cloud_prob": "probability",
    "cloudprobability": "probability",
    "probability_cloud": "probability",
    "qa_pixel": "qa_pixel",
    "qa60": "qa60",
}
_WAVELENGTH_TOLERANCE = 12.0


def is_time(name: object) -> bool:
    """Whether a dimension of this name is time."""
    return str(name).lower() in TIME_NAMES


def is_y(name: object) -> bool:
    """Whether a dimension of this name runs north-south."""
    return _Y_NAME.fullmatch(str(name)) is not None


def is_x(name: object) -> bool:
    """Whether a dimension of this name runs east-west."""
    return _X_NAME.fullmatch(str(name)) is not None


def is_degrees(name: object) -> bool:
    """Whether a dimension of this name is geographic latitude or longitude."""
    return _DEGREES_NAME.fullmatch(str(name)) is not None


def band_called(name: str) -> Band | None:
    """The band that a variable of this name holds, or None where the name does not tell.

    >>> band_called("S2-L2A-B02").name, band_called("B8").name, band_called("swir_1").name, band_called("B02_std")
    ('blue', 'nir', 'swir16', None)
    >>> band_called("LC08_SR_B5").name, band_called("SR_B5")
    ('nir08', None)
    """
    tokens = re.split(r"[_\-.:/ ]+", _RESOLUTION.sub("", name.strip()).lower())
    for start in range(len(tokens)):
        ending = "_".join(tokens[start:])
        known = set(tokens[:start]) <= _PREFIXES | _LANDSAT.keys()
        if known and (band := _band_ending(ending, tokens[:start])) is not None:
            return band
    return None


def is_landsat(token: str) -> bool:
    """Whether a word of a name says that band numbers are Landsat's."""
    return token.lower() in _LANDSAT


def is_band_number(text: str) -> bool:
    """Whether a text numbers a band ("B5"), which means another one for each sensor."""
    return _SENTINEL2_ID.fullmatch(text) is not None


def _band_ending(ending: str, prefixes: Sequence[str]) -> Band | None:
    """The band that the last part of a name means; numbers of other sensors' bands are not Sentinel-2's."""
    if ending in BANDS:
        return BANDS[ending]
    if ending in _SYNONYMS:
        return BANDS[_SYNONYMS[ending]]
    match = _SENTINEL2_ID.fullmatch(ending)
    if match is None:
        return None
    sensor = next((_LANDSAT[prefix] for prefix in prefixes if prefix in _LANDSAT), None)
    if sensor is not None:
        return None if match[2] else BANDS.get(sensor.get(int(match[1]), ""))
    if "sr" in prefixes:  # Landsat's word, of whichever sensor
        return None
    return SENTINEL2_BANDS.get(f"B{int(match[1]):02d}" if not match[2] else f"B{int(match[1])}A")


def band_at(wavelength: float) -> Band:
    """The band nearest to a wavelength in nm or, below 20, in micrometres; else one named after it."""
    nanometres = wavelength * 1000 if wavelength < 20 else wavelength
    nearest = min(BANDS.values(), key=lambda band: abs(band.wavelength - nanometres))
    if abs(nearest.wavelength - nanometres) <= _WAVELENGTH_TOLERANCE:
        return Band(nearest.name, nanometres)
    return Band(f"wl{nanometres:g}", nanometres)


def mask_kind(name: str) -> str | None:
    """The kind of mask that a variable of this name holds, or None where the name does not tell.

    >>> mask_kind("S2-L2A-SCL"), mask_kind("s2_dlmask"), mask_kind("MSK_CLDPRB_20m"), mask_kind("cloudy")
    ('scl', 'minicube', 'probability', None)
    """
    tokens = re.split(r"[_\-.:/ ]+", _RESOLUTION.sub("", name.strip()).lower())
    for start in range(len(tokens)):
        kind = _MASK_KINDS.get("_".join(tokens[start:]))
        known = set(tokens[:start]) <= _PREFIXES | _LANDSAT.keys()
        if kind is not None and known and (kind != "observed" or start == 0):
            return kind
    return None


def canonical(name: str) -> str:
    """The common name that a user means by `name` (a common name or Sentinel-2 id), else the name itself."""
    band = band_called(name)
    return name if band is None else band.name


def wanted_bands(
    asked: Sequence[str] | None, present: Iterable[tuple[str, Band]], where: str
) -> list[tuple[str, Band]]:
    """The asked of the present (label, band) pairs, in the order asked; all of them where nothing is asked.

    Raises
    ------
    InputError : an asked band is not there; two labels mean one band.
    """
    pairs = list(present)
    found: dict[str, tuple[str, Band]] = {}
    for label, band in pairs:
        if band.name in found:
            raise InputError(
                f"{where}: '{found[band.name][0]}' and '{label}' both look like the band {band.name}; say which one "
                f"is meant with bands, {band.name}={label} for instance"
            )
        found[band.name] = (label, band)
    if asked is None:
        return pairs
    labels = {label: (label, band) for label, band in pairs}
    missing = [name for name in asked if name not in labels and canonical(name) not in found]
    if missing:
        there = ", ".join(f"{band.name} ({label})" if label != band.name else label for label, band in pairs)
        raise InputError(f"{where}: no band '{missing[0]}'; the bands there are {there or 'none'}")
    return [labels[name] if name in labels else found[canonical(name)] for name in asked]


def named(name: str) -> Band:
    """The band that a user calls `name`: a common name, a Sentinel-2 id or a name of their own."""
    return band_named(canonical(name))

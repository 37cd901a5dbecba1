"""The coordinate reference system of a store, from wherever its writer put it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

_WKT_KEYS = ("crs_wkt", "spatial_ref", "esri_pe_string")
_ATTRIBUTE_KEYS = (
    "crs_wkt",
    "spatial_ref",
    "crs",
    "proj:code",
    "proj:epsg",
    "epsg",
    "EPSG",
    "proj4",
    "proj4_string",
    "projection",
)


def find_crs(dataset: xr.Dataset, variable: xr.Variable, geographic: bool) -> Any:
    """The reference system (`rasterio.crs.CRS`), or None.

    Looked for in the grid mapping that the variable names, in `spatial_ref`, `crs` and (stackstac) `epsg` variables,
    in the attributes of the variable and of the dataset; latitude and longitude without any are taken as EPSG:4326.
    """
    for candidate in _candidates(dataset, variable):
        crs = parse_crs(candidate)
        if crs is not None:
            return crs
    return parse_crs("EPSG:4326") if geographic else None


def parse_crs(candidate: Any) -> Any:
    """A reference system from WKT, EPSG code, PROJ text or CF grid mapping attributes; None where it is none."""
    from pyproj.exceptions import CRSError as ProjError
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        if isinstance(candidate, Mapping):
            return _from_grid_mapping(candidate)
        if isinstance(candidate, (int, np.integer)) or str(candidate).strip().isdigit():
            return CRS.from_epsg(int(candidate))
        text = str(candidate).strip()
        if text.lower().startswith("+init=epsg:"):
            return CRS.from_epsg(int(text.split(":")[1].split()[0]))
        return CRS.from_user_input(text) if text else None
    except (CRSError, ProjError, ValueError, KeyError, IndexError, TypeError):
        return None


def same_crs(one: Any, other: Any) -> bool:
    """Whether two reference systems are one, or one is not known; writers phrase the same EPSG code in many ways."""
    first, second = parse_crs(one), parse_crs(other)
    if first is None or second is None or first == second:
        return True
    code = first.to_epsg()
    return code is not None and code == second.to_epsg()


def _from_grid_mapping(attrs: Mapping[str, Any]) -> Any:
    """A reference system from the CF parameters of a grid mapping without WKT."""
    from pyproj import CRS as ProjCRS
    from rasterio.crs import CRS

    if "grid_mapping_name" not in attrs:
        return None
    parameters = {key: value.tolist() if hasattr(value, "tolist") else value for key, value in attrs.items()}
    return CRS.from_wkt(ProjCRS.from_cf(parameters).to_wkt())


def _candidates(dataset: xr.Dataset, variable: xr.Variable) -> Iterator[Any]:
    named = [str(variable.attrs.get("grid_mapping", variable.encoding.get("grid_mapping", ""))).split(":")[0].strip()]
    others = [name for name, held in dataset.variables.items() if not _WKT_KEYS_IN.isdisjoint(held.attrs)]
    for name in (*named, "spatial_ref", "crs", "epsg", *others):
        if name in dataset.variables:
            yield from _in_mapping(dataset.variables[name])
    for attrs in (variable.attrs, dataset.attrs):
        yield from (attrs[key] for key in _ATTRIBUTE_KEYS if key in attrs)


_WKT_KEYS_IN = frozenset({*_WKT_KEYS, "grid_mapping_name"})


def _in_mapping(mapping: xr.Variable) -> Iterator[Any]:
    yield from (mapping.attrs[key] for key in _ATTRIBUTE_KEYS if key in mapping.attrs)
    yield mapping.attrs
    if mapping.ndim == 0 and mapping.dtype.kind in "iu" and 1024 <= int(mapping.values) <= 32767:
        yield int(mapping.values)


def affine_coordinates(dataset: xr.Dataset, height: int, width: int) -> tuple[Any, Any] | None:
    """Pixel-centre coordinates (y, x) from a GeoTransform attribute, or None where there is none."""
    for variable in dataset.variables.values():
        numbers = _numbers(variable.attrs.get("GeoTransform"))
        if len(numbers) == 6:
            west, dx, shear_x, north, shear_y, dy = numbers
            if shear_x == shear_y == 0:
                return north + dy * (np.arange(height) + 0.5), west + dx * (np.arange(width) + 0.5)
    return None


def _numbers(attribute: Any) -> list[float]:
    """The numbers of an attribute: an array, or text that spaces or commas part; none where it is anything else."""
    parts = attribute.replace(",", " ").split() if isinstance(attribute, str) else np.ravel(attribute).tolist()
    try:
        return [float(part) for part in parts]
    except (TypeError, ValueError):
        return []

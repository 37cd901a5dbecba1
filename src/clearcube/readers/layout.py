"""How a store is laid out: which dimension is which, which variables are bands, masks and static fields."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from clearcube.cube import Band
from clearcube.errors import InputError
from clearcube.readers import names
from clearcube.readers.options import ReadOptions

_PREFERRED = ("reflectance", "bands", "data", "s2", "sentinel2", "__xarray_dataarray_variable__")
_NOT_BANDS = ("_std", "_uncertainty", "_error", "_mask", "_quality", "_source")


@dataclass(frozen=True)
class Axes:
    """The dimensions of one variable by role; `time` is None where each file holds one date."""

    time: str | None
    y: str
    x: str
    band: str | None = None


@dataclass(frozen=True)
class StoreLayer:
    """One 2-D field at each date: a variable, or one position along the band dimension of a variable."""

    variable: str
    axes: Axes
    position: int | None = None


@dataclass(frozen=True)
class Layout:
    """What a store holds.

    bands : the wanted bands with where they are, in order.
    masks : variables (or entries of the band dimension) that are masks by name or by the user's word.
    reference : the layer whose grid and dates are the store's: a band, else a mask, else anything.
    others : names of fields with dates that are neither.
    """

    bands: tuple[tuple[Band, StoreLayer], ...]
    masks: dict[str, StoreLayer]
    reference: StoreLayer
    others: tuple[str, ...] = ()


def find_layout(dataset: xr.Dataset, options: ReadOptions, where: str, *, alone: bool = True) -> Layout:
    """Tell bands and masks from names and dimensions. Where other stores are read with it (`alone` is False), this one
    need not have every band or the mask that is asked for.

    Raises
    ------
    InputError : no time axis, no band, an unknown band or mask.
    """
    layers = _layers(dataset, where)
    masks = {label: layer for label, layer in layers.items() if _is_mask(dataset, label, layer, options)}
    if options.mask is not None and options.mask not in masks:
        masks |= _user_mask(layers, options.mask, where, alone)
    pairs = _band_pairs(dataset, layers, masks, _possible(options, layers, alone), where)
    asked = options.bands
    if asked and not alone:
        there = {name for label, band in pairs for name in (label, band.name)}
        asked = tuple(name for name in asked if name in there or names.canonical(name) in there)
    chosen = [] if asked == () else names.wanted_bands(asked, pairs, where)
    if not chosen and not masks and alone:
        raise InputError(_nothing_found(layers, where))
    bands = tuple((band, layers[label]) for label, band in chosen)
    reference = next(iter([*(layer for _, layer in bands), *masks.values(), *layers.values()]))
    known = {*masks, *(label for label, _ in pairs)}
    return Layout(bands, masks, reference, tuple(label for label in layers if label not in known))


def role_of(dataset: xr.Dataset, dim: Hashable) -> str | None:
    """What a dimension is ("time", "y", "x"), by its name or the attributes of its coordinate; None = neither."""
    for role, test in (("time", names.is_time), ("y", names.is_y), ("x", names.is_x)):
        if test(dim):
            return role
    attrs: dict[Any, Any] = dataset.variables[dim].attrs if dim in dataset.variables else {}
    if str(attrs.get("axis", "")).lower() in ("t", "y", "x"):
        return {"t": "time", "y": "y", "x": "x"}[str(attrs["axis"]).lower()]
    standard = str(attrs.get("standard_name", ""))
    known = {"time": "time", "latitude": "y", "longitude": "x"}
    known |= {"projection_y_coordinate": "y", "projection_x_coordinate": "x"}
    return known.get(standard, "time" if " since " in str(attrs.get("units", "")) else None)


def time_variable(dataset: xr.Dataset, dim: str | None) -> str | None:
    """The variable that holds the dates along `dim`; for None, a scalar one."""
    if dim is not None and dim in dataset.variables:
        return dim
    dims = () if dim is None else (dim,)
    named = [str(name) for name, variable in dataset.variables.items() if variable.dims == dims]
    return next((name for name in named if names.is_time(name)), None)


def _layers(dataset: xr.Dataset, where: str) -> dict[str, StoreLayer]:
    """Everything that is a field at each date, by variable name or label along the band dimension."""
    layers: dict[str, StoreLayer] = {}
    stacks: dict[str, Axes] = {}
    for name, variable in dataset.variables.items():
        axes = _axes(dataset, variable)
        if axes is not None and axes.band is not None:
            stacks[str(name)] = axes
        elif axes is not None:
            layers[str(name)] = StoreLayer(str(name), axes)
    if stacks:
        name = _chosen_stack(stacks, where)
        for position, label in enumerate(band_labels(dataset, str(stacks[name].band), name)):
            layers[label] = StoreLayer(name, stacks[name], position)
    if not layers:
        raise InputError(_no_time(dataset, where))
    return layers


def _axes(dataset: xr.Dataset, variable: xr.Variable) -> Axes | None:
    roles = {role_of(dataset, dim): str(dim) for dim in variable.dims}
    others = [str(dim) for dim in variable.dims if role_of(dataset, dim) is None]
    if "y" not in roles or "x" not in roles or variable.dtype.kind not in "iufb" or len(others) > 1:
        return None
    if len(variable.dims) != len({"y", "x", "time"} & roles.keys()) + len(others):
        return None
    if "time" not in roles and time_variable(dataset, None) is None:
        return None
    return Axes(roles.get("time"), roles["y"], roles["x"], others[0] if others else None)


def _chosen_stack(stacks: dict[str, Axes], where: str) -> str:
    """The variable with a band dimension that holds the reflectance."""
    plain = [name for name in stacks if not name.lower().endswith(_NOT_BANDS)] or list(stacks)
    preferred = [name for name in plain if name.lower() in _PREFERRED]
    if len(plain) > 1 and not preferred:
        raise InputError(
            f"{where}: the variables {', '.join(plain)} all have a band dimension; keep one, or call it 'reflectance'"
        )
    return preferred[0] if preferred else plain[0]


def band_labels(dataset: xr.Dataset, dim: str, variable: str) -> list[str]:
    """What the entries of the band dimension are called, as text."""
    for name in (dim, "band", "bands", "band_name", "band_names", "long_name"):
        if name in dataset.variables and dataset.variables[name].dims == (dim,):
            values = dataset.variables[name].values
            return [value.decode() if isinstance(value, bytes) else str(value) for value in values]
    stated = dataset.variables[variable].attrs.get("long_name")
    if not isinstance(stated, (str, type(None))) and len(stated) == dataset.sizes[dim]:
        return [str(value) for value in stated]
    return [str(position + 1) for position in range(dataset.sizes[dim])]


def _is_mask(dataset: xr.Dataset, label: str, layer: StoreLayer, options: ReadOptions) -> bool:
    if label == options.mask or names.mask_kind(label) is not None:
        return True
    meanings = str(dataset.variables[layer.variable].attrs.get("flag_meanings", "")).split()
    return label == "source" and "observed" in meanings


def _possible(options: ReadOptions, layers: dict[str, StoreLayer], alone: bool) -> ReadOptions:
    """The options without variables that another store may have."""
    if alone:
        return options
    return replace(options, variables={name: label for name, label in options.variables.items() if label in layers})


def _user_mask(layers: dict[str, StoreLayer], mask: str, where: str, alone: bool) -> dict[str, StoreLayer]:
    alike = [label for label in layers if label.lower() == mask.lower()]
    if not alike and not alone:
        return {}
    if len(alike) != 1:
        raise InputError(f"{where}: no mask '{mask}'; the variables with dates there are {', '.join(layers) or 'none'}")
    return {mask: layers[alike[0]]}


def _band_pairs(
    dataset: xr.Dataset, layers: dict[str, StoreLayer], masks: dict[str, StoreLayer], options: ReadOptions, where: str
) -> list[tuple[str, Band]]:
    """(label, band) of everything that is a band; what the user named comes first and wins over names."""
    for name, label in options.variables.items():
        if label not in layers:
            raise InputError(
                f"{where}: no variable '{label}' for the band {name}; there are {', '.join(layers) or 'none'}"
            )
    own = [(label, names.named(name)) for name, label in options.variables.items()]
    labels, taken = {label for label, _ in own}, {band.name for _, band in own}
    told = [
        (label, band)
        for label, layer in layers.items()
        if label not in labels and label not in masks and (band := _band_of(dataset, label, layer)) is not None
    ]
    told = [pair for pair in told if pair[1].name not in taken]
    _refuse_counted([label for label, _ in told], where)
    if all(layers[label].position is None for label, _ in told):
        told.sort(key=lambda pair: np.nan_to_num(pair[1].wavelength, nan=np.inf))
    return own + told


def _refuse_counted(labels: Sequence[str], where: str) -> None:
    """Refuse names that only count, band_1, band_2, ...: they are positions in a file, and no sensor's bands.

    Raises
    ------
    InputError : all names are such.
    """
    counts = [f"band_{number}" for number in range(1, len(labels) + 1)]
    if len(labels) > 1 and sorted(labels) == sorted(counts):
        raise InputError(
            f"{where}: {counts[0]} to {counts[-1]} only count the bands; say which is which with bands, "
            f"blue={counts[0]},green={counts[1]} for instance"
        )


def _band_of(dataset: xr.Dataset, label: str, layer: StoreLayer) -> Band | None:
    """The band that a layer holds. Entries of a band dimension are bands whatever they are called, and so are
    variables of reflectance that clearcube wrote.
    """
    if layer.position is None:
        return _filled_band(dataset, label) if _is_filled(dataset, label) else names.band_called(label)
    known = names.band_called(label)
    wavelength = _wavelength(dataset, str(layer.axes.band), layer.position)
    if known is not None:
        return known if wavelength is None else Band(known.name, wavelength)
    if wavelength is None:
        return Band(label, float("nan"))
    return names.band_at(wavelength) if _is_number(label) else Band(label, wavelength)


def _is_of_clearcube(dataset: xr.Dataset) -> bool:
    return "clearcube_version" in dataset.attrs


def _is_filled(dataset: xr.Dataset, label: str) -> bool:
    """Whether a variable is the reflectance of one band as clearcube writes it: its std is beside it."""
    standard_name = dataset.variables[label].attrs.get("standard_name")
    return (
        _is_of_clearcube(dataset)
        and f"{label}_std" in dataset.variables
        and standard_name == "surface_bidirectional_reflectance"  # NDVI has a std, too
    )


def _filled_band(dataset: xr.Dataset, label: str) -> Band:
    """The band of a variable that clearcube wrote, with the wavelength that it states."""
    band = names.named(label)
    stated = dataset.variables[label].attrs.get("radiation_wavelength", band.wavelength)
    return Band(band.name, float(stated))


def _wavelength(dataset: xr.Dataset, dim: str, position: int) -> float | None:
    """The centre wavelength of one entry in nm: from `wavelength`, or labels that can only be wavelengths."""
    for name in ("wavelength", "wavelengths", "center_wavelength", "wl", dim):
        variable = dataset.variables.get(name)
        if variable is None or variable.dims != (dim,) or variable.dtype.kind not in "iuf":
            continue
        values = variable.values.astype(np.float64)
        if np.isnan(values[position]):
            return None
        micrometres = variable.dtype.kind == "f" and ((values > 0.3) & (values < 20)).all()
        if _is_of_clearcube(dataset) or (values >= 300).all() or micrometres:
            return float(values[position] * (1 if values[position] >= 20 else 1000))
    return None


def _is_number(label: str) -> bool:
    return label.replace(".", "", 1).isdigit()


def _nothing_found(layers: dict[str, StoreLayer], where: str) -> str:
    return (
        f"{where}: no variable is called like a band; name them with bands, blue=VARIABLE,red=VARIABLE for instance; "
        f"the variables with dates are {', '.join(layers) or 'none'}"
    )


def _no_time(dataset: xr.Dataset, where: str) -> str:
    fields = [str(name) for name, v in dataset.variables.items() if {"y", "x"} <= {role_of(dataset, d) for d in v.dims}]
    if fields:
        return (
            f"{where}: no time axis; '{fields[0]}' has the dimensions {dataset.variables[fields[0]].dims}; one of "
            f"them must be called time (or {', '.join(names.TIME_NAMES[1:4])})"
        )
    return (
        f"{where}: no variable has the dimensions time, y and x; it has "
        f"{', '.join(f'{name} {v.dims}' for name, v in list(dataset.variables.items())[:8]) or 'none'}"
    )

"""Which mask is used and what it says: the user's word, else what a name tells; brought to the dates and grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from clearcube import masks
from clearcube.cube import Source
from clearcube.errors import InputError
from clearcube.landcover import flag_names
from clearcube.masks import Judgement
from clearcube.readers.joining import check_same_crs, positions_of
from clearcube.readers.mask_spec import USER_KINDS, MaskOptions, MaskSpec
from clearcube.readers.names import mask_kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.readers.raw import RawSeries

EARTHNET_MASK = "earthnet_mask"
_BY_PREFERENCE = ("source", "observed", "earthnet", "minicube", "scl", "probability", *masks.BITS)
_TELL_NOTHING_OF_MISSING = ("clear", "bad", "observed", "earthnet", "qa60")
_SEEN = ("observed", "smoothed")
_EAGER = 2**24


@dataclass(frozen=True)
class ChosenMask:
    """A mask with its kind. `companion` is the scene classification that belongs to GreenEarthNet's cloud mask."""

    label: str
    kind: str
    values: xr.DataArray
    crs: Any
    companion: xr.DataArray | None = None

    @property
    def tells_missing(self) -> bool:
        """Whether the mask itself tells cloud from missing data."""
        return self.kind not in _TELL_NOTHING_OF_MISSING


def choose(spec: MaskSpec | None, series: RawSeries, where: str) -> ChosenMask | None:
    """The mask that is asked for, else the best that is recognised, else None.

    Raises
    ------
    InputError : it is not there, or its kind cannot be told.
    """
    if spec is not None and spec.variable is None:
        return None
    if spec is None:
        kinds = {_kind(label): label for label in reversed(list(series.masks))}
        best = next((kind for kind in _BY_PREFERENCE if kind in kinds), None)
        return None if best is None else _chosen(kinds[best], best, series)
    assert spec.variable is not None
    label = _label(spec.variable, series.masks, where)
    kind = spec.kind or _kind(label)
    if kind is None:
        raise InputError(
            f"mask '{spec.variable}' of {where}: its name does not tell what it means; write {spec.variable}=KIND, "
            f"one of {', '.join(USER_KINDS)}"
        )
    return _chosen(label, kind, series)


def judge(chosen: ChosenMask, options: MaskOptions) -> tuple[Judgement, str]:
    """What the mask says on its own grid, and the words for it in the cube's attributes."""
    label, kind, values = chosen.label, chosen.kind, chosen.values
    if kind == "scl":
        return masks.from_scl(values, options.scl_keep), f"{label} ({_classes(options.scl_keep)})"
    if kind == "minicube":
        both = " and scene classes" if chosen.companion is not None else ""
        return masks.from_minicube(values, chosen.companion), f"{label}{both} (GreenEarthNet's rule)"
    if kind == "probability":
        _check_probability(values, options.max_probability, label)
        return (
            masks.from_probability(values, options.max_probability),
            f"{label} (cloud probability up to {options.max_probability:g} kept)",
        )
    if kind in masks.BITS:
        return masks.from_bits(values, kind), f"{label} (bits of {kind})"
    if kind == "source":
        return masks.from_codes(values, _observed_codes(values.attrs)), f"{label} (observed)"
    if kind == "observed":
        return masks.from_clear(_checked_flags(values, label)), f"{label} (1 = clear)"
    if kind == "clear":
        return masks.from_clear(values), f"{label} (not 0 = clear)"
    return masks.from_bad(values), f"{label} (0 = clear)"


def brought_to(judgement: Judgement, chosen: ChosenMask, reflectance: xr.DataArray, crs: Any, where: str) -> Judgement:
    """The judgement on the acquisitions, pixels and chunks of `reflectance` (time, band, y, x).

    Raises
    ------
    InputError : the mask has another CRS, another place or other dates.
    """
    name = f"'{chosen.label}' of {where}"
    check_same_crs(chosen.crs, crs, f"the mask {name}", "the cube")
    positions = positions_of(reflectance["time"].values, judgement.clear["time"].values)
    if positions is None:
        raise InputError(
            f"the mask {name} does not have the cube's dates: {_span(judgement.clear)} against {_span(reflectance)}; "
            "give a mask with one date for each acquisition"
        )
    dated = Judgement(*(_at(part, positions, reflectance) for part in (judgement.clear, judgement.cloudy)))
    placed = masks.on_grid(dated, reflectance, name)
    return Judgement(*(_like(part, reflectance) for part in (placed.clear, placed.cloudy)))


def _at(mask: xr.DataArray, positions: NDArray[np.int64], reflectance: xr.DataArray) -> xr.DataArray:
    same = len(positions) == mask.sizes["time"] and (positions == np.arange(len(positions))).all()
    return (mask if same else mask.isel(time=positions)).assign_coords(time=reflectance["time"].values)


def _like(mask: xr.DataArray, reflectance: xr.DataArray) -> xr.DataArray:
    """The mask with the very coordinates and chunks of `reflectance`."""
    placed = mask.assign_coords(y=reflectance["y"].values, x=reflectance["x"].values)
    if reflectance.chunks is None:
        return placed.compute()
    return placed.chunk({dim: reflectance.chunksizes[dim] for dim in ("time", "y", "x")})


def _kind(label: str) -> str | None:
    if label == EARTHNET_MASK:
        return "earthnet"
    return "source" if label == "source" else mask_kind(label)


def _label(variable: str, there: Mapping[str, xr.DataArray], where: str) -> str:
    """The label that the user means; EarthNet's mask may be called just mask."""
    for candidate in (
        variable,
        f"earthnet_{variable}",
        *(label for label in there if label.lower() == variable.lower()),
    ):
        if candidate in there:
            return candidate
    raise InputError(f"{where}: no mask '{variable}'; masks there are {', '.join(there) or 'none'}")


def _chosen(label: str, kind: str, series: RawSeries) -> ChosenMask:
    companion = None
    if kind == "minicube":
        scenes = [mask for name, mask in series.masks.items() if mask_kind(name) == "scl"]
        companion = scenes[0] if scenes and scenes[0].shape == series.masks[label].shape else None
    return ChosenMask(label, kind, series.masks[label], series.crs, companion)


def _observed_codes(attrs: Mapping[Any, Any]) -> list[int]:
    """The flag values of pixels that were seen, smoothed ones too: from the CF attributes, else clearcube's own."""
    names = flag_names(attrs)
    if "observed" in names.values():
        return [code for code, name in names.items() if name in _SEEN]
    return [int(Source.OBSERVED), int(Source.SMOOTHED)]


def _checked_flags(values: xr.DataArray, label: str) -> xr.DataArray:
    """The mask, of which every value must be 0, 1 or NaN; looked at now where small, else when it is read.

    Raises
    ------
    InputError : it holds something else.
    """
    if values.dtype == bool:
        return values
    checked: xr.DataArray = xr.apply_ufunc(
        _only_flags, values, kwargs={"label": label}, dask="parallelized", output_dtypes=[values.dtype], keep_attrs=True
    )
    return checked.compute() if checked.size <= _EAGER else checked


def _only_flags(values: NDArray[Any], label: str) -> NDArray[Any]:
    odd = ~np.isnan(values) & (values != 0) & (values != 1)
    if odd.any():
        raise InputError(
            f"the variable '{label}' holds {values[odd].flat[0]:g}, where only 0 and 1 (= clear) are expected; say "
            f"what it means with mask, {label}=clear or {label}=bad for instance"
        )
    return values


def _check_probability(values: xr.DataArray, maximum: float, label: str) -> None:
    """Refuse a threshold in percent for fractions, which would keep every cloud. Looks at small masks only.

    Raises
    ------
    InputError : no value is above 1, the threshold is.
    """
    if maximum <= 1 or values.size > _EAGER:
        return
    highest = float(values.max())
    if 0 < highest <= 1 and bool((values % 1 != 0).any()):
        raise InputError(
            f"the cloud probability '{label}' goes up to {highest:g} only, the threshold is {maximum:g}; give "
            "max_cloud_probability as a fraction, 0.4 for instance"
        )


def _classes(keep: tuple[int, ...]) -> str:
    return f"classes {','.join(str(value) for value in sorted(keep))} kept"


def _span(array: xr.DataArray) -> str:
    days = np.sort(array["time"].values.astype("datetime64[D]"))
    return f"{len(days)} from {days[0]} to {days[-1]}" if len(days) else "none"

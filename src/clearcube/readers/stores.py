"""NetCDF and Zarr, one or several: bands as variables or along a dimension, masks beside them, everything lazy."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from clearcube.cube import BANDS, Band
from clearcube.errors import InputError
from clearcube.readers import names
from clearcube.readers.crs import find_crs
from clearcube.readers.daily import dates_with_data
from clearcube.readers.decoding import band_decoding, mask_decoding
from clearcube.readers.joining import join
from clearcube.readers.layout import Axes, StoreLayer, find_layout
from clearcube.readers.lazy import StoredVariable, lazy_array, lazy_stack, task_chunks
from clearcube.readers.options import ReadOptions
from clearcube.readers.raw import RawSeries
from clearcube.readers.sources import described, is_url, is_zarr
from clearcube.readers.store_files import is_netcdf, open_store
from clearcube.readers.store_place import geolocation_of, grid_of, static_of, times_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KEPT_ATTRS = ("title", "institution", "source", "history", "references", "comment", "tile", "georeference", "license")


def recognises(paths: Sequence[str]) -> bool:
    """Whether all the paths are NetCDF files or Zarr stores."""
    return all(is_zarr(path) if not is_url(path) and os.path.isdir(path) else _is_store(path) for path in paths)


def read(paths: Sequence[str], options: ReadOptions) -> RawSeries:
    """All stores as one series; their dates, or their bands, are joined.

    Raises
    ------
    InputError : a store cannot be read, or does not fit the others.
    """
    alone = len(paths) == 1
    parts = [read_store(path, options, alone=alone) for path in paths]
    series = join(parts, list(paths))
    held = series.reflectance["band"].values.tolist()
    if options.bands == ():
        return series
    if not held:
        raise InputError(
            f"{described(paths)}: no variable is called like a band; say bands, blue=VARIABLE for instance"
        )
    chosen = names.wanted_bands(options.bands, [(name, names.named(name)) for name in held], described(paths))
    orders = {tuple(part.reflectance["band"].values) for part in parts if part.reflectance.sizes["band"]}
    if options.bands is None and len(orders) > 1:
        chosen.sort(key=_by_wavelength)  # in no file's own order, so that the order of the files does not matter
    positions = [held.index(label) for label, _ in chosen]
    if positions == list(range(len(held))):
        return series
    return replace(series, reflectance=series.reflectance.isel(band=positions))


def read_store(path: str, options: ReadOptions, *, alone: bool = True) -> RawSeries:
    """One store. Where it is not alone, bands and masks that it has not are no error: another may have them.

    Raises
    ------
    InputError : it cannot be opened, has no time axis, no dates, no band or no pixel.
    """
    dataset = open_store(path)
    layout = find_layout(dataset, options, path, alone=alone)
    layers = [layer for _, layer in layout.bands] or [layout.reference]
    axes = layers[0].axes
    _check_extent(dataset, axes, path)
    times = times_of(dataset, axes, path)
    kept = dates_with_data(dataset, layers, times, options)
    grid = grid_of(dataset, axes, path)
    reader = _Reader(dataset, path, options, times, kept)
    geographic = names.is_degrees(axes.y) and names.is_degrees(axes.x)
    return RawSeries(
        reflectance=reader.bands(layout.bands, axes),
        products=_products(path, kept, times),
        masks={label: reader.mask(layer) for label, layer in layout.masks.items()},
        static=static_of(dataset, axes, grid) | geolocation_of(dataset, axes, grid),
        crs=find_crs(dataset, dataset.variables[layers[0].variable], geographic),
        others=layout.others,
        attrs=_attributes(dataset, path),
    )


@dataclass(frozen=True)
class _Reader:
    """Makes lazy arrays of one open store on the dates that are kept."""

    dataset: xr.Dataset
    path: str
    options: ReadOptions
    times: NDArray[np.datetime64]
    kept: NDArray[np.int64]

    def bands(self, bands: Sequence[tuple[Band, StoreLayer]], axes: Axes) -> xr.DataArray:
        """Reflectance (time, band, y, x). Variables of one shape are read together, one task for all bands."""
        coords = self._coords(axes)
        coords["band"] = np.array([band.name for band, _ in bands], dtype=object).astype(str)
        coords["wavelength"] = ("band", np.array([band.wavelength for band, _ in bands], dtype=np.float64))
        layers = [layer for _, layer in bands]
        for layer in layers:
            self._check_grid(layer, axes)
        if not bands:
            data: Any = np.empty((len(self.kept), 0, len(coords["y"]), len(coords["x"])), np.float32)
        elif axes.band is not None and len({layer.variable for layer in layers}) == 1:
            return self._from_stack(layers).assign_coords(coords)
        else:
            data = lazy_stack([self._stored(layer, masked=False) for layer in layers], self._chunks(layers[0]))
        return xr.DataArray(data, dims=("time", "band", "y", "x"), coords=coords)

    def mask(self, layer: StoreLayer) -> xr.DataArray:
        """Raw values of a mask (time, y, x) float32 with the variable's attributes."""
        data = lazy_array(self._stored(layer, masked=True), self._chunks(layer))
        attrs = self.dataset.variables[layer.variable].attrs
        return xr.DataArray(data, dims=("time", "y", "x"), coords=self._coords(layer.axes), attrs=attrs)

    def _from_stack(self, layers: Sequence[StoreLayer]) -> xr.DataArray:
        """Bands along a dimension of one variable, in whatever order its dimensions are stored."""
        axes, name = layers[0].axes, layers[0].variable
        stored = self.dataset.variables[name]
        positions = np.array([layer.position for layer in layers])
        order = np.argsort(positions)
        selected = self._dated(stored, axes).isel({axes.band: positions[order]})
        kept = {str(axes.time): self.kept, str(axes.band): positions[order]}
        dims = [str(dim) for dim in selected.dims]
        chunks = task_chunks(stored, dims, (axes.y, axes.x), self.options.chunks, kept)
        decoding = band_decoding(stored.attrs, stored.dtype, self.options)
        data = lazy_array(StoredVariable(selected, decoding, self.path, name), chunks)
        roles = {axes.time or "time": "time", axes.band: "band", axes.y: "y", axes.x: "x"}
        array = xr.DataArray(data, dims=[roles[dim] for dim in dims]).transpose("time", "band", "y", "x")
        return array if (np.diff(positions) > 0).all() else array.isel(band=np.argsort(order))

    def _stored(self, layer: StoreLayer, masked: bool) -> StoredVariable:
        """The variable of one layer as (time, y, x)."""
        stored = self.dataset.variables[layer.variable]
        variable = self._dated(stored, layer.axes)
        if layer.position is not None:
            variable = variable.isel({layer.axes.band: layer.position})
        variable = variable.transpose(layer.axes.time or "time", layer.axes.y, layer.axes.x)
        if masked:
            decoding = mask_decoding(stored.attrs, stored.dtype)
        else:
            decoding = band_decoding(stored.attrs, stored.dtype, self.options)
        return StoredVariable(variable, decoding, self.path, layer.variable)

    def _dated(self, variable: xr.Variable, axes: Axes) -> xr.Variable:
        """The variable on the kept dates; a store of one date gets a time axis."""
        if axes.time is None:
            return xr.Variable(("time", *variable.dims), variable.expand_dims("time")._data, variable.attrs)
        if len(self.kept) == variable.sizes[axes.time]:
            return variable
        return variable.isel({axes.time: self.kept})

    def _chunks(self, layer: StoreLayer) -> tuple[tuple[int, ...], ...]:
        """Chunks of (time, y, x) that hold whole stored chunks of the layer's variable."""
        axes, stored = layer.axes, self.dataset.variables[layer.variable]
        kept = {} if axes.time is None else {axes.time: self.kept}
        dims = (axes.time or "time", axes.y, axes.x)
        return task_chunks(stored, dims, (axes.y, axes.x), self.options.chunks, kept)

    def _coords(self, axes: Axes) -> dict[str, Any]:
        y, x = grid_of(self.dataset, axes, self.path)
        return {"time": self.times[self.kept], "y": y, "x": x}

    def _check_grid(self, layer: StoreLayer, axes: Axes) -> None:
        """Bands of one store must share its dimensions; a mask need not."""
        if (layer.axes.y, layer.axes.x) != (axes.y, axes.x):
            raise InputError(
                f"{self.path}: '{layer.variable}' lies on another grid ({layer.axes.y}, {layer.axes.x}) than the bands "
                f"before it ({axes.y}, {axes.x}); choose bands of one grid with bands"
            )


def _check_extent(dataset: xr.Dataset, axes: Axes, path: str) -> None:
    """Refuse a store without a single date, row or column."""
    for dim in (axes.time, axes.y, axes.x):
        if dim is not None and dataset.sizes[dim] == 0:
            raise InputError(
                f"{path}: the dimension '{dim}' has length 0, so there are no values; write the store again"
            )


def _products(path: str, kept: NDArray[np.int64], times: NDArray[np.datetime64]) -> tuple[str, ...]:
    """A name for each acquisition. Files of one name in several folders may hold other dates, copies may not."""
    name = os.path.basename(path.rstrip("/"))
    return tuple(f"{name}#{position:05d} of {np.datetime_as_string(times[position], unit='s')}" for position in kept)


def _by_wavelength(chosen: tuple[str, Band]) -> tuple[int, str]:
    """Sorts known bands by wavelength, then the others by name."""
    known = list(BANDS)
    return (known.index(chosen[1].name) if chosen[1].name in known else len(known)), chosen[1].name


def _attributes(dataset: xr.Dataset, path: str) -> dict[str, str]:
    """What the cube keeps of the store's attributes, and the kind of store."""
    kept = {key: str(dataset.attrs[key]) for key in _KEPT_ATTRS if key in dataset.attrs and str(dataset.attrs[key])}
    if "s2_dlmask" in dataset.variables:
        return kept | {"format": "greenearthnet"}
    return kept | {"format": "zarr" if is_zarr(path) else "netcdf"}


def _is_store(path: str) -> bool:
    return is_netcdf(path) or (is_url(path) and is_zarr(path))

"""Zarr and NetCDF: the store in which an output grows, and the finished files made of it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.cube import crs_of
from clearcube.writers.encoding import EPOCH, OutputFormat, chunk_sizes, unpacked

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from clearcube.tiling import Window


@dataclass(frozen=True)
class OutputStore:
    """A Zarr group that holds an output in the stated format and takes it window by window.

    arrays : the group's arrays by name, opened once for all windows.
    bands : names of the bands, in order; they name the variables of the layout `bands`.
    """

    arrays: Mapping[str, Any]
    format: OutputFormat
    bands: tuple[str, ...]

    @classmethod
    def opened(cls, path: Path, output_format: OutputFormat, bands: tuple[str, ...]) -> OutputStore:
        """The store that `create_store` made at this path."""
        import zarr

        group = zarr.open_group(path, mode="r+", use_consolidated=False)
        return cls(dict(group.arrays()), output_format, bands)

    def write(self, window: Window, values: Mapping[str, NDArray[Any]]) -> None:
        """Write arrays (..., h, w) by name: `reflectance` and `reflectance_std` (T, B, h, w), others (T, h, w)."""
        for name, array in values.items():
            encoded = self.format.encoded(array)
            for variable, index in self._parts(name):
                self.arrays[variable][(..., *window.slices)] = encoded if index is None else encoded[:, index]

    def read(self, window: Window, name: str) -> NDArray[Any]:
        """What `write` wrote; packed counts come back as float32."""
        arrays = [self.arrays[variable] for variable, _ in self._parts(name)]
        parts = [array[(..., *window.slices)] for array in arrays]
        stored = parts[0] if self._parts(name)[0][1] is None else np.stack(parts, axis=1)
        return unpacked(stored) if "scale_factor" in arrays[0].attrs else stored

    def _parts(self, name: str) -> list[tuple[str, int | None]]:
        """Stored variables of an array and the band of each; None = the array as it is."""
        if self.format.layout == "cube" or name not in ("reflectance", "reflectance_std"):
            return [(name, None)]
        suffix = name.removeprefix("reflectance")
        return [(band + suffix, index) for index, band in enumerate(self.bands)]


def create_store(template: xr.Dataset, path: Path, output_format: OutputFormat, window: int) -> None:
    """Write coordinates, attributes and empty arrays of an output.

    template : the annotated output with arrays that are never computed (dask), in layout `cube` or `bands`.
    """
    encoding = {str(name): _zarr_encoding(v, output_format, window) for name, v in template.data_vars.items()}
    encoding |= {str(name): {"_FillValue": None} for name in template.indexes}
    encoding["time"] = {"units": EPOCH, "dtype": "int32"}
    crs = crs_of(template)
    if crs is not None:
        wkt = {"wkt": crs.to_wkt()}
        template = template.assign({name: v.assign_attrs(_CRS=wkt) for name, v in template.data_vars.items()})
    _without_stale_encoding(template)
    version = output_format.zarr_format
    if version == 3 and "band" in template.coords:  # fixed-length text has no specification in format 3
        template = template.assign_coords(band=template["band"].astype(object))
    with warnings.catch_warnings():  # consolidated metadata in format 3 is zarr-python's own, and what xarray asks for
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        template.to_zarr(path, mode="w", compute=False, zarr_format=version, consolidated=True, encoding=encoding)


def finish_netcdf(stored: Path, target: Path) -> None:
    """Make a NetCDF-4 file of a complete store, chunk by chunk. Complete only when this returns."""
    import dask
    import xarray as xr

    with xr.open_zarr(stored, mask_and_scale=False, decode_times=False) as dataset, dask.config.set(scheduler="sync"):
        encoding: dict[str, dict[str, Any]] = {}
        for name, variable in dataset.variables.items():
            variable.attrs.pop("_CRS", None)
            chunks = variable.encoding.get("chunks")
            variable.encoding.clear()
            if "flag_values" in variable.attrs:  # the store's JSON does not keep the type, which CF demands
                variable.attrs["flag_values"] = np.array(variable.attrs["flag_values"], dtype=variable.dtype)
            if name in dataset.data_vars and variable.ndim > 1:
                encoding[str(name)] = {"zlib": True, "complevel": 1, "shuffle": True, "chunksizes": chunks}
            elif name in dataset.indexes:
                encoding[str(name)] = {"_FillValue": None}
        dataset.to_netcdf(target, engine="h5netcdf", encoding=encoding)


def _zarr_encoding(variable: xr.DataArray, output_format: OutputFormat, window: int) -> dict[str, Any]:
    dims = tuple(str(dim) for dim in variable.dims)
    sizes = {str(dim): size for dim, size in variable.sizes.items()}
    encoding = output_format.encoding(variable) | {"chunks": chunk_sizes(dims, sizes, window)}
    encoding["compressors"] = [_compressor(output_format.zarr_format, variable.dtype)]
    return encoding


def _compressor(zarr_format: int, dtype: np.dtype[Any]) -> Any:
    """Blosc with fast Zstandard and byte shuffle: what every reader of Zarr has, GDAL's too."""
    if zarr_format == 3:
        from zarr.codecs import BloscCodec

        return BloscCodec(cname="zstd", clevel=1, shuffle="shuffle" if dtype.itemsize > 1 else "noshuffle")
    from numcodecs import Blosc

    return Blosc(cname="zstd", clevel=1, shuffle=Blosc.SHUFFLE if dtype.itemsize > 1 else Blosc.NOSHUFFLE)


def _without_stale_encoding(template: xr.Dataset) -> None:
    """Drop what the input's file said about storage."""
    for variable in template.variables.values():
        variable.encoding = {}

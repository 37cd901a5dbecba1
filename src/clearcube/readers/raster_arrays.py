"""The lazy arrays of a raster series: reflectance of all acquisitions, masks, and their coordinates."""

from __future__ import annotations

import itertools
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from clearcube.cube import PIXEL_SIZE
from clearcube.errors import InputError
from clearcube.readers import sentinel2
from clearcube.readers.options import ReadOptions
from clearcube.readers.raster_blocks import Piece, RasterBand, chunk_shape, lazy_cube
from clearcube.readers.raster_contents import RasterFile, is_dn, layer_of, wavelength_of
from clearcube.readers.raster_files import Grid, RasterInfo
from clearcube.readers.raster_series import Acquisition, common_grid

if TYPE_CHECKING:
    from numpy.typing import NDArray


def reflectance_of(
    acquisitions: Sequence[Acquisition],
    bands: Sequence[str],
    grid: Grid,
    options: ReadOptions,
) -> xr.DataArray:
    """(time, band, y, x) float32 in reflectance."""
    radiometry = _Radiometries()
    runs = _runs(acquisitions, bands)
    pieces = [[_piece(each, run, radiometry, options) for run in runs] for each in acquisitions]
    if radiometry.unknown and options.offset is None:
        warnings.warn(
            f"{radiometry.unknown[0]}: nothing tells the processing baseline of {len(radiometry.unknown)} Sentinel-2 "
            "files, so no offset is applied; give --offset -0.1 if they are of baseline 04.00 or later, else 0",
            stacklevel=4,
        )
    frame = (grid.height, grid.width)
    block = _block(each.bands[band].info for each in acquisitions for band in bands)
    data = lazy_cube(pieces, frame, chunk_shape(frame, block, 4 * len(runs[0]), options.chunks))
    wavelengths = [wavelength_of(acquisitions[0].bands[band], band) for band in bands]
    coords = {**_coordinates(acquisitions, grid), "band": list(bands), "wavelength": ("band", wavelengths)}
    return xr.DataArray(data, coords, ("time", "band", "y", "x"), name="reflectance")


def _runs(acquisitions: Sequence[Acquisition], bands: Sequence[str]) -> list[list[str]]:
    """The bands in runs that share a file in every acquisition: each run is read by one task."""
    runs = [[bands[0]]]
    for before, band in itertools.pairwise(bands):
        if all(each.bands[before] is each.bands[band] for each in acquisitions):
            runs[-1].append(band)
        else:
            runs.append([band])
    return runs


def _piece(acquisition: Acquisition, run: Sequence[str], radiometry: _Radiometries, options: ReadOptions) -> Piece:
    file = acquisition.bands[run[0]]
    layers = tuple(layer_of(file, band, radiometry.of(file, band), options) for band in run)
    return Piece(file.info.path, layers, file.info.masked, file.info.alpha, file.info.georeferenced)


class _Radiometries:
    """The radiometry of every product, its metadata read once; remembers files whose baseline nothing tells."""

    def __init__(self) -> None:
        self.unknown: list[str] = []
        self._known: dict[tuple[str | None, str], sentinel2.Radiometry] = {}

    def of(self, file: RasterFile, band: str) -> sentinel2.Radiometry | None:
        """The radiometry of a band; None where its numbers are not Sentinel-2's DN."""
        name = file.name
        if not is_dn(file, file.bands[band]):
            return None
        key = (name.product_folder, name.product)
        if key not in self._known:
            metadata = sentinel2.metadata_file(name.product_folder) if name.product_folder else None
            baseline = name.sentinel2.baseline if name.sentinel2 else None
            self._known[key] = sentinel2.radiometry(metadata, baseline)
        if self._known[key].offset_of(sentinel2.band_id_of(band)) is None:
            self.unknown.append(file.info.path)
        return self._known[key]


def mask_of(name: str, acquisitions: Sequence[Acquisition], frame: Grid, options: ReadOptions) -> xr.DataArray:
    """(time, y, x) raw values: as stored where every acquisition has them (or 0 means none), else float32 with NaN."""
    files = [acquisition.masks.get(name) for acquisition in acquisitions]
    infos = [file.info for file in files if file is not None]
    grid = common_grid(infos)
    if str(grid.crs) != str(frame.crs):
        raise InputError(f"{infos[0].path}: its CRS is {grid.crs}, that of the bands {frame.crs}; warp it first")
    own = [file.info.nodata[file.masks[name]] for file in files if file is not None]
    zero_is_none = name.lower().endswith(("scl", "source"))
    exact = zero_is_none or (len(infos) == len(files) and not any(own))  # nodata 0 is a class of most masks
    dtype = np.result_type(*(np.dtype(file.info.dtypes[file.masks[name]]) for file in files if file is not None))
    dtype = dtype if exact else np.dtype(np.float32)
    missing = np.nan if dtype.kind == "f" else 0
    pieces = [[_mask_piece(file, name, missing)] for file in files]
    shape = (grid.height, grid.width)
    data = lazy_cube(pieces, shape, chunk_shape(shape, _block(infos), dtype.itemsize, options.chunks), dtype)
    return xr.DataArray(data[:, 0], _coordinates(acquisitions, grid, frame), ("time", "y", "x"), name=name)


def _mask_piece(file: RasterFile | None, name: str, missing: float) -> Piece:
    if file is None:
        return Piece(None, (RasterBand(0),), missing=missing)
    position = file.masks[name]
    own = file.info.nodata[position]
    nodata = (own,) if own and missing != 0 else ()
    layer = RasterBand(file.info.indexes[position], nodata=nodata)
    return Piece(file.info.path, (layer,), georeferenced=file.info.georeferenced, missing=missing)


def _block(infos: Iterable[RasterInfo]) -> tuple[int, int]:
    """The pieces that most files are stored in."""
    blocks: Counter[tuple[int, int]] = Counter(info.block for info in infos)
    return blocks.most_common(1)[0][0]


def _coordinates(acquisitions: Sequence[Acquisition], grid: Grid, frame: Grid | None = None) -> dict[str, Any]:
    """Times and pixel centres; a grid without georeference is stretched over that of the bands."""
    t = grid.transform
    y, x = _centres(t.f, t.e, grid.height), _centres(t.c, t.a, grid.width)
    if frame is not None and t.is_identity and frame.transform.is_identity:
        y, x = y * (frame.height / grid.height), x * (frame.width / grid.width)
    times = np.array([acquisition.time for acquisition in acquisitions], dtype="datetime64[ns]")
    axes = {"y": (y, t.e), "x": (x, t.a)}
    return {"time": times, **{name: _axis(name, centres, abs(step)) for name, (centres, step) in axes.items()}}


def _axis(name: str, centres: NDArray[np.float64], step: float) -> Any:
    """A coordinate, which tells the size of a lone pixel."""
    return (name, centres, {PIXEL_SIZE: step}) if len(centres) == 1 else centres


def _centres(start: float, step: float, count: int) -> NDArray[np.float64]:
    return start + step * (np.arange(count, dtype=np.float64) + 0.5)

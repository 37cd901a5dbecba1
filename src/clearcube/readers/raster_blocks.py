"""Lazy arrays over raster files: every dask chunk is one window of one file, read through a handle of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
from rasterio.errors import RasterioError
from rasterio.windows import Window

from clearcube.errors import InputError
from clearcube.readers.raster_files import opened

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

STRIP_BYTES = 2**24
"""Bytes (as stored, about) of the full-width strips that one task reads of a file without tiles."""


@dataclass(frozen=True)
class RasterBand:
    """One band of a file and how its stored numbers become values: value = scale x stored + offset.

    nodata : stored numbers that mean "no value" (NaN).
    """

    index: int
    scale: float = 1.0
    offset: float = 0.0
    nodata: tuple[float, ...] = ()


@dataclass(frozen=True)
class Piece:
    """The layers of one file that one task reads. `path` None: there is no file, all is `missing`."""

    path: str | None
    layers: tuple[RasterBand, ...]
    masked: bool = False
    alpha: int | None = None
    georeferenced: bool = True
    missing: float = float("nan")


def lazy_cube(
    pieces: Sequence[Sequence[Piece]],
    frame: tuple[int, int],
    chunks: tuple[int, int],
    dtype: DTypeLike = np.float32,
) -> da.Array:
    """The pieces, acquisition by acquisition, as one lazy array (time, band, y, x) with NaN = no value.

    pieces : for every acquisition the same split of the bands into pieces.
    frame : rows and columns of every file. chunks : rows and columns that one task reads.
    """
    table = np.empty((len(pieces), len(pieces[0])), dtype=object)
    for place in np.ndindex(table.shape):
        table[place] = pieces[place[0]][place[1]]
    bands = tuple(len(piece.layers) for piece in pieces[0])
    rows, columns = (_spans(length, side) for length, side in zip(frame, chunks, strict=True))
    sizes = {"t": (1,) * len(pieces), "b": bands, "y": _lengths(rows), "x": _lengths(columns)}
    blocks: Any = da  # dask is not annotated
    return blocks.blockwise(  # type: ignore[no-any-return]
        _read_block,
        "tbyx",
        blocks.from_array(table, chunks=1),
        "tb",
        blocks.from_array(rows, chunks=1),
        "y",
        blocks.from_array(columns, chunks=1),
        "x",
        kind=np.dtype(dtype),
        adjust_chunks=sizes,
        dtype=np.dtype(dtype),
        meta=np.empty((0, 0, 0, 0), dtype),
    )


def chunk_shape(frame: tuple[int, int], block: tuple[int, int], itemsize: int, side: int) -> tuple[int, int]:
    """Rows and columns that one task reads: whole blocks of the file, about `side` pixels or strips of 16 MB.

    >>> chunk_shape((10980, 10980), (1024, 1024), 2, 2048), chunk_shape((5000, 4096), (1, 4096), 2, 2048)
    ((2048, 2048), (2048, 4096))
    """
    height, width = frame
    if block[1] >= width and block[0] < height and block[0] * 4 <= width:
        strips = max(1, STRIP_BYTES // (itemsize * width * block[0]))
        return min(strips * block[0], height), width
    rows, columns = (max(1, side // length) * length for length in block)
    return min(rows, height), min(columns, width)


def _read_block(table: NDArray[Any], rows: NDArray[Any], columns: NDArray[Any], kind: np.dtype[Any]) -> NDArray[Any]:
    """The window of one piece, (1, layers, rows, columns).

    Raises
    ------
    InputError : the file is damaged or cut off; OSError : it is gone, or far away and cannot be reached.
    """
    piece: Piece = table.item()
    (top, bottom), (left, right) = rows.item(), columns.item()
    block = np.full((1, len(piece.layers), bottom - top, right - left), piece.missing, kind)
    if piece.path is None:
        return block
    window = Window(left, top, right - left, bottom - top)
    try:
        with opened(piece.path, quiet=not piece.georeferenced) as raster:
            stored = raster.read([layer.index for layer in piece.layers], window=window)
            valid = _valid(raster, piece, window)
    except (RasterioError, IndexError) as error:
        if os.path.isfile(piece.path):
            raise InputError(
                f"{piece.path} cannot be read ({error}); the file is damaged or cut off: get it again"
            ) from error
        raise OSError(f"{piece.path} cannot be read: {error}") from error
    for values, numbers, layer in zip(block[0], stored, piece.layers, strict=True):
        _convert(values, numbers, layer)
        if valid is not None:
            values[~valid] = piece.missing
    return block


def _valid(raster: Any, piece: Piece, window: Window) -> NDArray[np.bool_] | None:
    """Which pixels the file itself calls valid, by its alpha band (0 = not) or mask; None where it has neither."""
    if piece.alpha is not None:  # GDAL takes it for a mask in files of two and four bands only
        return np.asarray(raster.read(piece.alpha, window=window) != 0)
    return np.asarray(raster.dataset_mask(window=window) != 0) if piece.masked else None


def _convert(values: NDArray[Any], stored: NDArray[Any], layer: RasterBand) -> None:
    """Write the values of stored numbers; float64 in between, so that the result is the nearest float32."""
    if layer.scale == 1 and layer.offset == 0:
        values[...] = stored
    else:
        scaled = np.multiply(stored, layer.scale, dtype=np.float64)
        scaled += layer.offset
        values[...] = scaled
    for number in layer.nodata:
        values[stored == number] = np.nan


def _spans(length: int, side: int) -> NDArray[Any]:
    """(start, stop) of the parts of an axis, as an object array."""
    spans = np.empty(-(-length // side), dtype=object)
    for k in range(len(spans)):
        spans[k] = (k * side, min((k + 1) * side, length))
    return spans


def _lengths(spans: NDArray[Any]) -> tuple[int, ...]:
    return tuple(stop - start for start, stop in spans)

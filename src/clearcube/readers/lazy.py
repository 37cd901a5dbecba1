"""Lazy arrays over stored variables: each dask chunk is read and decoded by one task, whole stored chunks at a time."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import dask.array as da
import numpy as np
import xarray as xr

from clearcube.errors import InputError
from clearcube.readers.decoding import Decoding
from clearcube.readers.sources import is_url

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALL = 2**26
"""Bytes (as float32) up to which a variable that is stored in one piece becomes one chunk."""
TASK_VALUES = 2**18
"""Values up to which small stored chunks are joined into one task."""


@dataclass(frozen=True)
class StoredVariable:
    """A variable in a file, not yet read, with how to decode it.

    variable : lazily indexed; the time axis (if any) is already reduced to the dates that are wanted.
    path, name : the file or store and the variable in it.
    token : tells it from all others.
    """

    variable: xr.Variable
    decoding: Decoding
    path: str
    name: str
    token: str = field(default_factory=lambda: uuid4().hex)

    def __dask_tokenize__(self) -> str:
        """A name of its own: by default dask would read all of the values to make one from them."""
        return self.token

    def read(self, key: tuple[slice, ...]) -> NDArray[np.float32]:
        """The values of one part.

        Raises
        ------
        InputError : the file cannot be read there (damaged, cut off or gone).
        """
        try:
            stored = np.asarray(self.variable[key].values)
        except MemoryError:
            raise
        except Exception as error:  # codecs and file formats each raise errors of their own
            raise InputError(
                f"{self.where} cannot be read ({error}); the file is damaged, cut off or gone: get it again"
            ) from error
        if not is_url(self.path) and not os.path.exists(self.path):  # a Zarr store that is gone reads as fill values
            raise InputError(f"{self.where} cannot be read: {self.path} is gone; put it back")
        return self.decoding.apply(stored)

    @property
    def where(self) -> str:
        """File and variable, for messages."""
        return f"{self.path}: '{self.name}'"


def lazy_stack(parts: Sequence[StoredVariable], chunks: tuple[tuple[int, ...], ...]) -> da.Array:
    """The parts, all of one shape, stacked along a new axis 1: (time, part, y, x) float32; one task reads all parts."""
    stacked = (chunks[0], (len(parts),), *chunks[1:])
    return _from_blocks(partial(_read_stacked, tuple(parts)), stacked)


def lazy_array(part: StoredVariable, chunks: tuple[tuple[int, ...], ...]) -> da.Array:
    """One variable as a float32 dask array of its own dimensions."""
    return _from_blocks(partial(_read_block, part), chunks)


def _from_blocks(read: Callable[..., NDArray[np.float32]], chunks: tuple[tuple[int, ...], ...]) -> da.Array:
    """A dask array whose blocks `read` makes. Opaque to dask, so that no later selection splits a read."""
    meta = np.empty((0,) * len(chunks), np.float32)
    array: da.Array = da.map_blocks(read, chunks=chunks, dtype=np.float32, meta=meta)  # type: ignore[no-untyped-call]
    return array


def task_chunks(
    stored: xr.Variable, dims: Sequence[str], plane: tuple[str, str], side: int, kept: Mapping[str, NDArray[np.int64]]
) -> tuple[tuple[int, ...], ...]:
    """Chunks, for the dimensions `dims`, that hold whole stored chunks of a variable.

    Chunks that the file has are kept, small ones joined side by side in the `plane` (y, x); a variable in one piece
    is one chunk where small, else one date of at most side x side pixels. `kept` gives, by dimension, the positions
    that are read of an axis.
    """
    shape = {dim: stored.sizes.get(dim, 1) for dim in dims}
    preferred = stored.encoding.get("preferred_chunks")
    if preferred:
        sizes = _joined({dim: int(preferred.get(dim, size)) for dim, size in shape.items()}, shape, plane, side)
    elif math.prod(len(kept.get(dim, range(size))) for dim, size in shape.items()) * 4 <= SMALL:
        sizes = shape
    else:
        time = dims[0]
        sizes = {dim: side if dim in plane else 1 if dim == time else size for dim, size in shape.items()}
    return tuple(_counts(kept.get(dim, np.arange(size)), max(1, min(sizes[dim], size))) for dim, size in shape.items())


def _joined(native: Mapping[str, int], shape: Mapping[str, int], plane: tuple[str, str], side: int) -> dict[str, int]:
    """Stored chunks, doubled in the plane as long as they stay small."""
    sizes = dict(native)
    while math.prod(sizes.values()) <= TASK_VALUES:
        grown = {dim: sizes[dim] * 2 for dim in plane if sizes[dim] < min(shape[dim], side)}
        if not grown:
            break
        sizes.update(grown)
    return sizes


def _counts(kept: NDArray[np.int64], size: int) -> tuple[int, ...]:
    """How many of the ascending positions fall into each chunk of `size`."""
    return tuple(int(count) for count in np.unique(kept // size, return_counts=True)[1])


def _slices(block_info: Any, skip: int | None = None) -> tuple[slice, ...]:
    location = block_info[None]["array-location"]
    return tuple(slice(start, stop) for axis, (start, stop) in enumerate(location) if axis != skip)


def _read_block(part: StoredVariable, block_info: Any = None) -> NDArray[np.float32]:
    return part.read(_slices(block_info))


def _read_stacked(parts: tuple[StoredVariable, ...], block_info: Any = None) -> NDArray[np.float32]:
    key = _slices(block_info, skip=1)
    stacked = np.empty((0,)) if not parts else np.stack([part.read(key) for part in parts], axis=1)
    return stacked.astype(np.float32, copy=False)

"""Where the engine reads from: the cube itself, or a copy of it that is stored window by window.

A cube whose chunks each lie within one window is read as it is. Any other (one chunk for each date and a large area,
say, or windows that need a halo) is first copied into the stage, once, so that nothing is decoded for every window
that touches it and memory stays that of a few windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import dask.array as da
import numpy as np
from dask.delayed import Delayed, delayed

from clearcube.cube import Band, acquired_dates, bands_of, dates_of
from clearcube.fill_cube.survey import PieceSurvey, survey_piece
from clearcube.filler import Block
from clearcube.tiling import Window, sample_windows, windows

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray


class Blocks(Protocol):
    """What gives the block of a window as a task."""

    def block(self, window: Window) -> Delayed:
        """All dates and bands of the window, a `Block`."""
        ...


@dataclass(frozen=True)
class CubeBlocks:
    """The cube itself."""

    cube: xr.Dataset

    def block(self, window: Window) -> Delayed:
        """The block of a window, cut from the cube's dask arrays."""
        task = delayed(_block, pure=False)
        values = self._both[(..., *window.slices)]
        block: Delayed = task(values, dates_of(self.cube), bands_of(self.cube), acquired_dates(self.cube))
        return block

    @cached_property
    def _both(self) -> da.Array:
        return with_observed_band(self.cube)


@dataclass(frozen=True)
class CopiedBlocks:
    """The copy in the stage: its Zarr arrays."""

    reflectance: Any
    observed: Any
    dates: NDArray[np.datetime64]
    bands: tuple[Band, ...]
    acquired: NDArray[np.bool_]

    def block(self, window: Window) -> Delayed:
        """The block of a window, read from the copy."""
        block: Delayed = delayed(_read_block, pure=False)(delayed(self, traverse=False), window)
        return block


def in_chunks(cube: xr.Dataset, window: int) -> xr.Dataset:
    """The cube backed by dask; one in memory is cut into windows."""
    if cube["reflectance"].chunks is None or cube["observed"].chunks is None:
        return cube.chunk(time=-1, band=-1, y=window, x=window)
    return cube


def with_observed_band(cube: xr.Dataset) -> da.Array:
    """Reflectance and, as a further band, `observed`: (T, B + 1, H, W) float32.

    One array, since `observed` is made from what is read for `reflectance`: a task that takes the two of them apart
    would read everything twice.
    """
    observed = cube["observed"].data[:, None].astype(np.float32)
    together: da.Array = da.concatenate([cube["reflectance"].data, observed], axis=1)
    return together


def split_observed(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Reflectance (T, B, H, W) and observed (T, H, W) of what `with_observed_band` put together."""
    return np.ascontiguousarray(values[:, :-1]), values[:, -1] > 0


def reads_each_chunk_once(cube: xr.Dataset, window: int, halo: int) -> bool:
    """Whether every chunk of the cube lies within one window, so that windows can be read without copying first."""
    frame = (cube.sizes["y"], cube.sizes["x"])
    if halo > 0 and max(frame) > window:
        return False
    for size, chunks in zip(frame, cube["reflectance"].chunks[-2:], strict=True):  # type: ignore[index]
        edges = set(np.cumsum(chunks).tolist())
        if not edges.issuperset(range(window, size, window)):
            return False
    return True


Copy = tuple[Any, Any]
"""The Zarr arrays of a copy: reflectance and observed."""


def copied_blocks(cube: xr.Dataset, copy: Copy) -> CopiedBlocks:
    """The blocks of a cube that was copied."""
    return CopiedBlocks(*copy, dates_of(cube), bands_of(cube), acquired_dates(cube))


def survey_tasks(cube: xr.Dataset, window: int, copy_to: Copy | None) -> list[Delayed]:
    """Tasks that look at each piece of the cube once (`PieceSurvey`) and copy it, where a copy is wanted."""
    times = cube["reflectance"].chunks[0] if copy_to is not None else (cube.sizes["time"],)  # type: ignore[index]
    size = _piece_size(cube, window) if copy_to is not None else window
    frame = (cube.sizes["y"], cube.sizes["x"])
    shared = delayed((sample_windows(frame), copy_to), traverse=False)
    together = with_observed_band(cube)
    tasks = []
    first = 0
    for count in times:
        for piece in windows(frame, size):
            part = together[(slice(first, first + count), slice(None), *piece.slices)]
            tasks.append(delayed(_survey_and_copy, pure=False)(part, piece, first, shared))
        first += count
    return tasks


def create_copy(path: Path, cube: xr.Dataset, window: int) -> Copy:
    """Empty arrays for the copy: one uncompressed chunk for each date and window."""
    import zarr

    group = zarr.open_group(path, mode="w", zarr_format=3)
    times, bands, height, width = cube["reflectance"].shape
    chunk = (min(window, height), min(window, width))
    plain: dict[str, Any] = {"compressors": None, "filters": None}
    group.create_array(
        "reflectance", shape=(times, bands, height, width), chunks=(1, bands, *chunk), dtype="float32", **plain
    )
    group.create_array("observed", shape=(times, height, width), chunks=(1, *chunk), dtype="bool", **plain)
    return group["reflectance"], group["observed"]


def open_copy(path: Path) -> Copy:
    """The arrays of a copy that is there."""
    import zarr

    group = zarr.open_group(path, mode="r")
    return group["reflectance"], group["observed"]


def in_windows(cube: xr.Dataset, copy: Copy, window: int) -> xr.Dataset:
    """The cube with the arrays of its copy, as dask arrays in windows."""
    chunks = {"time": -1, "band": -1, "y": window, "x": window}
    named = dict(zip(("reflectance", "observed"), copy, strict=True))
    arrays = {
        name: (cube[name].dims, da.from_array(array, chunks=tuple(chunks[str(dim)] for dim in cube[name].dims)))
        for name, array in named.items()
    }
    return cube.assign(arrays)


def _piece_size(cube: xr.Dataset, window: int) -> int:
    """Pixels of a piece's side: the native chunk, rounded to whole windows so that no two pieces share a copy chunk."""
    native = max(max(chunks) for chunks in cube["reflectance"].chunks[-2:])  # type: ignore[index]
    return max(native // window, 1) * window


def _survey_and_copy(
    together: NDArray[np.float32],
    piece: Window,
    first: int,
    shared: tuple[list[Window], Copy | None],
) -> PieceSurvey:
    chips, copy_to = shared
    reflectance, observed = split_observed(together)
    if copy_to is not None:
        times = slice(first, first + len(observed))
        copy_to[0][(times, slice(None), *piece.slices)] = reflectance
        copy_to[1][(times, *piece.slices)] = observed
    return survey_piece(reflectance, observed, piece, first, chips)


def _block(
    together: NDArray[np.float32],
    dates: NDArray[np.datetime64],
    bands: tuple[Band, ...],
    acquired: NDArray[np.bool_],
) -> Block:
    return Block(*split_observed(together), dates, bands, acquired)


def _read_block(copy: CopiedBlocks, window: Window) -> Block:
    place = (..., *window.slices)
    return Block(copy.reflectance[place], copy.observed[place], copy.dates, copy.bands, copy.acquired)

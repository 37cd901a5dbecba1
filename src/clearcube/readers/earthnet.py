"""EarthNet2021 cubes (npz): the train layout with seven channels, the test layout with five, context and target."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from clearcube.cube import BANDS
from clearcube.errors import DAMAGED_ARCHIVE, InputError
from clearcube.readers.decoding import band_decoding
from clearcube.readers.earthnet_names import CubeName, parse_name
from clearcube.readers.names import wanted_bands
from clearcube.readers.options import ReadOptions
from clearcube.readers.raw import RawSeries
from clearcube.readers.sources import ZIP_SIGNATURES, first_bytes, is_url

if TYPE_CHECKING:
    from numpy.typing import NDArray

BAND_NAMES = ("blue", "green", "red", "nir08")
"""The first four channels; the fourth is B8A."""
_CHANNELS = {5: {"mask": 4}, 7: {"cloud_probability": 4, "scl": 5, "mask": 6}}


def recognises(paths: Sequence[str]) -> bool:
    """Whether all the paths are npz archives; damaged ones are, archives of other files are not."""
    return all(first_bytes(path, 4) in ZIP_SIGNATURES and not _holds_files(path) for path in paths)


def read(paths: Sequence[str], options: ReadOptions) -> RawSeries:
    """One sequence: a train cube, a context, a target, or a context with its target. In memory (a few MB).

    Raises
    ------
    InputError : a file is damaged or of another layout, or the files belong to different sequences.
    """
    names = [parse_name(path) for path in paths]
    for name, path in zip(names[1:], paths[1:], strict=True):
        if name.key != names[0].key:
            raise InputError(f"{path} is another place or time than {paths[0]}; give one cube at a time")
    archives = [_load(path) for path in paths]
    frames = [_frames(archive, path) for archive, path in zip(archives, paths, strict=True)]
    dates = np.concatenate([_dates(n, len(f), p) for n, f, p in zip(names, frames, paths, strict=True)])
    _check_dates(dates, paths)
    _check_shapes(names, frames, paths)
    if len({frame.shape[1] for frame in frames}) > 1:
        raise InputError(f"{paths[0]} and the others have different channels; give a context with its own target")
    return _series(np.concatenate(frames), dates, names[0], archives, options, paths)


def _series(
    values: NDArray[np.float32],
    dates: NDArray[np.datetime64],
    name: CubeName,
    archives: Sequence[dict[str, NDArray[Any]]],
    options: ReadOptions,
    paths: Sequence[str],
) -> RawSeries:
    """`values` (time, channel, y, x) with names, dates and place."""
    y, x = name.grid(*values.shape[2:])
    coords = {"time": dates.astype("datetime64[ns]"), "y": y, "x": x}
    pairs = [(band, BANDS[band]) for band in BAND_NAMES]
    chosen = [] if options.bands == () else wanted_bands(options.bands, pairs, paths[0])
    bands = [band for _, band in chosen]
    reflectance = xr.DataArray(
        band_decoding({}, values.dtype, options).apply(values[:, [BAND_NAMES.index(band.name) for band in bands]]),
        dims=("time", "band", "y", "x"),
        coords=coords
        | {
            "band": np.array([band.name for band in bands], dtype=object).astype(str),
            "wavelength": ("band", np.array([band.wavelength for band in bands], dtype=np.float64)),
        },
    )
    masks = {
        f"earthnet_{label}" if label == "mask" else label: xr.DataArray(
            values[:, channel], coords=coords, dims=tuple(coords)
        )
        for label, channel in _CHANNELS[values.shape[1]].items()
    }
    return RawSeries(
        reflectance,
        products=tuple(f"{name.tile}_{date}" for date in dates),
        masks=masks,
        static=_static(archives, y, x),
        crs=name.crs,
        attrs={"georeference": "approximate", "tile": name.tile},
    )


def _load(path: str) -> dict[str, NDArray[Any]]:
    """The arrays of an npz archive; objects are never unpickled.

    Raises
    ------
    InputError : it cannot be read, or would have to be unpickled.
    """
    import fsspec

    try:
        with fsspec.open(path, "rb") if is_url(path) else open(path, "rb") as file, np.load(file) as archive:
            wanted = [key for key in archive.files if key in ("highresdynamic", "highresstatic", "landcover")]
            return {key: archive[key] for key in wanted}
    except DAMAGED_ARCHIVE as error:
        if "allow_pickle" in str(error) or "Object arrays" in str(error):
            raise InputError(
                f"{path} holds pickled objects, which could run any code when loaded, so clearcube does not. Get the "
                "cube from its makers"
            ) from error
        raise InputError(
            f"{path} cannot be read as npz ({error}); the file is damaged or cut off: get it again"
        ) from error


def _holds_files(path: str) -> bool:
    """Whether a local archive holds files, none of which is an array."""
    if is_url(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return False
    return bool(names) and not any(name.endswith(".npy") for name in names)


def _frames(archive: dict[str, NDArray[Any]], path: str) -> NDArray[np.float32]:
    """`highresdynamic` as (time, channel, y, x) float32.

    Raises
    ------
    InputError : it is missing or has another shape or type.
    """
    if "highresdynamic" not in archive:
        raise InputError(f"{path} has no array 'highresdynamic'; it is no EarthNet2021 cube")
    stored = archive["highresdynamic"]
    if stored.ndim != 4 or stored.shape[2] not in _CHANNELS or 0 in stored.shape or stored.dtype.kind not in "fiu":
        raise InputError(
            f"{path}: 'highresdynamic' is {stored.dtype} of shape {stored.shape}; an EarthNet2021 cube has numbers of "
            "shape (rows, columns, 5 or 7 channels, dates)"
        )
    return np.ascontiguousarray(stored.astype(np.float32).transpose(3, 2, 0, 1))


def _dates(name: CubeName, count: int, path: str) -> NDArray[np.datetime64]:
    if count > name.sequence_length:
        raise InputError(
            f"{path} holds {count} dates, but its name tells of {name.sequence_length} ({name.start} to {name.end}); "
            "the file was renamed or is damaged"
        )
    return name.dates(count)


def _check_dates(dates: NDArray[np.datetime64], paths: Sequence[str]) -> None:
    """Refuse the same product twice."""
    if len(np.unique(dates)) < len(dates):
        raise InputError(f"{', '.join(paths)} hold the same dates; give each part of a sequence once")


def _check_shapes(names: Sequence[CubeName], frames: Sequence[NDArray[np.float32]], paths: Sequence[str]) -> None:
    """Refuse a cube of other pixels than its name tells."""
    for name, frame, path in zip(names, frames, paths, strict=True):
        told = (name.rows[1] - name.rows[0], name.columns[1] - name.columns[0])
        if frame.shape[2:] != told:
            raise InputError(
                f"{path} holds {frame.shape[2]} x {frame.shape[3]} pixels, but its name tells of "
                f"{told[0]} x {told[1]}; the file was renamed or is damaged"
            )


def _static(
    archives: Sequence[dict[str, NDArray[Any]]], y: NDArray[np.float64], x: NDArray[np.float64]
) -> dict[str, xr.DataArray]:
    """Elevation in metres and land cover, where a file holds them."""
    static: dict[str, xr.DataArray] = {}
    for role, key, dtype in (("elevation", "highresstatic", np.float32), ("landcover", "landcover", np.int16)):
        for archive in archives:
            if key in archive and archive[key].size == len(y) * len(x):
                field = archive[key].reshape(len(y), len(x)).astype(dtype)
                static[role] = xr.DataArray(field, dims=("y", "x"), coords={"y": y, "x": x})
    if "elevation" in static:
        static["elevation"] = _metres(static["elevation"]).assign_attrs(long_name="elevation", units="m")
    return static


def _metres(stored: xr.DataArray) -> xr.DataArray:
    """Elevation of the makers' numbers, which are (metres / 2000 + 1) / 2."""
    return 2000 * (2 * stored - 1)

"""From what a user names to what can be opened: folders, globs, fsspec URLs, and what their first bytes say."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from clearcube.errors import InputError

RASTERS = (".tif", ".tiff", ".jp2", ".j2k")
"""Endings of rasters."""
NETCDF = (".nc", ".nc4", ".cdf", ".h5", ".hdf5", ".he5")
"""Endings of NetCDF and HDF5."""
ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
"""First bytes of a zip archive, which an npz is too."""
_ZARR_MARKERS = ("zarr.json", ".zgroup", ".zmetadata", ".zattrs", ".zarray")


def expand(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[str]:
    """All sources that the paths name, each once, in the order given, sorted within a folder or glob.

    A folder that holds NetCDF, Zarr or npz stands for these; any other folder (a Zarr store, rasters, a product)
    stands for itself.

    Raises
    ------
    InputError : nothing is there, or one source is named twice.
    """
    given = [os.fspath(paths)] if isinstance(paths, (str, os.PathLike)) else [os.fspath(path) for path in paths]
    if not given:
        raise InputError("no input was given; name at least one file, folder or URL")
    sources = [source for path in given for source in _expand_one(path)]
    places = [source if is_url(source) else os.path.realpath(source) for source in sources]
    for position, place in enumerate(places):
        if place in places[:position]:
            raise InputError(f"{sources[position]} is given twice; give each input once")
    return sources


def is_url(path: str) -> bool:
    """Whether a path is an fsspec URL (also a chained one such as simplecache::https://...)."""
    return "://" in path


def is_zarr(path: str) -> bool:
    """Whether a folder or URL is a Zarr store (format 2 or 3)."""
    if not is_url(path):
        return any(os.path.isfile(os.path.join(path, marker)) for marker in _ZARR_MARKERS)
    suffix = os.path.splitext(path.rstrip("/"))[1].lower()
    if suffix in (".zarr", ".npz", ".npy", *NETCDF, *RASTERS):
        return suffix == ".zarr"
    filesystem, root = _filesystem(path)
    return any(filesystem.exists(f"{root.rstrip('/')}/{marker}") for marker in _ZARR_MARKERS)


def folders_below(path: str) -> Iterator[tuple[str, list[str]]]:
    """A folder and all folders in it, sorted, each with the names of its files; links are followed, each place once."""
    seen = {os.path.realpath(path)}
    for folder, folders, names in os.walk(path, followlinks=True):
        places = {name: os.path.realpath(os.path.join(folder, name)) for name in sorted(folders)}
        folders[:] = [name for name, place in places.items() if place not in seen]
        seen |= set(places.values())
        yield folder, sorted(names)


def first_bytes(path: str, count: int = 16) -> bytes:
    """The first bytes of a file or URL; none of a folder or Zarr store.

    Raises
    ------
    InputError : it cannot be read.
    """
    try:
        if not is_url(path):
            if os.path.isdir(path):
                return b""
            with open(path, "rb") as file:
                return file.read(count)
        if is_zarr(path):
            return b""
        import fsspec

        with fsspec.open(path, "rb") as file:
            return bytes(file.read(count))
    except InputError:
        raise
    except ImportError as error:
        raise InputError(f"{path} cannot be read without another package ({error}); install it") from error
    except Exception as error:  # every remote file system raises errors of its own
        raise InputError(f"{path} cannot be read ({type(error).__name__}: {error}); check the address") from error


def _expand_one(path: str) -> list[str]:
    if is_url(path):
        return _expand_url(path)
    path = os.path.expanduser(path)
    if not os.path.exists(path):
        if not glob.has_magic(path):
            raise InputError(f"{path} does not exist; check the path")
        members = sorted(glob.glob(path, recursive=True))
        if not members:
            raise InputError(f"no file matches {path}; check the pattern")
        return [source for member in members for source in _expand_one(member)]
    if os.path.isdir(path) and not is_zarr(path):
        names = (name for name in os.listdir(path) if not name.startswith("."))  # macOS leaves ._ files beside others
        members = sorted(name for name in names if name.lower().endswith((*NETCDF, ".zarr", ".npz")))
        if members:
            return [os.path.join(path, name) for name in members]
        if not os.listdir(path):
            raise InputError(f"the folder {path} is empty; name a folder with inputs")
    return [path]


def _expand_url(url: str) -> list[str]:
    if url.startswith("file://"):
        return _expand_one(url.removeprefix("file://"))
    if not glob.has_magic(url) or url.startswith("http"):
        return [url]
    filesystem, pattern = _filesystem(url)
    members = sorted(filesystem.glob(pattern))
    if not members:
        raise InputError(f"no file matches {url}; check the pattern")
    return [str(filesystem.unstrip_protocol(member)) for member in members]


def _filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL and the path in it."""
    import fsspec

    try:
        filesystem, root = fsspec.core.url_to_fs(url)
    except (ValueError, ImportError, OSError) as error:
        raise InputError(f"{url} cannot be opened ({error}); check the address, or install what it needs") from error
    return filesystem, str(root)


def described(paths: Sequence[str]) -> str:
    """The paths as a message names them: the first, and how many more."""
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"

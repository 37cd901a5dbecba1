"""Opening NetCDF (classic and 4) and Zarr (formats 2 and 3): nothing decoded but characters, dates read apart."""

from __future__ import annotations

import io
import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import xarray as xr

from clearcube.errors import InputError
from clearcube.readers.calendar import parse_date
from clearcube.readers.classic_netcdf import needed_bytes
from clearcube.readers.sources import first_bytes, is_url, is_zarr

if TYPE_CHECKING:
    from numpy.typing import NDArray

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
CLASSIC_SIGNATURE = b"CDF"
_RAW: dict[str, Any] = {
    "mask_and_scale": False,
    "decode_times": False,
    "decode_coords": False,
    "decode_timedelta": False,
    "concat_characters": True,
    "cache": False,
    "chunks": None,
}


def is_netcdf(path: str) -> bool:
    """Whether a file's first bytes are those of NetCDF, classic or 4 (HDF5)."""
    head = first_bytes(path, 8)
    return head == HDF5_SIGNATURE or (head[:3] == CLASSIC_SIGNATURE and head[3:4] in (b"\x01", b"\x02", b"\x05"))


def open_store(path: str) -> xr.Dataset:
    """The dataset as stored: lazily indexed, numbers and attributes untouched.

    Raises
    ------
    InputError : it cannot be opened.
    """
    try:
        return _open_zarr(path) if is_zarr(path) else _open_netcdf(path)
    except InputError:
        raise
    except ImportError as error:  # fsspec's drivers are packages of their own
        raise InputError(f"{path} cannot be opened without another package ({error}); install it") from error
    except Exception as error:  # the libraries below raise almost anything on damaged files
        if is_url(path) and isinstance(error, FileNotFoundError):
            raise InputError(f"{path} is not there ({error}); check the address") from error
        raise InputError(
            f"{path} cannot be opened as NetCDF or Zarr ({type(error).__name__}: {error}); the file is damaged, cut "
            "off or of another format"
        ) from error


def decoded_dates(dataset: xr.Dataset, name: str, where: str) -> NDArray[np.datetime64]:
    """The values of a time variable, datetime64[ns], from CF units, text, or numbers YYYYMMDD.

    Raises
    ------
    InputError : they are no dates.
    """
    variable = dataset.variables[name]
    try:
        if "units" in variable.attrs and variable.dtype.kind in "iuf":
            decoded = xr.decode_cf(xr.Dataset({"when": variable.to_base_variable()}))
            return _as_datetimes(decoded["when"].values)
        values = np.atleast_1d(variable.values)
        if values.dtype.kind in "iuf" and not ((values > 19_000_000) & (values < 21_010_000)).all():
            raise InputError(
                f"{where}: the numbers in '{name}' ({values.ravel()[0]:g} first) are no dates: give '{name}' CF units, "
                "'days since 2020-01-01' for instance"
            )
        if values.dtype.kind == "M":
            return values.astype("datetime64[ns]")
        return np.array([_as_datetime(value, where) for value in values.ravel()], dtype="datetime64[ns]")
    except InputError:
        raise
    except Exception as error:  # xarray and cftime raise almost anything on dates they cannot decode
        raise InputError(
            f"{where}: the dates in '{name}' cannot be read ({error}); they need CF units or ISO text"
        ) from error


def _open_zarr(path: str) -> xr.Dataset:
    try:
        return xr.open_dataset(path, engine="zarr", consolidated=True, **_RAW)
    except (KeyError, ValueError, OSError):
        return xr.open_dataset(path, engine="zarr", consolidated=False, **_RAW)


def _open_netcdf(path: str) -> xr.Dataset:
    head = first_bytes(path, 8)
    if not head:
        raise InputError(f"{path} is empty; get the file again")
    if not is_netcdf(path):
        raise InputError(f"{path} is neither NetCDF nor Zarr; check the file or say its format with --format")
    if is_url(path):
        return _open_remote(path, head)
    if head != HDF5_SIGNATURE:
        with open(path, "rb") as file:
            _check_length(path, file)
        return xr.open_dataset(path, engine="netcdf4", **_RAW)
    try:
        return xr.open_dataset(path, engine="h5netcdf", **_RAW)
    except (ValueError, KeyError, TypeError, AttributeError):  # HDF5 features that only the C library reads
        return xr.open_dataset(path, engine="netcdf4", **_RAW)


def _open_remote(url: str, head: bytes) -> xr.Dataset:
    """A NetCDF file behind a URL: NetCDF-4 is read in pieces, a classic file as a whole."""
    import fsspec

    if head == HDF5_SIGNATURE:
        opener = fsspec.open(url, "rb")
        remote = opener.open()
        remote.opener = opener  # without it the file system goes, and an archive is closed with its file system
        return xr.open_dataset(remote, engine="h5netcdf", **_RAW)
    with fsspec.open(url, "rb") as file:
        content = file.read()
    _check_length(url, io.BytesIO(content))
    return xr.open_dataset(io.BytesIO(content), engine="scipy", **_RAW).load()


def _check_length(path: str, file: BinaryIO) -> None:
    """Refuse a classic file that ends early: the library would make up the values that are missing."""
    needed = needed_bytes(file)
    actual = file.seek(0, os.SEEK_END)
    if actual < needed:
        raise InputError(f"{path} is cut off: it has {actual} bytes and needs {needed}; get the file again")


def _as_datetimes(values: NDArray[Any]) -> NDArray[np.datetime64]:
    values = np.atleast_1d(values)
    if values.dtype.kind == "M":
        return values.astype("datetime64[ns]")
    return np.array([np.datetime64(value.isoformat(), "ns") for value in values], dtype="datetime64[ns]")


def _as_datetime(value: Any, where: str) -> np.datetime64:
    text = value.decode() if isinstance(value, bytes) else str(value)
    text = re.sub(r"\.0+$", "", text).strip()
    if re.fullmatch(r"\d{8}", text) or not re.match(r"\d{4}-\d{2}-\d{2}[T ]", text):
        return parse_date(text, where)
    instant = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    universal = instant if instant.tzinfo is None else instant.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(universal, "ns")

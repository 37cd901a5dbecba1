"""Checkpoints in files and in the package: telling apart and opening them, once for each process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import nn

from clearcube import checksums
from clearcube.errors import InputError
from clearcube.networks.checkpoint import load
from clearcube.networks.published import load_published
from clearcube.networks.shipped import embedded_folder, embedded_weights, shipped_sums

DEFAULTS: Mapping[str, tuple[str, ...]] = MappingProxyType({"ganfilling": ("ganfilling", "ganfilling-small")})
"""Network -> names of the embedded checkpoints that it takes without `weights`, the first that is there; by default
the one of its own name."""


def default_weights(network: str) -> Path | None:
    """The checkpoint that ships for a network, or None."""
    found = (embedded_weights(name) for name in DEFAULTS.get(network, (network,)))
    return next((path for path in found if path is not None), None)


def opened(path: str | os.PathLike[str]) -> tuple[nn.Module, dict[str, Any]]:
    """The network of a checkpoint and its metadata: clearcube's format or the authors', told by content.

    Raises
    ------
    InputError : the file is not there, damaged, or none of these.
    """
    return load_published(path) if is_published(path) else load(path)


def is_published(path: str | os.PathLike[str]) -> bool:
    """Whether it looks like what `torch.save` writes: a zip archive or, by old versions, a bare pickle."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        start = file.read(9)
    safetensors = start[8:] == b"{"  # before it lies the length of the header, which may begin like either
    return not safetensors and (start.startswith(b"PK") or start[:1] == b"\x80")


def network_at(path: str, digest: str | None = None) -> nn.Module:
    """The network of a checkpoint, opened once for each process. Not to be changed.

    digest : sha256 that the file must have; None = any.

    Raises
    ------
    InputError : as `opened`, or the file is another one than before.
    """
    if digest is not None and sha256_of(path) != digest:
        raise InputError(f"{path} has changed since the fill began; put the file back, or start over")
    return _opened(path, _stamp(path))[0]


def metadata_at(path: str) -> Mapping[str, Any]:
    """What a checkpoint says of itself, opened once for each process.

    Raises
    ------
    InputError : as `opened`.
    """
    return _opened(path, _stamp(path))[1]


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Checksum of a file.

    Raises
    ------
    InputError : it is not there.
    """
    return _sha256(os.fspath(path), _stamp(path))


def _stamp(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Size and time of change: what tells that a file is still the same."""
    try:
        state = os.stat(path)
    except OSError:
        raise InputError(f"{path}: no such checkpoint file") from None
    return state.st_size, state.st_mtime_ns


@lru_cache(maxsize=2)
def _opened(path: str, stamp: tuple[int, int]) -> tuple[nn.Module, dict[str, Any]]:
    place = Path(path)
    if place.parent == embedded_folder() and shipped_sums(place.parent).get(place.name, "") != sha256_of(path):
        raise InputError(
            f"{path} is not the file that was shipped; install clearcube again ('clearcube weights verify')"
        )
    return opened(path)


@lru_cache(maxsize=16)
def _sha256(path: str, stamp: tuple[int, int]) -> str:
    return checksums.sha256_of(path)

"""The checkpoint files that the authors of GANFilling and of U-TILISE released.

Both are pickles. They are read with torch's restricted unpickler, which makes nothing but tensors, plain containers
and, for GANFilling's training options, `argparse.Namespace`.
"""

from __future__ import annotations

import argparse
import os
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from clearcube.errors import InputError
from clearcube.networks.checkpoint import LARGEST_NUMBER, assembled
from clearcube.networks.ganfilling import GanFillingConfig, Generator
from clearcube.networks.utilise import Utilise, UtiliseConfig

C = TypeVar("C", GanFillingConfig, UtiliseConfig)

BANDS = ("blue", "green", "red", "nir")
"""What the networks were published for, in order; `nir08` stands in for `nir`."""


def load_published(path: str | os.PathLike[str]) -> tuple[nn.Module, dict[str, Any]]:
    """Read `GANFilling.pt` or `utilise_earthnet2021.pth`: the network in evaluation mode, and metadata for `save`.

    Width and number of bands are those of the tensors.

    Raises
    ------
    InputError : there is no such file, it is truncated, it holds anything but tensors and plain values, or its
        tensors are of neither network.
    """
    content = _unpickled(path)
    for key, build in (("model", _ganfilling), ("model_state_dict", _utilise)):
        state = content.get(key) if isinstance(content, dict) else None
        if isinstance(state, dict) and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
            return build(state, path)
    raise InputError(
        f"{path}: neither GANFilling's format (tensors under 'model') nor U-TILISE's (under 'model_state_dict')"
    )


def _unpickled(path: str | os.PathLike[str]) -> Any:
    if not Path(path).is_file():
        raise InputError(f"{path}: no such checkpoint file")
    try:
        _check_sums(path)
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"'{named[1]}', " if named else ""
        raise InputError(
            f"{path}: refused, for it holds {what}more than tensors and plain values; get the file from its authors"
        ) from None
    except InputError:
        raise
    except Exception as error:  # a damaged archive may fail anywhere in the reader
        kind = type(error).__name__
        raise InputError(f"{path}: not a complete torch checkpoint ({kind}); get it again from its authors") from None


def _check_sums(path: str | os.PathLike[str]) -> None:
    """Refuse an archive whose parts do not have their checksums, which torch does not look at."""
    if zipfile.is_zipfile(path):  # the older format, a bare pickle, has none
        with zipfile.ZipFile(path) as archive:
            part = archive.testzip()
        if part is not None:
            raise InputError(f"{path}: the checksum of '{part}' in it is wrong; the file is damaged, get it again")


def _ganfilling(state: dict[str, Tensor], path: str | os.PathLike[str]) -> tuple[nn.Module, dict[str, Any]]:
    width, bands = _shape(state, "conv1.weight", path)[:2]
    model = assembled(Generator, _sized(GanFillingConfig, width, bands, path), state, path)
    return model, {
        "scaling": "reflectance clipped to [0, 1], NaN = 1; bands blue, green, red, near infrared",
        "provenance": {
            "source": "published weights of GANFilling, doi 10.1016/j.isprsjprs.2025.01.016",
            "file": Path(path).name,
        },
        "licence": "BSD-2-Clause",
    }


def _utilise(state: dict[str, Tensor], path: str | os.PathLike[str]) -> tuple[nn.Module, dict[str, Any]]:
    width, bands = _shape(state, "in_conv.conv.conv.0.weight", path)[:2]
    model = assembled(Utilise, _sized(UtiliseConfig, width, bands, path), state, path)
    return model, {
        "scaling": "reflectance clipped to [0, 1], masked = 1, NaN = 0; bands blue, green, red, near infrared",
        "provenance": {"source": "published weights of U-TILISE, arXiv 2305.13277", "file": Path(path).name},
        "licence": "MIT",
    }


def _sized(kind: type[C], width: int, bands: int, path: str | os.PathLike[str]) -> C:
    """The configuration of a network of these sizes.

    Raises
    ------
    InputError : no such network has them.
    """
    if max(width, bands) > LARGEST_NUMBER:
        raise InputError(f"{path}: {width} channels of {bands} bands; the file is damaged")
    try:
        return kind(width=width, bands=bands)
    except InputError as error:
        raise InputError(f"{path}: {error}; the file is damaged") from None


def _shape(state: dict[str, Tensor], name: str, path: str | os.PathLike[str]) -> tuple[int, ...]:
    if name not in state or state[name].ndim != 4:
        raise InputError(f"{path}: the tensor '{name}' is missing or has not four dimensions; the file is damaged")
    return tuple(state[name].shape)

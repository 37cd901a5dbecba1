"""True-colour pictures of filled dates and of their truth, for networks that judge pictures, and tensors of a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clearcube.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

WHITE = 0.3
"""Reflectance that is white in a picture."""
COLOURS = ("red", "green", "blue")


def picture_pairs(
    filled: NDArray[np.float32],
    truth: NDArray[np.float32],
    hidden: NDArray[np.bool_],
    known: NDArray[np.bool_],
    bands: Sequence[str],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pictures of the dates with hidden pixels, filled and true, (N, 3, H, W) each, 0 to 1.

    Both show the truth where nothing was hidden and it is known, and black where it is not known.

    Parameters
    ----------
    filled, truth : (T, B, H, W) reflectance. hidden, known : (T, H, W) bool. bands : names of the B bands.

    Raises
    ------
    InputError : one of red, green and blue is missing.
    """
    missing = [name for name in COLOURS if name not in bands]
    if missing:
        raise InputError(f"pictures need the bands red, green, blue; the cube has no {', '.join(missing)}")
    order = [list(bands).index(name) for name in COLOURS]
    dates = np.flatnonzero(hidden.any(axis=(1, 2)))
    mine, theirs = (values[dates][:, order] for values in (filled, truth))
    there = np.isfinite(theirs).all(axis=1) & (np.isfinite(mine).all(axis=1) | ~hidden[dates])
    seen, changed = ((mask[dates] & there)[:, None] for mask in (known | hidden, hidden))
    true = np.where(seen, theirs, np.float32(0))
    return tuple(  # type: ignore[return-value]  # two of them
        np.clip(picture / np.float32(WHITE), 0, 1) for picture in (np.where(changed, mine, true), true)
    )


def read_tensors(path: str | os.PathLike[str], option: str) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` file, or of a state dict that PyTorch saved; reading executes no code.

    Raises
    ------
    InputError : there is no such file, or it holds something else.
    """
    import torch
    from safetensors.torch import load_file

    if not Path(path).is_file():
        raise InputError(f"the weights {path} do not exist; check {option}")
    try:
        found = load_file(path) if str(path).endswith(".safetensors") else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # an unpickler may fail in any way
        raise InputError(
            f"{path} cannot be read as weights ({type(error).__name__}: {error}); give {option} a state dict, "
            ".safetensors or .pth"
        ) from error
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise InputError(f"{path} holds {type(found).__name__}, not a state dict of tensors; check {option}")
    return {name: value.float() for name, value in found.items()}

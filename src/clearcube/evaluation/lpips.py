"""LPIPS, the distance of two pictures as a trained network sees them, with weights that the user gives."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import numpy as np

from clearcube.errors import InputError
from clearcube.evaluation.pictures import read_tensors
from clearcube.evaluation.statistics import Sums

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

CONVOLUTIONS = {0: (4, 2), 3: (1, 2), 6: (1, 1), 8: (1, 1), 10: (1, 1)}
"""Position in AlexNet's features -> stride and padding; each is followed by a ReLU, whose output is compared."""
POOLED = (3, 6)
"""Convolutions that a 3 x 3 maximum with stride 2 goes before."""
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""What is taken from a picture of -1 to 1 before the network, and what it is divided by."""
SMALLEST_SIDE = 32


class Lpips:
    """LPIPS of AlexNet.

    Parameters
    ----------
    path : state dict, .safetensors or .pth, as the package `lpips` keeps it: convolutions `net.slice1.0.weight` to
        `net.slice5.10.bias` (or `features.0.weight` ...), heads `lin0.model.1.weight` to `lin4.model.1.weight`.

    Raises
    ------
    InputError : the file cannot be used.

    References
    ----------
    Zhang et al. (2018), The unreasonable effectiveness of deep features as a perceptual metric.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        tensors = read_tensors(path, "--lpips")
        renamed = {re.sub(r"^net\.slice\d\.", "features.", name): value for name, value in tensors.items()}
        wanted = [f"features.{at}.{part}" for at in CONVOLUTIONS for part in ("weight", "bias")]
        wanted += [f"lin{number}.model.1.weight" for number in range(len(CONVOLUTIONS))]
        missing = [name for name in wanted if name not in renamed]
        if missing:
            raise InputError(f"{path} holds no LPIPS of AlexNet: '{missing[0]}' is missing; check --lpips")
        self._weights = {name: renamed[name] for name in wanted}

    def sums(self, filled: NDArray[np.float32], truth: NDArray[np.float32], hidden: NDArray[np.bool_]) -> Sums:
        """LPIPS of the dates with hidden pixels, and 1 for each of them, (T, 1); 0 of other dates.

        filled, truth : (N, 3, H, W), 0 to 1, of the N dates with hidden pixels. hidden : (T, H, W) bool; distances are
        averaged over places by their share of hidden pixels.
        """
        import torch

        dates = np.flatnonzero(hidden.any(axis=(1, 2)))
        sums = Sums(np.zeros((len(hidden), 1)), np.zeros((len(hidden), 1)))
        if min(hidden.shape[1:]) < SMALLEST_SIDE:
            return sums
        with torch.inference_mode():
            for t, mine, theirs in zip(dates, filled, truth, strict=True):
                share = torch.from_numpy(hidden[t].astype(np.float32))[None, None]
                sums.total[t] = float(
                    self._distance(torch.from_numpy(mine)[None], torch.from_numpy(theirs)[None], share)
                )
                sums.weight[t] = 1
        return sums

    def _distance(self, mine: Tensor, theirs: Tensor, share: Tensor) -> Tensor:
        from torch.nn.functional import adaptive_avg_pool2d

        distance = mine.new_zeros(())
        for number, (f, t) in enumerate(zip(self._features(mine), self._features(theirs), strict=True)):
            head = self._weights[f"lin{number}.model.1.weight"].reshape(1, -1, 1, 1)
            apart = (head * (_unit(f) - _unit(t)) ** 2).sum(dim=1, keepdim=True)
            weight = adaptive_avg_pool2d(share, (apart.shape[-2], apart.shape[-1]))
            distance = distance + (apart * weight).sum() / weight.sum()
        return distance

    def _features(self, picture: Tensor) -> list[Tensor]:
        """Outputs of the convolutions of pictures (N, 3, H, W), 0 to 1."""
        import torch
        from torch.nn.functional import conv2d, max_pool2d

        shift, scale = (torch.tensor(values)[:, None, None] for values in (SHIFT, SCALE))
        x, found = (2 * picture - 1 - shift) / scale, []
        for at, (stride, padding) in CONVOLUTIONS.items():
            x = max_pool2d(x, 3, 2) if at in POOLED else x
            weight, bias = self._weights[f"features.{at}.weight"], self._weights[f"features.{at}.bias"]
            x = conv2d(x, weight, bias, stride, padding).relu()
            found.append(x)
        return found


def _unit(features: Tensor) -> Tensor:
    """Features (N, C, H, W) of length 1 over the channels."""
    return features / ((features**2).sum(dim=1, keepdim=True).sqrt() + 1e-10)

"""The network whose features FID compares: Inception-v3 in the form of 2015, with weights that the user gives."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from clearcube.errors import InputError
from clearcube.evaluation.pictures import read_tensors

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

SIDE = 299
"""Pixels per side of the pictures that the network sees."""
EPSILON = 1e-3
STEM = (("Conv2d_1a_3x3", 2, 0), ("Conv2d_2a_3x3", 1, 0), ("Conv2d_2b_3x3", 1, 1))
NECK = (("Conv2d_3b_1x1", 1, 0), ("Conv2d_4a_3x3", 1, 0))
FIRST, SECOND = ("Mixed_5b", "Mixed_5c", "Mixed_5d"), ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e")


class Inception:
    """Features of pictures.

    Parameters
    ----------
    path : state dict, .safetensors or .pth, with the names of torchvision's Inception-v3: `Conv2d_1a_3x3.conv.weight`,
        `Mixed_5b.branch1x1.bn.running_mean` and so on. Comparable with others' FID are the weights of 2015.

    Raises
    ------
    InputError : the file cannot be used.

    References
    ----------
    Szegedy et al. (2016), Rethinking the inception architecture for computer vision. Heusel et al. (2017), GANs
    trained by a two time-scale update rule.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._weights = read_tensors(path, "--fid")
        self._path = path
        self.features(np.zeros((1, 3, 8, 8), np.float32))

    def features(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features (N, F) of pictures (N, 3, H, W), 0 to 1.

        Raises
        ------
        InputError : the weights are not those of this network.
        """
        import torch

        try:
            with torch.inference_mode():
                rows = [self._of_picture(torch.from_numpy(picture)[None]).numpy() for picture in pictures]
        except (KeyError, RuntimeError) as error:
            raise InputError(f"{self._path} holds no Inception-v3 ({error}); check --fid") from error
        return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)

    def _of_picture(self, picture: Tensor) -> Tensor:
        from torch.nn.functional import interpolate, max_pool2d

        x = 2 * interpolate(picture, (SIDE, SIDE), mode="bilinear", align_corners=False) - 1
        for layers in (STEM, NECK):
            for name, stride, padding in layers:
                x = self._layer(x, name, stride, padding)
            x = max_pool2d(x, 3, 2)
        for name in FIRST:
            x = self._joined(x, name, (("branch1x1",), _numbered("branch5x5", 2), _numbered("branch3x3dbl", 3)))
        x = self._reduced(x, "Mixed_6a", (("branch3x3",), _numbered("branch3x3dbl", 3)))
        for name in SECOND:
            x = self._joined(x, name, (("branch1x1",), _numbered("branch7x7", 3), _numbered("branch7x7dbl", 5)))
        x = self._reduced(x, "Mixed_7a", (_numbered("branch3x3", 2), _numbered("branch7x7x3", 4)))
        for name, pool in (("Mixed_7b", _mean), ("Mixed_7c", _maximum)):
            x = self._last(x, name, pool)
        return x.mean(dim=(2, 3))

    def _joined(self, x: Tensor, name: str, branches: Sequence[Sequence[str]]) -> Tensor:
        """Branches of layers that keep the size, and one that pools first, side by side."""
        import torch

        found = [self._chain(x, name, branch) for branch in branches]
        return torch.cat([*found, self._same(_mean(x), f"{name}.branch_pool")], 1)

    def _reduced(self, x: Tensor, name: str, branches: Sequence[Sequence[str]]) -> Tensor:
        """Branches that end with a stride of 2, and a maximum, side by side."""
        import torch
        from torch.nn.functional import max_pool2d

        found = []
        for branch in branches:
            y = self._chain(x, name, branch[:-1])
            found.append(self._layer(y, f"{name}.{branch[-1]}", 2, 0))
        return torch.cat([*found, max_pool2d(x, 3, 2)], 1)

    def _last(self, x: Tensor, name: str, pool: Callable[[Tensor], Tensor]) -> Tensor:
        """Branches whose last layer is split into a row and a column."""
        import torch

        found = [self._same(x, f"{name}.branch1x1")]
        for branch, last in ((("branch3x3_1",), "branch3x3_2"), (_numbered("branch3x3dbl", 2), "branch3x3dbl_3")):
            y = self._chain(x, name, branch)
            found += [self._same(y, f"{name}.{last}{part}") for part in ("a", "b")]
        return torch.cat([*found, self._same(pool(x), f"{name}.branch_pool")], 1)

    def _chain(self, x: Tensor, name: str, layers: Sequence[str]) -> Tensor:
        for layer in layers:
            x = self._same(x, f"{name}.{layer}")
        return x

    def _same(self, x: Tensor, name: str) -> Tensor:
        """A layer that keeps the size of the picture."""
        height, width = self._weights[f"{name}.conv.weight"].shape[-2:]
        return self._layer(x, name, 1, (height // 2, width // 2))

    def _layer(self, x: Tensor, name: str, stride: int, padding: int | tuple[int, int]) -> Tensor:
        """Convolution, normalisation by what was measured in training, ReLU."""
        from torch.nn.functional import batch_norm, conv2d

        mean, variance, weight, bias = (
            self._weights[f"{name}.bn.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        x = conv2d(x, self._weights[f"{name}.conv.weight"], None, stride, padding)
        return batch_norm(x, mean, variance, weight, bias, eps=EPSILON).relu()


def _numbered(name: str, count: int) -> tuple[str, ...]:
    """Names of the layers of a branch: name_1, name_2, ..."""
    return tuple(f"{name}_{number}" for number in range(1, count + 1))


def _mean(x: Tensor) -> Tensor:
    from torch.nn.functional import avg_pool2d

    return avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def _maximum(x: Tensor) -> Tensor:
    from torch.nn.functional import max_pool2d

    return max_pool2d(x, 3, 1, 1)

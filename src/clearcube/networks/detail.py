"""Detail of images: what each pixel has beyond the mean around it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def detail(images: Tensor, valid: Tensor) -> Tensor:
    """Each valid pixel less the weighted mean of the valid ones of the 3 x 3 around it; 0 where not valid.

    images : (..., B, H, W). valid : (..., 1, H, W), 0 or 1.
    """
    around = _around(images * valid) / _around(valid).clamp(min=1e-6)
    return (images - around) * valid


def sharper(images: Tensor, share: Tensor) -> Tensor:
    """Images whose detail is 1 + share as strong; the outermost pixels stay as they are.

    images : (T, N, B, H, W). share : (N or 1, B).
    """
    sharp = images.clone()
    sharp[..., 1:-1, 1:-1] += (share[..., None, None] * (images - _around(images)))[..., 1:-1, 1:-1]
    return sharp


def _around(maps: Tensor) -> Tensor:
    """Weighted sums of the 3 x 3 around each pixel; nothing lies beyond the edges."""
    flat = F.pad(maps.flatten(0, -3), (1, 1, 1, 1))
    down = flat[:, :-2] + 2 * flat[:, 1:-1] + flat[:, 2:]
    across = down[:, :, :-2] + 2 * down[:, :, 1:-1] + down[:, :, 2:]
    return across.view_as(maps) / 16

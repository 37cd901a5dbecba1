"""Detail of images: what is about four pixels long, as rows, edges and small parcels are.

Finer detail is as much noise and misregistration as it is the ground, coarser detail is no detail.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

REACH = 2
"""Pixels to each side that decide a pixel's detail."""
PEAK = 4.0
"""Makes the detail of a wave of four pixels along rows or columns the wave itself."""
MEAN = ((1 / 16, 2 / 16, 1 / 16), (2 / 16, 4 / 16, 2 / 16), (1 / 16, 2 / 16, 1 / 16))
"""Weights of the mean of the 3 x 3 around a pixel."""


def detail(images: Tensor, valid: Tensor) -> Tensor:
    """`PEAK` times what the mean of the 3 x 3 around a pixel has beyond the mean of such means around it.

    Only valid pixels count, within the image; 0 where not valid.

    images : (..., B, H, W). valid : (..., 1, H, W), 0 or 1.
    """
    share = _mean(valid).clamp(min=1e-6)
    means = _mean(images * valid) / share * valid
    return PEAK * (means - _mean(means) / share) * valid


def sharper(images: Tensor, share: Tensor) -> Tensor:
    """Images whose detail is 1 + share as strong; the outermost `REACH` pixels stay as they are.

    images : (T, N, B, H, W). share : (N or 1, B).
    """
    samples, bands = images.shape[1:3]
    mean = torch.tensor(MEAN, device=images.device)
    means = F.conv2d(mean[None, None], mean[None, None], padding=REACH)
    kernel = PEAK * (F.pad(mean, (1, 1, 1, 1)) - means)
    kernels = share.expand(samples, bands).reshape(-1, 1, 1, 1) * kernel
    added = F.conv2d(images.flatten(1, 2), kernels, groups=samples * bands)
    return images + F.pad(added, (REACH,) * 4).view_as(images)


def _mean(maps: Tensor) -> Tensor:
    """Weighted sums of the 3 x 3 around each pixel; nothing lies beyond the edges."""
    flat = F.pad(maps.flatten(0, -3), (1, 1, 1, 1))
    down = flat[:, :-2] + 2 * flat[:, 1:-1] + flat[:, 2:]
    across = down[:, :, :-2] + 2 * down[:, :, 1:-1] + down[:, :, 2:]
    return across.view_as(maps) / 16

"""Frames grown to the sizes that a network can work on."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def padded(x: Tensor, multiple: int, least: int = 0) -> Tensor:
    """X (..., H, W) of three to five dimensions, numbers or bool, grown below and to the right by its edge values.

    Heights and widths are multiples of `multiple` then, and at least `least`, a multiple too.
    """
    below, right = (max(-size % multiple, least - size) for size in x.shape[-2:])
    if not below and not right:
        return x
    frames = x if x.is_floating_point() else x.float()
    frames = frames.flatten(0, 1) if x.ndim == 5 else frames
    grown = F.pad(frames, (0, right, 0, below), mode="replicate").to(x.dtype)
    return grown.unflatten(0, x.shape[:2]) if x.ndim == 5 else grown  # type: ignore[no-untyped-call]

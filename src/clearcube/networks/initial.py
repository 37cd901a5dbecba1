"""Weights to start training from.

Checkpoints are read into networks on the device `meta`, which has no numbers: there nothing is drawn, for torch would
import its compiler for it, which takes longer than to read the checkpoint.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def normal(std: float, *shape: int) -> Tensor:
    """Normally distributed numbers of mean 0."""
    empty = torch.empty(shape)
    return empty if empty.is_meta else torch.randn(shape) * std


def kaiming_(weight: Tensor, slope: float, times: float = 1.0) -> None:
    """Fill a weight as suits leaky rectifiers of this slope, in place, and multiply it."""
    if not weight.is_meta:
        with torch.no_grad():
            nn.init.kaiming_normal_(weight, a=slope).mul_(times)

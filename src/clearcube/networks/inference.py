"""A block through a network: how its arrays become tensors, and what the network says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from clearcube.cube import day_of_year
from clearcube.networks.precision import computing_in

if TYPE_CHECKING:
    from clearcube.filler import Block
    from clearcube.networks.seq2seq import Output


def applied(model: nn.Module, block: Block, precision: str = "auto") -> Output:
    """What the network says of a block (N = 1), without gradients."""
    device = next(model.parameters()).device
    inputs = [part.to(device) for part in as_tensors(block)]
    with torch.inference_mode(), computing_in(precision, device):
        output: Output = model(*inputs)
    return output


def as_tensors(block: Block) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Reflectance, observed, days, day of year, wavelengths of a block with N = 1, as the network takes them."""
    nm = np.array([band.wavelength for band in block.bands], np.float32)
    arrays = (block.reflectance[None], block.observed[None], block.days[None], day_of_year(block.dates)[None], nm)
    tensors = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
    return tensors[0], tensors[1], tensors[2], tensors[3], tensors[4]

"""A learned spectral basis, so that the bands of a network need not be wired in.

Bands enter as their projections on E (bands x size), a smooth function of the bands' centre wavelengths, and leave as
combinations of another such basis. The network in between never knows how many bands there are, or in which order.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearcube.cube import OPTICAL_NM

HARMONICS = 4
RIDGE = 0.05
"""Added to the normal matrix: bands whose basis rows are nearer than its root are read mostly as their sum."""


class SpectralBasis(nn.Module):
    """`size` learned functions of the centre wavelength, smooth in its logarithm."""

    def __init__(self, size: int, hidden: int = 32) -> None:
        super().__init__()
        self.size = size
        self.curve = nn.Sequential(nn.Linear(1 + 2 * HARMONICS, hidden), nn.Tanh(), nn.Linear(hidden, size))

    def forward(self, wavelengths: Tensor) -> Tensor:
        """E (..., B, size) at wavelengths (..., B) in nm, 400 to 2,400; every row has unit length."""
        low, high = (math.log(limit) for limit in OPTICAL_NM)
        u = (wavelengths.float().unsqueeze(-1).log() - low) / (high - low) * 2 - 1
        phase = u * torch.arange(1, HARMONICS + 1, device=u.device) * (math.pi / 2)
        return F.normalize(self.curve(torch.cat([u, phase.sin(), phase.cos()], -1)), dim=-1)


def projection(basis: Tensor) -> Tensor:
    """The matrix (..., size, B) that takes band values to their coefficients in a basis (..., B, size).

    Least squares with a ridge, so that the coefficients mean the same however densely the bands lie.
    """
    transposed = basis.transpose(-1, -2)
    normal = transposed @ basis + RIDGE * torch.eye(basis.shape[-1], device=basis.device)
    inverse, _ = torch.linalg.inv_ex(normal)  # positive definite: needs no check, which would wait for the GPU
    matrix: Tensor = inverse @ transposed
    return matrix

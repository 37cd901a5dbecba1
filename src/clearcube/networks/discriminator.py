"""A spatio-temporal discriminator: whether each neighbourhood, over time, looks observed or estimated.

References
----------
Isola et al. (2017), Image-to-image translation with conditional adversarial networks, arXiv 1611.07004.
Miyato et al. (2018), Spectral normalization for generative adversarial networks, arXiv 1802.05957.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from clearcube.errors import InputError
from clearcube.networks.convlstm import ConvLSTMCell, each_frame
from clearcube.networks.features import relative_days
from clearcube.networks.spectral import SpectralBasis, projection

CORRECTION_SCALE = 25.0
REFLECTANCE_SCALE = 4.0
PLAIN = 2
"""Inputs without bands: observed, days since the previous date."""


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Channels of the first layer, halvings of the resolution, functions in the spectral basis.

    Raises
    ------
    InputError : a number is not positive.
    """

    width: int = 32
    halvings: int = 3
    basis: int = 8

    def __post_init__(self) -> None:
        if min(self.width, self.halvings, self.basis) < 1:
            raise InputError(f"the discriminator needs width, halvings and basis of at least 1, not {self}")


class PatchDiscriminator(nn.Module):
    """Patch scores along time, for any set of bands; every convolution is spectrally normalised."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.enter = SpectralBasis(config.basis)
        widths = [2 * config.basis + PLAIN, *(config.width * 2**level for level in range(config.halvings))]
        self.down = nn.ModuleList(spectral_norm(nn.Conv2d(a, b, 4, stride=2, padding=1)) for a, b in pairwise(widths))
        self.ahead, self.back = (ConvLSTMCell(widths[-1], widths[-1] // 2 or 1) for _ in range(2))
        for cell in (self.ahead, self.back):
            spectral_norm(cell.conv)
        self.score = spectral_norm(nn.Conv2d(2 * self.ahead.hidden + widths[-1], 1, 3, padding=1))

    def forward(self, images: Tensor, base: Tensor, observed: Tensor, days: Tensor, wavelengths: Tensor) -> Tensor:
        """Logits (N, T, h, w), large = looks observed; h = H / 2^halvings.

        images : (N, T, B, H, W) finite reflectance: clear observations, or a fill. Either way with the same
            observed pixels elsewhere, so that only the looks of the rest can tell.
        base : (N, T, B, H, W) the interpolation that a fill starts from (`seq2seq.Output.base`).
        observed : (N, T, H, W) bool, what the generator was given.
        days : (N, T) ascending. wavelengths : (B,) or (N, B) in nm.
        """
        x = self._inputs(images, base, observed, days, wavelengths)
        for layer in self.down:
            x = F.leaky_relu(each_frame(layer, x), 0.2)
        remembered = torch.cat([self.ahead.scan(x), self.back.scan(x.flip(0)).flip(0), x], 2)
        return each_frame(self.score, remembered).squeeze(2).transpose(0, 1)

    def _inputs(self, images: Tensor, base: Tensor, observed: Tensor, days: Tensor, wavelengths: Tensor) -> Tensor:
        """(T, N, 2 basis + PLAIN, H, W)."""
        with torch.autocast(images.device.type, enabled=False):
            enter = projection(self.enter(wavelengths.reshape(-1, wavelengths.shape[-1])))
            enter = enter.expand(len(images), -1, -1)
            kinds = [(images - base).float() * CORRECTION_SCALE, images.float() * REFLECTANCE_SCALE]
            projected = [torch.einsum("nkb,ntbhw->tnkhw", enter, kind) for kind in kinds]
            since = relative_days(days.float().diff(dim=1, prepend=days[:, :1].float())).transpose(0, 1)
            mask = observed.float().transpose(0, 1).unsqueeze(2)
            return torch.cat([*projected, mask, since[..., None, None, None].expand_as(mask)], 2)

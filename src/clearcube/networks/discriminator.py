"""A spatio-temporal discriminator: whether the detail of each patch is as strong as if observed.

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
from clearcube.networks.detail import detail
from clearcube.networks.features import relative_days
from clearcube.networks.spectral import SpectralBasis, projection

PLAIN = 3
"""Inputs without bands: shares of observed pixels and of those to be judged, days since the previous date."""
CELL = 4
"""Pixels along the sides of the cells whose strength of detail it is shown."""
FLOOR = 0.002
"""Added to the strength of detail that detail is measured by; reflectance."""
FAINT = 0.1
"""Detail much weaker than this share of its usual strength counts as if it had this share."""
STRENGTH_SCALE = 4.0
"""Brings the logarithms of strengths, which differ by tenths, to the size of the other inputs."""


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Channels of the first layer, halvings of the cells' resolution, functions in the spectral basis.

    Raises
    ------
    InputError : a number is not positive.
    """

    width: int = 32
    halvings: int = 2
    basis: int = 8

    def __post_init__(self) -> None:
        if min(self.width, self.halvings, self.basis) < 1:
            raise InputError(f"the discriminator needs width, halvings and basis of at least 1, not {self}")


class PatchDiscriminator(nn.Module):
    """Patch scores along time, for any set of bands; every convolution is spectrally normalised.

    How strong detail is, cell by cell, is all that it is shown of the bands, beside the days since the date before and
    what was observed and is to be judged. What a date did as a whole, and which detail it had that no other date has,
    nothing tells where a date was not seen: asked for that, a generator can only invent. Asked for the strength, it
    makes the detail that it is sure of as strong as that of observations.
    """

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

    @property
    def patch(self) -> int:
        """Pixels along the sides of what one score stands for; heights and widths are multiples of it."""
        return int(CELL * 2**self.config.halvings)

    def forward(
        self, images: Tensor, base: Tensor, observed: Tensor, judged: Tensor, days: Tensor, wavelengths: Tensor
    ) -> Tensor:
        """Logits (N, T, H / patch, W / patch), large = looks observed.

        images : (N, T, B, H, W) finite reflectance: clear observations, or a fill. Either way with the same
            observed pixels elsewhere, so that only the looks of the rest can tell.
        base : (N, T, B, H, W) the interpolation that a fill starts from (`seq2seq.Output.base`); how strong its detail
            is decides the scale.
        observed : (N, T, H, W) bool, what the generator was given. judged : (N, T, H, W) bool, what is asked about;
            pixels of neither kind are left out.
        days : (N, T) ascending. wavelengths : (B,) or (N, B) in nm.
        """
        x = self._inputs(images, base, observed, judged, days, wavelengths)
        for layer in self.down:
            x = F.leaky_relu(each_frame(layer, x), 0.2)
        remembered = torch.cat([self.ahead.scan(x), self.back.scan(x.flip(0)).flip(0), x], 2)
        return each_frame(self.score, remembered).squeeze(2).transpose(0, 1)

    def _inputs(
        self, images: Tensor, base: Tensor, observed: Tensor, judged: Tensor, days: Tensor, wavelengths: Tensor
    ) -> Tensor:
        """(T, N, 2 basis + PLAIN, H / CELL, W / CELL)."""
        with torch.autocast(images.device.type, enabled=False):
            kinds = [kind.unsqueeze(2).float() for kind in (observed & ~judged, judged)]
            usual = (
                detail(base.float(), torch.ones_like(kinds[0])).square().mean((1, 3, 4), keepdim=True).sqrt() + FLOOR
            )
            enter = projection(self.enter(wavelengths.reshape(-1, wavelengths.shape[-1])))
            enter = enter.expand(len(images), -1, -1)
            strengths = [strength(images.float() / usual, kind) * STRENGTH_SCALE for kind in kinds]
            shown = [torch.einsum("nkb,ntbhw->tnkhw", enter, each) for each in strengths]
            since = relative_days(days.float().diff(dim=1, prepend=days[:, :1].float())).transpose(0, 1)
            shares = [_cells(kind).transpose(0, 1) for kind in kinds]
            return torch.cat([*shown, *shares, since[..., None, None, None].expand_as(shares[0])], 2)


def strength(images: Tensor, valid: Tensor) -> Tensor:
    """Logarithm of the root mean square of detail in each cell, (N, T, B, H / CELL, W / CELL); 0 without valid pixels.

    images : (N, T, B, H, W), usual strength 1. valid : (N, T, 1, H, W), 0 or 1.
    """
    share = _cells(valid)
    power = _cells(detail(images, valid).square()) / share.clamp(min=1e-6)
    return 0.5 * (power + FAINT**2).log() * (share > 0)


def _cells(maps: Tensor) -> Tensor:
    """Means over cells."""
    return torch.unflatten(F.avg_pool2d(maps.flatten(0, 1), CELL), 0, maps.shape[:2])

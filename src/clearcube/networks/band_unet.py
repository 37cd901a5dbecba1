"""A U-Net whose bands are not wired in: its first and last layers are made for the bands at hand."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearcube.networks.features import Series, relative_days
from clearcube.networks.initial import normal
from clearcube.networks.unet import SLOPE, UNet

MAP_SCALES = (25.0, 4.0, 10.0, 25.0, 25.0)
"""Bring the maps (anomaly, interpolation, difference, echo, smoother) to about unit size, within the first layer."""
PLAIN = 3
"""Number of maps without bands, for which see `plain`."""


class Situation(NamedTuple):
    """What holds for whole dates and samples: days and season (T, N[, 2]), spectral matrix (N or 1, size, B)."""

    days: Tensor
    season: Tensor
    enter: Tensor


class BandUNet(nn.Module):
    """Band-wise maps to band-wise maps: bands enter by the spectral matrix, at half resolution; a U-Net.

    All maps are `quartered`, so that the layers that see 2 x 2 pixels at once are products of matrices.
    """

    def __init__(
        self,
        kinds: int,
        channels: tuple[int, ...],
        hidden: tuple[int, ...],
        size: int,
        outputs: int,
        *,
        causal: bool = False,
    ) -> None:
        super().__init__()
        first = channels[0]
        scale = (kinds * size * 4) ** -0.5
        self.kinds = kinds
        self.of_bands = nn.Parameter(normal(scale, first, kinds * size, 2, 2))
        self.of_plain = nn.Parameter(normal(scale, first, PLAIN, 2, 2))
        self.of_season = nn.Linear(2, first)
        self.of_band_set = nn.Linear(size, first, bias=False)
        self.unet = UNet(channels, hidden, causal=causal)
        self.head_weight = nn.Parameter(torch.zeros(outputs, 4, first))
        self.head_bias = nn.Parameter(torch.zeros(outputs, 1, 1))

    def forward(self, maps: Tensor, valid: Tensor, at: Situation, weight: Tensor, bias: Tensor) -> Tensor:
        """(T, N, outputs, 4 h, w) float32 from maps (T, N, kinds x B + plain, 4 h, w), as `assembled` gives them.

        valid : (T, N, 1, 4 h, w) bool.
        weight, bias : of the last layer, ([N,] outputs, 4, channels) and ([N,] outputs, 1, 1).
        """
        share = torch.unflatten(valid, 3, (4, -1)).float().mean(3)
        squares = torch.unflatten(maps, 3, (4, -1)).flatten(2, 3).flatten(3)
        constant = self.of_season(at.season) + self.of_band_set(at.enter.sum(-1))
        x = F.leaky_relu(_product(self._stem(at.enter), squares, constant), SLOPE, inplace=True)
        x = self.unet(torch.unflatten(x, 3, share.shape[3:]), share, at.days)
        weight = weight.reshape(-1, *weight.shape[-3:]).flatten(1, 2)
        out = torch.unflatten((weight @ x.flatten(3)).float(), 2, (-1, 4))
        return torch.unflatten(out, 4, share.shape[3:]).flatten(3, 4).add_(bias)

    def _stem(self, enter: Tensor) -> Tensor:
        """Weights (N or 1, first, (kinds x B + plain) x 4) of the first layer for these bands."""
        with torch.autocast(enter.device.type, enabled=False):
            scales = enter.new_tensor(MAP_SCALES[: self.kinds])
            of_bands = torch.unflatten(self.of_bands, 1, (self.kinds, -1))
            of_bands = torch.einsum("ckqyx,k,nqb->nckbyx", of_bands, scales, enter).flatten(2, 3)
        return torch.cat([of_bands, self.of_plain.expand(len(enter), *self.of_plain.shape)], 2).flatten(2)


def _product(weight: Tensor, x: Tensor, constant: Tensor) -> Tensor:
    """(T, N, C', P), channels last in memory: weight (N or 1, C', C) times x (T, N, C, P), plus (T, N, C')."""
    each = weight.mT.expand(len(x), x.shape[1], -1, -1).flatten(0, 1)
    out = torch.baddbmm(constant.flatten(0, 1).unsqueeze(1), x.flatten(0, 1).mT, each)
    return torch.unflatten(out, 0, x.shape[:2]).mT


def quartered(images: Tensor) -> Tensor:
    """(T, N, C, 2 h, 2 w) as (T, N, C, 4 h, w): the four pixels of each square in four images, one below the other.

    What is computed pixel by pixel does not mind the order.
    """
    squares = torch.unflatten(torch.unflatten(images, 4, (-1, 2)), 3, (-1, 2))
    return squares.permute(0, 1, 2, 4, 6, 3, 5).flatten(3, 5)


def whole(quarters: Tensor) -> Tensor:
    """The images (T, N, C, 2 h, 2 w) that were `quartered`."""
    squares = torch.unflatten(quarters, 3, (2, 2, -1))
    return squares.permute(0, 1, 2, 5, 3, 6, 4).flatten(5, 6).flatten(3, 4)


def assembled(maps: list[Tensor]) -> Tensor:
    """Maps (T, N, each, H, W) side by side, in the type in which the network computes."""
    device = maps[0].device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else maps[0].dtype
    sizes = [part.shape[2] for part in maps]
    whole = maps[0].new_empty(*maps[0].shape[:2], sum(sizes), *maps[0].shape[3:], dtype=dtype)
    for part, place in zip(maps, torch.split_with_sizes(whole, sizes, 2), strict=True):
        place.copy_(part)
    return whole


def plain(s: Series) -> list[Tensor]:
    """Inputs without bands: valid, days to the previous and to the next valid date."""
    return [s.valid.float(), relative_days(s.before), relative_days(s.after)]

"""A U-Net whose bands are not wired in: its first and last layers are made for the bands at hand."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearcube.networks.convlstm import each_frame
from clearcube.networks.features import Series, relative_days
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
    """Band-wise maps to band-wise maps: bands enter by the spectral matrix, at half resolution; a U-Net."""

    def __init__(self, kinds: int, channels: tuple[int, ...], hidden: tuple[int, ...], size: int, outputs: int) -> None:
        super().__init__()
        first = channels[0]
        scale = (kinds * size * 4) ** -0.5
        self.kinds = kinds
        self.of_bands = nn.Parameter(torch.randn(first, kinds * size, 2, 2) * scale)
        self.of_plain = nn.Parameter(torch.randn(first, PLAIN, 2, 2) * scale)
        self.of_season = nn.Linear(2, first)
        self.of_band_set = nn.Linear(size, first, bias=False)
        self.unet = UNet(channels, hidden)
        self.head_weight = nn.Parameter(torch.zeros(outputs, 4, first))
        self.head_bias = nn.Parameter(torch.zeros(outputs, 1, 1))

    def forward(self, maps: Tensor, valid: Tensor, at: Situation, weight: Tensor, bias: Tensor) -> Tensor:
        """(T, N, outputs, H, W) float32 from maps (T, N, kinds x B + plain, H, W), as `assembled` gives them.

        weight, bias : of the last layer, ([N,] outputs, 4, channels) and ([N,] outputs, 1, 1).
        """
        x = _by_sample(maps, self._stem(at.enter), None, stride=2)
        constant = self.of_season(at.season) + self.of_band_set(at.enter.sum(-1))
        x = F.leaky_relu(x + constant[..., None, None], SLOPE, inplace=True)
        x = self.unet(x, valid, at.days)
        weight = weight.reshape(-1, *weight.shape[-3:]).flatten(1, 2)[..., None, None]
        bias = bias.reshape(-1, *bias.shape[-3:]).expand(-1, -1, 4, 1).flatten(1)
        out = _by_sample(x, weight, bias)
        return each_frame(lambda y: F.pixel_shuffle(y, 2).float(), out)

    def _stem(self, enter: Tensor) -> Tensor:
        """Weights (N or 1, first, kinds x B + plain, 2, 2) of the first layer for these bands."""
        with torch.autocast(enter.device.type, enabled=False):
            scales = enter.new_tensor(MAP_SCALES[: self.kinds])
            of_bands = torch.unflatten(self.of_bands, 1, (self.kinds, -1))
            of_bands = torch.einsum("ckqyx,k,nqb->nckbyx", of_bands, scales, enter).flatten(2, 3)
        return torch.cat([of_bands, self.of_plain.expand(len(enter), *self.of_plain.shape)], 2)


def _by_sample(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int = 1) -> Tensor:
    """Convolve (T, N, C, h, w) with one weight (1, ...) for all samples, or with each sample's own (N, ...)."""
    if len(weight) == 1:
        bias = None if bias is None else bias[0]
        return each_frame(lambda y: F.conv2d(y, weight[0], bias, stride), x)
    biases = [None] * len(weight) if bias is None else list(bias)
    each = zip(x.unbind(1), weight, biases, strict=True)
    return torch.stack([F.conv2d(part, w, b, stride) for part, w, b in each], 1)


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

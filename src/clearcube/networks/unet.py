"""A U-Net over frames whose coarser levels remember other dates."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearcube.networks.compiled_features import days_to_neighbours
from clearcube.networks.convlstm import BidirectionalConvLSTM, each_frame, pointwise
from clearcube.networks.features import NEVER_DAYS, relative_days
from clearcube.networks.initial import kaiming_

SLOPE = 0.1
"""Slope of the leaky rectifiers below zero."""
CONTEXT = 3
"""Inputs of a memory beside its features: share of valid pixels, days since and until a date that saw something."""


class UNet(nn.Module):
    """Features to features of the same shape; frames share weights, all dates of a level go through one call."""

    def __init__(self, channels: tuple[int, ...], hidden: tuple[int, ...], *, causal: bool = False) -> None:
        """`channels` of each level, fine to coarse; `hidden` of the memory of each level but the finest, 0 = none.

        causal : memories know of earlier dates alone.
        """
        super().__init__()
        coarser = (_Block(a, b, stride=2) for a, b in pairwise(channels))
        self.encoders = nn.ModuleList([_Block(channels[0], channels[0]), *coarser])
        self.memories = nn.ModuleList(
            Memory(c, h, causal=causal) if h else nn.Identity() for c, h in zip(channels[1:], hidden, strict=True)
        )
        self.lifts = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(channels))
        self.decoders = nn.ModuleList(_Block(c, c) for c in channels[:-1])

    def forward(self, features: Tensor, share: Tensor, days: Tensor) -> Tensor:
        """Features (T, N, C, h, w) from features of the same shape.

        share : (T, N, 1, h, w) of valid pixels. days : (T, N).
        """
        dates = features.shape[:2]
        x: Tensor = self.encoders[0](features.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        share = share.flatten(0, 1)
        skips = []
        for encoder, memory in zip(self.encoders[1:], self.memories, strict=True):
            skips.append(x)
            x, share = encoder(x), F.avg_pool2d(share, 2)
            if isinstance(memory, Memory):
                x = memory(x, torch.unflatten(share, 0, dates), days)
        for lift, decoder in zip(reversed(self.lifts), reversed(self.decoders), strict=True):
            x = decoder(F.interpolate(lift(x), scale_factor=2.0, mode="nearest").add_(skips.pop()))
        return torch.unflatten(x, 0, dates)


class Memory(nn.Module):
    """Adds to the features of each date what the earlier and the later ones tell."""

    def __init__(self, channels: int, hidden: int, *, causal: bool = False) -> None:
        super().__init__()
        directions = 1 if causal else 2
        self.causal = causal
        self.lstm = BidirectionalConvLSTM(channels + CONTEXT, hidden, directions)
        self.out = nn.Conv2d(directions * hidden, channels, 1)

    def forward(self, x: Tensor, share: Tensor, days: Tensor) -> Tensor:
        """Features (T N, C, h, w); `share` (T, N, 1, h, w) of valid pixels; `days` (T, N)."""
        with torch.no_grad():
            present = each_frame(lambda y: F.avg_pool2d(y, 3, stride=1, padding=1), share) > 0
            before, after = days_to_neighbours(present, days)
            after = torch.full_like(after, NEVER_DAYS) if self.causal else after
            context = torch.cat([share, relative_days(before), relative_days(after)], 2)
        # gates are split by channel, so this part runs with channels before pixels in memory
        sequence = torch.unflatten(x.contiguous(), 0, share.shape[:2])
        hidden: Tensor = self.lstm(torch.cat([sequence, context.to(x.dtype)], 2), present)
        return pointwise(self.out, hidden, channels_last=True).flatten(0, 1).add_(x)


class _Block(nn.Module):
    """Two 3x3 convolutions, the second one residual."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        for layer, times in ((self.first, 1.0), (self.second, 0.5)):  # no normalisation: the start keeps sizes
            kaiming_(layer.weight, SLOPE, times)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.first(x), SLOPE, inplace=True)
        more = F.leaky_relu(self.second(x), SLOPE, inplace=True)
        return x + more if torch.is_grad_enabled() else more.add_(x)  # gradients need `more` as it is

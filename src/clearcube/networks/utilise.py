"""U-TILISE to the letter: a U-Net over frames with attention over dates at its coarsest level.

References
----------
Stucker, Garnot, Schindler (2023), U-TILISE: a sequence-to-sequence model for cloud removal in optical satellite
image time series, IEEE TGRS, arXiv 2305.13277.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearcube.errors import InputError
from clearcube.networks.convlstm import each_frame
from clearcube.networks.padding import padded

HEADS = 4
KEYS = 4
MULTIPLE = 8
WINDOW = 10
STRIDE = 5


@dataclass(frozen=True)
class UtiliseConfig:
    """Number of bands and of channels (64 as published, twice as many at the coarsest level).

    Raises
    ------
    InputError : no band, or a width that is no multiple of 4.
    """

    bands: int = 4
    width: int = 64

    def __post_init__(self) -> None:
        if self.bands < 1 or self.width < HEADS or self.width % HEADS:
            raise InputError(f"utilise needs at least one band and a width that is a multiple of {HEADS}, not {self}")


def published_input(reflectance: Tensor, observed: Tensor) -> Tensor:
    """Reflectance (N, T, B, H, W) clipped to [0, 1], 1 where not observed (N, T, H, W), 0 where observed and NaN."""
    clipped = reflectance.nan_to_num(nan=0.0, posinf=1.0, neginf=0.0).clamp(0.0, 1.0)
    return torch.where(observed.unsqueeze(2), clipped, 1.0)


class Utilise(nn.Module):
    """Image series to image series of the same shape, values in (0, 1)."""

    def __init__(self, config: UtiliseConfig) -> None:
        super().__init__()
        self.config = config
        c = config.width
        self.in_conv = _Named(conv=_Convolutions((config.bands, c), (c, c)))
        self.down_blocks = nn.ModuleList([_Down(c, c), _Down(c, c), _Down(c, 2 * c)])
        self.up_blocks = nn.ModuleList([_Up(2 * c, c), _Up(c, c), _Up(c, c)])
        self.temporal_encoder = nn.ModuleList([_TemporalEncoder(2 * c)])
        self.out_conv = _Named(conv=_Convolutions((c, c), (c, config.bands), last=nn.Sigmoid()))

    def forward(self, images: Tensor, days: Tensor) -> Tensor:
        """Fill a series (N, T, bands, H, W) of `published_input`; any H, W, T; `days` (N, T) is the day of year."""
        height, width = images.shape[-2:]
        samples = images.shape[:2]
        features = [self.in_conv(padded(images.flatten(0, 1), MULTIPLE, 2 * MULTIPLE))]
        for down in self.down_blocks:
            features.append(down(features[-1]))
        x, attention = self.temporal_encoder[0](torch.unflatten(features.pop(), 0, samples), days)
        x = x.flatten(0, 1)
        for up in self.up_blocks:
            x = up(x, _aggregated(torch.unflatten(features.pop(), 0, samples), attention))
        out: Tensor = self.out_conv(x)
        return torch.unflatten(out[..., :height, :width], 0, samples)

    def fill(self, images: Tensor, days: Tensor) -> Tensor:
        """As `forward`, in windows of 10 dates every 5, joined where neighbouring windows disagree least."""
        starts = window_starts(images.shape[1])
        parts = [self(images[:, s : s + WINDOW], days[:, s : s + WINDOW]) for s in starts]
        return joined(parts, starts)


def window_starts(dates: int) -> list[int]:
    """First dates of windows of 10, 5 apart; the last one ends with the series.

    >>> window_starts(23)
    [0, 5, 10, 13]
    """
    last = max(dates - WINDOW, 0)
    return [*range(0, last, STRIDE), last]


def joined(parts: list[Tensor], starts: list[int]) -> Tensor:
    """One series (N, T, C, H, W) from windows; passes to the next at the common date where both differ least."""
    whole = parts[0]
    for part, start in zip(parts[1:], starts[1:], strict=True):
        common = whole.shape[1] - start
        disagreement = (whole[:, start:] - part[:, :common]).abs().mean(dim=(0, 2, 3, 4))
        cut = int(disagreement.argmin())
        whole = torch.cat([whole[:, : start + cut], part[:, cut:]], 1)
    return whole


class _Named(nn.Module):
    """A layer under the name that the published file gives it."""

    def __init__(self, **layer: nn.Module) -> None:
        super().__init__()
        ((self._layer, module),) = layer.items()
        self.add_module(self._layer, module)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.get_submodule(self._layer)(x)
        return out


class _Convolutions(_Named):
    """3x3 convolutions with reflected edges, each with a ReLU unless the last one has another end."""

    def __init__(self, *widths: tuple[int, int], last: nn.Module | None = None) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in widths:
            layers += [_conv(inputs, outputs, 3), nn.ReLU()]
        if last is not None:
            layers[-1] = last
        super().__init__(conv=nn.Sequential(*layers))


class _Down(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.down = _Named(conv=nn.Sequential(_conv(inputs, inputs, 4, stride=2), nn.ReLU()))
        self.conv1 = _Convolutions((inputs, outputs))
        self.conv2 = _Convolutions((outputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        first: Tensor = self.conv1(self.down(x))
        second: Tensor = self.conv2(first)
        return first + second


class _Up(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        point = nn.Sequential(nn.Conv2d(outputs, outputs, 1), nn.ReLU())
        self.skip_conv = _Named(conv=_Named(conv=point))
        self.up = _Named(convtrans=nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 2, stride=2), nn.ReLU()))
        self.conv1 = _Named(conv=_Convolutions((2 * outputs, outputs)))
        self.conv2 = _Named(conv=_Convolutions((outputs, outputs)))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.conv1(torch.cat([self.up(x), self.skip_conv(skip)], 1))
        more: Tensor = self.conv2(x)
        return x + more


class _Attention(nn.Module):
    """Attention of dates to dates, each pixel by itself; values are the input's own channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc_k = nn.Linear(channels, HEADS * KEYS, bias=False)
        self.fc_q = nn.Linear(channels, HEADS * KEYS, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted values (P, T, channels) and weights (P, heads, T, T) of x (P, T, channels)."""
        q, k, v = (_by_head(part) for part in (self.fc_q(x), self.fc_k(x), x))
        weights = (q @ k.transpose(-1, -2) / KEYS**0.5).softmax(-1)
        return (weights @ v).transpose(1, 2).flatten(2), weights


class _TemporalEncoder(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention_heads = _Attention(channels)
        self.norm1 = nn.GroupNorm(HEADS, channels)
        self.norm2 = nn.GroupNorm(HEADS, channels)
        self.mlp = nn.Sequential(nn.Linear(channels, channels), nn.GELU())

    def forward(self, images: Tensor, days: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, T, C, h, w) that know of each other, and the weights (N, heads, T, T, h, w)."""
        samples, dates, channels, height, width = images.shape
        x = images + positional_code(days, channels).to(images.dtype)[..., None, None]
        x = x.permute(0, 3, 4, 1, 2).reshape(-1, dates, channels)
        attended, weights = self.attention_heads(_per_date(self.norm1, x))
        h = x + attended
        h = h + self.mlp(_per_date(self.norm2, h))
        size = (samples, height, width)
        h, weights = torch.unflatten(h, 0, size), torch.unflatten(weights, 0, size)
        return h.permute(0, 3, 4, 1, 2), weights.permute(0, 3, 4, 5, 1, 2)


def positional_code(days: Tensor, channels: int) -> Tensor:
    """(N, T, channels): sines (even) and cosines (odd channels) of the days, the same for every head."""
    size = channels // HEADS
    c = torch.arange(size, device=days.device)
    period = 1000.0 ** (2 * (c // 2) / size)
    phase = days.float().unsqueeze(-1) / period
    return torch.where(c % 2 == 0, phase.sin(), phase.cos()).repeat(1, 1, HEADS)


def _by_head(x: Tensor) -> Tensor:
    """(P, T, heads x size) as (P, heads, T, size)."""
    return torch.unflatten(x, -1, (HEADS, -1)).transpose(1, 2)


def _per_date(norm: nn.Module, x: Tensor) -> Tensor:
    """Group norm over the channels of each row of (P, T, C) by itself."""
    return each_frame(norm, x)


def _aggregated(features: Tensor, attention: Tensor) -> Tensor:
    """Features (N, T, C, H, W) summed over dates with the attention of the coarsest level, as (N T, C, H, W)."""
    samples, dates, _, height, width = features.shape
    weights = F.interpolate(attention.flatten(1, 3), (height, width), mode="bilinear", align_corners=False)
    weights = weights.view(samples, HEADS, dates, dates, height, width)
    grouped = torch.unflatten(features, 2, (HEADS, -1))
    return torch.einsum("ngtshw,nsgchw->ntgchw", weights, grouped).flatten(2, 3).flatten(0, 1)


def _conv(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride, padding=1, padding_mode="reflect")

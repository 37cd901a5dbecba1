"""The published networks of GANFilling to the letter: names and shapes of their tensors are an interface.

The generator is causal, sees neither dates nor masks, and is given clouds as they are. As `frame2frame` (without
recurrence) it is the ablation that its paper sets sequence-to-sequence against.

References
----------
Gonzalez-Calabuig, Fernandez-Torres, Camps-Valls (2025), Generative networks for spatio-temporal gap filling of
Sentinel-2 reflectances, ISPRS J. 220, doi 10.1016/j.isprsjprs.2025.01.016.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearcube.errors import InputError
from clearcube.networks.convlstm import ConvLSTMCell, each_frame
from clearcube.networks.padding import padded

LEVELS = range(1, 8)
MULTIPLE = 2 ** len(LEVELS)


@dataclass(frozen=True)
class GanFillingConfig:
    """Width d (64 as published), number of bands, and whether state is carried in time (False = frame2frame).

    Raises
    ------
    InputError : a number is not positive.
    """

    width: int = 64
    bands: int = 4
    recurrent: bool = True

    def __post_init__(self) -> None:
        if min(self.width, self.bands) < 1:
            raise InputError(f"ganfilling needs a width and a number of bands of at least 1, not {self}")


def published_input(reflectance: Tensor) -> Tensor:
    """Reflectance as the published network takes it: clipped to [0, 1], NaN becomes 1 (as bright as cloud)."""
    return reflectance.nan_to_num(nan=1.0, posinf=1.0, neginf=0.0).clamp(0.0, 1.0)


class Generator(nn.Module):
    """Image series to image series of the same shape, values in [0, 1]."""

    def __init__(self, config: GanFillingConfig) -> None:
        super().__init__()
        self.config = config
        d, bands = config.width, config.bands
        down = [bands, d, 2 * d, 4 * d, 8 * d, 8 * d, 8 * d, 8 * d]
        up = [0, 8 * d, 8 * d, 8 * d, 4 * d, 2 * d, d, d]
        for k in LEVELS:
            self.add_module(f"conv{k}", nn.Conv2d(down[k - 1], down[k], 3, stride=2, padding=1))
        for k in LEVELS:
            skip = down[8 - k]
            self.add_module(f"conv_lstm_d{k}", ConvLSTMCell(up[k - 1] + skip, up[k]))
        for k in LEVELS:  # the seventh exists in the published file and is never used
            self.add_module(f"conv_lstm_e{k}", ConvLSTMCell(down[k], down[k]))
        self.conv_out = nn.Conv2d(d, bands, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Fill a series (N, bands, H, W, T) of `published_input`; any H, W, T. Gives the same shape."""
        height, width = images.shape[2:4]
        sequence = padded(images.permute(4, 0, 1, 2, 3), MULTIPLE)
        return self._fill(sequence)[..., :height, :width].permute(1, 2, 3, 4, 0)

    def _fill(self, x: Tensor) -> Tensor:
        """The same for (T, N, bands, H, W), H and W multiples of 128."""
        skips = []
        for k in LEVELS:
            skips.append(self._each(f"conv{k}", F.leaky_relu(x, 0.2) if k > 1 else x))
            if k < LEVELS[-1]:
                x = self._along_time(f"conv_lstm_e{k}", skips[-1])
        x = self._along_time("conv_lstm_d1", F.relu(skips.pop()))
        for k in LEVELS[1:]:
            x = self._along_time(f"conv_lstm_d{k}", F.relu(torch.cat([_doubled(x), skips.pop()], 2)))
        return self._each("conv_out", _doubled(x)).tanh().clamp(0.0, 1.0)

    def _each(self, name: str, x: Tensor) -> Tensor:
        return each_frame(self.get_submodule(name), x)

    def _along_time(self, name: str, x: Tensor) -> Tensor:
        cell = self.get_submodule(name)
        assert isinstance(cell, ConvLSTMCell)
        return cell.scan(x) if self.config.recurrent else cell.each_alone(x)


class Discriminator(nn.Module):
    """Patch scores of a series: how real each neighbourhood looks at each date."""

    def __init__(self, config: GanFillingConfig) -> None:
        super().__init__()
        self.config = config
        d = config.width
        self.conv1 = nn.Conv2d(config.bands, d, 4, stride=2, padding=1)
        self.conv2 = nn.Conv2d(d, 2 * d, 4, stride=2, padding=1)
        self.conv2_bn = nn.InstanceNorm2d(2 * d, affine=True)  # batch norm whose batch is one frame
        self.conv3 = nn.Conv2d(2 * d, 4 * d, 4, stride=2, padding=1)
        self.conv3_bn = nn.InstanceNorm2d(4 * d, affine=True)
        self.conv4_lstm = ConvLSTMCell(4 * d, 4 * d)
        self.conv4 = nn.Conv2d(4 * d, 8 * d, 4, padding=1)
        self.conv4_bn = nn.InstanceNorm2d(8 * d, affine=True)
        self.conv5_lstm = ConvLSTMCell(8 * d, 8 * d)
        self.conv5 = nn.Conv2d(8 * d, 1, 4, padding=1)
        self.conv_fusion = nn.Conv2d(4, 1, 1)  # exists in the published file and is never used

    def forward(self, images: Tensor) -> Tensor:
        """Scores (N, h/8 - 2, w/8 - 2, T) in (0, 1), 1 = real, of a series (N, bands, h, w, T)."""
        sequence = images.permute(4, 0, 1, 2, 3)
        x = F.leaky_relu(each_frame(self.conv1, sequence), 0.2)
        x = F.leaky_relu(each_frame(lambda y: self.conv2_bn(self.conv2(y)), x), 0.2)
        x = F.leaky_relu(each_frame(lambda y: self.conv3_bn(self.conv3(y)), x), 0.2)
        x = self.conv4_lstm.scan(x)
        x = F.leaky_relu(each_frame(lambda y: self.conv4_bn(self.conv4(y)), x), 0.2)
        x = self.conv5_lstm.scan(x)
        x = F.leaky_relu(each_frame(self.conv5, x), 0.2).sigmoid()
        return x.squeeze(2).permute(1, 2, 3, 0)


def initialise(network: nn.Module) -> None:
    """The published start: convolutions from N(0, 0.02), biases zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _doubled(x: Tensor) -> Tensor:
    """Nearest upsampling by 2 of (T, N, C, h, w)."""
    return each_frame(lambda y: F.interpolate(y, scale_factor=2.0, mode="nearest"), x)

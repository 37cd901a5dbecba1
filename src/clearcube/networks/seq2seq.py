"""The sequence-to-sequence generator: a bidirectional ConvLSTM U-Net that corrects interpolation in time.

Two looks: a light network judges from the leave-one-out anomalies which observed pixels are contaminated; the fill
then starts from the interpolation of the ones that it believes. Any bands, dates and size from one set of weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from clearcube.errors import InputError
from clearcube.networks import features
from clearcube.networks.band_unet import BandUNet, Situation, assembled, plain, quartered, whole
from clearcube.networks.compiled_features import offers, series, sharper
from clearcube.networks.features import YEAR_DAYS, Offers, Series, series_so_far
from clearcube.networks.padding import padded
from clearcube.networks.spectral import SpectralBasis, projection

MOST_LEVELS = 7
"""Halvings of the frame that anybody needs; each doubles what small frames are padded to."""
RESIDUAL_SCALE = 25.0
PLAIN_REFLECTANCE = 0.16
"""Brings reflectance to about the size of the anomalies in whose place it stands."""
START_LOG_STD = -4.0
LOG_STD_LIMITS = (-7.0, 0.0)
START_CONTAMINATION = -3.0
"""Logit before any training: 5 % of the observed pixels are contaminated."""


@dataclass(frozen=True)
class Seq2SeqConfig:
    """Sizes of the network.

    channels : of each level of the U-Net, fine to coarse; the finest works at half resolution.
    hidden : of the ConvLSTM, each way in time, at the levels from the second on; 0 = none there.
    look_channels, look_hidden : the same for the first look.
    basis : functions in the spectral basis.
    smoother_days : scale of the local linear fit that is offered beside the interpolation.
    disbelief : probability of contamination from which an observed pixel is kept out of the interpolation.
    causal : each date is estimated from it and earlier ones; interpolation holds the last value.
    masks : it is told which pixels are observed, and how many days away their neighbours in time are; if not, only its
        std knows the days.
    anomalies : it is told the anomalies of observations; if not, their reflectance instead.
    sharpened : the detail of the estimate is made stronger by a learned share, for each wavelength its own. `log_std`
        is what it would be without.

    `causal`, `masks` and `anomalies` are there to find out what each is worth.

    Raises
    ------
    InputError : sizes that do not fit together.
    """

    channels: tuple[int, ...] = (32, 48, 64, 64)
    hidden: tuple[int, ...] = (16, 32, 48)
    look_channels: tuple[int, ...] = (16, 24, 32)
    look_hidden: tuple[int, ...] = (0, 16)
    basis: int = 8
    smoother_days: float = 15.0
    disbelief: float = 0.5
    causal: bool = False
    masks: bool = True
    anomalies: bool = True
    sharpened: bool = False

    def __post_init__(self) -> None:
        for channels, hidden in ((self.channels, self.hidden), (self.look_channels, self.look_hidden)):
            if len(hidden) != len(channels) - 1 or min(channels) < 1 or min(hidden, default=0) < 0:
                raise InputError(
                    "seq2seq needs a positive number of channels for each level and a number of hidden channels for "
                    f"each level but the finest; channels are {channels}, hidden are {hidden}"
                )
            if len(channels) > MOST_LEVELS:
                raise InputError(f"seq2seq has at most {MOST_LEVELS} levels; channels are {channels}")
        if self.basis < 1 or self.smoother_days <= 0 or not 0 < self.disbelief <= 1:
            raise InputError(f"seq2seq needs basis >= 1, smoother_days > 0 and disbelief in (0, 1], not {self}")

    @property
    def multiple(self) -> int:
        """Heights and widths are padded to multiples of this; windows agree if they start at multiples of it."""
        return int(2 ** max(len(self.channels), len(self.look_channels)))

    @property
    def halo(self) -> int:
        """Pixels around a window that matter most to it.

        The memory carries maps from date to date, so the field of view has no end, but its influence fades. What lies
        beyond 80 pixels moves no value of a trained network by more than 1e-3 in reflectance; what lies beyond these 32
        moves one in twenty by more, and single ones by up to 0.1 (`benchmarks/bench_seams.py`). A halo of 80 would cost
        several times as much. So whoever fills in windows lays them on a grid of the frame, and they agree.
        """
        return 2 * self.multiple


@dataclass(frozen=True)
class Output:
    """What the network says of each pixel and date.

    mean : (N, T, B, H, W) reflectance; the given value where observed and believed (in training mode mixed with the
        estimate by the probability of contamination, so that the judgement learns from it too).
    log_std : (N, T, B, H, W) logarithm of the standard deviation of the error of the estimate.
    contamination_logit : (N, T, H, W), meaningful where observed.
    base : (N, T, B, H, W) linear interpolation by date of the believed observations, ends held; pixels without any
        have the mean of the others at that date.
    estimate : (N, T, B, H, W) reflectance as if the pixel had not been observed on this date: equals `mean` where it
        was not. Elsewhere the network has seen the value, through its anomaly.
    believed : (N, T, H, W) bool, observed and not judged contaminated (or the pixel would have nothing left).
    """

    mean: Tensor
    log_std: Tensor
    contamination_logit: Tensor
    base: Tensor
    estimate: Tensor
    believed: Tensor

    @property
    def std(self) -> Tensor:
        """(N, T, B, H, W) standard deviation of the error, unit of reflectance."""
        return self.log_std.exp()


class Seq2Seq(nn.Module):
    """Fills image time series of any length, size and set of optical bands."""

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        self.config = config
        size = config.basis
        self.enter, self.leave, self.spread = (SpectralBasis(size) for _ in range(3))
        self.look = BandUNet(3, config.look_channels, config.look_hidden, size, 1, causal=config.causal)
        self.fill = BandUNet(5, config.channels, config.hidden, size, 2 * size + 2, causal=config.causal)
        self.spread_by_gap = nn.Linear(2, size, bias=False)
        nn.init.zeros_(self.spread_by_gap.weight)
        self.sharpening = nn.Linear(size, 1, bias=False) if config.sharpened else None
        if self.sharpening is not None:
            nn.init.zeros_(self.sharpening.weight)
        with torch.no_grad():
            self.look.head_bias.fill_(START_CONTAMINATION)

    def forward(
        self,
        reflectance: Tensor,
        observed: Tensor,
        days: Tensor,
        day_of_year: Tensor,
        wavelengths: Tensor,
        *,
        disbelief: float | None = None,
    ) -> Output:
        """Estimate every pixel and date.

        Parameters
        ----------
        reflectance : (N, T, B, H, W), unit 1. Values that are not observed, or NaN in a band, have no influence.
        observed : (N, T, H, W) bool, True = usable.
        days : (N, T) ascending days since any origin; spacing is free.
        day_of_year : (N, T), 1 to 366.
        wavelengths : (B,) or (N, B) centre wavelengths in nm.
        disbelief : instead of the configured probability; 1 believes every observed pixel.
        """
        height, width = reflectance.shape[-2:]
        with torch.no_grad(), torch.autocast(reflectance.device.type, enabled=False):
            values = reflectance.float()
            known = (observed & values.sum(2).isfinite()).unsqueeze(2)
            values, observed = (
                quartered(padded(part.transpose(0, 1), self.config.multiple)) for part in (values, known)
            )
            first = self._series(values, observed, _origin(days))
        with torch.autocast(reflectance.device.type, enabled=False):
            wavelengths = wavelengths.reshape(-1, wavelengths.shape[-1])
            situation = Situation(_origin(days), _season(day_of_year), projection(self.enter(wavelengths)))
        logit = self._judge(first, situation)
        threshold = self.config.disbelief if disbelief is None else disbelief
        believed = observed & (logit.detach().sigmoid() <= threshold)
        left = believed.cumsum(0) > 0 if self.config.causal else believed.any(0)
        believed |= observed & ~left  # a pixel that would have nothing left keeps what it has
        alike = threshold >= 1 or torch.equal(believed, observed)
        second = first if alike else self._series(first.values, believed, situation.days)
        return self._fill(first, second, logit, situation, wavelengths, (height, width))

    def _series(self, values: Tensor, valid: Tensor, days: Tensor) -> Series:
        """What is known of each pixel's series: its earlier dates, or all."""
        with torch.no_grad():
            return (series_so_far if self.config.causal else series)(values, valid, days)

    def _told(self, s: Series, *more: Tensor) -> tuple[Tensor, Tensor]:
        """What a look is told: its maps (T, N, kinds x B + plain, 4 h, w), and which pixels are valid."""
        seen = s.anomaly if self.config.anomalies else s.values * PLAIN_REFLECTANCE
        flat, valid = plain(s), s.valid
        if not self.config.masks:
            flat, valid = [torch.zeros_like(each) for each in flat], torch.ones_like(valid)
        return assembled([seen, s.interpolation, s.difference, *more, *flat]), valid

    def _offers(self, s: Series, days: Tensor) -> Offers:
        """What stands ready beside the interpolation."""
        s = s if self.config.anomalies else replace(s, anomaly=torch.zeros_like(s.anomaly))
        if self.config.causal:
            return features.offers(s, days, self.config.smoother_days, causal=True)
        return offers(s, days, self.config.smoother_days)

    def _judge(self, s: Series, situation: Situation) -> Tensor:
        """First look: logit of contamination (T, N, 1, 4 h, w)."""
        logit: Tensor = self.look(*self._told(s), situation, self.look.head_weight, self.look.head_bias)
        return logit

    def _fill(
        self,
        first: Series,
        s: Series,
        logit: Tensor,
        situation: Situation,
        wavelengths: Tensor,
        size: tuple[int, int],
    ) -> Output:
        """Second look: correct the interpolation `s` of what is believed, in frames that are cropped to this size."""
        bands = s.values.shape[2]
        with torch.no_grad(), torch.autocast(s.values.device.type, enabled=False):
            shared_error, line, interpolation, base = self._offers(s, situation.days)
        with torch.autocast(s.values.device.type, enabled=False):
            weight, bias = self._head(wavelengths)
        out = self.fill(*self._told(s, shared_error, line), situation, weight, bias)
        residual, log_std, blend = torch.split_with_sizes(out, [bands, bands, 2], 2)
        estimate = torch.addcmul(interpolation + residual, blend[:, :, :1], shared_error)
        estimate = torch.addcmul(estimate, blend[:, :, 1:], line)
        log_std = self._spread_by_gap(s, wavelengths, log_std).clamp(*LOG_STD_LIMITS)

        def frames(quarters: Tensor) -> Tensor:
            return whole(quarters)[..., : size[0], : size[1]]

        estimate, log_std, logit, base = map(frames, (estimate, log_std, logit, base))  # keeps none of the quarters
        values, believed = frames(s.values), frames(s.valid)
        estimate = self._sharpened(estimate, wavelengths)
        mean = torch.lerp(estimate, values, believed.float())  # to the bit `where`, in a tenth of the time
        if self.training:
            known, seen = frames(first.valid), frames(first.values)
            mean = torch.where(known, torch.lerp(seen, estimate, logit.sigmoid()), estimate)
        ordered = (part.transpose(0, 1) for part in (mean, log_std, logit, base, estimate, believed))
        mean, log_std, logit, base, estimate, believed = ordered
        return Output(mean, log_std, logit.squeeze(2), base, estimate, believed.squeeze(2))

    def _sharpened(self, estimate: Tensor, wavelengths: Tensor) -> Tensor:
        """The estimate with stronger detail; in training where the share learns, so that nothing else undoes it."""
        if self.sharpening is None or (self.training and not self.sharpening.weight.requires_grad):
            return estimate
        with torch.autocast(estimate.device.type, enabled=False):
            return sharper(estimate, self.sharpening(self.leave(wavelengths)).squeeze(2))

    def _head(self, wavelengths: Tensor) -> tuple[Tensor, Tensor]:
        """The last layer for these bands: residual and log std of each, two weights of the offered smoothers."""
        size = self.config.basis
        leave, spread = self.leave(wavelengths) / RESIDUAL_SCALE, self.spread(wavelengths)

        def combined(coefficients: Tensor) -> Tensor:
            residual, log_std, blend = torch.split_with_sizes(coefficients, [size, size, 2])
            parts = [_combine(leave, residual), _combine(spread, log_std)]
            return torch.cat([*parts, blend.expand(len(leave), *blend.shape)], 1)

        bias = combined(self.fill.head_bias)
        bands = leave.shape[1]
        start = torch.zeros_like(bias)
        start[:, bands : 2 * bands] = START_LOG_STD
        return combined(self.fill.head_weight), bias + start

    def _spread_by_gap(self, s: Series, wavelengths: Tensor, log_std: Tensor) -> Tensor:
        """(T, N, B, 4 h, w): log std with what the days to the nearer and to the farther neighbour add to it."""
        near, far = torch.minimum(s.before, s.after).log1p(), torch.maximum(s.before, s.after).log1p()
        with torch.autocast(s.values.device.type, enabled=False):
            slopes = self.spread(wavelengths) @ self.spread_by_gap.weight / 4  # (N or 1, B, 2)
        near_slope, far_slope = slopes[..., None, None].unbind(2)
        return torch.addcmul(torch.addcmul(log_std, near, near_slope), far, far_slope)


def _combine(basis: Tensor, coefficients: Tensor) -> Tensor:
    """(N, B, size) and (size, ...) to (N, B, ...)."""
    return torch.einsum("nbk,k...->nb...", basis, coefficients)


def _origin(days: Tensor) -> Tensor:
    """(N, T) days as (T, N) float32 since each sample's first date."""
    return (days - days[:, :1]).float().transpose(0, 1)


def _season(day_of_year: Tensor) -> Tensor:
    """Sine and cosine of the season, (T, N, 2)."""
    phase = day_of_year.float().transpose(0, 1) * (2 * torch.pi / YEAR_DAYS)
    return torch.stack([phase.sin(), phase.cos()], -1)

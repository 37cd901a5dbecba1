"""The forecaster: ConvLSTMs read the context, others carry it on from step to step; a residual over persistence.

It works on two grids: one of half and one of a quarter of the resolution. Steps of the forecast are regular (five
days) whatever the dates of the context are; dates in between are interpolated, so dates that are asked for do not
change each other.

References
----------
Shi et al. (2015), Convolutional LSTM network, arXiv 1506.04214; Requena-Mesa et al. (2021), EarthNet2021,
arXiv 2104.10066, for the task.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearcube.errors import InputError
from clearcube.networks.convlstm import State, each_frame, step
from clearcube.networks.features import YEAR_DAYS
from clearcube.networks.padding import padded

LOG_STD_LIMITS = (-5.0, 0.0)
START_LOG_STD = -2.0
FALLBACK_NDVI = 0.4
"""Persistence where nothing at all is given."""
MULTIPLE = 4
"""Heights and widths are padded to multiples of this."""
SPATIAL, STATIC = 6, 8
"""Maps of each date of the context, and those that every step of the forecast is made with at full resolution."""
FULL, MIXED = 8, 24
"""Channels at full resolution: of each step, and of steps and static maps together."""
RECENT_DAYS = (12.0, 30.0)
"""Time scales of the recent past that the base is compared with."""


@dataclass(frozen=True)
class ForecastConfig:
    """Sizes of the network.

    fine, coarse : hidden channels on the finer and on the coarser grid; time : of what is told about dates.
    step_days, steps : of the forecast; their product is the horizon in days.
    weather : number of weather variables; 0 = it does not use weather. elevation : whether it is given a terrain model.

    Raises
    ------
    InputError : a size that cannot be.
    """

    fine: int = 32
    coarse: int = 64
    time: int = 24
    step_days: int = 5
    steps: int = 20
    weather: int = 0
    elevation: bool = False

    def __post_init__(self) -> None:
        if min(self.fine, self.coarse, self.time, self.step_days, self.steps) < 1 or self.weather < 0:
            raise InputError(f"the forecaster needs positive sizes, not {self}")

    @property
    def horizon(self) -> int:
        """Days that it can look ahead."""
        return self.step_days * self.steps

    @property
    def halo(self) -> int:
        """Pixels around a window from which on its surroundings count for little."""
        return 32


class Context(NamedTuple):
    """What is known, as tensors; N samples, T dates.

    red_nir : (N, T, 2, H, W) reflectance, 0 where not given. given, observed : (N, T, H, W) bool.
    days : (N, T) up to the last date of the context, at most 0. day_of_year : (N,) of the last date.
    weather : (N, T + steps, V) as scaled by `forecasting.weather`, of the days up to each date and of each step;
        None for a network without weather. elevation : (N, H, W) in hundreds of metres about the mean; or None.
    """

    red_nir: Tensor
    given: Tensor
    observed: Tensor
    days: Tensor
    day_of_year: Tensor
    weather: Tensor | None = None
    elevation: Tensor | None = None


class Steps(NamedTuple):
    """A forecast: base (N, H, W) persistence; mean, log_std (N, steps, H, W) at the end of each step."""

    base: Tensor
    mean: Tensor
    log_std: Tensor


class Carrier(nn.Module):
    """A ConvLSTM whose inputs' share of the gates is made for all dates at once; forget gates begin near 0.73."""

    def __init__(self, inputs: int, scalars: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.of_input = nn.Conv2d(inputs, 4 * hidden, 1, bias=False) if inputs else None
        self.of_time = nn.Linear(scalars, 4 * hidden)
        self.of_hidden = nn.Conv2d(hidden, 4 * hidden, 3, padding=1, bias=False)
        with torch.no_grad():
            self.of_time.bias[hidden : 2 * hidden] += 1.0

    def forward(self, maps: Tensor | None, scalars: Tensor, state: State) -> tuple[Tensor, State]:
        """Hidden maps (T, N, hidden, h, w) and the last state.

        maps : (T, N, inputs, h, w) or None. scalars : (T, N, scalars).
        """
        gates = self.of_time(scalars)[..., None, None]
        if self.of_input is not None and maps is not None:
            gates = gates + each_frame(self.of_input, maps)
        hidden = []
        for given in gates:
            state = step(given + self.of_hidden(state.h), state.c)
            hidden.append(state.h)
        return torch.stack(hidden), state

    def start(self, like: Tensor) -> State:
        """Zeros for maps (T, N, channels, h, w)."""
        zeros = like.new_zeros(like.shape[1], self.hidden, *like.shape[3:])
        return State(zeros, zeros)


class ForecastNet(nn.Module):
    """Forecasts NDVI at the end of each step after a context."""

    def __init__(self, config: ForecastConfig) -> None:
        super().__init__()
        self.config = config
        scalars = 4 + config.weather
        self.of_date = nn.Sequential(nn.Linear(scalars, config.time), nn.SiLU())
        self.of_step = nn.Sequential(nn.Linear(scalars, config.time), nn.SiLU())
        self.stem = nn.Conv2d(4 * (SPATIAL + config.elevation), config.fine, 3, padding=1)
        self.read_fine = Carrier(config.fine, config.time, config.fine)
        self.read_coarse = Carrier(config.fine, config.time, config.coarse)
        self.carry_coarse = Carrier(0, config.time, config.coarse)
        self.carry_fine = Carrier(config.coarse, config.time, config.fine)
        self.head = nn.Conv2d(config.fine, 4 * FULL, 3, padding=1)
        self.mix = nn.Conv2d(FULL + STATIC, MIXED, 1)
        self.out = nn.Conv2d(MIXED, 2 + STATIC, 1)
        with torch.no_grad():
            assert self.out.bias is not None
            self.out.weight.mul_(0.1)
            self.out.bias.zero_()[1] = START_LOG_STD

    def forward(self, context: Context) -> Steps:
        """The forecast at the end of each step."""
        height, width = context.given.shape[-2:]
        context = enlarged(context)
        ndvi = ndvi_given(context)
        base = persistence(ndvi, context.given)
        maps = self._maps(context, ndvi, base)
        dates, steps = self._scalars(context)
        fine, fine_state = self.read_fine(maps, dates, self.read_fine.start(maps))
        pooled = each_frame(lambda x: F.avg_pool2d(x, 2), fine)
        _, coarse_state = self.read_coarse(pooled, dates, self.read_coarse.start(pooled))
        coarse, _ = self.carry_coarse(None, steps, coarse_state)
        grown = each_frame(lambda x: F.interpolate(x, scale_factor=2.0, mode="nearest"), coarse)
        fine, _ = self.carry_fine(grown, steps, fine_state)
        residual, log_std = self._finished(fine, static_maps(ndvi, context, base))
        inside = (..., slice(height), slice(width))
        return Steps(base[inside].float(), (base.unsqueeze(1) + residual)[inside].float(), log_std[inside].float())

    def _maps(self, context: Context, ndvi: Tensor, base: Tensor) -> Tensor:
        """What each date shows, (T, N, fine, H / 2, W / 2).

        The given values, 0 where there are none, and two masks: where a value is given, where one was observed.
        """
        given, observed = context.given.float(), (context.observed & context.given).float()
        anomaly = 4 * (ndvi - base.unsqueeze(1)) * given
        red, infrared = (context.red_nir * given.unsqueeze(2)).unbind(2)
        parts = [anomaly, 2 * ndvi, 5 * red, 2 * infrared, given, observed]
        if self.config.elevation:
            level = context.elevation if context.elevation is not None else torch.zeros_like(base)
            parts.append(level.unsqueeze(1).expand_as(ndvi))
        maps = torch.stack(parts, 2).transpose(0, 1)
        return each_frame(lambda x: F.silu(self.stem(F.pixel_unshuffle(x, 2))), maps)

    def _scalars(self, context: Context) -> tuple[Tensor, Tensor]:
        """What is told of the dates (T, N, time) and of the steps (steps, N, time)."""
        leads = self.config.step_days * (1 + torch.arange(self.config.steps, device=context.days.device))
        days = torch.cat([context.days, leads.to(context.days).expand(len(context.days), -1)], 1)
        season = 2 * torch.pi * (context.day_of_year.unsqueeze(1) + days) / YEAR_DAYS
        gap = torch.diff(days, dim=1, prepend=days[:, :1] - self.config.step_days)
        told = [season.sin(), season.cos(), days / 50, gap / 10]
        if self.config.weather:
            assert context.weather is not None, "a network with weather is given weather"
            told.extend(context.weather.unbind(2))
        scalars = torch.stack(told, 2).transpose(0, 1)
        dates = context.days.shape[1]
        return self.of_date(scalars[:dates]), self.of_step(scalars[dates:])

    def _finished(self, fine: Tensor, static: Tensor) -> tuple[Tensor, Tensor]:
        """Residual and log of the std, (N, steps, H, W) each, from hidden maps and static ones (N, STATIC, H, W).

        The residual is linear in the static maps, with coefficients that differ from step to step and pixel to pixel.
        """
        full = each_frame(lambda x: F.pixel_shuffle(F.silu(self.head(x)), 2), fine)
        both = torch.cat([full, static.unsqueeze(0).expand(len(full), -1, -1, -1, -1)], 2)
        out = each_frame(lambda x: self.out(F.silu(self.mix(x))), both).transpose(0, 1)
        residual = out[:, :, 0] + (out[:, :, 2:] * static.unsqueeze(1)).sum(2)
        return residual, out[:, :, 1].float().clamp(*LOG_STD_LIMITS)


def ndvi_given(context: Context) -> Tensor:
    """NDVI (N, T, H, W), clipped to [-1, 1], 0 where not given or without light."""
    red, infrared = context.red_nir.unbind(2)
    total = red + infrared
    lit = context.given & (total > 0)
    return torch.where(lit, (infrared - red) / torch.where(lit, total, 1.0), 0.0).clamp(-1, 1)


def persistence(ndvi: Tensor, given: Tensor) -> Tensor:
    """The last given NDVI of each pixel, (N, H, W); of pixels without any, the mean of the others."""
    last = given.shape[1] - 1 - given.flip(1).to(torch.uint8).argmax(1)
    known = given.any(1)
    value = torch.where(known, ndvi.gather(1, last.unsqueeze(1)).squeeze(1), 0.0)
    count = known.sum((1, 2), keepdim=True)
    mean = value.sum((1, 2), keepdim=True) / count.clamp(min=1)
    return torch.where(known, value, torch.where(count > 0, mean, FALLBACK_NDVI))


def static_maps(ndvi: Tensor, context: Context, base: Tensor) -> Tensor:
    """What every step knows of a pixel, (N, STATIC, H, W).

    Its base, and how that lies to the recent past of what is given; of its observations how the base lies to their
    mean, their range, their share, how the last one lies to the base, and how long ago it was. 0 where a pixel was
    never observed.
    """
    observed = context.observed & context.given
    seen, count = observed.any(1), observed.sum(1).clamp(min=1)
    mean = torch.where(observed, ndvi, 0.0).sum(1) / count
    low, high = torch.where(observed, ndvi, 1.0).amin(1), torch.where(observed, ndvi, -1.0).amax(1)
    last = persistence(ndvi, observed)
    age = torch.where(observed, -context.days[..., None, None], 100.0).amin(1)
    of_observations = [4 * (base - mean), 2 * (high - low), observed.float().mean(1), 4 * (last - base), age / 50]
    departures = [4 * (base - recent(ndvi, context, base, scale)) for scale in RECENT_DAYS]
    return torch.stack([2 * base, *departures, *(torch.where(seen, each, 0.0) for each in of_observations)], 1)


def recent(ndvi: Tensor, context: Context, base: Tensor, scale: float) -> Tensor:
    """Mean of a pixel's given NDVI, (N, H, W), weighted by exp(- days ago / scale); the base where none is given."""
    weight = context.given * torch.exp(context.days / scale)[..., None, None]
    total = weight.sum(1)
    return torch.where(total > 0, (weight * ndvi).sum(1) / torch.where(total > 0, total, 1.0), base)


def enlarged(context: Context) -> Context:
    """The context with edges repeated until height and width are multiples of `MULTIPLE`."""
    return context._replace(
        red_nir=padded(context.red_nir, MULTIPLE),
        given=padded(context.given, MULTIPLE),
        observed=padded(context.observed, MULTIPLE),
        elevation=None if context.elevation is None else padded(context.elevation, MULTIPLE),
    )


def at_leads(steps: Steps, leads: Tensor, step_days: int) -> tuple[Tensor, Tensor]:
    """Mean and log of the std, (N, L, H, W) each, at leads (N, L) in days, linear between the ends of steps.

    Before the end of the first step the mean comes from persistence, and the std is that of the first step. Leads
    beyond the horizon are the caller's mistake.
    """
    mean = torch.cat([steps.base.unsqueeze(1), steps.mean], 1)
    log_std = torch.cat([steps.log_std[:, :1], steps.log_std], 1)
    place = leads / step_days
    low = place.floor().clamp(0, mean.shape[1] - 2)
    weight = (place - low)[..., None, None].to(mean.dtype)
    index = low.long()[..., None, None].expand(-1, -1, *mean.shape[2:])

    def between(series: Tensor) -> Tensor:
        before, after = series.gather(1, index), series.gather(1, index + 1)
        return before + weight * (after - before)

    return between(mean), between(log_std)

"""What the network is told about each pixel and date. Everything here is time-major: (T, N, ..., H, W).

Hidden values have no influence: values are taken where `valid` and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

YEAR_DAYS = 365.25
"""Period of the season that networks are told."""
CAP_DAYS = 60.0
NEVER_DAYS = 1e6
"""Days to an observation that does not exist."""
LARGEST_ANOMALY = 0.3
SUPPORT = 0.1
"""Weight of the assumption that the smoother agrees with the interpolation; one near observation weighs 1."""


@dataclass(frozen=True)
class Series:
    """Observed values and what interpolation makes of each pixel's *other* observations.

    values : (T, N, B, H, W) reflectance where valid, else 0.
    valid : (T, N, 1, H, W) bool.
    before, after : (T, N, 1, H, W) days to the previous and to the next valid date of the pixel, `NEVER_DAYS` if none.
    interpolation : (T, N, B, H, W) linear by date between these two, whether or not the date itself is valid (so it
        is the leave-one-out interpolation where it is); holds the only one at the ends; 0 where the pixel has none.
    difference : (T, N, B, H, W) the next less the previous, 0 where one of them is missing.
    anomaly : (T, N, B, H, W) value less interpolation where both exist, else 0; at most `LARGEST_ANOMALY` in size.
    position : (T, N, 1, H, W) in [0, 1], how far the date is from the previous towards the next.
    """

    values: Tensor
    valid: Tensor
    before: Tensor
    after: Tensor
    interpolation: Tensor
    difference: Tensor
    anomaly: Tensor
    position: Tensor


class Offers(NamedTuple):
    """What stands ready beside the interpolation, and what completes it; each (T, N, B, H, W), as the functions say."""

    echo: Tensor
    line: Tensor
    interpolation: Tensor
    base: Tensor


def held(values: Tensor, valid: Tensor) -> Tensor:
    """At each date the last value that was valid at an earlier one, along the first axis; 0 before there is any."""
    out = torch.empty_like(values)
    out[0] = 0
    for t in range(1, len(values)):
        torch.where(valid[t - 1], values[t - 1], out[t - 1], out=out[t])
    return out


def held_back(values: Tensor, valid: Tensor) -> Tensor:
    """As `held`, from the later dates."""
    out = torch.empty_like(values)
    out[-1] = 0
    for t in range(len(values) - 2, -1, -1):
        torch.where(valid[t + 1], values[t + 1], out[t + 1], out=out[t])
    return out


def days_to_neighbours(valid: Tensor, days: Tensor) -> tuple[Tensor, Tensor]:
    """Days from each date to the previous and to the next valid one, `NEVER_DAYS` where there is none.

    valid : (T, N, 1, H, W) bool; days : (T, N) float, ascending.
    """
    at = days[:, :, None, None, None]
    shifted = (at - days[0].min() + 1).expand(valid.shape)  # positive, so that 0 means none
    previous, following = held(shifted, valid), held_back(shifted, valid)
    before = torch.where(previous > 0, shifted - previous, NEVER_DAYS)
    return before, torch.where(following > 0, following - shifted, NEVER_DAYS)


def series(values: Tensor, valid: Tensor, days: Tensor) -> Series:
    """The series of `values` (T, N, B, H, W), finite where valid (T, N, 1, H, W), at days (T, N)."""
    values = torch.where(valid, values, 0.0)
    before, after = days_to_neighbours(valid, days)
    first, last = before >= NEVER_DAYS, after >= NEVER_DAYS
    position = torch.where(last, 0.0, before / (before + after)).masked_fill_(first, 1.0)
    previous, following = held(values, valid), held_back(values, valid)
    # where the pixel has no neighbour at all, both are 0
    interpolation = torch.lerp(previous, following, position.masked_fill(first & last, 0.0))
    difference = (following - previous).mul_(~(first | last))
    comparable = valid & ~(first & last)
    anomaly = (values - interpolation).mul_(comparable).clamp_(-LARGEST_ANOMALY, LARGEST_ANOMALY)
    return Series(values, valid, before, after, interpolation, difference, anomaly, position)


def series_so_far(values: Tensor, valid: Tensor, days: Tensor) -> Series:
    """As `series`, as if the series ended with each date: the last value is held, and none ever follows."""
    values = torch.where(valid, values, 0.0)
    before, _ = days_to_neighbours(valid, days)
    previous = held(values, valid)
    comparable = valid & (before < NEVER_DAYS)
    anomaly = (values - previous).mul_(comparable).clamp_(-LARGEST_ANOMALY, LARGEST_ANOMALY)
    after, position = torch.full_like(before, NEVER_DAYS), torch.zeros_like(before)
    return Series(values, valid, before, after, previous, torch.zeros_like(values), anomaly, position)


def echo(s: Series) -> Tensor:
    """The anomalies of the two neighbouring observations, interpolated to the date: (T, N, B, H, W).

    What interpolation inherits of their own errors. Interpolation less the echo is a mean of four observations or
    so, with weights that follow the gaps; it leaves a straight line as it is.
    """
    return torch.lerp(held(s.anomaly, s.valid), held_back(s.anomaly, s.valid), s.position)


def smoother(s: Series, days: Tensor, scale: float, *, causal: bool = False) -> Tensor:
    """A local line through the other observations of the pixel, less the interpolation: (T, N, B, H, W).

    Weighted least squares with a Gaussian kernel of `scale` days; leans on the interpolation where support is thin.
    causal : through the earlier ones alone.
    """
    dates, samples, _, height, width = s.values.shape
    offset = (days[:, None] - days[None, :]) / scale  # (target, source, N), times -1
    left_out = torch.ones(dates, dates, device=days.device).triu() if causal else torch.eye(dates, device=days.device)
    kernel = torch.exp(-0.5 * offset.square()).masked_fill_(left_out.bool()[..., None], 0)
    moments = torch.stack([kernel, -kernel * offset, kernel * offset.square()]).permute(3, 0, 1, 2)  # (N, 3, T, T)

    def sums(order: int, of: Tensor) -> Tensor:
        matrix = moments[:, :order].reshape(samples, order * dates, dates)
        flat = torch.bmm(matrix, of.transpose(0, 1).reshape(samples, dates, -1))
        return flat.view(samples, order, dates, -1, height, width).permute(1, 2, 0, 3, 4, 5)

    s0, s1, s2 = sums(3, s.valid.to(s.values.dtype))
    y0, y1 = sums(2, s.values)
    determinant = (s0 + SUPPORT) * (s2 + SUPPORT) - s1 * s1
    a, b = (s2 + SUPPORT) / determinant, s1 / determinant
    correction: Tensor = a * y0 - b * y1 - (a * s0 - b * s1) * s.interpolation
    return correction


def completed(s: Series) -> tuple[Tensor, Tensor]:
    """Two series (T, N, B, H, W) without holes: the interpolation, and the valid values completed by it.

    A pixel's only observation stands for itself; pixels without any take the mean of the others at this date.
    """
    alone = (s.before >= NEVER_DAYS) & (s.after >= NEVER_DAYS)
    seen = s.valid | ~alone
    base = torch.where(s.valid, s.values, s.interpolation)
    mean = base.sum((-1, -2), keepdim=True) / seen.sum((-1, -2), keepdim=True).clamp(min=1)
    base = torch.where(seen, base, mean)
    return torch.where(alone, base, s.interpolation), base


def offers(s: Series, days: Tensor, scale: float, *, causal: bool = False) -> Offers:
    """`echo`, `smoother` and `completed` of a series."""
    return Offers(echo(s), smoother(s, days, scale, causal=causal), *completed(s))


def relative_days(days: Tensor) -> Tensor:
    """Days as an input of about unit size: / 20 - 1, capped at 60."""
    return days.clamp(max=CAP_DAYS) / 20 - 1

"""What becomes of one window: the filler's estimate, observed values kept, limits applied, every value flagged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from clearcube.cube import Source, red_and_near_infrared
from clearcube.errors import InputError
from clearcube.gaps import NEVER, days_to_observation, gap_length

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.filler import Block, PreparedFiller

DISBELIEF = 0.5
"""Probability of contamination from which `denoise` replaces an observed value."""


@dataclass(frozen=True)
class FillSettings:
    """What the user decides about the filling, whatever the method.

    max_gap : longer gaps stay NaN, in days; None = no limit.
    max_extrapolation : the same for gaps at either end of a pixel's series; None = as `max_gap`.
    invent_distance : never-observed pixels get a value if a filled one is at most so many pixels away (in rows and
        in columns); 0 = none does.
    smooth : observed values too are replaced by the method's own.
    denoise : observed values that the method takes for contaminated are replaced.
    ndvi : NDVI and its std are wanted too.
    """

    max_gap: int | None = None
    max_extrapolation: int | None = None
    invent_distance: int = 32
    smooth: bool = False
    denoise: bool = False
    ndvi: bool = False

    def __post_init__(self) -> None:
        for name in ("max_gap", "max_extrapolation", "invent_distance"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise InputError(f"{name} is {value}: it cannot be negative; leave it out for its default")


@dataclass(frozen=True)
class Filled:
    """A filled window.

    reflectance, std : (T, B, H, W) float32, unit 1, NaN where unfilled.
    source : (T, H, W) uint8, `clearcube.cube.Source`.
    days : (T, H, W) int16, days to the nearest observation of the pixel on either side, 0 where observed, -1 where
        it is never observed.
    """

    reflectance: NDArray[np.float32]
    std: NDArray[np.float32]
    source: NDArray[np.uint8]
    days: NDArray[np.int16]

    def cut(self, rows: slice, columns: slice, times: NDArray[np.bool_] | None = None) -> Filled:
        """The part of the window in these rows and columns, at the dates chosen by `times` (T,) bool."""
        chosen = slice(None) if times is None or times.all() else times
        return Filled(
            self.reflectance[..., rows, columns][chosen],
            self.std[..., rows, columns][chosen],
            self.source[..., rows, columns][chosen],
            self.days[..., rows, columns][chosen],
        )


def fill_window(prepared: PreparedFiller, block: Block, settings: FillSettings) -> Filled:
    """Fill a block and say of every value where it comes from. Pixels that were never observed stay unfilled.

    Observed values are kept bit for bit, unless the settings ask for `smooth` or `denoise`. Infinite values count as
    not observed.
    """
    block = without_infinities(block)
    estimate = prepared.fill(block)
    observed = block.observed
    before, after = days_to_observation(observed, block.dates)
    source = _sources(before, after)
    mean = estimate.mean
    if settings.smooth:
        source[observed] = Source.SMOOTHED
    else:
        believed = observed
        if settings.denoise and estimate.contamination is not None:
            believed = observed & ~(estimate.contamination >= DISBELIEF)
            source[observed & ~believed] = Source.REPLACED
        mean = np.where(believed[:, None], block.reflectance, mean)
    std = np.full_like(mean, np.nan) if estimate.std is None else estimate.std
    beyond = _beyond_limits(observed, before, after, block.dates, settings)
    source[beyond] = Source.UNFILLED
    unfilled = (source == Source.UNFILLED)[:, None]
    if unfilled.any():
        mean = np.where(unfilled, np.float32(np.nan), mean)
        std = np.where(unfilled, np.float32(np.nan), std)
    return Filled(mean, std, source, _nearest(before, after))


def without_infinities(block: Block) -> Block:
    """The block with pixels unobserved where a band is infinite or NaN."""
    usable = block.observed & np.isfinite(block.reflectance).all(axis=1)
    return block if usable.sum() == block.observed.sum() else replace(block, observed=usable)


def ndvi_with_std(
    filled: Filled, bands: tuple[str, ...], correlation: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """NDVI and its std, each (T, H, W) float32, NaN where a band is NaN or red + near infrared is not positive.

    First-order propagation of the errors of red and near infrared with their measured correlation.
    """
    red, infrared = red_and_near_infrared(bands)
    r, n = filled.reflectance[:, red], filled.reflectance[:, infrared]
    total = np.where(n + r > 0, n + r, np.float32(np.nan))
    by_red = -2 * n / total**2 * filled.std[:, red]
    by_infrared = 2 * r / total**2 * filled.std[:, infrared]
    rho = np.float32(correlation[red, infrared])
    variance = by_red**2 + by_infrared**2 + 2 * rho * by_red * by_infrared
    return (n - r) / total, np.sqrt(np.maximum(variance, 0))


def _sources(before: NDArray[np.int16], after: NDArray[np.int16]) -> NDArray[np.uint8]:
    """(T, H, W) flags from the days to the observations before and after."""
    seen = (before != NEVER).astype(np.uint8) + (after != NEVER)
    flags = np.array([Source.UNFILLED, Source.EXTRAPOLATED, Source.INTERPOLATED], dtype=np.uint8)[seen]
    flags[before == 0] = Source.OBSERVED
    return flags


def _beyond_limits(
    observed: NDArray[np.bool_],
    before: NDArray[np.int16],
    after: NDArray[np.int16],
    dates: NDArray[np.datetime64],
    settings: FillSettings,
) -> NDArray[np.bool_]:
    """(T, H, W) True in gaps that are longer than the settings allow."""
    inner_limit, end_limit = settings.max_gap, settings.max_extrapolation
    end_limit = inner_limit if end_limit is None else end_limit
    if inner_limit is None and end_limit is None:
        return np.zeros(observed.shape, dtype=bool)
    length = gap_length(observed, dates)
    at_end = (before == NEVER) | (after == NEVER)
    limit = np.where(at_end, _or_unlimited(end_limit), _or_unlimited(inner_limit))
    return length > limit


def _or_unlimited(limit: int | None) -> int:
    return np.iinfo(np.int32).max if limit is None else limit


def _nearest(before: NDArray[np.int16], after: NDArray[np.int16]) -> NDArray[np.int16]:
    """(T, H, W) the smaller of the two where both are there, else the one that is, else -1."""
    return np.where((before == NEVER) | (after == NEVER), np.maximum(before, after), np.minimum(before, after))

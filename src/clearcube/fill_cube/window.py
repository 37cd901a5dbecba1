"""What becomes of one window: the filler's estimate, observed values kept, limits applied, every value flagged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from clearcube.cube import Source, ndvi_std, red_and_near_infrared
from clearcube.errors import InputError
from clearcube.fill_cube.flags import blank_unfilled, flag_pixels, keep_observed, usable_pixels
from clearcube.filler import cut, estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.filler import Block, Estimate, PreparedFiller


@dataclass(frozen=True)
class FillSettings:
    """What the user decides about the filling, whatever the method.

    max_gap : longer gaps stay NaN, in days; None = no limit.
    max_extrapolation : the same for gaps at either end of a pixel's series; None = as `max_gap`.
    invent_distance : never-observed pixels get a value if a filled one is at most so many pixels away (in rows and
        in columns); 0 = none does.
    smooth : observed values too are replaced by the method's own.
    denoise : observed values that the method takes for contaminated are replaced, unless a pixel has no others.
        Without it they are kept, and their std says how far from the method's estimate they are.
    ndvi : NDVI and its std are wanted too.
    contamination : the probability that an observed pixel is contaminated is wanted too.
    """

    max_gap: int | None = None
    max_extrapolation: int | None = None
    invent_distance: int = 32
    smooth: bool = False
    denoise: bool = False
    ndvi: bool = False
    contamination: bool = False

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
    contamination : (T, H, W) float32, probability that an observed pixel is contaminated, NaN where nothing was
        observed or the filler does not judge; None where it was not asked for.
    """

    reflectance: NDArray[np.float32]
    std: NDArray[np.float32]
    source: NDArray[np.uint8]
    days: NDArray[np.int16]
    contamination: NDArray[np.float32] | None = None

    def cut(self, rows: slice, columns: slice, times: NDArray[np.bool_] | None = None) -> Filled:
        """The part of the window in these rows and columns, at the dates chosen by `times` (T,) bool."""
        chosen = slice(None) if times is None or times.all() else times
        return Filled(
            self.reflectance[..., rows, columns][chosen],
            self.std[..., rows, columns][chosen],
            self.source[..., rows, columns][chosen],
            self.days[..., rows, columns][chosen],
            None if self.contamination is None else self.contamination[..., rows, columns][chosen],
        )


def fill_window(prepared: PreparedFiller, block: Block, settings: FillSettings, centre: tuple[slice, slice]) -> Filled:
    """Fill the centre of a block and say of every value where it comes from.

    centre : rows and columns of the block; what is around is its halo.
    Observed values are kept bit for bit, unless the settings ask for `smooth` or `denoise`. Infinite values count as
    not observed. Pixels that were never observed stay unfilled.
    """
    whole = without_infinities(block)
    made, block = estimate(prepared, whole, centre).cut(centre), cut(whole, centre)
    end_limit = settings.max_gap if settings.max_extrapolation is None else settings.max_extrapolation
    source, days = flag_pixels(
        block.observed, block.dates, block.acquired, inner_limit=settings.max_gap, end_limit=end_limit
    )
    mean = _own(made.mean, block)
    std = np.full_like(mean, np.nan) if made.std is None else _own(made.std, block)
    if settings.smooth:
        source[block.observed] = Source.SMOOTHED
    else:
        doubted = np.nonzero(block.observed & ~made.which_believed(block.observed)) if made.judges else None
        if doubted is not None and settings.denoise:
            source[doubted] = Source.REPLACED
        elif doubted is not None:
            _widen(std, mean, block.reflectance, doubted)
        keep_observed(mean, block.reflectance, source)
    if (source == Source.UNFILLED).any():
        blank_unfilled(mean, source)
        blank_unfilled(std, source)
    return Filled(mean, std, source, days, _judgement(made, block.observed) if settings.contamination else None)


def _judgement(made: Estimate, observed: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The probability of contamination where observed, else NaN, (T, H, W)."""
    nothing = np.float32(np.nan)
    return np.where(observed, nothing if made.contamination is None else made.contamination, nothing)


def _widen(
    std: NDArray[np.float32],
    mean: NDArray[np.float32],
    kept: NDArray[np.float32],
    doubted: tuple[NDArray[np.intp], ...],
) -> None:
    """Add to the std of doubted values that are kept how far the mean is from them, in place.

    std, mean, kept : (T, B, H, W). doubted : dates, rows and columns.
    """
    time, row, column = doubted
    at = (time, slice(None), row, column)
    std[at] = np.hypot(std[at], mean[at] - kept[at])


def _own(values: NDArray[np.float32], block: Block) -> NDArray[np.float32]:
    """The filler's array, to be changed in place; a copy where it cannot be or where it may be the block's own."""
    owned: NDArray[np.float32] = np.require(values, np.float32, ["C", "W"])
    return owned.copy() if np.may_share_memory(owned, block.reflectance) else owned


def without_infinities(block: Block) -> Block:
    """The block with pixels unobserved where a band is infinite or NaN."""
    usable = usable_pixels(block.reflectance, block.observed)
    return block if np.array_equal(usable, block.observed) else replace(block, observed=usable)


def ndvi_with_std(
    filled: Filled, bands: tuple[str, ...], correlation: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """NDVI and its std, each (T, H, W) float32, NaN where a band is NaN or red + near infrared is not positive."""
    red, infrared = red_and_near_infrared(bands)
    r, n = filled.reflectance[:, red], filled.reflectance[:, infrared]
    total: NDArray[np.float32] = np.where(n + r > 0, n + r, np.float32(np.nan))
    std = ndvi_std(r, n, filled.std[:, red], filled.std[:, infrared], float(correlation[red, infrared]))
    return (n - r) / total, std

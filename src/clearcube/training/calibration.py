"""What a network errs on a cube, measured by hiding what was observed, and what follows for its estimates.

Errors are told by kind of gap: whether its date was seen anywhere near, and how far the observations are in time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.ndimage import maximum_filter

from clearcube.filler import Block
from clearcube.gaps import NEVER, MaskBank, days_to_observation
from clearcube.training.config import SamplingConfig
from clearcube.training.hiding import draw_hidden

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]

NEAR_PIXELS = 24
"""A date counts as seen at a pixel if something so many pixels away (in rows and in columns) was observed."""
SHORT_DAYS = 22
KINDS = 6
"""Kinds of gaps: short, long, at an end; each on dates seen nearby and on dates not seen."""
REPETITIONS = 6
NORMAL_90 = 1.6448536269514722
PRIOR_PIXELS = 3000.0
"""Hidden pixels that the prior (trust the network) weighs as much as."""


class Guess(NamedTuple):
    """What a network makes of a block: mean, std and the interpolation it starts from, (T, B, H, W) each."""

    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    base: NDArray[np.float32]


@dataclass(frozen=True)
class Calibration:
    """How to correct a network's estimates on a cube.

    trust : (KINDS,) share of the network's correction of the interpolation that is kept, [0, 1].
    spread : (KINDS, B) factor of its std. hidden : how many hidden pixels were measured.
    correlation : (B, B) correlation of the errors of the bands.
    """

    trust: NDArray[np.float32]
    spread: NDArray[np.float32]
    correlation: NDArray[np.float64]
    hidden: int


def kinds_of(observed: Bools, dates: NDArray[np.datetime64]) -> NDArray[np.uint8]:
    """Kind of the gap of each pixel and date, (T, H, W) in 0..KINDS-1; meaningless where observed."""
    before, after = days_to_observation(observed, dates)
    at_end = (before == NEVER) | (after == NEVER)
    length = before.astype(np.int32) + after
    kind = np.where(at_end, 2, np.where(length < SHORT_DAYS, 0, 1)).astype(np.uint8)
    side = 2 * NEAR_PIXELS + 1
    near = maximum_filter(observed.astype(np.uint8), (1, side, side), mode="constant") > 0
    return np.asarray(kind + np.where(near, 0, 3).astype(np.uint8))


def calibrated(guess: Callable[[Block], Guess], sample: Sequence[Block], *, seed: int = 0) -> Calibration:
    """Hide observations of the blocks in the ways of the training, guess, and compare.

    The blocks must have the same dates and bands. Where little could be hidden, the network is trusted as it is.
    """
    bands = len(sample[0].bands)
    rng = np.random.default_rng(seed)
    parts = [_errors(guess, block, hidden) for block in sample for hidden in _experiments(block, rng) if hidden.any()]
    if not parts:
        ones = np.ones((KINDS, bands), np.float32)
        return Calibration(ones[:, 0], ones, np.eye(bands), 0)
    error, correction, std, kind = (np.concatenate(each, axis=-1) for each in zip(*parts, strict=True))
    trust = np.array([_trust(error[:, kind == k], correction[:, kind == k]) for k in range(KINDS)], np.float32)
    error = error - (1 - trust[kind]) * correction
    spread = np.array([_spread(error[:, kind == k], std[:, kind == k]) for k in range(KINDS)], np.float32)
    return Calibration(trust, spread, _correlation(error), kind.size)


def _experiments(block: Block, rng: np.random.Generator) -> list[Bools]:
    bank = MaskBank.of([block.observed])
    config = SamplingConfig(partial=0.45 if bank.masks else 0.0, second_gap=0.0)
    return [draw_hidden(rng, block.observed, block.days, bank, config) for _ in range(REPETITIONS)]


def _errors(
    guess: Callable[[Block], Guess], block: Block, hidden: Bools
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]]:
    """Errors, corrections and std (B, N) and kinds (N,) at the hidden pixels that are still observed elsewhere."""
    left = block.observed & ~hidden
    scored = hidden & left.any(axis=0)
    kept = np.where(left[:, None], block.reflectance, np.float32(np.nan))
    made = guess(Block(kept, left, block.dates, block.bands))
    error, correction, std = (
        np.moveaxis(values, 1, 0)[:, scored]
        for values in (made.mean - block.reflectance, made.mean - made.base, made.std)
    )
    return error, correction, std, kinds_of(left, block.dates)[scored]


def _trust(error: NDArray[np.float32], correction: NDArray[np.float32]) -> float:
    """The factor of the correction that leaves the least squared error, drawn towards 1 where little was measured."""
    own = float(np.square(correction, dtype=np.float64).sum())
    if not own:
        return 1.0
    least = 1 - float((error.astype(np.float64) * correction).sum()) / own
    weight = error.shape[1] / (error.shape[1] + PRIOR_PIXELS)
    return float(np.clip(weight * least + (1 - weight), 0, 1))


def _spread(error: NDArray[np.float32], std: NDArray[np.float32]) -> NDArray[np.float64]:
    """The factor of std with which 90 % intervals hold 90 % of the errors, (B,); drawn towards 1 likewise."""
    count = error.shape[1]
    if not count:
        return np.ones(len(error))
    factor = np.quantile(np.abs(error) / std, 0.9, axis=1) / NORMAL_90
    weight = count / (count + PRIOR_PIXELS)
    return np.asarray(np.exp(weight * np.log(np.maximum(factor, 0.05))))


def _correlation(error: NDArray[np.float32]) -> NDArray[np.float64]:
    if error.shape[1] < 30 or not (error.std(axis=1) > 0).all():
        return np.eye(len(error))
    return np.atleast_2d(np.corrcoef(error.astype(np.float64)))

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
REPETITIONS = 8
NORMAL_90 = 1.6448536269514722
PRIOR_TRUST = (1.0, 0.5, 1.0, 0.1, 0.1, 0.8)
"""Trust in each kind of gap before anything is measured; from cubes that chose, and trained nothing."""
PRIOR_DATES = 12.0
"""Hidden dates that the prior weighs as much as: errors of one date are alike."""


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

    The blocks must have the same dates and bands. Where little could be hidden, trust is near `PRIOR_TRUST`.
    """
    bands = len(sample[0].bands)
    rng = np.random.default_rng(seed)
    tried = [(block, hidden) for block in sample for hidden in _experiments(block, rng) if hidden.any()]
    parts = [_errors(guess, block, hidden) for block, hidden in tried]
    prior = np.array(PRIOR_TRUST, np.float32)
    if not parts:
        return Calibration(prior, np.ones((KINDS, bands), np.float32), np.eye(bands), 0)
    errors = _joined(parts)
    kinds = [errors.chosen(errors.kind == k) for k in range(KINDS)]
    trust = np.array([_trust(each, before) for each, before in zip(kinds, PRIOR_TRUST, strict=True)], np.float32)
    spread = [_spread(each, share) for each, share in zip(kinds, trust, strict=True)]
    left = errors.error - (1 - trust[errors.kind]) * errors.correction
    return Calibration(trust, np.array(spread, np.float32), _correlation(left), errors.kind.size)


class _Errors(NamedTuple):
    """At N hidden pixels: error, correction of the interpolation and std, (B, N); kind of gap and date, (N,)."""

    error: NDArray[np.float32]
    correction: NDArray[np.float32]
    std: NDArray[np.float32]
    kind: NDArray[np.uint8]
    date: NDArray[np.int64]

    def chosen(self, pixels: Bools) -> _Errors:
        """Those at some of the pixels."""
        error, correction, std = (part[:, pixels] for part in (self.error, self.correction, self.std))
        return _Errors(error, correction, std, self.kind[pixels], self.date[pixels])

    @property
    def weight(self) -> float:
        """How much these errors weigh against what was believed before, [0, 1): by the dates that they are of."""
        dates = np.unique(self.date).size
        return dates / (dates + PRIOR_DATES)


def _joined(parts: Sequence[_Errors]) -> _Errors:
    """All errors; dates of different experiments are different ones."""
    apart = [part._replace(date=part.date + 10_000 * i) for i, part in enumerate(parts)]
    return _Errors(*(np.concatenate(each, axis=-1) for each in zip(*apart, strict=True)))


def _experiments(block: Block, rng: np.random.Generator) -> list[Bools]:
    bank = MaskBank.of([block.observed])
    config = SamplingConfig(partial=0.45 if bank.masks else 0.0, second_gap=0.0)
    return [draw_hidden(rng, block.observed, block.days, bank, config) for _ in range(REPETITIONS)]


def _errors(guess: Callable[[Block], Guess], block: Block, hidden: Bools) -> _Errors:
    """Errors at the hidden pixels that are still observed elsewhere."""
    left = block.observed & ~hidden
    scored = hidden & left.any(axis=0)
    kept = np.where(left[:, None], block.reflectance, np.float32(np.nan))
    made = guess(Block(kept, left, block.dates, block.bands))
    error, correction, std = (
        np.moveaxis(values, 1, 0)[:, scored]
        for values in (made.mean - block.reflectance, made.mean - made.base, made.std)
    )
    return _Errors(error, correction, std, kinds_of(left, block.dates)[scored], np.nonzero(scored)[0])


def _trust(errors: _Errors, prior: float) -> float:
    """The factor of the correction that leaves the least squared error, drawn towards the prior."""
    own = float(np.square(errors.correction, dtype=np.float64).sum())
    if not own:
        return prior
    least = 1 - float((errors.error.astype(np.float64) * errors.correction).sum()) / own
    return errors.weight * float(np.clip(least, 0, 1)) + (1 - errors.weight) * prior


def _spread(errors: _Errors, trust: float) -> NDArray[np.float64]:
    """The factor of std with which 90 % intervals hold 90 % of the errors, (B,); drawn towards 1."""
    if not errors.kind.size:
        return np.ones(len(errors.error))
    left = np.abs(errors.error - (1 - trust) * errors.correction)
    factor = np.quantile(left / errors.std, 0.9, axis=1) / NORMAL_90
    return np.asarray(np.exp(errors.weight * np.log(np.maximum(factor, 0.05))))


def _correlation(error: NDArray[np.float32]) -> NDArray[np.float64]:
    if error.shape[1] < 30 or not (error.std(axis=1) > 0).all():
        return np.eye(len(error))
    return np.atleast_2d(np.corrcoef(error.astype(np.float64)))

"""How sure a mean over cubes is, and a difference between methods: bootstrap samples of the cubes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 2000
"""Bootstrap samples of the cubes."""
DRAWN = 1_000_000
"""Cubes of samples that are in memory at once."""
KEPT = 25_000
"""Most cubes of which the samples are kept from one score to the next: 50 MB; EarthNet2021 has 23,904 to train on."""
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over cubes with its bootstrap interval.

    uncertain : whether the interval includes zero.
    """

    mean: float
    low: float
    high: float
    cubes: int

    @property
    def uncertain(self) -> bool:
        """Whether zero lies within the interval; True where there is none."""
        return not (self.low > 0 or self.high < 0)


def interval(values: Sequence[float] | NDArray[np.float64]) -> Interval:
    """Mean over cubes and the central 95 % of the means of bootstrap samples; NaN limits with fewer than two cubes.

    NaN = no value. With an infinite one (PSNR of a perfect fill) the mean is infinite, and there are no limits.

    References
    ----------
    Efron and Tibshirani (1993), An introduction to the bootstrap: the percentile interval.
    """
    array = np.asarray(values, np.float64)
    array = array[~np.isnan(array)]
    if not array.size:
        return Interval(np.nan, np.nan, np.nan, 0)
    if np.isinf(array).any():
        return Interval(float(array.sum()), np.nan, np.nan, array.size)
    return with_limits(float(array.mean()), resampled(array[:, None])[:, 0] / array.size, array.size)


def resampled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over bootstrap samples of the cubes, (resamples, k), of values (cubes, k); none of a single cube.

    The samples of so many cubes are the same each time.
    """
    count = len(values)
    if count > KEPT:
        return np.concatenate([values[drawn].sum(axis=1) for drawn in _draws(count)])
    times, rows = _times_drawn(count), max(DRAWN // count, 1)
    parts = [times[start : start + rows].astype(np.float64) @ values for start in range(0, len(times), rows)]
    return np.concatenate([np.zeros((0, values.shape[1])), *parts])


@lru_cache(maxsize=2)
def _times_drawn(count: int) -> NDArray[np.uint8]:
    """How often each of so many cubes is in each sample, (resamples, cubes)."""
    parts: list[NDArray[np.uint8]] = [np.zeros((0, count), np.uint8)]
    for drawn in _draws(count):
        joint = drawn + count * np.arange(len(drawn))[:, None]
        parts.append(np.bincount(joint.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(np.uint8))
    return np.concatenate(parts)


def _draws(count: int) -> Iterator[NDArray[np.intp]]:
    """Bootstrap samples of so many cubes, (resamples, cubes) at a time."""
    generator = np.random.default_rng(count)
    rows = max(DRAWN // count, 1)
    for start in range(0, RESAMPLES if count > 1 else 0, rows):
        yield generator.integers(count, size=(min(rows, RESAMPLES - start), count))


def with_limits(mean: float, of_samples: NDArray[np.float64], cubes: int) -> Interval:
    """A mean with the limits that the values of the bootstrap samples give, NaN where there are none."""
    if not of_samples.size:
        return Interval(mean, float("nan"), float("nan"), cubes)
    low, high = np.quantile(of_samples, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(mean, float(low), float(high), cubes)


def paired_difference(mine: Mapping[str, float], theirs: Mapping[str, float]) -> Interval:
    """The mean difference over the cubes that both have, with its paired bootstrap interval."""
    return interval([mine[cube] - theirs[cube] for cube in mine if cube in theirs])

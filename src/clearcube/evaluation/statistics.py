"""Statistics of each pixel, and their sums and weights, which add up over chunks, cubes and seeds.

A score is made in three steps: a statistic of every pixel, its sum over the pixels that count, one formula at the
end. Arrays may be NumPy or dask; of dask arrays the sums are lazy too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Sums:
    """Sum of a statistic and of the weights of its pixels; `a + b` is what all pixels of both would have given.

    total, weight : float64 arrays, (B,) where bands are kept apart; 0 where no pixel counts. They have one shape, or
        the weight has length 1 along axes (bins, frequencies) whose entries share it.
    """

    total: Any
    weight: Any

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.total + other.total, self.weight + other.weight)

    def joined(self) -> Sums:
        """The sum over the first axis (dates, cells), which stays as one of length 1."""
        return Sums(self.total.sum(axis=0, keepdims=True), self.weight.sum(axis=0, keepdims=True))

    def pooled(self) -> Sums:
        """The sums over all bands."""
        return Sums(self.total.sum(), self.weight.sum())


Tally = Mapping[str, Sums]
"""Statistic -> its sums."""


def summed(values: Any, counted: Any) -> Sums:
    """Sums over the pixels that count.

    Parameters
    ----------
    values : (..., B, H, W) statistic; what it is where a pixel does not count, NaN or anything, has no influence.
    counted : (..., H, W) bool.

    Returns
    -------
    Sums of shape (B,).
    """
    kept = counted[..., None, :, :]
    axes = tuple(axis for axis in range(values.ndim) if axis != values.ndim - 3)
    total = np.where(kept, values, 0.0).sum(axis=axes, dtype=np.float64)
    return Sums(total, np.ones(values.shape[-3]) * counted.sum(dtype=np.float64))


def error(filled: Any, truth: Any) -> Any:
    """Filled less truth, float64, same shape and unit; NaN where one of them is NaN."""
    return filled.astype(np.float64) - truth.astype(np.float64)


def absolute_error(filled: Any, truth: Any) -> Any:
    """Distance of filled and truth, float64, same shape and unit."""
    return abs(error(filled, truth))


def squared_error(filled: Any, truth: Any) -> Any:
    """Square of filled less truth, float64, same shape, unit squared."""
    return error(filled, truth) ** 2

"""Standard deviations that a few wild values, clouds that a mask missed, hardly change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.filler import NORMAL_90

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

NORMAL_50 = 0.6745
"""Half width of the central 50 % of a Gaussian, in standard deviations: the median of absolute values."""
LEAST_NOISE = 1e-4
"""No noise about a series is smaller, reflectance: residuals are divided by it, and a series may be free of noise."""


def noise_about(
    residuals: NDArray[np.float32], counted: NDArray[np.bool_], dtype: DTypeLike = np.float64
) -> NDArray[Any]:
    """One standard deviation (B,) of residuals (T, B, P) where counted (T, P), from the median of their sizes.

    dtype : that the division is done in. `LEAST_NOISE` where none is counted.
    """
    if not counted.any():
        return np.full(residuals.shape[1], LEAST_NOISE, dtype)
    medians = np.median(np.abs(np.moveaxis(residuals, 1, 0)[:, counted]), axis=1)
    return np.maximum(medians.astype(dtype) / NORMAL_50, LEAST_NOISE)


def robust_std(values: NDArray[np.floating]) -> float:
    """The std whose Gaussian 90 % interval about 0 holds 90 % of the values."""
    return float(np.quantile(np.abs(values), 0.9)) / NORMAL_90

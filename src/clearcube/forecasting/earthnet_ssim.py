"""Structural similarity as EarthNetScore takes it: a plain 7 x 7 window, not the Gaussian one of `evaluation.ssim`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import uniform_filter

from clearcube.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.float64]

SIDE = 7
"""Pixels per side of the window."""


def mean_similarity(one: Image, other: Image, data_range: float) -> float:
    """Mean structural similarity of two images (H, W) over the windows that lie within them.

    Variances and covariance are those of a sample, divided by one less than the pixels of a window; the constants are
    (0.01 range)^2 and (0.03 range)^2.

    Raises
    ------
    InputError : the images have less than 7 pixels a side.

    References
    ----------
    Wang et al. (2004), Image quality assessment: from error visibility to structural similarity.
    """
    if min(one.shape) < SIDE:
        raise InputError(f"structural similarity needs {SIDE} pixels a side, the frames have {one.shape}")
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    sample = SIDE**2 / (SIDE**2 - 1)
    mean_a, mean_b = _mean(one), _mean(other)
    variance_a, variance_b = sample * (_mean(one * one) - mean_a**2), sample * (_mean(other * other) - mean_b**2)
    covariance = sample * (_mean(one * other) - mean_a * mean_b)
    structure = (2 * covariance + c2) / (variance_a + variance_b + c2)
    return float(((2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1) * structure).mean())


def _mean(image: Image) -> Image:
    """Means of all windows within the image, (H - 6, W - 6)."""
    edge = SIDE // 2
    return np.asarray(uniform_filter(image, SIDE)[edge:-edge, edge:-edge])

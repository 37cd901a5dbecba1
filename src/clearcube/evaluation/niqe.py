"""Whether a picture looks like the clear pictures of the same data: NIQE, fitted on the data's own clear dates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import correlate1d
from scipy.special import gamma

from clearcube.evaluation.perceptual import complete_squares, gaussian, moments, squares_of
from clearcube.evaluation.ssim import halved, halved_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.evaluation.statistics import Sums

    Image = NDArray[np.float64]

SIDE = 32
"""Pixels per side of the squares that statistics are taken of, at the finer of two scales."""
STATISTICS = 36
"""Statistics of a square: 18 at each scale."""
CONSTANT = 1 / 255
"""Added to the local deviation, for a data range of 1."""
_OFFSETS = np.arange(-3, 4)
_WINDOW = np.exp(-(_OFFSETS**2) / (2 * (7 / 6) ** 2))
_WINDOW /= _WINDOW.sum()
_SHAPES = np.arange(0.2, 10.001, 0.001)
_RATIOS = gamma(2 / _SHAPES) ** 2 / (gamma(1 / _SHAPES) * gamma(3 / _SHAPES))
"""E|x|^2 / E x^2 of a generalised Gaussian, ascending with its shape."""
_SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Neighbours whose products are looked at: right, below, and on both diagonals."""
GREY = {"red": 0.299, "green": 0.587, "blue": 0.114}
"""Weights of the bands of a grey picture; the mean of all bands, where one of these is missing."""


def grey(image: NDArray[np.floating], bands: Sequence[str]) -> Image:
    """A grey picture (H, W) of reflectance (B, H, W)."""
    if set(GREY) <= set(bands):
        parts = (weight * image[list(bands).index(name)].astype(np.float64) for name, weight in GREY.items())
        return np.asarray(sum(parts))
    return np.asarray(image.mean(axis=0, dtype=np.float64))


def square_moments(picture: Image, valid: NDArray[np.bool_]) -> Sums:
    """Sums of outer products of (1, statistics), (37, 37), over the squares of a grey picture that are wholly valid.

    picture : (H, W). valid : (H, W) bool; values elsewhere have no influence.
    """
    places = list(complete_squares(valid, SIDE))
    normal = _normalised(picture, valid)
    small = halved(picture, valid)
    half = [(slice(r.start // 2, r.stop // 2), slice(c.start // 2, c.stop // 2)) for r, c in places]
    coarse = _normalised(small, halved_mask(valid))
    squares = squares_of(normal[None], places, SIDE)[:, 0], squares_of(coarse[None], half, SIDE // 2)[:, 0]
    return moments([_statistics(each) for each in squares])


def _normalised(picture: Image, valid: NDArray[np.bool_]) -> Image:
    """Distance of every pixel from the mean around it, by the deviation around it; 0 where not valid."""
    weight = np.where(valid, _smoothed(valid.astype(np.float64)), 1.0)
    values = np.where(valid, picture, 0.0)
    mean = _smoothed(values) / weight
    variance = np.maximum(_smoothed(values**2) / weight - mean**2, 0.0)
    return np.where(valid, (values - mean) / (np.sqrt(variance) + CONSTANT), 0.0)


def _smoothed(image: Image) -> Image:
    rows: Image = correlate1d(image, _WINDOW, axis=0, mode="constant")
    smoothed: Image = correlate1d(rows, _WINDOW, axis=1, mode="constant")
    return smoothed


def _statistics(squares: Image) -> Image:
    """Shapes of the distributions of the pixels and of the products of neighbours, (N, 18), of (N, S, S)."""
    count, flat = len(squares), squares.shape[1] * squares.shape[2]
    shape, spread = symmetric_fit(squares.reshape(count, flat))
    parts = [shape, spread]
    for down, right in _SHIFTS:
        product = squares * np.roll(squares, (down, right), axis=(1, 2))
        parts += asymmetric_fit(product.reshape(count, flat))
    return np.stack(parts, axis=1)


def symmetric_fit(values: Image) -> tuple[Image, Image]:
    """Shape and standard deviation of generalised Gaussians about 0, (N,) each, by moments of (N, samples)."""
    square, absolute = (values**2).mean(axis=1), np.abs(values).mean(axis=1)
    return _shape_of(absolute**2 / np.maximum(square, 1e-30)), np.sqrt(square)


def asymmetric_fit(values: Image) -> tuple[Image, Image, Image, Image]:
    """Shape, mean, and scale on the left and right of 0 of asymmetric generalised Gaussians, (N,) each.

    References
    ----------
    Lasmar, Stitou and Berthoumieu (2009), Multiscale skewed heavy tailed model for texture analysis.
    """
    left, right = (np.sqrt(_mean_where(values**2, side)) for side in (values < 0, values > 0))
    ratio = left / np.maximum(right, 1e-15)
    share = np.abs(values).mean(axis=1) ** 2 / np.maximum((values**2).mean(axis=1), 1e-30)
    shape = _shape_of(share * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2)
    scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    mean = (right - left) * scale * gamma(2 / shape) / gamma(1 / shape)
    return shape, mean, left * scale, right * scale


def _mean_where(values: Image, where: NDArray[np.bool_]) -> Image:
    return np.asarray((values * where).sum(axis=1) / np.maximum(where.sum(axis=1), 1))


def _shape_of(ratio: Image) -> Image:
    return np.asarray(_SHAPES[np.clip(np.searchsorted(_RATIOS, ratio), 0, _SHAPES.size - 1)])


def naturalness(filled: Image, clear: Image) -> float:
    """NIQE: distance of two Gaussians of statistics, from the sums of `square_moments`; 0 = alike, no unit.

    The clear squares are those of the data set itself, all of them. NaN with fewer clear squares than statistics, or
    fewer than two filled ones.

    References
    ----------
    Mittal, Soundararajan and Bovik (2013), Making a completely blind image quality analyzer.
    """
    if clear[0, 0] <= STATISTICS or filled[0, 0] < 2:
        return float("nan")
    (mean_f, spread_f), (mean_c, spread_c) = gaussian(filled), gaussian(clear)
    difference = mean_f - mean_c
    return float(np.sqrt(difference @ np.linalg.pinv((spread_f + spread_c) / 2, hermitian=True) @ difference))

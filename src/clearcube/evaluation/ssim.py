"""Structural similarity of masked images, at one scale and at several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import correlate1d

from clearcube.evaluation.statistics import Sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.float64]

RADIUS = 5
"""Pixels on either side of the centre of a window: 11 x 11."""
SIGMA = 1.5
"""Standard deviation of the Gaussian window, pixels."""
C1, C2 = 0.01**2, 0.03**2
"""Constants of the comparison for a data range of 1."""
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales of MS-SSIM, from the finest."""
SMALLEST_SIDE = 2 * RADIUS + 1
"""Pixels per side of an image at the coarsest scale, at least."""

_OFFSETS = np.arange(-RADIUS, RADIUS + 1)
_GAUSSIAN = np.exp(-(_OFFSETS**2) / (2 * SIGMA**2))
_WINDOW = _GAUSSIAN / _GAUSSIAN.sum()


def similarity(filled: Image, truth: Image, valid: NDArray[np.bool_]) -> tuple[Image, Image]:
    """SSIM of every pixel, and its factor of contrast and structure, (H, W) float64; NaN where not valid.

    Means, variances and the covariance are weighted by the window times `valid` and normalised by the weight of the
    valid pixels, so that neither masked pixels nor the edge of the image enter.

    References
    ----------
    Wang et al. (2004), Image quality assessment: from error visibility to structural similarity.
    """
    f, t = np.where(valid, filled, 0.0), np.where(valid, truth, 0.0)
    weight = np.where(valid, _smoothed(valid.astype(np.float64)), np.nan)
    mean_f, mean_t = _smoothed(f) / weight, _smoothed(t) / weight
    variance_f = np.maximum(_smoothed(f * f) / weight - mean_f**2, 0.0)
    variance_t = np.maximum(_smoothed(t * t) / weight - mean_t**2, 0.0)
    covariance = _smoothed(f * t) / weight - mean_f * mean_t
    structure = (2 * covariance + C2) / (variance_f + variance_t + C2)
    return (2 * mean_f * mean_t + C1) / (mean_f**2 + mean_t**2 + C1) * structure, structure


def _smoothed(image: Image) -> Image:
    """The image under the Gaussian window; nothing lies beyond its edge."""
    rows: Image = correlate1d(image, _WINDOW, axis=0, mode="constant")
    smoothed: Image = correlate1d(rows, _WINDOW, axis=1, mode="constant")
    return smoothed


def ssim_sums(
    filled: NDArray[np.float32],
    truth: NDArray[np.float32],
    counted: NDArray[np.bool_],
    cell: NDArray[np.integer] | None = None,
    cells: int = 1,
) -> Sums:
    """Sums (cells, B) of SSIM over the pixels that count; only they enter the windows.

    filled, truth : (T, B, H, W), unit 1. counted : (T, H, W) bool; pixels without value in some band do not count.
    cell : (T, H, W) in [0, cells).
    """
    total, weight = np.zeros((cells, filled.shape[1])), np.zeros((cells, filled.shape[1]))
    for t in np.flatnonzero(counted.any(axis=(1, 2))):
        valid = counted[t] & np.isfinite(filled[t]).all(axis=0) & np.isfinite(truth[t]).all(axis=0)
        labels = np.zeros(int(valid.sum()), np.intp) if cell is None else cell[t][valid]
        weight += np.bincount(labels, minlength=cells)[:, None]
        for band in range(filled.shape[1]):
            index, _ = similarity(filled[t, band].astype(np.float64), truth[t, band].astype(np.float64), valid)
            total[:, band] += np.bincount(labels, index[valid], minlength=cells)
    return Sums(total, weight)


def multiscale_ssim(filled: Image, truth: Image, valid: NDArray[np.bool_]) -> float:
    """MS-SSIM of one image and band, (H, W); NaN where nothing is valid or the image has less than 11 pixels a side.

    Each coarser scale averages 2 x 2 pixels, the valid ones among them. There are five scales, fewer in an image that
    would shrink below 11 pixels; the exponents of those there are keep their ratio and sum to 1. Negative factors
    count as 0.

    References
    ----------
    Wang, Simoncelli and Bovik (2003), Multiscale structural similarity for image quality assessment.
    """
    scales = min(len(SCALE_WEIGHTS), _scales(min(valid.shape)))
    if scales == 0 or not valid.any():
        return float("nan")
    weights = np.array(SCALE_WEIGHTS[:scales]) / sum(SCALE_WEIGHTS[:scales])
    product = 1.0
    for scale, exponent in enumerate(weights):
        whole, structure = similarity(filled, truth, valid)
        factor = np.mean((whole if scale == scales - 1 else structure)[valid])
        product *= max(float(factor), 0.0) ** float(exponent)
        if scale < scales - 1:
            (filled, truth), valid = (halved(image, valid) for image in (filled, truth)), halved_mask(valid)
    return product


def _scales(side: int) -> int:
    """How often an image can be halved and still hold a window, and once more."""
    return int(np.log2(side / SMALLEST_SIDE)) + 1 if side >= SMALLEST_SIDE else 0


def halved(image: Image, valid: NDArray[np.bool_]) -> Image:
    """Means of the valid ones of 2 x 2 pixels, (H // 2, W // 2); 0 where none is."""
    weight = _blocks(valid.astype(np.float64)).sum(axis=(1, 3))
    total = _blocks(np.where(valid, image, 0.0)).sum(axis=(1, 3))
    return np.asarray(total / np.maximum(weight, 1.0))


def halved_mask(valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where at least one of 2 x 2 pixels is valid."""
    return np.asarray(_blocks(valid).any(axis=(1, 3)))


def _blocks(image: NDArray[np.generic]) -> NDArray[np.generic]:
    """(H // 2, 2, W // 2, 2); an odd last row or column is left out."""
    height, width = (side // 2 for side in image.shape)
    return image[: 2 * height, : 2 * width].reshape(height, 2, width, 2)

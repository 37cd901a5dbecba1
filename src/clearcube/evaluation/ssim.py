"""Structural similarity of masked images, at one scale and at several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clearcube.compilation import compiled
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
    """SSIM of every pixel, and its factor of contrast and structure, float64; NaN where not valid.

    Means, variances and the covariance are weighted by the window times `valid` and normalised by the weight of the
    valid pixels, so that neither masked pixels nor the edge of the image enter.

    Parameters
    ----------
    filled, truth : (H, W), or (B, H, W) of bands. valid : (H, W) bool.

    References
    ----------
    Wang et al. (2004), Image quality assessment: from error visibility to structural similarity.
    """
    shape = (-1, *valid.shape)
    f, t = (np.ascontiguousarray(image, np.float64).reshape(shape) for image in (filled, truth))
    index, structure = np.full_like(f, np.nan), np.full_like(f, np.nan)
    _compare(f, t, np.ascontiguousarray(valid), _WINDOW, index, structure)
    return index.reshape(np.shape(filled)), structure.reshape(np.shape(filled))


@compiled()
def _smooth(padded: Image, window: Image, half: Image, smoothed: Image) -> None:
    """The image (H, W) under a separable symmetric window.

    padded : (H + 10, W + 10), the image in the middle, 0 around it. half : room for (H, W + 10).
    """
    height, width = smoothed.shape
    for y in range(height):
        for x in range(width + 2 * RADIUS):
            total = window[RADIUS] * padded[y + RADIUS, x]
            for k in range(RADIUS):
                total += window[k] * (padded[y + k, x] + padded[y + 2 * RADIUS - k, x])
            half[y, x] = total
    for y in range(height):
        for x in range(width):
            total = window[RADIUS] * half[y, x + RADIUS]
            for k in range(RADIUS):
                total += window[k] * (half[y, x + k] + half[y, x + 2 * RADIUS - k])
            smoothed[y, x] = total


@compiled()
def _compare(
    filled: Image, truth: Image, valid: NDArray[np.bool_], window: Image, index: Image, structure: Image
) -> None:
    """Write the similarity of the bands, (B, H, W) each, where valid, (H, W)."""
    bands, height, width = filled.shape
    padded = np.zeros((5, height + 2 * RADIUS, width + 2 * RADIUS))
    half, smoothed = np.empty((height, width + 2 * RADIUS)), np.empty((5, height, width))
    padded[4, RADIUS : RADIUS + height, RADIUS : RADIUS + width] = valid
    _smooth(padded[4], window, half, smoothed[4])
    for b in range(bands):
        for y in range(height):
            for x in range(width):
                f = filled[b, y, x] if valid[y, x] else 0.0
                t = truth[b, y, x] if valid[y, x] else 0.0
                padded[0, y + RADIUS, x + RADIUS] = f
                padded[1, y + RADIUS, x + RADIUS] = t
                padded[2, y + RADIUS, x + RADIUS] = f * f + t * t
                padded[3, y + RADIUS, x + RADIUS] = f * t
        for field in range(4):
            _smooth(padded[field], window, half, smoothed[field])
        for y in range(height):
            for x in range(width):
                if valid[y, x]:
                    w = smoothed[4, y, x]
                    m, n = smoothed[0, y, x] / w, smoothed[1, y, x] / w
                    variances = max(smoothed[2, y, x] / w - m * m - n * n, 0.0)
                    s = (2 * (smoothed[3, y, x] / w - m * n) + C2) / (variances + C2)
                    structure[b, y, x] = s
                    index[b, y, x] = (2 * m * n + C1) / (m * m + n * n + C1) * s


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
        if not valid.any():
            continue
        labels = np.zeros(int(valid.sum()), np.intp) if cell is None else cell[t][valid]
        weight += np.bincount(labels, minlength=cells)[:, None]
        place = _bounds(valid)
        mine, theirs, within = filled[t][:, *place], truth[t][:, *place], valid[place]
        if np.array_equal(mine[:, within], theirs[:, within]):
            total += np.bincount(labels, minlength=cells)[:, None]
            continue
        index, _ = similarity(mine, theirs, within)
        for band, values in enumerate(index[:, within]):
            total[:, band] += np.bincount(labels, values, minlength=cells)
    return Sums(total, weight)


def _bounds(valid: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The rectangle that holds all valid pixels."""
    rows, columns = (np.flatnonzero(valid.any(axis=axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def multiscale_ssim(filled: Image, truth: Image, valid: NDArray[np.bool_]) -> Image:
    """MS-SSIM of the bands of one date, (B,).

    NaN where nothing is valid at one of the scales or the image has less than 11 pixels a side.

    Each coarser scale averages 2 x 2 pixels, the valid ones among them. There are five scales, fewer in an image that
    would shrink below 11 pixels; the exponents of those there are keep their ratio and sum to 1. Negative factors
    count as 0.

    Parameters
    ----------
    filled, truth : (B, H, W). valid : (H, W) bool.

    References
    ----------
    Wang, Simoncelli and Bovik (2003), Multiscale structural similarity for image quality assessment.
    """
    scales = min(len(SCALE_WEIGHTS), _scales(min(valid.shape)))
    nothing = np.full(len(filled), np.nan)
    if scales == 0:
        return nothing
    weights = np.array(SCALE_WEIGHTS[:scales]) / sum(SCALE_WEIGHTS[:scales])
    product = np.ones(len(filled))
    for scale, exponent in enumerate(weights):
        if not valid.any():  # an odd last row or column is in no coarser scale
            return nothing
        whole, structure = similarity(filled, truth, valid)
        factor = (whole if scale == scales - 1 else structure)[:, valid].mean(axis=1)
        product *= np.maximum(factor, 0.0) ** exponent
        if scale < scales - 1:
            filled, truth, valid = halved(filled, valid), halved(truth, valid), halved_mask(valid)
    return product


def _scales(side: int) -> int:
    """How often an image can be halved and still hold a window, and once more."""
    return int(np.log2(side / SMALLEST_SIDE)) + 1 if side >= SMALLEST_SIDE else 0


def halved(image: Image, valid: NDArray[np.bool_]) -> Image:
    """Means of the valid ones of 2 x 2 pixels, (..., H // 2, W // 2); 0 where none is."""
    weight = _blocks(valid.astype(np.float64)).sum(axis=(-3, -1))
    total = _blocks(np.where(valid, image, 0.0)).sum(axis=(-3, -1))
    return np.asarray(total / np.maximum(weight, 1.0))


def halved_mask(valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where at least one of 2 x 2 pixels is valid."""
    return np.asarray(_blocks(valid).any(axis=(-3, -1)))


def _blocks(image: NDArray[np.generic]) -> NDArray[np.generic]:
    """(..., H // 2, 2, W // 2, 2); an odd last row or column is left out."""
    height, width = (side // 2 for side in image.shape[-2:])
    return image[..., : 2 * height, : 2 * width].reshape(*image.shape[:-2], height, 2, width, 2)

"""How much alike two images look: gradients, spectrum, patches. No trained network; masked pixels never enter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import sqrtm

from clearcube.evaluation.ssim import halved, multiscale_ssim
from clearcube.evaluation.statistics import Sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.float64]

GRADIENT_CONSTANT = 170 / 255**2
"""Constant of the comparison of gradients for a data range of 1."""
TILE = 32
"""Pixels per side of the squares whose spectra are taken."""
PATCH = 8
"""Pixels per side of the patches whose statistics are taken."""
RINGS = ((1 / TILE, 1 / 8), (1 / 8, 1 / 4), (1 / 4, 1 / 2))
"""Ranges of spatial frequency, cycles per pixel: low, middle, high."""
HIGH = len(RINGS) - 1
LEAST_VALID = 64
"""Pixels that a date must have for its images to be compared."""


def perceptual_sums(
    filled: NDArray[np.float32], truth: NDArray[np.float32], counted: NDArray[np.bool_]
) -> dict[str, Sums]:
    """Sums over the dates of a cube.

    Parameters
    ----------
    filled, truth : (T, B, H, W) reflectance, unit 1. counted : (T, H, W) bool, the pixels that are compared.

    Returns
    -------
    `ms_ssim`, `gmsd` (1, B), their weights count dates; `power_filled`, `power_truth`, `cross` (1, B, 3) of the rings
    of spatial frequency; `patch_filled`, `patch_truth` (4 B + 1, 4 B + 1), the sums of outer products of the patches'
    statistics with a 1 in front.
    """
    bands = filled.shape[1]
    images = {name: Sums(np.zeros((1, bands)), np.zeros((1, bands))) for name in ("ms_ssim", "gmsd")}
    no_rings = Sums(np.zeros((1, bands, len(RINGS))), np.zeros((1, bands, 1)))
    no_patches = Sums(np.zeros((4 * bands + 1,) * 2), np.zeros((1, 1)))
    rings = dict.fromkeys(("power_filled", "power_truth", "cross"), no_rings)
    patches = dict.fromkeys(("patch_filled", "patch_truth"), no_patches)
    sums = images | rings | patches
    for t in np.flatnonzero(counted.sum(axis=(1, 2)) >= LEAST_VALID):
        valid = counted[t] & np.isfinite(filled[t]).all(axis=0) & np.isfinite(truth[t]).all(axis=0)
        mine, theirs = (np.where(valid, image[t], 0.0).astype(np.float64) for image in (filled, truth))
        sums["ms_ssim"] += _of_bands(mine, theirs, valid, multiscale_ssim)
        sums["gmsd"] += _of_bands(mine, theirs, valid, gradient_deviation)
        for rows, columns in complete_squares(valid, TILE):
            for name, part in _spectra(mine[:, rows, columns], theirs[:, rows, columns]).items():
                sums[name] += part
        places = list(complete_squares(valid, PATCH))
        for name, image in (("patch_filled", mine), ("patch_truth", theirs)):
            sums[name] += _moments(image, places)
    return sums


def _of_bands(mine: Image, theirs: Image, valid: NDArray[np.bool_], measure: object) -> Sums:
    """Sums (1, B) of a measure of one date; a value that is not defined does not count."""
    assert callable(measure)
    values = np.array([[measure(f, t, valid) for f, t in zip(mine, theirs, strict=True)]], np.float64)
    defined = np.isfinite(values)
    return Sums(np.where(defined, values, 0.0), defined.astype(np.float64))


def gradient_deviation(filled: Image, truth: Image, valid: NDArray[np.bool_]) -> float:
    """GMSD of one image and band, (H, W): spread over the pixels of the similarity of gradient magnitudes, 0 = alike.

    Images are halved first; gradients are Prewitt's, taken where all nine pixels are valid. NaN where none are.

    References
    ----------
    Xue et al. (2014), Gradient magnitude similarity deviation.
    """
    whole = _all_of_four(valid)
    mine, theirs = (_gradient(halved(image, valid)) for image in (filled, truth))
    inside = np.lib.stride_tricks.sliding_window_view(whole, (3, 3)).all(axis=(2, 3)) if min(whole.shape) > 2 else None
    if inside is None or not inside.any():
        return float("nan")
    alike = (2 * mine * theirs + GRADIENT_CONSTANT) / (mine**2 + theirs**2 + GRADIENT_CONSTANT)
    return float(alike[inside].std())


def _all_of_four(valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    height, width = (side // 2 * 2 for side in valid.shape)
    return np.asarray(valid[:height, :width].reshape(height // 2, 2, width // 2, 2).all(axis=(1, 3)))


def _gradient(image: Image) -> Image:
    """Prewitt magnitude of the inner pixels, (H - 2, W - 2), unit per pixel."""
    if min(image.shape) < 3:
        return np.zeros((0, 0))
    down = image[2:] - image[:-2]
    right = image[:, 2:] - image[:, :-2]
    return np.asarray(np.hypot(down[:, :-2] + down[:, 1:-1] + down[:, 2:], right[:-2] + right[1:-1] + right[2:]) / 3)


def complete_squares(valid: NDArray[np.bool_], size: int) -> Iterator[tuple[slice, slice]]:
    """Squares of a regular grid, all of whose pixels are valid."""
    height, width = (side // size for side in valid.shape)
    if not height or not width:
        return
    grid = valid[: height * size, : width * size].reshape(height, size, width, size).all(axis=(1, 3))
    for row, column in zip(*np.nonzero(grid), strict=True):
        yield slice(row * size, (row + 1) * size), slice(column * size, (column + 1) * size)


def _rings() -> NDArray[np.bool_]:
    """Membership of the frequencies of a tile in the rings, (rings, TILE, TILE)."""
    frequency = np.fft.fftfreq(TILE)
    radius = np.hypot(frequency[:, None], frequency[None])
    return np.stack([(radius >= low) & (radius < high) for low, high in RINGS])


_MEMBERS = _rings()
_TAPER = np.hanning(TILE + 1)[:-1, None] * np.hanning(TILE + 1)[None, :-1]


def _spectra(mine: Image, theirs: Image) -> dict[str, Sums]:
    """Power and cross power of one tile (B, TILE, TILE) by ring, under a Hann window and without the mean."""
    f, t = (np.fft.fft2((image - image.mean(axis=(1, 2), keepdims=True)) * _TAPER) for image in (mine, theirs))
    powers = {"power_filled": abs(f) ** 2, "power_truth": abs(t) ** 2, "cross": (f * t.conj()).real}
    ones = np.ones((1, len(mine), 1))
    return {name: Sums(np.einsum("bij,rij->br", power, _MEMBERS)[None], ones) for name, power in powers.items()}


def spectrum_ratio(filled: Image, truth: Image) -> Image:
    """Root of the ratio of summed powers: amplitude of the fill's detail against that of the truth; 1 = as sharp."""
    return np.sqrt(np.divide(filled, truth, out=np.full_like(truth, np.nan), where=truth > 0))


def coherence(cross: Image, filled: Image, truth: Image) -> Image:
    """Correlation of the fill's detail with the truth's in a ring, -1 to 1; noise lowers it."""
    product = np.sqrt(filled * truth)
    return np.divide(cross, product, out=np.full_like(product, np.nan), where=product > 0)


def _moments(image: Image, places: list[tuple[slice, slice]]) -> Sums:
    """Sums of outer products of (1, statistics) of the patches of a date, (4 B + 1, 4 B + 1)."""
    size = 4 * len(image) + 1
    if not places:
        return Sums(np.zeros((size, size)), np.zeros((1, 1)))
    patches = np.stack([image[:, rows, columns] for rows, columns in places])
    down, right = np.diff(patches, axis=2), np.diff(patches, axis=3)
    features = [patches.mean((2, 3)), patches.std((2, 3)), abs(down).mean((2, 3)), abs(right).mean((2, 3))]
    rows_of = np.concatenate([np.ones((len(patches), 1)), *features], axis=1)
    return Sums(rows_of.T @ rows_of, np.full((1, 1), float(len(patches))))


def frechet_distance(filled: Image, truth: Image) -> float:
    """Squared Frechet distance of two Gaussians from the sums of `patch_filled` and `patch_truth`; unit squared.

    NaN with fewer patches than statistics.

    References
    ----------
    Dowson and Landau (1982), The Frechet distance between multivariate normal distributions.
    """
    if filled[0, 0] < len(filled) or truth[0, 0] < len(truth):
        return float("nan")
    (mean_f, spread_f), (mean_t, spread_t) = _gaussian(filled), _gaussian(truth)
    root = np.real(sqrtm(_root(spread_f) @ spread_t @ _root(spread_f)))
    distance = ((mean_f - mean_t) ** 2).sum() + np.trace(spread_f) + np.trace(spread_t) - 2 * np.trace(root)
    return float(max(distance, 0.0))


def _root(matrix: Image) -> Image:
    """Symmetric root of a covariance."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def _gaussian(moments: Image) -> tuple[Image, Image]:
    """Mean and covariance."""
    mean = moments[0, 1:] / moments[0, 0]
    return mean, moments[1:, 1:] / moments[0, 0] - np.outer(mean, mean)

"""How much alike two images look: gradients, spectrum, patches. No trained network; masked pixels never enter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from clearcube.evaluation.ssim import halved, multiscale_ssim
from clearcube.evaluation.statistics import Sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.float64]
    Place = tuple[slice, slice]

GRADIENT_CONSTANT = 170 / 255**2
"""Constant of the comparison of gradients for a data range of 1."""
SQUARE = 32
"""Pixels per side of the squares whose spectra are taken."""
PATCH = 8
"""Pixels per side of the patches whose statistics are taken."""
RINGS = ((1 / SQUARE, 1 / 8), (1 / 8, 1 / 4), (1 / 4, 1 / 2))
"""Ranges of spatial frequency, cycles per pixel: low, middle, high."""
HIGH = len(RINGS) - 1
LEAST_VALID = 64
"""Pixels that a date must have for its images to be compared."""


def perceptual_sums(
    filled: NDArray[np.float32], truth: NDArray[np.float32], counted: NDArray[np.bool_]
) -> dict[str, Sums]:
    """Sums of every date of a cube; 0 of dates with fewer than `LEAST_VALID` pixels that count.

    Parameters
    ----------
    filled, truth : (T, B, H, W) reflectance, unit 1. counted : (T, H, W) bool, the pixels that are compared.

    Returns
    -------
    `ms_ssim`, `gmsd` (T, B), their weights count dates; `power_filled`, `power_truth`, `cross` (T, B, 3) of the rings
    of spatial frequency; `patch_filled`, `patch_truth` (T, 4 B + 1, 4 B + 1), the sums of outer products of the
    patches' statistics with a 1 in front.
    """
    times, bands = filled.shape[:2]
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    shapes |= dict.fromkeys(("ms_ssim", "gmsd"), ((bands,), (bands,)))
    shapes |= dict.fromkeys(("power_filled", "power_truth", "cross"), ((bands, len(RINGS)), (bands, 1)))
    shapes |= dict.fromkeys(("patch_filled", "patch_truth"), ((4 * bands + 1,) * 2, (1, 1)))
    sums = {name: Sums(*(np.zeros((times, *shape)) for shape in pair)) for name, pair in shapes.items()}
    for t in np.flatnonzero(counted.sum(axis=(1, 2)) >= LEAST_VALID):
        valid = counted[t] & np.isfinite(filled[t]).all(axis=0) & np.isfinite(truth[t]).all(axis=0)
        mine, theirs = (np.where(valid, image[t], 0.0).astype(np.float64) for image in (filled, truth))
        for name, part in _of_date(mine, theirs, valid).items():
            sums[name].total[t], sums[name].weight[t] = part.total, part.weight
    return sums


def _of_date(mine: Image, theirs: Image, valid: NDArray[np.bool_]) -> dict[str, Sums]:
    """The sums of one date, images (B, H, W), 0 where not valid."""
    sums = {
        "ms_ssim": _if_defined(multiscale_ssim(mine, theirs, valid)),
        "gmsd": _if_defined(gradient_deviation(mine, theirs, valid)),
    }
    sums |= _spectra(mine, theirs, list(complete_squares(valid, SQUARE)))
    places = list(complete_squares(valid, PATCH))
    return sums | {f"patch_{which}": _moments(image, places) for which, image in (("filled", mine), ("truth", theirs))}


def _if_defined(values: Image) -> Sums:
    """Sums (B,) of values of one date; what is not defined does not count."""
    return Sums(np.nan_to_num(values), np.isfinite(values).astype(np.float64))


def gradient_deviation(filled: Image, truth: Image, valid: NDArray[np.bool_]) -> Image:
    """GMSD of the bands of one date, (B,): spread over the pixels of the similarity of gradient magnitudes, 0 = alike.

    Images are halved first; gradients are Prewitt's, taken where all nine pixels are valid. NaN where none are.

    Parameters
    ----------
    filled, truth : (B, H, W). valid : (H, W) bool.

    References
    ----------
    Xue et al. (2014), Gradient magnitude similarity deviation.
    """
    whole = _all_of_four(valid)
    if min(whole.shape) < 3:
        return np.full(len(filled), np.nan)
    inside = np.lib.stride_tricks.sliding_window_view(whole, (3, 3)).all(axis=(2, 3))
    if not inside.any():
        return np.full(len(filled), np.nan)
    mine, theirs = (_gradient(halved(image, valid)) for image in (filled, truth))
    alike = (2 * mine * theirs + GRADIENT_CONSTANT) / (mine**2 + theirs**2 + GRADIENT_CONSTANT)
    return np.asarray(alike[:, inside].std(axis=1))


def _all_of_four(valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    height, width = (side // 2 * 2 for side in valid.shape)
    return np.asarray(valid[:height, :width].reshape(height // 2, 2, width // 2, 2).all(axis=(1, 3)))


def _gradient(images: Image) -> Image:
    """Prewitt magnitude of the inner pixels, (B, H - 2, W - 2), unit per pixel."""
    down = images[:, 2:] - images[:, :-2]
    right = images[:, :, 2:] - images[:, :, :-2]
    across = down[:, :, :-2] + down[:, :, 1:-1] + down[:, :, 2:]
    along = right[:, :-2] + right[:, 1:-1] + right[:, 2:]
    return np.asarray(np.hypot(across, along) / 3)


def complete_squares(valid: NDArray[np.bool_], size: int) -> Iterator[Place]:
    """Squares of a regular grid, all of whose pixels are valid."""
    height, width = (side // size for side in valid.shape)
    if not height or not width:
        return
    grid = valid[: height * size, : width * size].reshape(height, size, width, size).all(axis=(1, 3))
    for row, column in zip(*np.nonzero(grid), strict=True):
        yield slice(row * size, (row + 1) * size), slice(column * size, (column + 1) * size)


def _rings() -> NDArray[np.bool_]:
    """Membership of the frequencies of a square in the rings, (rings, SQUARE, SQUARE)."""
    frequency = np.fft.fftfreq(SQUARE)
    radius = np.hypot(frequency[:, None], frequency[None])
    return np.stack([(radius >= low) & (radius < high) for low, high in RINGS])


_MEMBERS = _rings()
_TAPER = np.hanning(SQUARE + 1)[:-1, None] * np.hanning(SQUARE + 1)[None, :-1]


def _spectra(mine: Image, theirs: Image, places: list[Place]) -> dict[str, Sums]:
    """Power and cross power (B, rings) of the squares of a date, each under a Hann window and without its mean."""
    f, t = (np.fft.fft2(_tapered(squares_of(image, places, SQUARE))) for image in (mine, theirs))
    powers = {"power_filled": abs(f) ** 2, "power_truth": abs(t) ** 2, "cross": (f * t.conj()).real}
    ones = np.full((len(mine), 1), float(len(places)))
    return {name: Sums(np.einsum("nbij,rij->br", power, _MEMBERS), ones) for name, power in powers.items()}


def _tapered(squares: Image) -> Image:
    return np.asarray((squares - squares.mean(axis=(2, 3), keepdims=True)) * _TAPER)


def squares_of(image: Image, places: list[Place], size: int) -> Image:
    """The squares of an image (B, H, W), (N, B, size, size)."""
    squares = np.empty((len(places), len(image), size, size))
    for number, (rows, columns) in enumerate(places):
        squares[number] = image[:, rows, columns]
    return squares


def spectrum_ratio(filled: Image, truth: Image) -> Image:
    """Root of the ratio of summed powers: amplitude of the fill's detail against that of the truth; 1 = as sharp."""
    return np.sqrt(np.divide(filled, truth, out=np.full_like(truth, np.nan), where=truth > 0))


def coherence(cross: Image, filled: Image, truth: Image) -> Image:
    """Correlation of the fill's detail with the truth's in a ring, -1 to 1; noise lowers it."""
    product = np.sqrt(filled * truth)
    return np.divide(cross, product, out=np.full_like(product, np.nan), where=product > 0)


def _moments(image: Image, places: list[Place]) -> Sums:
    """Sums of outer products of (1, statistics) of the patches of a date, (4 B + 1, 4 B + 1)."""
    patches = squares_of(image, places, PATCH)
    down, right = np.diff(patches, axis=2), np.diff(patches, axis=3)
    return moments([patches.mean((2, 3)), patches.std((2, 3)), abs(down).mean((2, 3)), abs(right).mean((2, 3))])


def moments(statistics: list[Image]) -> Sums:
    """Sums of outer products of (1, statistics), (S + 1, S + 1); statistics of N patches, (N, ...) each."""
    count = len(statistics[0])
    rows = np.concatenate([np.ones((count, 1)), *statistics], axis=1)
    return Sums(rows.T @ rows, np.full((1, 1), float(count)))


def frechet_distance(filled: Image, truth: Image) -> float:
    """Squared Frechet distance of two Gaussians from the sums of `patch_filled` and `patch_truth`; unit squared.

    NaN with fewer patches than statistics.
    """
    if filled[0, 0] < len(filled) or truth[0, 0] < len(truth):
        return float("nan")
    return distance_of_gaussians(gaussian(filled), gaussian(truth))


def distance_of_gaussians(one: tuple[Image, Image], other: tuple[Image, Image]) -> float:
    """Squared Frechet distance of two Gaussians, each a mean (S,) and a covariance (S, S).

    References
    ----------
    Dowson and Landau (1982), The Frechet distance between multivariate normal distributions.
    """
    (mean, spread), (other_mean, other_spread) = one, other
    values, vectors = np.linalg.eigh(spread)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    common = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other_spread @ root), 0.0)).sum()
    distance = ((mean - other_mean) ** 2).sum() + np.trace(spread) + np.trace(other_spread) - 2 * common
    return float(max(distance, 0.0))


def gaussian(products: Image) -> tuple[Image, Image]:
    """Mean and covariance from the sums of `moments`."""
    mean = products[0, 1:] / products[0, 0]
    return mean, products[1:, 1:] / products[0, 0] - np.outer(mean, mean)

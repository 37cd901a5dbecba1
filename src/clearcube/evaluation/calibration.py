"""Whether std tells the truth about the error: coverage, sharpness and order, from sums that add up over cubes.

Errors are always taken pixel by pixel and band by band, as distances; they are never averaged with their signs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from clearcube.compilation import compiled
from clearcube.cube import ndvi_bands, ndvi_std, normalised_difference
from clearcube.evaluation.statistics import Sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.filler import Estimate

    Values = NDArray[np.float64]

LEVELS = (0.5, 0.8, 0.9, 0.95)
"""Probabilities of the central intervals whose coverage is reported."""
PROBABILITY_BINS = 100
"""Bins of the probability of the central interval that just holds the truth."""
SPREAD_EDGES = np.geomspace(1e-4, 1.0, 81)
"""Edges of the bins of std and of |error|, unit of the value; what lies beyond goes into the outermost bins."""
_BINS = len(SPREAD_EDGES) - 1
BINNED = ("levels", "spread_count", "spread_variance", "spread_squared", "oracle_count", "oracle_squared")
"""Statistics with a sum for every bin."""


def calibration_sums(
    estimate: Estimate,
    truth: NDArray[np.float32],
    counted: NDArray[np.bool_],
    bands: Sequence[str],
    correlation: NDArray[np.float64],
    cell: NDArray[np.integer] | None = None,
    cells: int = 1,
) -> dict[str, Sums]:
    """Sums over the pixels that count and have a mean, a std and a truth in every band.

    A std of 0 says that the mean is the truth: intervals hold nothing else, and CRPS is the distance.

    Parameters
    ----------
    estimate : mean and std (T, B, H, W); the std must not be None.
    truth : (T, B, H, W) reflectance. counted : (T, H, W) bool.
    bands : names of the B bands. correlation : (B, B) of their errors, for the std of NDVI.
    cell : (T, H, W) in [0, cells).

    Returns
    -------
    `crps`, `inside_50`, ... (cells, B); `levels` (cells, B, 100); `spread_count`, `spread_variance`, `spread_squared`,
    `oracle_count`, `oracle_squared` (cells, B, 80): counts, sums of std^2 and of error^2 by bins of std, and of
    |error|; `missing_std` (cells, 1): pixels with a mean and no std, of those with a mean. All but the last also with
    the prefix `ndvi_` and one band, where there are red and near infrared.
    """
    assert estimate.std is not None
    arrays = (estimate.mean, estimate.std, truth)
    filled, sure, known = (np.isfinite(array).all(axis=1) for array in arrays)
    some = counted & filled & known
    usable = some & sure & (estimate.std >= 0).all(axis=1)
    mean, std, true = (np.moveaxis(array, 1, 0)[:, usable].astype(np.float64) for array in arrays)
    place = np.zeros(counted.shape, np.intp) if cell is None else cell.astype(np.intp)
    labels, of_some = place[usable], np.bincount(place[some], minlength=cells).astype(np.float64)[:, None]
    parts = [_sums(m - t, s, labels, cells) for m, t, s in zip(mean, true, std, strict=True)]
    sums = _stacked(parts)
    sums["missing_std"] = Sums(of_some - np.bincount(labels, minlength=cells)[:, None], of_some)
    places = ndvi_bands(bands)
    if places is None:
        return sums
    error, spread = _index(mean, std, true, *places, float(correlation[places]))
    defined = np.isfinite(error) & np.isfinite(spread)
    index = _stacked([_sums(error[defined], spread[defined], labels[defined], cells)])
    return sums | {f"ndvi_{name}": part for name, part in index.items()}


def _index(mean: Values, std: Values, true: Values, red: int, infrared: int, rho: float) -> tuple[Values, Values]:
    """Error and std of NDVI, (N,) each."""
    r, n = mean[red], mean[infrared]
    error = normalised_difference(n, r) - normalised_difference(true[infrared], true[red])
    return np.asarray(error), ndvi_std(r, n, std[red], std[infrared], rho)


def _sums(error: Values, std: Values, labels: NDArray[np.intp], cells: int) -> dict[str, Sums]:
    """The sums of one band, errors (N,): (cells,) and (cells, bins)."""
    count = np.bincount(labels, minlength=cells).astype(np.float64)
    probability = 2 * ndtr(_standardised(np.abs(error), std)) - 1
    sums = {"crps": Sums(np.bincount(labels, gaussian_crps(error, std), minlength=cells), count)}
    for level in LEVELS:
        sums[inside(level)] = Sums(np.bincount(labels, probability <= level, minlength=cells), count)
    levels = np.minimum((probability * PROBABILITY_BINS).astype(np.intp), PROBABILITY_BINS - 1)
    by_level, by_std, by_error = (
        (labels * size + bins, size)
        for bins, size in ((levels, PROBABILITY_BINS), (_bin(std), _BINS), (_bin(np.abs(error)), _BINS))
    )
    binned = {
        "levels": (by_level, None),
        "spread_count": (by_std, None),
        "spread_variance": (by_std, std**2),
        "spread_squared": (by_std, error**2),
        "oracle_count": (by_error, None),
        "oracle_squared": (by_error, error**2),
    }
    return sums | {
        name: Sums(_counted(joint, values, cells, size), count[:, None])
        for name, ((joint, size), values) in binned.items()
    }


def _counted(joint: NDArray[np.intp], values: Values | None, cells: int, bins: int) -> Values:
    """Sums (cells, bins) of values, or counts, from the joint number of cell and bin."""
    return np.bincount(joint, values, minlength=cells * bins).astype(np.float64).reshape(cells, bins)


def inside(level: float) -> str:
    """Name of the statistic that is 1 where the central interval of this probability holds the truth."""
    return f"inside_{100 * level:.0f}"


def gaussian_crps(error: Values, std: Values) -> Values:
    """Continuous ranked probability score of a Gaussian, unit of the error, same shape; the smaller the better.

    References
    ----------
    Gneiting and Raftery (2007), Strictly proper scoring rules, prediction, and estimation.
    """
    z = _standardised(error, std)
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    score: Values = error * (2 * ndtr(z) - 1) + std * (2 * density - 1 / np.sqrt(np.pi))
    return score


def _standardised(error: Values, std: Values) -> Values:
    """Errors in units of their std; infinite where that is 0, but for those that are 0 too."""
    sure = np.where(error == 0, 0.0, np.copysign(np.inf, error))
    return np.divide(error, std, out=sure, where=std > 0)


def _bin(values: Values) -> NDArray[np.intp]:
    return np.clip(np.searchsorted(SPREAD_EDGES, values, side="right") - 1, 0, _BINS - 1)


def _stacked(parts: Sequence[dict[str, Sums]]) -> dict[str, Sums]:
    """Bands side by side on the second axis."""
    return {
        name: Sums(np.stack([p[name].total for p in parts], 1), np.stack([p[name].weight for p in parts], 1))
        for name in parts[0]
    }


def uncertainty_error(count: Values, variance: Values, squared: Values) -> Values:
    """UCE: mean over bins of std, weighted by their pixels, of |RMSE - root mean variance|, unit of the value.

    count, variance, squared : (..., bins). NaN where nothing is counted.
    """
    n = np.maximum(count, 1.0)
    distance = np.abs(np.sqrt(squared / n) - np.sqrt(variance / n))
    return _share((count * distance).sum(axis=-1), count.sum(axis=-1))


def coverage_error(levels: Values) -> Values:
    """AUCE: mean over p = 0.01 ... 0.99 of |share of the truth inside the central interval of probability p - p|.

    levels : (..., 100) counts. NaN where nothing is counted.
    """
    promised = np.arange(1, PROBABILITY_BINS) / PROBABILITY_BINS
    return np.asarray(np.abs(coverage_curve(levels) - promised).mean(axis=-1))


def coverage_curve(levels: Values) -> Values:
    """Share of the truth inside the central intervals of probability 0.01 ... 0.99, (..., 99), from (..., 100) counts.

    NaN where nothing is counted.
    """
    return _share(np.cumsum(levels, axis=-1)[..., :-1], levels.sum(axis=-1, keepdims=True))


def _share(part: Values, whole: Values) -> Values:
    return np.asarray(np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), np.nan))


def sparsification_error(spread: tuple[Values, Values], oracle: tuple[Values, Values]) -> Values:
    """AUSE: area between the curves of sparsification by std and by error, relative to the RMSE of all pixels.

    0 = std orders the pixels as their errors do; NaN without errors. Parameters as `sparsification_curves`.
    """
    by_std, by_error = sparsification_curves(spread, oracle)
    return _share((by_std - by_error).mean(axis=-1), by_std[..., 0])


def sparsification_curves(
    spread: tuple[Values, Values], oracle: tuple[Values, Values], steps: int = 100
) -> tuple[Values, Values]:
    """RMSE of what is left when the share 0, 1/steps, ... of largest std, and of largest error, is taken away.

    spread, oracle : count and sum of squared errors by bin of std, and of error, (..., bins) each, bins ascending;
        (..., steps) each, unit of the value, NaN where nothing is counted.
    """
    by_std, by_error = (_left(counts, squared, steps) for counts, squared in (spread, oracle))
    return by_std, by_error


def _left(count: Values, squared: Values, steps: int) -> Values:
    """RMSE of the share 1, 1 - 1/steps, ... of the pixels, those in the lowest bins; within a bin errors are alike."""
    counts, squares = (np.ascontiguousarray(each, np.float64).reshape(-1, count.shape[-1]) for each in (count, squared))
    left = np.full((len(counts), steps), np.nan)
    _take_away(counts, squares, left)
    return left.reshape(*count.shape[:-1], steps)


@compiled()
def _take_away(counts: Values, squares: Values, left: Values) -> None:
    """Write the RMSE of what is left of each row of bins, (rows, steps)."""
    rows, bins = counts.shape
    steps = left.shape[1]
    for row in range(rows):
        pixels, total = counts[row].sum(), squares[row].sum()
        last = bins - 1
        above = 0.0  # pixels in the bins that are taken away whole
        for step in range(steps if pixels > 0 else 0):
            gone = pixels * step / steps
            while last > 0 and above + counts[row, last] <= gone:
                above += counts[row, last]
                total -= squares[row, last]
                last -= 1
            part = (gone - above) / counts[row, last] if counts[row, last] > 0 else 0.0
            left[row, step] = math.sqrt(max(total - part * squares[row, last], 0.0) / (pixels - gone))

"""Scores of NDVI forecasts as GreenEarthNet defines them: per pixel over time, by cube and class, over classes.

Every pixel has a score of its own; sums over the pixels of a class in a cube are kept, and everything else is made of
those sums. A forecast without a value counts as NDVI 0.5.

References
----------
Benson et al. (2024), Multi-modal learning for geospatial vegetation forecasting, CVPR.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from clearcube.evaluation.statistics import Sums, Tally
from clearcube.forecasting.vegetation import OTHER, VEGETATION

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MISSING = 0.5
"""NDVI that counts where a forecast has no value."""
FEWEST_TARGET, FEWEST_CONTEXT = 10, 3
"""Clear dates that a scored pixel has in target and context, at least."""
LEAST_NDVI, LEAST_SPREAD = 0.0, 0.1
"""A scored pixel's NDVI is always above the one; the standard deviation of its target is above the other."""
PERIOD = 5
"""Target dates of each part of the horizon."""
BY_PART = ("rmse25", "rmse50", "rmse75", "rmse100")
"""RMSE of each part, by its last day where dates are five days apart."""
SCORES = ("r2", "nse", "nnse", "rmse", "bias", *BY_PART)
CLASSES = VEGETATION[:OTHER]
"""Classes that are scored."""


def complete(forecast: NDArray[np.floating]) -> Floats:
    """The forecast (T, H, W) as it counts: clipped to [-1, 1], 0.5 where it has no value; float64."""
    given = np.asarray(forecast, np.float64)
    return np.where(np.isnan(given), MISSING, np.clip(given, -1.0, 1.0))


def counted_pixels(context: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Pixels (H, W) that are scored, whatever their class.

    context, target : (T, H, W) NDVI, NaN where not clear.
    """
    lowest = np.fmin.reduce(np.concatenate([context, target]), axis=0)
    enough = (np.isfinite(target).sum(axis=0) >= FEWEST_TARGET) & (np.isfinite(context).sum(axis=0) >= FEWEST_CONTEXT)
    _, spread = _mean_and_variance(np.asarray(target, np.float64), np.isfinite(target))
    return np.asarray(enough & (lowest > LEAST_NDVI) & (np.sqrt(spread) > LEAST_SPREAD))


def pixel_scores(forecast: NDArray[np.floating], target: NDArray[np.floating]) -> dict[str, Floats]:
    """Scores of every pixel over time, (H, W) float64 each; NaN where a pixel has no target (of a part of the dates).

    `r2` is the squared correlation, 0 of a forecast that does not change; `nse` is 1 - SSE / SST and `nnse`
    1 / (2 - nse), NaN where the target does not change; `bias` is the absolute mean error; `rmse25` is over the first
    five target dates, `rmse50`, `rmse75` and `rmse100` each over the next five.

    forecast, target : (T, H, W) NDVI; the target is NaN where not clear.
    """
    clear = np.isfinite(target)
    truth, mine = np.where(clear, target, 0.0).astype(np.float64), np.where(clear, complete(forecast), 0.0)
    squared = (mine - truth) ** 2
    count = clear.sum(axis=0)
    (_, spread), (_, own_spread) = _mean_and_variance(truth, clear), _mean_and_variance(mine, clear)
    error = _over(squared.sum(axis=0), count)
    nse = 1.0 - _over(error, np.where(spread > 1e-12, spread, 0.0))
    return {
        "r2": _correlation(mine, truth, clear, spread, own_spread),
        "nse": nse,
        "nnse": 1.0 / (2.0 - nse),
        "rmse": np.sqrt(error),
        "bias": np.abs(_over((mine - truth).sum(axis=0), count)),
        **{name: _rmse(squared, clear, slice(PERIOD * i, PERIOD * (i + 1))) for i, name in enumerate(BY_PART)},
    }


def _rmse(squared: Floats, clear: NDArray[np.bool_], dates: slice) -> Floats:
    """Over the clear ones of some dates."""
    return np.asarray(np.sqrt(_over(squared[dates].sum(axis=0), clear[dates].sum(axis=0))))


def _over(total: Floats, weight: NDArray[np.float64] | NDArray[np.int64]) -> Floats:
    """Total by weight, NaN where the weight is 0."""
    return np.asarray(np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 0))


def _mean_and_variance(values: Floats, clear: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Over the clear dates of each pixel, (H, W); the variance divides by their number."""
    count = clear.sum(axis=0)
    mean = _over(np.where(clear, values, 0.0).sum(axis=0), count)
    return mean, _over((np.where(clear, values - mean, 0.0) ** 2).sum(axis=0), count)


def _correlation(mine: Floats, truth: Floats, clear: NDArray[np.bool_], spread: Floats, own_spread: Floats) -> Floats:
    """Squared correlation over the clear dates of each pixel."""
    count = clear.sum(axis=0)
    covariance = _over((mine * truth).sum(axis=0), count) - _over(mine.sum(axis=0), count) * _over(
        truth.sum(axis=0), count
    )
    steady = (own_spread <= 1e-10) & (spread > 1e-12)
    product = np.where((spread > 1e-12) & ~steady, spread * own_spread, 0.0)
    return np.where(steady, 0.0, np.minimum(_over(covariance**2, product), 1.0))


def class_sums(
    pixels: Mapping[str, Floats], counted: NDArray[np.bool_], vegetation: NDArray[np.intp]
) -> dict[str, Sums]:
    """Sums of each score over the counted pixels of each class, (len(CLASSES),), those without the score left out.

    counted : (H, W) bool. vegetation : (H, W) index into `VEGETATION`.
    """
    sums = {}
    for name, values in pixels.items():
        kept = counted & (vegetation != OTHER) & np.isfinite(values)
        of = vegetation[kept]
        total = np.bincount(of, values[kept], minlength=len(CLASSES))
        sums[name] = Sums(total, np.bincount(of, minlength=len(CLASSES)).astype(np.float64))
    return sums


def class_means(tally: Tally) -> dict[str, Floats]:
    """Mean score of each class of a cube, (len(CLASSES),); NaN where the cube has no counted pixel of it."""
    return {name: _over(tally[name].total, tally[name].weight) for name in SCORES}


def dataset_scores(cubes: Iterable[Tally]) -> dict[str, float]:
    """The scores of a set of cubes: mean over cubes of each class, then over classes; `nse` is 2 - 1 / mean(nnse).

    NaN where no cube has a counted pixel. `cubes` may be one cube: then they are its own.
    """
    return over_classes(by_class(cubes))


def by_class(cubes: Iterable[Tally]) -> dict[str, Floats]:
    """Mean over cubes of each class, (len(CLASSES),); `nse` is 2 - 1 / mean(nnse). NaN for classes without pixels."""
    means = [class_means(tally) for tally in cubes]
    found = {name: _mean_of([each[name] for each in means]) for name in SCORES}
    return found | {"nse": 2.0 - 1.0 / found["nnse"]}


def over_classes(classes: Mapping[str, Floats]) -> dict[str, float]:
    """Mean over the classes that there are, of what `by_class` gives."""
    found = {name: float(_mean_of(values[:, None])[0]) for name, values in classes.items()}
    return found | {"nse": 2.0 - 1.0 / found["nnse"]}


def _mean_of(rows: Sequence[Floats] | Floats) -> Floats:
    """Mean of each column over the rows that have a value, NaN where none has."""
    table = np.asarray(rows, np.float64)
    if not len(table):
        return np.full(len(CLASSES), np.nan)
    there = np.isfinite(table)
    return _over(np.where(there, table, 0.0).sum(axis=0), there.sum(axis=0))

"""From errors at hidden observations to a std for every cell: quantiles, and what to expect where there are few."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import isotonic_regression, nnls

from clearcube.filler import NORMAL_90
from clearcube.methods.error_kernels import CELLS, EDGES, LEADING, NEVER_SEEN, OBSERVED, SIDES, TRAILING
from clearcube.methods.hidden_errors import HiddenErrors, without_empty_dates
from clearcube.methods.noise import robust_std
from clearcube.methods.sampling import draw_pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from clearcube.filler import Block

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Days = NDArray[np.int64]

FLOOR = 1e-4
"""No std is smaller; reflectance."""
UNKNOWN_STD = 0.05
"""Least std in gaps where the sample has no two observations of a pixel to compare; reflectance."""
UNKNOWN_NOISE = 0.02
"""Noise of an observation where the sample cannot tell it; reflectance."""
SAMPLE_PIXELS = 1024
DATE_PAIRS = 800
LAGS = (*EDGES, 132, 183, 365)
"""Lower edges, in days, of the bins of days between two observations."""
TRUST = 5.0
"""Dates that what is expected of a cell weighs as much as."""
USUAL_LIKENESS = 0.4
"""Correlation of the errors of one date in simulated scenes. Where they are less alike, a date tells more."""
LARGEST = 3.0
"""Stds at which errors are cut off before their likeness is judged, so that clouds hardly count."""
CAUTION = 2.0
"""Variances grow by this over the number of dates that a cell rests on, those of `TRUST` included: errors of one date
are alike, so those of a few dates do not show how far the next one can go. Of 1, 2 and 3, 2 brings the strata of
simulated scenes closest to 90 %."""
SPARSE, SPARSE_ERRORS = 6.0, 150
"""Cells with fewer dates or errors are no smaller than those of shorter gaps."""
SLOPE_DAYS = 30.0
"""Days after which a wrong slope errs by one noise, before it is fitted; keeps the terms of one size."""
FEWEST_FOR_CORRELATION = 30
ROUNDS = 5
"""Rounds in which measured variances are weighted anew, and in which neighbouring sparse cells are averaged."""

_CENTRES = np.array([*(np.add(EDGES[:-1], EDGES[1:]) - 1) / 2, 110.0])
_LAG_CENTRES = np.array([*(np.add(LAGS[:-1], LAGS[1:]) - 1) / 2, 400.0])


def fit_table(errors: HiddenErrors, sample: Sequence[Block]) -> NDArray[np.float32]:
    """Std of each band and cell, (B, cells) float32; NaN in the last cell alone."""
    blocks = without_empty_dates(sample)
    reflectance, observed = draw_pixels(blocks, SAMPLE_PIXELS)
    days = blocks[0].days
    measured, every_dates, number = _cell_std(errors)
    table = np.full((reflectance.shape[1], CELLS), np.nan)
    for band, (row, dates) in enumerate(zip(table, every_dates, strict=True)):
        values = reflectance[:, band]
        variogram = squared_differences(values, observed, days)
        row[OBSERVED] = noise = observation_noise(values, observed, days, float(variogram(1.0)))
        expected = _expected(measured[band] ** 2, dates, variogram, noise**2)
        variance = (dates * np.nan_to_num(measured[band]) ** 2 + TRUST * expected) / (dates + TRUST)
        sparse = (dates < SPARSE) | (number < SPARSE_ERRORS)
        cautious = variance * (1 + CAUTION / (dates + TRUST))
        row[:OBSERVED] = np.sqrt(_growing(cautious, dates, sparse, noise**2))
    table[:, :NEVER_SEEN] = np.maximum(table[:, :NEVER_SEEN], FLOOR)
    return table.astype(np.float32)


def noise_of_bands(sample: Sequence[Block]) -> NDArray[np.float32]:
    """Std of an observation's noise in each band, (B,) float32, as `fit_table` finds it."""
    blocks = without_empty_dates(sample)
    reflectance, observed = draw_pixels(blocks, SAMPLE_PIXELS)
    days = blocks[0].days
    noise = [
        observation_noise(values, observed, days, float(squared_differences(values, observed, days)(1.0)))
        for values in reflectance.swapaxes(0, 1)
    ]
    return np.maximum(noise, FLOOR).astype(np.float32)


def _cell_std(errors: HiddenErrors) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Std of each band and cell (B, OBSERVED), NaN where none is measured, the dates that it rests on, the errors.

    With n errors at d dates, whose errors correlate by r within a date, a mean is as uncertain as that of
    n / (1 + (n / d - 1) r) independent errors. Dates are these, counted in dates of the usual likeness.
    """
    order = np.argsort(errors.cell, kind="stable")
    size, date = np.abs(errors.error[:, order]), errors.date[order]
    ends = np.searchsorted(errors.cell[order], np.arange(OBSERVED + 1))
    std, number, dates = np.full((len(size), OBSERVED), np.nan), np.diff(ends), np.ones(OBSERVED)
    for cell, (start, stop) in enumerate(pairwise(ends)):
        if stop > start:
            std[:, cell] = np.quantile(size[:, start:stop], 0.9, axis=1) / NORMAL_90
            dates[cell] = np.unique(date[start:stop]).size
    independent = number / (1 + np.maximum(number / dates - 1, 0) * _likeness(errors, std)[:, None])
    return std, USUAL_LIKENESS * independent, number


def _likeness(errors: HiddenErrors, std: Floats) -> Floats:
    """Correlation (B,), 0 to 1, of errors of the same date and cell, in units of the std (B, OBSERVED) of the cells."""
    _, group = np.unique(errors.date * CELLS + errors.cell, return_inverse=True)
    number = np.bincount(group)
    pairs = max(float((number * (number - 1.0)).sum()), 1.0)
    likeness = np.zeros(len(std))
    for band, row in enumerate(errors.error / np.maximum(std, FLOOR)[:, errors.cell]):
        value = np.clip(row, -LARGEST, LARGEST)
        power = float((value**2).sum())
        product = float((np.bincount(group, value) ** 2).sum()) - power
        likeness[band] = product / pairs / max(power / max(value.size, 1), FLOOR)
    return np.clip(likeness, 0, 1)


def squared_differences(values: NDArray[np.float32], observed: Bools, days: Days) -> Callable[[Floats | float], Floats]:
    """How much a pixel changes in so many days: robust mean square of differences, growing, as a function of days.

    values (T, P), observed (T, P), days (T,). Without any pixel observed twice: the spread of the sample about its
    median, squared and doubled, at least `UNKNOWN_STD` squared.
    """
    first, second = np.triu_indices(len(days), 1)
    if first.size > DATE_PAIRS:
        chosen = np.linspace(0, first.size - 1, DATE_PAIRS).astype(np.int64)
        first, second = first[chosen], second[chosen]
    lag = np.searchsorted(LAGS, days[second] - days[first], side="right") - 1
    square, weight = np.zeros(len(LAGS)), np.zeros(len(LAGS))
    for k in np.unique(lag):
        i, j = first[lag == k], second[lag == k]
        both = observed[i] & observed[j]
        if both.any():
            square[k] = robust_std((values[j] - values[i])[both]) ** 2
            weight[k] = both.any(axis=1).sum()
    known = weight > 0
    if not known.any():
        spread = _spread(values[observed])
        return lambda lags: np.full(np.shape(lags), spread**2)
    grown = isotonic_regression(square[known], weights=weight[known]).x
    centres = np.log(_LAG_CENTRES[known])
    return lambda lags: np.interp(np.log(np.maximum(lags, 1.0)), centres, grown)


def _spread(values: NDArray[np.float32]) -> float:
    """Std that stands in for one that cannot be measured."""
    if values.size == 0:
        return UNKNOWN_STD
    return max(float(np.sqrt(2)) * robust_std(values - np.median(values)), UNKNOWN_STD)


def observation_noise(values: NDArray[np.float32], observed: Bools, days: Days, shortest_square: float) -> float:
    """Std of an observation's noise: its difference from the line between its neighbours in time.

    Divided by sqrt(1 + w1^2 + w2^2), since the neighbours are as noisy; taken from the quarter of the triples that
    lie closest, and as the 68 % quantile of absolute values, so that missed clouds hardly count. Without triples,
    from `shortest_square`, the mean square of differences at the shortest lag. values (T, P), observed (T, P).
    """
    number = np.arange(len(days))[:, None]
    outside = np.full((1, observed.shape[1]), -1)
    before = np.vstack([outside, np.maximum.accumulate(np.where(observed, number, -1), axis=0)[:-1]])
    later = np.where(observed, number, len(days))[::-1]
    after = np.vstack([np.minimum.accumulate(later, axis=0)[::-1][1:], outside + 1 + len(days)])
    inner = observed & (before >= 0) & (after < len(days))
    if not inner.any():
        twice = (observed.sum(axis=0) > 1).any()
        return float(np.sqrt(shortest_square / 2)) if twice else UNKNOWN_NOISE
    t, p = np.nonzero(inner)
    i, j = before[inner], after[inner]
    gap = days[j] - days[i]
    near = gap <= np.quantile(gap, 0.25)
    t, p, i, j, gap = t[near], p[near], i[near], j[near], gap[near]
    w = (days[t] - days[i]) / gap
    residual = values[t, p] - (1 - w) * values[i, p] - w * values[j, p]
    return float(np.quantile(np.abs(residual / np.sqrt(1 + w**2 + (1 - w) ** 2)), 0.6827))


def _expected(variance: Floats, dates: Floats, variogram: Callable[..., Floats], noise: float) -> Floats:
    """Variance (OBSERVED,) that every cell should have, judged by the measured ones.

    A combination, not negative, of what errs like this: noise alone, the line between two observations
    (w1 D(before) + w2 D(after) - w1 w2 D(before + after), D being the mean square of differences), holding the
    observation before, after or nearest, and following a slope that is a little wrong, which errs in proportion to
    the days. Least squares over the measured cells, weighted by their dates.
    """
    before, after = (days.ravel() for days in np.meshgrid(_CENTRES, _CENTRES, indexing="ij"))
    w = before / (before + after)
    line = (1 - w) * variogram(before) + w * variogram(after) - w * (1 - w) * variogram(before + after)
    line = np.maximum(line, noise * (1 + w**2 + (1 - w) ** 2))
    held = [variogram(days) for days in (before, after, np.minimum(before, after))]
    interior = np.stack([np.full_like(line, noise), line, *held, _slope(noise, np.minimum(before, after))], axis=1)
    edge = np.stack([np.full(SIDES, noise), variogram(_CENTRES), _slope(noise, _CENTRES)], axis=1)
    farthest = variogram(np.maximum(before, after))
    parts = (
        (slice(0, LEADING), interior, farthest),
        (slice(LEADING, TRAILING), edge, edge[:, 1]),
        (slice(TRAILING, OBSERVED), edge, edge[:, 1]),
    )
    return np.concatenate([_combined(terms, variance[at], dates[at], otherwise) for at, terms, otherwise in parts])


def _slope(noise: float, days: Floats) -> Floats:
    """Variance of what follows a wrong slope for so many days; its size is for the fit to find."""
    return noise * (days / SLOPE_DAYS) ** 2


def _combined(terms: Floats, variance: Floats, dates: Floats, otherwise: Floats) -> Floats:
    """The combination of terms (cells, terms) closest to the measured variances, else `otherwise`; none is 0.

    A measured variance is as uncertain as the true one is large. Judged by itself, those that came out small by
    chance would count most, so each round judges it by the combination of the round before.
    """
    measured = (dates > 0) & (variance > FLOOR**2)
    if measured.sum() < 2:
        return np.maximum(otherwise, FLOOR**2)
    expected = np.full(measured.sum(), np.average(variance[measured], weights=dates[measured]))
    for _ in range(ROUNDS):
        scale = np.sqrt(dates[measured]) / expected
        coefficients = nnls(terms[measured] * scale[:, None], variance[measured] * scale)[0]
        expected = np.maximum(terms[measured] @ coefficients, FLOOR**2)
    return np.maximum(terms @ coefficients, FLOOR**2)


def _growing(variance: Floats, dates: Floats, sparse: Bools, noise: float) -> Floats:
    """Sparse cells no smaller than the noise and than the cells of gaps that are shorter on either side.

    Where they are, by chance, neighbours are averaged rather than the longer raised, weighted by their dates.
    """
    variance = np.where(sparse, np.maximum(variance, noise), variance)
    cells = [np.arange(OBSERVED)[part] for part in (slice(LEADING, TRAILING), slice(TRAILING, OBSERVED))]
    interior = np.arange(LEADING).reshape(SIDES, SIDES)
    for line in (*cells, *(line for _ in range(ROUNDS) for line in (*interior, *interior.T))):
        grown = isotonic_regression(variance[line], weights=dates[line] + TRUST).x
        variance[line] = np.where(sparse[line], grown, variance[line])
    for line in (*cells, *interior, *interior.T):
        variance[line] = np.where(sparse[line], np.maximum.accumulate(variance[line]), variance[line])
    return variance


def fit_correlation(error: NDArray[np.float32]) -> Floats:
    """Correlation (B, B) of errors (B, N) by their signs, sin(pi / 2 mean(sign x sign)): clouds hardly count.

    The identity where there are too few. Made positive semidefinite. Reference: Blomqvist (1950), On a measure of
    dependence between two random variables.
    """
    sign = np.sign(error[:, (error != 0).all(axis=0)]).astype(np.float64)
    if sign.shape[1] < FEWEST_FOR_CORRELATION:
        return np.eye(len(error))
    values, vectors = np.linalg.eigh(np.sin(np.pi / 2 * (sign @ sign.T) / sign.shape[1]))
    matrix = (vectors * np.maximum(values, 0)) @ vectors.T
    scale = np.sqrt(np.diag(matrix))
    correlation: Floats = np.clip(matrix / np.outer(scale, scale), -1, 1)
    np.fill_diagonal(correlation, 1.0)
    return correlation

"""A pixel's trend and yearly waves by robust, ridge-regularised least squares, compiled.

Pixels are independent and only observed dates enter. Letters: T dates, B bands, P pixels, n observed dates of a
pixel, C columns: one, trend, cosine and sine of the year, cosine and sine of the half-year, ...

References: Huber (1964), Robust estimation of a location parameter; Zhu and Woodcock (2014), Continuous change
detection and classification of land cover, doi 10.1016/j.rse.2014.01.011, for the terms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clearcube.compilation import compiled
from clearcube.methods.cholesky import factor_in_place, solve_in_place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SHORTEST_SPAN = 45.0
"""Days from the first to the last observation below which there is no yearly wave; half of a wave's multiple."""
HUBER = 1.5
BISQUARE = 4.685
HUBER_FITS = 3
FITS = 6
YEAR = 365.25


@compiled()
def columns_for(count: int, span: float, most: int) -> int:
    """How many of the columns a pixel with `count` observations over `span` days can bear, at most `most`.

    As many as observations are enough, since the ridge holds what these do not settle.
    """
    bearable = min(most, count)
    if bearable < 2:
        return 1
    if span < SHORTEST_SPAN:
        return 2
    waves = (bearable - 2) // 2
    return 2 + 2 * min(waves, 1 if span < 2 * SHORTEST_SPAN else waves)


@compiled()
def row_of(design: Floats, waves: Floats, day: float, first: float, last: float) -> None:
    """Fill `design` (C,) for one date; the trend counts years from the middle and stops at the ends."""
    design[0] = 1.0
    if design.size > 1:
        design[1] = (min(max(day, first), last) - 0.5 * (first + last)) / YEAR
    for c in range(2, design.size):
        design[c] = waves[c - 2]


@compiled()
def reweight(misfit: Floats, bisquare: bool, weights: Floats) -> bool:
    """Weights (n,) from the size of each date's standardised residual (n,). Whether any is not 1."""
    scale = max(np.median(misfit), 1.0)
    changed = False
    for i in range(weights.size):
        size = misfit[i] / scale
        if bisquare:
            weights[i] = (1.0 - (size / BISQUARE) ** 2) ** 2 if size < BISQUARE else 0.0
        else:
            weights[i] = min(1.0, HUBER / max(size, HUBER))
        changed |= weights[i] != 1.0
    return changed


@compiled()
def fit(design: Floats, values: Floats, weights: Floats, ridge: Floats, normal: Floats, coefficients: Floats) -> None:
    """Weighted ridge regression of values (B, n) on design (n, C); ridge (B, C), coefficients (B, C)."""
    n, columns = design.shape
    for b in range(values.shape[0]):
        normal[:], coefficients[b, :] = 0.0, 0.0
        for i in range(n):
            for c in range(columns):
                weighted = weights[i] * design[i, c]
                coefficients[b, c] += weighted * values[b, i]
                for k in range(c + 1):
                    normal[c, k] += weighted * design[i, k]
        for c in range(columns):
            normal[c, c] += ridge[b, c]
        factor_in_place(normal)
        solve_in_place(normal, coefficients[b])


@compiled()
def misfit_of(design: Floats, values: Floats, coefficients: Floats, noise: Floats, misfit: Floats) -> None:
    """Root mean square over the bands of each date's residual in units of the noise, (n,)."""
    for i in range(design.shape[0]):
        total = 0.0
        for b in range(noise.size):
            residual = values[b, i]
            for c in range(design.shape[1]):
                residual -= coefficients[b, c] * design[i, c]
            total += (residual / noise[b]) ** 2
        misfit[i] = np.sqrt(total / noise.size)


@compiled()
def fit_pixels(
    reflectance: NDArray[np.float32],
    observed: NDArray[np.bool_],
    days: Floats,
    waves: Floats,
    noise: Floats,
    ridge: Floats,
    out: NDArray[np.float32],
) -> None:
    """Fit every pixel and evaluate it at every date.

    reflectance (T, B, P), observed (T, P), days (T,), waves (T, C - 2), noise (B,) one standard deviation about the
    fit, ridge (B, C); out (T, B, P), NaN where a pixel is never observed. No value leaves the range of the pixel's
    observed ones by more than its width.
    """
    times, bands, pixels = reflectance.shape
    most = ridge.shape[1]
    design, values = np.empty((times, most)), np.empty((bands, times))
    weights, misfit, at = np.empty(times), np.empty(times), np.empty(times, np.int64)
    for p in range(pixels):
        n = 0
        for t in range(times):
            if observed[t, p]:
                at[n] = t
                for b in range(bands):
                    values[b, n] = reflectance[t, b, p]
                n += 1
        if n == 0:
            out[:, :, p] = np.nan
            continue
        first, last = days[at[0]], days[at[n - 1]]
        columns = columns_for(n, last - first, most)
        rows, row, prior = design[:n, :columns], np.empty(columns), ridge[:, :columns]
        normal, coefficients = np.empty((columns, columns)), np.empty((bands, columns))
        for i in range(n):
            row_of(rows[i], waves[at[i]], days[at[i]], first, last)
        weights[:n] = 1.0
        for step in range(FITS):
            fit(rows, values[:, :n], weights[:n], prior, normal, coefficients)
            misfit_of(rows, values[:, :n], coefficients, noise, misfit[:n])
            if step == FITS - 1 or not reweight(misfit[:n], step >= HUBER_FITS, weights[:n]):
                break
        for b in range(bands):
            low, high = values[b, :n].min(), values[b, :n].max()
            width = high - low
            for t in range(times):
                row_of(row, waves[t], days[t], first, last)
                value = 0.0
                for c in range(columns):
                    value += coefficients[b, c] * row[c]
                out[t, b, p] = min(max(value, low - width), high + width)

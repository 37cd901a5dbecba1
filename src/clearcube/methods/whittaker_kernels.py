"""The smoother of one pixel's series, compiled: a natural cubic spline through its own observed dates.

Pixels are independent and only observed dates enter, so the result does not depend on the window, on dates that
nobody observed or on values at unobserved ones. Letters: T dates, B bands, P pixels, n observed dates of a pixel.

References: Reinsch (1967), Smoothing by spline functions; Green and Silverman (1994), Nonparametric regression and
generalized linear models, chapter 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clearcube.compilation import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

REFITS = 2
"""How often a pixel is fitted anew with less weight on dates that stand out brightly."""
BRIGHT = 3.0
"""Excess over the smooth curve, mean over the bands in units of their noise, from where a date loses weight."""
LEAST_WEIGHT = 1e-3
BRIDGE = 30.0
"""Days between two observations from where the curve is flattened towards their chord."""
DEFAULT_SMOOTHNESS = 3000.0
"""Smoothness, days^3, where a sample cannot tell it, and of the series that clouds are told from."""
FEWEST_FOR_CURVE = 5
"""Observations below which a pixel says nothing about the smoothness."""


@compiled()
def factorise(days: Floats, weights: Floats, smoothness: float, factors: Floats) -> None:
    """L D L' of the spline's pentadiagonal matrix R + smoothness Q' W^-1 Q, for n >= 3 knots.

    days (n,) ascending, weights (n,) > 0; factors (3, >= n - 2) receives D and the two subdiagonals of L.
    """
    for j in range(days.size - 2):
        a, c = 1.0 / (days[j + 1] - days[j]), 1.0 / (days[j + 2] - days[j + 1])
        b = -(a + c)
        diagonal = (days[j + 2] - days[j]) / 3.0
        diagonal += smoothness * (a * a / weights[j] + b * b / weights[j + 1] + c * c / weights[j + 2])
        first = second = 0.0
        if j + 3 < days.size:
            d = 1.0 / (days[j + 3] - days[j + 2])
            first = 1.0 / (6.0 * c) + smoothness * (b * c / weights[j + 1] - c * (c + d) / weights[j + 2])
            second = smoothness * c * d / weights[j + 2]
        if j > 1:
            diagonal -= factors[0, j - 2] * factors[2, j - 2] ** 2
        if j > 0:
            diagonal -= factors[0, j - 1] * factors[1, j - 1] ** 2
            first -= factors[0, j - 1] * factors[1, j - 1] * factors[2, j - 1]
        factors[0, j], factors[1, j], factors[2, j] = diagonal, first / diagonal, second / diagonal


@compiled()
def solve(
    days: Floats, values: Floats, weights: Floats, smoothness: float, factors: Floats, level: Floats, bend: Floats
) -> None:
    """The smoothing spline through `values` (n,): its `level` and second derivative `bend` at the n knots."""
    n = days.size
    level[:], bend[:] = values, 0.0
    if n < 3:
        return
    for j in range(n - 2):
        after, before = values[j + 2] - values[j + 1], values[j + 1] - values[j]
        bend[j + 1] = after / (days[j + 2] - days[j + 1]) - before / (days[j + 1] - days[j])
        if j > 0:
            bend[j + 1] -= factors[1, j - 1] * bend[j]
        if j > 1:
            bend[j + 1] -= factors[2, j - 2] * bend[j - 1]
    for j in range(n - 3, -1, -1):
        bend[j + 1] /= factors[0, j]
        if j < n - 3:
            bend[j + 1] -= factors[1, j] * bend[j + 2]
        if j < n - 4:
            bend[j + 1] -= factors[2, j] * bend[j + 3]
    left = 0.0
    for i in range(n - 1):
        right = (bend[i + 1] - bend[i]) / (days[i + 1] - days[i])
        level[i] -= smoothness / weights[i] * (right - left)
        left = right
    level[n - 1] += smoothness / weights[n - 1] * left


@compiled()
def evaluate(days: Floats, level: Floats, bend: Floats, wanted: Floats, out: Floats) -> None:
    """The spline at the ascending days `wanted` (T,): held beyond its ends, flattened in wide gaps."""
    n = days.size
    i = 0
    for t in range(wanted.size):
        day = wanted[t]
        if day <= days[0]:
            out[t] = level[0]
        elif day >= days[n - 1]:
            out[t] = level[n - 1]
        else:
            while days[i + 1] < day:
                i += 1
            width, left, right = days[i + 1] - days[i], day - days[i], days[i + 1] - day
            curve = (1.0 + left / width) * bend[i + 1] + (1.0 + right / width) * bend[i]
            curve *= min(1.0, BRIDGE / width) ** 2
            out[t] = (left * level[i + 1] + right * level[i]) / width - left * right * curve / 6.0


@compiled()
def roughness(days: Floats, bend: Floats) -> float:
    """The integral of the squared second derivative of the spline over its knots (n,)."""
    total = 0.0
    for i in range(days.size - 1):
        total += (days[i + 1] - days[i]) * (bend[i] ** 2 + bend[i] * bend[i + 1] + bend[i + 1] ** 2) / 3.0
    return total


@compiled()
def gather(
    reflectance: NDArray[np.float32], observed: NDArray[np.bool_], days: Floats, p: int, knots: Floats, values: Floats
) -> int:
    """The observed days and values of pixel p into `knots` (T,) and `values` (B, T); returns how many."""
    n = 0
    for t in range(days.size):
        if observed[t, p]:
            knots[n] = days[t]
            for b in range(values.shape[0]):
                values[b, n] = reflectance[t, b, p]
            n += 1
    return n


@compiled()
def reweight(excess: Floats, noise: Floats, weights: Floats) -> bool:
    """Weights (n,) from the excess (B, n) of values over the curve: less for bright dates. Whether any changed."""
    changed = False
    for i in range(weights.size):
        score = 0.0
        for b in range(noise.size):
            score += excess[b, i] / noise[b]
        score /= noise.size
        weight = 1.0 if score <= BRIGHT else max((BRIGHT / score) ** 2, LEAST_WEIGHT)
        changed |= weight != weights[i]
        weights[i] = weight
    return changed


@compiled()
def smooth_pixels(
    reflectance: NDArray[np.float32],
    observed: NDArray[np.bool_],
    days: Floats,
    smoothness: float,
    noise: Floats,
    out: NDArray[np.float32],
) -> None:
    """Smooth every pixel.

    reflectance (T, B, P), observed (T, P), days (T,), smoothness in days^3, noise (B,) one standard deviation of the
    residuals; out (T, B, P) receives the smooth series, NaN where a pixel is never observed.
    """
    times, bands, pixels = reflectance.shape
    knots, weights, series, factors = np.empty(times), np.empty(times), np.empty(times), np.empty((3, times))
    values, level, bend = np.empty((bands, times)), np.empty((bands, times)), np.empty((bands, times))
    for p in range(pixels):
        n = gather(reflectance, observed, days, p, knots, values)
        if n == 0:
            out[:, :, p] = np.nan
            continue
        weights[:n] = 1.0
        for fit in range(REFITS + 1):
            factorise(knots[:n], weights[:n], smoothness, factors)
            for b in range(bands):
                solve(knots[:n], values[b, :n], weights[:n], smoothness, factors, level[b, :n], bend[b, :n])
            if fit == REFITS or not reweight(values[:, :n] - level[:, :n], noise, weights[:n]):
                break
        for b in range(bands):
            evaluate(knots[:n], level[b, :n], bend[b, :n], days, series)
            for t in range(times):
                out[t, b, p] = series[t]


@compiled()
def residual_pixels(
    reflectance: NDArray[np.float32],
    observed: NDArray[np.bool_],
    days: Floats,
    smoothness: float,
    out: NDArray[np.float32],
) -> None:
    """Values less the smooth series, all weights 1: out (T, B, P), NaN where unobserved or below 3 observations."""
    times, bands, pixels = reflectance.shape
    knots, weights, factors = np.empty(times), np.ones(times), np.empty((3, times))
    values, level, bend = np.empty((bands, times)), np.empty(times), np.empty(times)
    out[:] = np.nan
    for p in range(pixels):
        n = gather(reflectance, observed, days, p, knots, values)
        if n < 3:
            continue
        factorise(knots[:n], weights[:n], smoothness, factors)
        for b in range(bands):
            solve(knots[:n], values[b, :n], weights[:n], smoothness, factors, level[:n], bend[:n])
            i = 0
            for t in range(times):
                if observed[t, p]:
                    out[t, b, p] = values[b, i] - level[i]
                    i += 1


@compiled()
def misfit_and_roughness(
    reflectance: NDArray[np.float32], observed: NDArray[np.bool_], days: Floats, smoothness: Floats
) -> Floats:
    """Mean logarithms of the misfit (row 0) and of the roughness (row 1) of the curves, by smoothness (L,).

    reflectance (T, B, P), observed (T, P), days (T,). Means over the bands and over the pixels with enough
    observations, of which there must be one; geometric, so that no cloudy pixel outweighs the others.
    """
    times, bands, pixels = reflectance.shape
    knots, weights, factors = np.empty(times), np.ones(times), np.empty((3, times))
    values, level, bend = np.empty((bands, times)), np.empty(times), np.empty(times)
    total, count = np.zeros((2, smoothness.size)), 0
    for p in range(pixels):
        n = gather(reflectance, observed, days, p, knots, values)
        if n < FEWEST_FOR_CURVE:
            continue
        count += bands
        for k in range(smoothness.size):
            factorise(knots[:n], weights[:n], smoothness[k], factors)
            for b in range(bands):
                solve(knots[:n], values[b, :n], weights[:n], smoothness[k], factors, level[:n], bend[:n])
                total[0, k] += np.log(np.sum((values[b, :n] - level[:n]) ** 2) + 1e-12)
                total[1, k] += np.log(roughness(knots[:n], bend[:n]) + 1e-18)
    return total / count

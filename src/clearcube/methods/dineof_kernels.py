"""Empirical orthogonal functions of a matrix with gaps, and a pixel's amplitudes from what it observed; compiled.

A value is modelled as mean[t, b] + sum over k of mode[t, b, k] * amplitude[p, k] + noise, with amplitudes of unit
prior variance, so that a mode carries its singular value over the root of the number of pixels. `basis` (T, B, 1 + K)
holds the mean and the modes. Letters: T dates, B bands, P pixels, K modes.

References: Beckers and Rixen (2003), EOF calculations and data filling from incomplete oceanographic datasets,
doi 10.1175/1520-0426(2003)020<1839:ECADFF>2.0.CO;2, for the problem; Ilin and Raiko (2010), Practical approaches to
principal component analysis in the presence of missing values, JMLR 11, for its solution without filling in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clearcube.compilation import compiled
from clearcube.methods.cholesky import factor_in_place, solve_in_place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEAST_VARIANCE = 1e-9
BRIGHT = 3.0
"""Excess over the reconstruction, mean over the bands in units of the noise, from where a date is not believed."""
LEAST_NOISE = 0.01
"""Least noise, standardised, for that judgement."""


@compiled()
def grams_of(basis: Floats) -> Floats:
    """Sum over the bands of the outer products of the modes, (T, K, K)."""
    times, bands, columns = basis.shape
    grams = np.zeros((times, columns - 1, columns - 1))
    for t in range(times):
        for b in range(bands):
            for i in range(columns - 1):
                for j in range(columns - 1):
                    grams[t, i, j] += basis[t, b, 1 + i] * basis[t, b, 1 + j]
    return grams


@compiled()
def amplitudes_of(
    values: Floats, seen: NDArray[np.bool_], basis: Floats, grams: Floats, variance: float, system: Floats, out: Floats
) -> None:
    """Ridge regression of one pixel's values (T, B) on the modes; `system` (K, K) receives the Cholesky factor."""
    system[:], out[:] = 0.0, 0.0
    for i in range(out.size):
        system[i, i] = variance
    for t in range(seen.size):
        if seen[t]:
            for i in range(out.size):
                for j in range(i + 1):
                    system[i, j] += grams[t, i, j]
                for b in range(values.shape[1]):
                    out[i] += basis[t, b, 1 + i] * (values[t, b] - basis[t, b, 0])
    factor_in_place(system)
    solve_in_place(system, out)


@compiled()
def moments_of(amplitudes: Floats, factor: Floats, variance: float, second: Floats) -> None:
    """Expected outer product of (1, amplitudes) given a pixel's values, as its lower triangle row by row."""
    k = amplitudes.size
    unit = np.empty(k)
    second[0] = 1.0
    for i in range(k):
        unit[:] = 0.0
        unit[i] = 1.0
        solve_in_place(factor, unit)
        row = (i + 1) * (i + 2) // 2
        second[row] = amplitudes[i]
        for j in range(i + 1):
            second[row + 1 + j] = amplitudes[i] * amplitudes[j] + variance * unit[j]


@compiled()
def add_pixels(
    values: Floats, observed: NDArray[np.bool_], basis: Floats, variance: float, seconds: Floats, firsts: Floats
) -> tuple[float, int]:
    """Add up what the dates need of all pixels, and the sum of the squares of their values and how many there are.

    values (P, T, B), observed (P, T). seconds (T, C (C + 1) / 2) : of `moments_of`, firsts (T, B, C) : of values times
    (1, amplitudes).
    """
    pixels, times, bands = values.shape
    k = basis.shape[2] - 1
    system, amplitudes, second = np.empty((k, k)), np.empty(k), np.empty(seconds.shape[1])
    grams = grams_of(basis)
    power, count = 0.0, 0
    for p in range(pixels):
        amplitudes_of(values[p], observed[p], basis, grams, variance, system, amplitudes)
        moments_of(amplitudes, system, variance, second)
        for t in range(times):
            if observed[p, t]:
                for i in range(second.size):
                    seconds[t, i] += second[i]
                for b in range(bands):
                    value = values[p, t, b]
                    firsts[t, b, 0] += value
                    for i in range(k):
                        firsts[t, b, 1 + i] += value * amplitudes[i]
                    power += value**2
                count += bands
    return power, count


@compiled()
def unpack(triangle: Floats, matrix: Floats) -> None:
    """The symmetric matrix (C, C) of a lower triangle given row by row."""
    for i in range(matrix.shape[0]):
        for j in range(i + 1):
            matrix[i, j] = matrix[j, i] = triangle[i * (i + 1) // 2 + j]


@compiled()
def improve(values: Floats, observed: NDArray[np.bool_], basis: Floats, variance: float, sweeps: int) -> float:
    """Improve `basis` (T, B, 1 + K) in place by sweeps of expectation-maximisation; returns the noise variance.

    values (P, T, B), standardised; observed (P, T). The basis has a unit normal prior, which holds dates that few
    pixels saw.
    """
    times, bands, columns = basis.shape
    moment, normal = np.empty((columns, columns)), np.empty((columns, columns))
    for _ in range(sweeps):
        seconds, firsts = np.zeros((times, columns * (columns + 1) // 2)), np.zeros(basis.shape)
        power, count = add_pixels(values, observed, basis, variance, seconds, firsts)
        for t in range(times):
            unpack(seconds[t], moment)
            normal[:] = moment
            for i in range(columns):
                normal[i, i] += variance
            factor_in_place(normal)
            for b in range(bands):
                basis[t, b] = firsts[t, b]
                solve_in_place(normal, basis[t, b])
                for i in range(columns):
                    power -= 2.0 * basis[t, b, i] * firsts[t, b, i]
                    for j in range(columns):
                        power += basis[t, b, i] * basis[t, b, j] * moment[i, j]
        variance = max(power / max(count, 1), LEAST_VARIANCE)
    return variance


@compiled()
def hidden_error(
    values: Floats, observed: NDArray[np.bool_], hidden: NDArray[np.bool_], basis: Floats, variance: float
) -> float:
    """Mean absolute error at the `hidden` entries (P, T) of pixels known by their `observed` ones (P, T)."""
    pixels, times, bands = values.shape
    k = basis.shape[2] - 1
    system, amplitudes, grams = np.empty((k, k)), np.empty(k), grams_of(basis)
    total, count = 0.0, 0
    for p in range(pixels):
        if not hidden[p].any():
            continue
        amplitudes_of(values[p], observed[p], basis, grams, variance, system, amplitudes)
        for t in range(times):
            if hidden[p, t]:
                count += bands
                for b in range(bands):
                    value = basis[t, b, 0]
                    for i in range(k):
                        value += basis[t, b, 1 + i] * amplitudes[i]
                    total += abs(values[p, t, b] - value)
    return total / max(count, 1)


@compiled()
def drop_bright(values: Floats, seen: NDArray[np.bool_], basis: Floats, amplitudes: Floats, variance: float) -> bool:
    """Take bright dates out of `seen` (T,), unless they are half of it. Whether any went; values (T, B)."""
    noise = max(np.sqrt(variance), LEAST_NOISE)
    excess = np.full(seen.size, -np.inf)
    for t in range(seen.size):
        if seen[t]:
            excess[t] = 0.0
            for b in range(values.shape[1]):
                excess[t] += values[t, b] - basis[t, b, 0]
                for i in range(amplitudes.size):
                    excess[t] -= basis[t, b, 1 + i] * amplitudes[i]
            excess[t] /= values.shape[1] * noise
    bright = excess > BRIGHT
    if not bright.any() or 2 * bright.sum() >= seen.sum():
        return False
    seen[bright] = False
    return True


@compiled()
def reconstruct_pixels(
    reflectance: NDArray[np.float32],
    observed: NDArray[np.bool_],
    centre: Floats,
    scale: Floats,
    basis: Floats,
    variance: float,
    out: NDArray[np.float32],
) -> None:
    """Mean and modes with each pixel's amplitudes, at every date.

    reflectance (T, B, P), observed (T, P), centre and scale (B,) of the standardised values, basis (T, B, 1 + K) at
    the same dates; out (T, B, P), NaN where a pixel is never observed.
    """
    times, bands, pixels = reflectance.shape
    k = basis.shape[2] - 1
    system, amplitudes, grams = np.empty((k, k)), np.empty(k), grams_of(basis)
    values, seen = np.empty((times, bands)), np.empty(times, np.bool_)
    for p in range(pixels):
        for t in range(times):
            seen[t] = observed[t, p]
            if seen[t]:
                for b in range(bands):
                    values[t, b] = (reflectance[t, b, p] - centre[b]) / scale[b]
        if not seen.any():
            out[:, :, p] = np.nan
            continue
        amplitudes_of(values, seen, basis, grams, variance, system, amplitudes)
        if drop_bright(values, seen, basis, amplitudes, variance):
            amplitudes_of(values, seen, basis, grams, variance, system, amplitudes)
        for t in range(times):
            for b in range(bands):
                value = basis[t, b, 0]
                for i in range(k):
                    value += basis[t, b, 1 + i] * amplitudes[i]
                out[t, b, p] = centre[b] + scale[b] * value

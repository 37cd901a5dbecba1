"""Mean course and empirical orthogonal functions of a cube, and how many of them the cube bears out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from clearcube.methods.dineof_kernels import hidden_error, improve
from clearcube.methods.noise import noise_about
from clearcube.methods.whittaker_kernels import DEFAULT_SMOOTHNESS, residual_pixels

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOST_MODES = 10
PATIENCE = 2
"""How many more modes are tried without a smaller error."""
SWEEPS = 12
FINAL_SWEEPS = 30
REFIT_SWEEPS = 4
"""Sweeps after which hardly anything is left in mean and modes of observations that were taken away."""
SMALLEST_SHARE = 0.3
"""Share of the sample's pixels that must be observed at a date for it to have functions of its own."""
LEAST_SCALE = 1e-4
BRIGHT = 5.0
"""Excess over the smooth series, mean over the bands in units of their noise, of values kept out of the functions."""


@dataclass(frozen=True)
class Basis:
    """The cube's mean course and modes at the dates with observations.

    days : (D,) days since 1970.
    basis : (D, B, 1 + K), the mean and the modes of standardised values; a mode is an orthogonal function times its
        singular value over the root of the number of pixels.
    centre, scale : (B,) mean and standard deviation of the observed values.
    variance : of the noise about mean and modes, standardised.
    """

    days: Floats
    basis: Floats
    centre: Floats
    scale: Floats
    variance: float

    def at(self, days: Floats) -> Floats:
        """The basis at other days (T,): linear in time between those with observations, held beyond them."""
        after = np.clip(np.searchsorted(self.days, days), 0, len(self.days) - 1)
        before = np.where(self.days[after] > days, np.maximum(after - 1, 0), after)
        width = self.days[after] - self.days[before]
        share = np.where(width > 0, (days - self.days[before]) / np.where(width > 0, width, 1.0), 0.0)[:, None, None]
        return (1.0 - share) * self.basis[before] + share * self.basis[after]


def find_basis(
    reflectance: NDArray[np.float32], observed: NDArray[np.bool_], days: Floats, modes: int | None, *, seed: int = 0
) -> Basis:
    """Mean and modes of pixels, reflectance (T, B, P) and observed (T, P); their number by cross-validation if None.

    Without any observation the basis is a zero mean at the first date.
    """
    bands = reflectance.shape[1]
    kept = _seen_by_many(observed)
    if not kept.any():
        return Basis(days[:1], np.zeros((1, bands, 1)), np.zeros(bands), np.ones(bands), 1.0)
    seen = np.ascontiguousarray(observed[kept].T)
    centre, scale = _centre_and_scale(reflectance[kept], observed[kept])
    values = np.moveaxis((reflectance[kept] - centre[:, None]) / scale[:, None], 2, 0)
    values = np.where(seen[:, :, None], values, 0.0)
    rng = np.random.default_rng(seed)
    if modes is None:
        basis, variance = cross_validated(values, seen, rng)
    else:
        basis, variance = grown(values, seen, rng, modes)
    variance = improve(values, seen, basis, variance, FINAL_SWEEPS)
    return Basis(days[kept], basis, centre, scale, variance)


def _seen_by_many(observed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The dates (T,) that saw `SMALLEST_SHARE` of the pixels (T, P); where none did, of what the best one saw."""
    seen = observed.sum(axis=1)
    least, most = SMALLEST_SHARE * observed.shape[1], float(seen.max(initial=0))
    return np.asarray(seen >= max(1.0, least if most >= least else SMALLEST_SHARE * most))


def refitted(basis: Basis, reflectance: NDArray[np.float32], observed: NDArray[np.bool_], days: Floats) -> Basis:
    """The basis as these pixels alone let it be, with as many modes: reflectance (T, B, P), observed (T, P).

    Begins with the given one, less the dates that hardly any of the pixels observed.
    """
    kept = _seen_by_many(observed) & np.isin(days, basis.days)
    if not kept.any():
        return basis
    seen = np.ascontiguousarray(observed[kept].T)
    values = np.moveaxis((reflectance[kept] - basis.centre[:, None]) / basis.scale[:, None], 2, 0)
    refit = basis.basis[np.isin(basis.days, days[kept])].copy()
    variance = improve(np.where(seen[:, :, None], values, 0.0), seen, refit, basis.variance, REFIT_SWEEPS)
    return Basis(days[kept], refit, basis.centre, basis.scale, variance)


def grown(values: Floats, seen: NDArray[np.bool_], rng: np.random.Generator, modes: int) -> tuple[Floats, float]:
    """Basis (D, B, 1 + modes) and noise variance, one mode after the other; values (P, D, B), seen (P, D)."""
    *_, last = islice(_growing(values, seen, rng), modes + 1)
    return last


def cross_validated(values: Floats, seen: NDArray[np.bool_], rng: np.random.Generator) -> tuple[Floats, float]:
    """Basis and noise variance with the number of modes, 0 to 10, that best predicts runs hidden from them.

    values (P, D, B) standardised, seen (P, D).
    """
    hidden = hide_runs(seen, rng)
    known = seen & ~hidden
    tried: list[tuple[Floats, float]] = []
    errors: list[float] = []
    for basis, variance in islice(_growing(values, known, rng), 1 + min(MOST_MODES, len(values) - 1)):
        tried.append((basis, variance))
        errors.append(hidden_error(values, known, hidden, basis, variance))
        if len(errors) - 1 - int(np.argmin(errors)) >= PATIENCE:
            break
    return tried[int(np.argmin(errors))]


def _growing(
    values: Floats, known: NDArray[np.bool_], rng: np.random.Generator
) -> Generator[tuple[Floats, float], None, None]:
    """Basis and noise variance with no mode, one mode, two, ... without end."""
    basis = np.zeros((*values.shape[1:], 1))
    variance = improve(values, known, basis, 1.0, 2)
    while True:
        yield basis, variance
        start = rng.normal(0.0, np.sqrt(variance), (*basis.shape[:2], 1))
        basis = np.concatenate([basis, start], axis=2)
        variance = improve(values, known, basis, variance, SWEEPS)


def without_bright(reflectance: NDArray[np.float32], observed: NDArray[np.bool_], days: Floats) -> NDArray[np.bool_]:
    """Observed (T, P) less what stands out brightly in its pixel's series: missed clouds would make modes of their own.

    reflectance (T, B, P).
    """
    residuals = np.empty_like(reflectance)
    residual_pixels(reflectance, observed, days, DEFAULT_SMOOTHNESS, residuals)
    noise = noise_about(residuals, np.isfinite(residuals[:, 0]))
    excess = (residuals / noise[:, None]).mean(axis=1)
    kept: NDArray[np.bool_] = observed & ~(excess > BRIGHT)
    return kept


def hide_runs(seen: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Runs of each pixel's observations to hide, (P, D): one to a third of them, of every pixel that has three."""
    count = seen.sum(axis=1)
    length = 1 + rng.integers(0, np.maximum(count // 3, 1))
    start = rng.integers(0, np.maximum(count - length, 0) + 1)
    position = np.cumsum(seen, axis=1) - 1
    inside = (position >= start[:, None]) & (position < (start + length)[:, None])
    hidden: NDArray[np.bool_] = seen & inside & (count >= 3)[:, None]
    return hidden


def _centre_and_scale(reflectance: NDArray[np.float32], observed: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each band's observed values, (B,); reflectance (T, B, P), observed (T, P)."""
    by_band = [reflectance[:, b][observed].astype(np.float64) for b in range(reflectance.shape[1])]
    centre = np.array([values.mean() for values in by_band])
    scale = np.array([values.std() for values in by_band])
    return centre, np.maximum(scale, LEAST_SCALE)

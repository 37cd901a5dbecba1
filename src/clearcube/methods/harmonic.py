"""Trend and yearly waves, fitted robustly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from clearcube.filler import Estimate
from clearcube.methods import check_whole
from clearcube.methods.error_model import ErrorModel, measure_errors
from clearcube.methods.harmonic_kernels import YEAR, fit_pixels
from clearcube.methods.noise import noise_about
from clearcube.methods.sampling import absolute_days, draw_pixels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from clearcube.filler import Block

    Floats = NDArray[np.float64]

SAMPLE_PIXELS = 2048
TREND_STD = 0.3
"""Standard deviation that trends are expected to have, reflectance a year: short series need steep ones."""
WAVE_STD = 0.1
"""The same for the coefficients of the yearly wave, reflectance; a k-th of a year has 1 / k^2 of it."""
FIRST_NOISE = 0.02
"""Noise that the first of the rounds begins with, reflectance."""
NOISE_ROUNDS = 4


@dataclass(frozen=True)
class Harmonic:
    """Constant, trend and waves of a year and its fractions, for each pixel and band.

    Fitted by iteratively reweighted least squares (Huber's weights, then Tukey's bisquare, from a date's residuals in
    all bands together), with a ridge: coefficients are drawn to 0 by the noise over their expected size, so that a
    noise-free series is recovered and a short or noisy one does not swing. A pixel has at least one observation for
    each term: a single one gives a constant, below 4 (or within 45 days) there is a trend, then the year, from 6 on
    its half (not within 90 days). The trend stops at the first and last observation, the waves go on, and nothing
    leaves the range of the pixel's observed values by more than that range's width.

    terms : how many waves: 1 = the year, 2 = also its half, ...; 0 = trend alone.

    Raises
    ------
    InputError : terms outside 0 to 6.

    References
    ----------
    Zhu and Woodcock (2014), doi 10.1016/j.rse.2014.01.011. Holland and Welsch (1977), Robust regression using
    iteratively reweighted least-squares, doi 10.1080/03610927708827533.
    """

    terms: int = 2

    def __post_init__(self) -> None:
        check_whole("harmonic: terms", self.terms, 0, 6)

    @property
    def name(self) -> str:
        """The name on the command line."""
        return "harmonic"

    @property
    def halo(self) -> int:
        """0: each pixel by itself."""
        return 0

    def prepare(self, sample: Sequence[Block]) -> PreparedHarmonic:
        """Settle the noise about the fit, which weights and ridge are judged by, and the errors."""
        reflectance, observed = draw_pixels(sample, SAMPLE_PIXELS)
        days = absolute_days(sample[0].dates)
        noise = noise_of(reflectance, observed, days, self.terms)
        errors = measure_errors(partial(fitted_block, noise=noise, terms=self.terms), sample)
        return PreparedHarmonic(self.terms, noise, errors)


@dataclass(frozen=True)
class PreparedHarmonic:
    """The fit with the number of waves, the noise of each band about it (B,) and its errors on this cube."""

    terms: int
    noise: Floats
    errors: ErrorModel

    @property
    def error_correlation(self) -> Floats:
        """(B, B) correlation of the errors of the bands."""
        return self.errors.correlation

    def fill(self, block: Block) -> Estimate:
        """The fitted series at every date, also the observed ones; NaN at pixels that are never observed."""
        mean = fitted_block(block, noise=self.noise, terms=self.terms)
        return Estimate(mean, self.errors.std(block.observed, block.dates))

    def summary(self) -> Mapping[str, object]:
        """The number of waves, the noise and the errors."""
        return {"terms": self.terms, "noise": self.noise.tolist(), **self.errors.summary()}


def noise_of(reflectance: NDArray[np.float32], observed: NDArray[np.bool_], days: Floats, terms: int) -> Floats:
    """One standard deviation (B,) about the fit, which depends on it; reflectance (T, B, P), observed (T, P)."""
    noise = np.full(reflectance.shape[1], FIRST_NOISE)
    for _ in range(NOISE_ROUNDS):
        noise = noise_about(reflectance - fitted_pixels(reflectance, observed, days, noise, terms), observed)
    return noise


def fitted_block(block: Block, *, noise: Floats, terms: int) -> NDArray[np.float32]:
    """The fitted series of every pixel of the block, (T, B, H, W)."""
    reflectance, observed = block.as_pixels()
    fitted = fitted_pixels(reflectance, observed, absolute_days(block.dates), noise, terms)
    return fitted.reshape(block.reflectance.shape)


def fitted_pixels(
    reflectance: NDArray[np.float32], observed: NDArray[np.bool_], days: Floats, noise: Floats, terms: int
) -> NDArray[np.float32]:
    """The fitted series of pixels, (T, B, P); reflectance (T, B, P), observed (T, P), days since 1970 (T,)."""
    out = np.empty_like(reflectance)
    ridge = (noise[:, None] / expected_size(terms)) ** 2
    fit_pixels(reflectance, observed, days, waves(days, terms), noise, ridge, out)
    return out


def waves(days: Floats, terms: int) -> Floats:
    """Cosine and sine of each wave, (T, 2 terms).

    Each date is computed by itself: vectorised loops may round differently depending on what else is in the array.
    """
    phases = [[math.tau * k * day / YEAR for k in range(1, terms + 1)] for day in days.tolist()]
    rows = [[wave(phase) for phase in row for wave in (math.cos, math.sin)] for row in phases]
    return np.array(rows, dtype=np.float64).reshape(len(rows), 2 * terms)


def expected_size(terms: int) -> Floats:
    """Expected standard deviation of the coefficients (2 + 2 terms,); the constant is free."""
    sizes = [WAVE_STD / k**2 for k in range(1, terms + 1) for _ in range(2)]
    return np.array([np.inf, TREND_STD, *sizes])

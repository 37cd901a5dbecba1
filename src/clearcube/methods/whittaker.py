"""A second-order Whittaker smoother on the true dates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from clearcube.errors import InputError
from clearcube.filler import Estimate
from clearcube.methods.error_model import ErrorModel, measure_errors
from clearcube.methods.noise import noise_about
from clearcube.methods.sampling import absolute_days, draw_pixels
from clearcube.methods.whittaker_kernels import (
    DEFAULT_SMOOTHNESS,
    FEWEST_FOR_CURVE,
    misfit_and_roughness,
    residual_pixels,
    smooth_pixels,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from clearcube.filler import Block

SAMPLE_PIXELS = 2048
HALF_POWER_DAYS = (20.0, 80.0)
"""Periods between which the smoother's half-power period is sought. Chosen by benchmarks/choose_methods.py: fields
change within weeks, so that smoother curves err more than straight lines do."""
HALF_POWER_SPACINGS = (3.0, 6.0)
"""The same in mean days between observations, for sparse series; the larger of both holds."""
STEPS = 25
EQUALLY_SHARP = 1.1
"""Corners of the V-curve up to this many times its lowest value count as equally good; the smoothest is taken."""


@dataclass(frozen=True)
class Whittaker:
    """Weighted Whittaker smoother of second order in its limit of an infinitely fine grid of dates.

    Each pixel's curve g minimises sum w (value - g)^2 + smoothness * integral of g''^2 over its own observed dates:
    the cubic smoothing spline, which keeps straight lines whatever the spacing of the dates. On a daily grid
    `smoothness` (days^3) is the usual lambda on squared second differences. Dates that stand out brightly in all bands
    together (missed clouds) lose weight.

    Between observations up to 30 days apart the curve is the spline; in wider gaps its departure from their chord
    shrinks with the squared width, so it cannot swing out. Before the first and after the last observation it
    holds its end value. One or two observations are taken as they are.

    smoothness : > 0; None takes the corner of the V-curve over the cube's sample, one value for all bands.

    Raises
    ------
    InputError : the smoothness is not positive and finite.

    References
    ----------
    Eilers (2003), A perfect smoother, doi 10.1021/ac034173t. Frasso and Eilers (2015), L- and V-curves for optimal
    smoothing, doi 10.1177/1471082X14549288.
    """

    smoothness: float | None = None

    def __post_init__(self) -> None:
        if self.smoothness is not None and not 0 < self.smoothness < np.inf:
            raise InputError(f"whittaker: smoothness is {self.smoothness}, expected a positive number (in days^3)")

    @property
    def name(self) -> str:
        """The name on the command line."""
        return "whittaker"

    @property
    def halo(self) -> int:
        """0: each pixel by itself."""
        return 0

    def prepare(self, sample: Sequence[Block]) -> PreparedWhittaker:
        """Settle the smoothness, the noise that weights are judged by, and the errors."""
        days = absolute_days(sample[0].dates)
        reflectance, observed = draw_pixels(sample, SAMPLE_PIXELS)
        smoothness = self.smoothness
        if smoothness is None:
            smoothness = corner_of_v_curve(reflectance, observed, days)
        noise = residual_noise(reflectance, observed, days, smoothness)
        errors = measure_errors(partial(smooth_block, smoothness=smoothness, noise=noise), sample)
        return PreparedWhittaker(smoothness, self.smoothness is not None, noise, errors)


@dataclass(frozen=True)
class PreparedWhittaker:
    """The smoother with its smoothness (days^3), the noise of each band (B,) and its errors on this cube."""

    smoothness: float
    given: bool
    noise: NDArray[np.float64]
    errors: ErrorModel

    @property
    def error_correlation(self) -> NDArray[np.float64]:
        """(B, B) correlation of the errors of the bands."""
        return self.errors.correlation

    def fill(self, block: Block) -> Estimate:
        """The smooth series at every date, also the observed ones; NaN at pixels that are never observed."""
        mean = smooth_block(block, smoothness=self.smoothness, noise=self.noise)
        return Estimate(mean, self.errors.std(block.observed, block.dates))

    def summary(self) -> Mapping[str, object]:
        """The smoothness in days^3, how it was chosen, and the errors."""
        return {
            "smoothness": self.smoothness,
            "smoothness_from": "given" if self.given else "V-curve",
            "noise": self.noise.tolist(),
            **self.errors.summary(),
        }


def smooth_block(block: Block, *, smoothness: float, noise: NDArray[np.float64]) -> NDArray[np.float32]:
    """The smooth series of every pixel of the block, (T, B, H, W)."""
    reflectance, observed = block.as_pixels()
    out = np.empty_like(reflectance)
    smooth_pixels(reflectance, observed, absolute_days(block.dates), smoothness, noise, out)
    return out.reshape(block.reflectance.shape)


def corner_of_v_curve(
    reflectance: NDArray[np.float32], observed: NDArray[np.bool_], days: NDArray[np.float64]
) -> float:
    """The smoothness (days^3) at the corner of the L-curve, where the V-curve is lowest.

    The L-curve is the logarithm of the roughness over that of the misfit, and the V-curve its speed along the
    logarithm of the smoothness. reflectance (T, B, P), observed (T, P), days (T,). `DEFAULT_SMOOTHNESS` where no
    pixel has five observations.
    """
    count = observed.sum(axis=0)
    if not (count >= FEWEST_FOR_CURVE).any():
        return DEFAULT_SMOOTHNESS
    smoothness = _candidates(observed[:, count >= FEWEST_FOR_CURVE], days)
    misfit, rough = np.diff(misfit_and_roughness(reflectance, observed, days, smoothness), axis=1)
    speed = np.hypot(misfit, rough)
    middle = np.sqrt(smoothness[1:] * smoothness[:-1])
    padded = np.pad(speed, 1, constant_values=np.inf)
    corner = (speed <= padded[:-2]) & (speed <= padded[2:]) & (speed <= EQUALLY_SHARP * speed.min())
    return float(middle[corner][-1])


def _candidates(observed: NDArray[np.bool_], days: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smoothness whose half-power periods span the sought ones: (period / 2 pi)^4 / spacing of observations."""
    first, last = days[observed.argmax(axis=0)], days[len(days) - 1 - observed[::-1].argmax(axis=0)]
    spacing = float(np.mean((last - first) / (observed.sum(axis=0) - 1)))
    shortest, longest = (
        max(period, spacings * spacing) for period, spacings in zip(HALF_POWER_DAYS, HALF_POWER_SPACINGS, strict=True)
    )
    low, high = ((period / (2 * np.pi)) ** 4 / spacing for period in (shortest, longest))
    return np.geomspace(low, high, STEPS)


def residual_noise(
    reflectance: NDArray[np.float32], observed: NDArray[np.bool_], days: NDArray[np.float64], smoothness: float
) -> NDArray[np.float64]:
    """One standard deviation of values about their curves, (B,), from the median, so that clouds do not count."""
    residuals = np.empty_like(reflectance)
    residual_pixels(reflectance, observed, days, smoothness, residuals)
    return noise_about(residuals, np.isfinite(residuals[:, 0]))

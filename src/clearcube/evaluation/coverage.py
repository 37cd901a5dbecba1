"""How often the truth lies within the interval that std promises, by band and length of gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

from clearcube.evaluation.statistics import Sums
from clearcube.gaps import STRATA

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.filler import Estimate


def coverage_sums(
    estimate: Estimate,
    truth: NDArray[np.float32],
    counted: NDArray[np.bool_],
    stratum: NDArray[np.intp],
    level: float = 0.9,
) -> Sums:
    """Sums (B, strata) whose `total / weight` is the share of values inside the central Gaussian interval.

    Parameters
    ----------
    estimate : mean and std (T, B, H, W); the std must not be None.
    truth : (T, B, H, W) reflectance, finite where it counts.
    counted : (T, H, W) bool, the pixels that count; all of them need a finite mean.
    stratum : (T, H, W) index into `gaps.STRATA` (`gaps.gap_stratum`).
    level : probability of the interval, in (0, 1).
    """
    assert estimate.std is not None
    half_width = norm.ppf(0.5 + level / 2)
    at, bands = stratum[counted], truth.shape[1]
    weight = np.bincount(at, minlength=len(STRATA)).astype(np.float64)
    total = np.empty((bands, len(STRATA)))
    for band in range(bands):
        values = (part[:, band][counted] for part in (estimate.mean, truth, estimate.std))
        mean, true, std = values
        assert np.isfinite(mean).all()
        total[band] = np.bincount(at, np.abs(mean - true) <= half_width * std, minlength=len(STRATA))
    return Sums(total, np.tile(weight, (bands, 1)))

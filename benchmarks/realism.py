"""How real a cube looks: what its clear frames do that interpolation between their neighbours does not foresee.

Works on arrays of any cube, real or simulated, so that both fill the same table.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLEAR_SHARE = 0.95
"""A frame is clear where more than this share of it is observed."""
CLASSES = 8
"""Number of spectral classes that the second share is made with."""
SMOOTH_SIGMA = 6.0
"""Standard deviation of the Gaussian that makes the smooth field, pixels."""
CORRELATION_LAGS = (1, 2, 4, 8, 16)
"""Distances at which the spatial correlation of the frames is measured, pixels."""
OCTAVES = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Edges of the rings of spatial frequency in which variance is counted, cycles a pixel."""


@dataclass(frozen=True)
class AnomalyTable:
    """Parts of the error of linear interpolation at inner clear frames. Reflectance units; B bands.

    frames : number of clear frames used; distance : mean days to their two clear neighbours.
    rms : (B,) of the anomaly; frame_mean_std : (B,) of its frame mean.
    shares : (4, B) of the mean square: frame mean, + spectral classes, + smooth field, rest; they sum to about 1.
    white : (B,) share of the mean square that is uncorrelated between neighbouring pixels; a part of the rest.
    gains : (3,) dB gained over all bands if the frame mean, + classes, + smooth field were known.
    correlation : (B, B) of the frame means; NaN where fewer than three frames are left to tell.
    """

    frames: int
    distance: float
    rms: NDArray[np.float64]
    frame_mean_std: NDArray[np.float64]
    shares: NDArray[np.float64]
    white: NDArray[np.float64]
    gains: NDArray[np.float64]
    correlation: NDArray[np.float64]


def anomaly_table(
    reflectance: NDArray[np.float32], observed: NDArray[np.bool_], dates: NDArray[np.datetime64]
) -> AnomalyTable | None:
    """Decompose what clear frames hold beyond the interpolation by date of their clear neighbours.

    Parameters
    ----------
    reflectance : (T, B, H, W), unit 1, NaN = no value; not looked at where not observed.
    observed : (T, H, W) bool.
    dates : (T,) days, ascending.

    Returns
    -------
    The table; None where fewer than three frames are clear.
    """
    clear = np.flatnonzero(observed.mean(axis=(1, 2)) > CLEAR_SHARE)
    if len(clear) < 3:
        return None
    days = (dates[clear] - dates[clear][0]).astype("timedelta64[D]").astype(float)
    frames = np.where(observed[clear][:, None], reflectance[clear], np.nan).astype(np.float64)
    anomaly = frames[1:-1] - _between(frames, days)
    return _decompose(anomaly, _classes(_mean(frames, axis=0)), float((days[2:] - days[:-2]).mean() / 2))


def spatial_correlation(reflectance: NDArray[np.float32], observed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Correlation of clear frames with themselves, shifted by `CORRELATION_LAGS` pixels along x; (lags, B)."""
    frames = _clear_frames(reflectance, observed)
    rows = []
    for lag in CORRELATION_LAGS:
        left, right = frames[..., :-lag], frames[..., lag:]
        rows.append(_mean(left * right) / _mean((left**2 + right**2) / 2))
    return np.array(rows)


def spatial_spectrum(reflectance: NDArray[np.float32], observed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Shares of the variance of clear frames by wavelength: 32-16, 16-8, 8-4 and 4-2 pixels; (rings, B), sums to 1.

    What is longer is left out. Frames are tapered; unseen pixels have the mean of their frame.
    """
    frames = _clear_frames(reflectance, observed)
    height, width = frames.shape[-2:]
    taper = np.hanning(height)[:, None] * np.hanning(width)
    power = np.abs(np.fft.fft2(np.nan_to_num(frames) * taper)) ** 2
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    rings = [(radius >= low) & (radius < high) for low, high in pairwise(OCTAVES)]
    sums = np.array([power[..., ring].sum(axis=(0, 2)) for ring in rings])
    return np.asarray(sums / sums.sum(axis=0))


def rates_of_change(
    reflectance: NDArray[np.float32], observed: NDArray[np.bool_], dates: NDArray[np.datetime64]
) -> NDArray[np.float64]:
    """RMS change between consecutive clear frames for each root of days between them; (B,), unit 1 / sqrt(day)."""
    clear = np.flatnonzero(observed.mean(axis=(1, 2)) > CLEAR_SHARE)
    days = np.diff(dates[clear]).astype("timedelta64[D]").astype(float)
    change = np.diff(np.where(observed[clear][:, None], reflectance[clear], np.nan), axis=0)
    return np.asarray(np.sqrt(_mean(change**2 / days[:, None, None, None])))


def clear_run_lengths(observed: NDArray[np.bool_], dates: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Days between consecutive observations of a pixel that have at least one missed date in between; 1-D."""
    days = (dates - dates[0]).astype("timedelta64[D]").astype(float)
    flat = observed.reshape(len(dates), -1)
    date, pixel = np.nonzero(flat)
    order = np.lexsort((date, pixel))
    date, pixel = date[order], pixel[order]
    gap = (np.diff(pixel) == 0) & (np.diff(date) > 1)
    return np.asarray((days[date[1:]] - days[date[:-1]])[gap])


def _between(frames: NDArray[np.float64], days: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear interpolation by date of each inner frame from its two neighbours."""
    weight = ((days[1:-1] - days[:-2]) / (days[2:] - days[:-2]))[:, None, None, None]
    return frames[:-2] * (1 - weight) + frames[2:] * weight


def _clear_frames(reflectance: NDArray[np.float32], observed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Clear frames less their means; NaN where not observed."""
    clear = observed.mean(axis=(1, 2)) > CLEAR_SHARE
    frames = np.where(observed[clear][:, None], reflectance[clear], np.nan).astype(np.float64)
    return np.asarray(frames - _mean(frames, axis=(2, 3))[:, :, None, None])


def _mean(values: NDArray[np.float64], axis: int | tuple[int, ...] = (0, 2, 3)) -> NDArray[np.float64]:
    """Mean over what is known, by default (T, B, H, W) -> (B,); NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _classes(spectrum: NDArray[np.float64]) -> NDArray[np.int64]:
    """(B, H, W) mean spectrum -> (H, W) spectral class, by k-means from quantiles of brightness.

    Unseen pixels count as black. A class may stay empty.
    """
    bands, height, width = spectrum.shape
    features = np.nan_to_num(spectrum.reshape(bands, -1).T)
    features = features / np.maximum(features.std(axis=0), 1e-6)
    order = np.argsort(features.sum(axis=1), kind="stable")
    centres = features[order[((np.arange(CLASSES) + 0.5) / CLASSES * len(order)).astype(int)]]
    for _ in range(20):
        labels = ((features[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        counts = np.bincount(labels, minlength=CLASSES)
        sums = np.stack([np.bincount(labels, features[:, band], CLASSES) for band in range(bands)], axis=1)
        centres = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
    return np.asarray(labels.reshape(height, width), dtype=np.int64)


def _decompose(anomaly: NDArray[np.float64], classes: NDArray[np.int64], distance: float) -> AnomalyTable:
    """Take frame mean, class means and smooth field out of the anomaly, one after the other."""
    total = _mean(anomaly**2)
    means = _mean(anomaly, axis=(2, 3))
    rest = anomaly - means[:, :, None, None]
    left = [_mean(rest**2)]
    for label in np.unique(classes):
        inside = classes == label
        rest[:, :, inside] -= np.nan_to_num(_mean(rest[:, :, inside], axis=2))[:, :, None]
    left.append(_mean(rest**2))
    rest -= _smooth(rest)
    left.append(_mean(rest**2))
    steps = np.array([total, *left])
    return AnomalyTable(
        frames=len(anomaly),
        distance=distance,
        rms=np.sqrt(total),
        frame_mean_std=means.std(axis=0),
        shares=np.concatenate([-np.diff(steps, axis=0), steps[-1:]]) / total,
        white=_white_variance(anomaly) / total,
        gains=10 * np.log10(total.sum() / np.maximum(np.array(left).sum(axis=1), 1e-12 * total.sum())),
        correlation=_correlation(means),
    )


def _correlation(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """(frames, B) -> (B, B)."""
    frames, bands = means.shape
    return np.atleast_2d(np.corrcoef(means.T)) if frames > 2 else np.full((bands, bands), np.nan)


def _smooth(field: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian mean over what is known, spatial axes alone."""
    sigma = (0, 0, SMOOTH_SIGMA, SMOOTH_SIGMA)
    known = np.isfinite(field)
    weight = gaussian_filter(known.astype(float), sigma)
    return np.asarray(gaussian_filter(np.where(known, field, 0.0), sigma) / np.maximum(weight, 1e-6))


def _white_variance(field: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance of the white part, (B,), from a mask that planes do not pass.

    Reference: Immerkaer (1996), Fast noise variance estimation.
    """
    second = field[..., :-2] - 2 * field[..., 1:-1] + field[..., 2:]
    both = second[..., :-2, :] - 2 * second[..., 1:-1, :] + second[..., 2:, :]
    return _mean(both**2) / 36.0

"""Plain patterns instead of scenes: textures that drift, under a haze of each date. Cheap, and quick to learn from.

What they teach is the one thing that matters most on partly seen dates: what a date did to the pixels that were seen,
it did to those beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from clearcube.cube import Band

    Floats = NDArray[np.float32]

STEPS = (5, 5, 5, 5, 3, 7, 10)
"""Days between dates, drawn from these."""
EVEN = (0.3, 4.0)
"""Least and most standard deviation of a haze's even part, where its smooth field has up to 1."""
RED_EDGE_NM = 720.0


def draw_pattern(
    rng: Generator, n_dates: int, size: int, bands: Sequence[Band]
) -> tuple[Floats, NDArray[np.datetime64]]:
    """A series (T, B, size, size) of reflectance under a clear sky, and its dates (T,)."""
    nm = np.array([band.wavelength for band in bands])
    start = np.datetime64("2018-01-01", "D") + int(rng.integers(0, 365))
    dates = start + np.cumsum(rng.choice(STEPS, n_dates))
    days = (dates - dates[0]).astype(float)
    ground = _ground(rng, size, nm)
    green = rng.uniform(0.02, 0.15) * np.where(nm < RED_EDGE_NM, 0.6, -1.0)
    series = ground * (1 + green[:, None, None] * _drift(rng, days, size)[:, None])
    (hazy,) = hazed(rng, nm.astype(np.float32), series.astype(np.float32))
    noise = np.float32(rng.uniform(0.001, 0.005)) * rng.standard_normal(series.shape, dtype=np.float32)
    return hazy + noise, dates


def hazed(rng: Generator, wavelengths: Floats, *series: Floats) -> tuple[Floats, ...]:
    """Series (T, B, H, W) of one shape, all under the same haze or gain of each date.

    It is partly even, partly a smooth field. Real dates differ more as a whole than within a frame, up to 0.05 in near
    infrared.

    wavelengths : (B,) nm. series : reflectance, unit 1.
    """
    dates, _, height, width = series[0].shape
    even = np.float32(EVEN[0] * (EVEN[1] / EVEN[0]) ** rng.random())
    shape = even * rng.standard_normal((dates, 1, 1)).astype(np.float32)
    shape = shape + np.float32(rng.uniform(0.2, 1)) * smooth_fields(rng, (dates, height, width), rng.uniform(4, 16))
    spectrum = (wavelengths / 550) ** np.float32(rng.uniform(-1.2, 0.8))
    spectrum = spectrum * np.exp(rng.normal(0, 0.12, len(spectrum))).astype(np.float32)
    change = np.float32(min(0.01 * 2 ** rng.standard_normal(), 0.04)) * shape[:, None] * spectrum[:, None, None]
    if rng.random() < 0.5:
        return tuple(np.asarray(each + change) for each in series)
    return tuple(np.asarray(each * (1 + 4 * change)) for each in series)


def smooth_fields(rng: Generator, shape: tuple[int, int, int], sigma: float) -> Floats:
    """Gaussian fields (n, H, W), each of zero mean and unit variance, smooth over `sigma` pixels.

    Over no more than a third of the frame: beyond that it would be a single wave whatever is asked for.
    """
    sigma = min(sigma, min(shape[1:]) / 3)
    fields = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), (0, sigma, sigma), mode="wrap")
    fields -= fields.mean(axis=(1, 2), keepdims=True)
    return np.asarray(fields / fields.std(axis=(1, 2), keepdims=True))


def _ground(rng: Generator, size: int, nm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Textures, (B, size, size): bands are mixtures of two fields, brighter beyond the red edge."""
    fields = smooth_fields(rng, (3, size, size), rng.uniform(0.7, 3))
    mean = np.interp(nm, [450, 560, 665, 800, 1300, 2200], [0.05, 0.08, 0.09, 0.25, 0.25, 0.15])
    mean = mean * np.exp(rng.normal(0, 0.3, len(nm)))
    mixed = 0.7 * fields[rng.integers(0, 2, len(nm))] + 0.5 * fields[2]
    contrast = mean * rng.uniform(0.1, 0.4)
    return np.asarray(mean[:, None, None] + contrast[:, None, None] * mixed)


def _drift(rng: Generator, days: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Growth and decay, (T, size, size): two waves, partly over the whole frame, the second more so."""
    fields = smooth_fields(rng, (2, size, size), rng.uniform(1, 8)) + rng.normal([0, 1], 0.5)[:, None, None]
    waves = [np.sin(days / rng.uniform(20, 80) + rng.uniform(0, 2 * np.pi)) for _ in fields]
    return np.asarray(sum(wave[:, None, None] * field for wave, field in zip(waves, fields, strict=True)))

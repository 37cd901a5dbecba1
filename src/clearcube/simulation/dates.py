"""What makes one date differ from the next although nothing grew: air, light, view angle, registration, noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.simulation.fields import fractal_fields, sample, stream
from clearcube.simulation.kernels import TAPS
from clearcube.simulation.landcover import GROWTH, LandCover

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from clearcube.cube import Band
    from clearcube.simulation.config import SceneConfig
    from clearcube.simulation.spectra import BandOptics

SHARPEST = 0.25
"""Least standard deviation of a point spread with which frames can be moved by parts of a pixel, pixels."""
SEAM_GAIN = 0.012
"""Standard deviation of the step in gain at the seam between two detectors, on dates with striping."""


@dataclass(frozen=True)
class DateEffects:
    """Effects of T dates on a scene of P parcels and B bands.

    gain : (T, P, B) factor on reflectance; aerosol : (T, H, W) optical thickness left by the atmospheric correction,
    signed; shift : (T, B, 2) pixels down and across; column_gain : (T, W) factor.
    """

    gain: NDArray[np.float32]
    aerosol: NDArray[np.float32]
    shift: NDArray[np.float64]
    column_gain: NDArray[np.float32]


def draw_date_effects(
    config: SceneConfig, optics: BandOptics, landcover: NDArray[np.uint8], canvas: int, seed: int
) -> DateEffects:
    """Draw the effects of all dates. A band's effects depend on its own wavelength and name alone."""
    return DateEffects(
        gain=_gains(stream(seed, "gains"), config, optics, landcover),
        aerosol=_aerosol(stream(seed, "aerosol"), config, canvas),
        shift=_shifts(config, seed),
        column_gain=_column_gains(stream(seed, "columns"), config),
    )


def placement_taps(shift: NDArray[np.floating[Any]], blur: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Kernels (..., 7) that blur by point spreads of these standard deviations and move frames by `shift` pixels.

    shift, blur : of shapes that go together, (...). Each kernel sums to 1.
    """
    offset = np.arange(TAPS) - TAPS // 2 + shift[..., None]
    taps = np.exp(-0.5 * (offset / np.maximum(blur, SHARPEST)[..., None]) ** 2)
    return np.asarray(taps / taps.sum(axis=-1, keepdims=True), dtype=np.float32)


def noise_stream(band: Band, seed: int) -> Generator:
    """The random numbers from which the noise of one band is drawn, date after date."""
    return stream(seed, "noise", band.name, band.wavelength)


def _heavy(rng: Generator, *shape: int) -> NDArray[np.float64]:
    """Normal draws of about unit variance with heavier tails: most dates are fine, a few are not."""
    return 0.8 * rng.standard_normal(shape) * np.exp(0.45 * rng.standard_normal(shape))


def _spectral(
    rng: Generator, optics: BandOptics, common: float, draws: tuple[int, ...], *, heavy: bool = False
) -> NDArray[np.float32]:
    """Draws (..., B) of about unit variance that vary smoothly over the spectrum; `common` is what all bands share."""
    nodes = optics.gain_basis.shape[1]
    shared = _heavy(rng, *draws, 1) if heavy else rng.standard_normal((*draws, 1))
    own = np.einsum("...n,bn->...b", rng.standard_normal((*draws, nodes)), optics.gain_basis)
    return np.asarray(np.sqrt(common) * shared + np.sqrt(1 - common) * own, dtype=np.float32)


def _gains(
    rng: Generator, config: SceneConfig, optics: BandOptics, landcover: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Gains of the frame, of classes, of parcels, and by view angle, multiplied."""
    strength, dates, parcels = config.disturbance, len(config.days), len(landcover)
    common = rng.uniform(0.0, 0.7)
    frame = strength.gain * _spectral(rng, optics, common, (dates, 1), heavy=True)
    of_class = strength.class_gain * _spectral(rng, optics, 0.4, (dates, len(LandCover)))[:, landcover]
    of_parcel = strength.parcel_gain * _spectral(rng, optics, 0.5, (dates, parcels))
    mean, spread = np.array([GROWTH[cover].anisotropy for cover in LandCover])[landcover].T
    answer = (mean + spread * rng.standard_normal(parcels)).astype(np.float32)
    orbits = np.unique(config.date_orbits, return_inverse=True)[1]
    view = rng.standard_normal(int(orbits.max()) + 1)[orbits] + 0.15 * rng.standard_normal(dates)
    by_view = strength.anisotropy * (view[:, None] * answer)[:, :, None].astype(np.float32) * optics.anisotropy
    return np.asarray((1 + frame) * (1 + of_class) * (1 + of_parcel) * (1 + by_view), dtype=np.float32).clip(0.5, 1.6)


def _aerosol(rng: Generator, config: SceneConfig, canvas: int) -> NDArray[np.float32]:
    """Mean and smooth field of each date, (T, H, W)."""
    dates, strength = len(config.days), config.disturbance
    bank = fractal_fields(rng, 3, canvas, slope=3.2, cutoff=2.0)
    mean = strength.aerosol * _heavy(rng, dates)
    amplitude = strength.aerosol_field * np.abs(_heavy(rng, dates))
    frames = [
        np.float32(mean[date]) + np.float32(amplitude[date]) * sample(rng, bank, config.height, config.width)
        for date in range(dates)
    ]
    return np.stack(frames).astype(np.float32)


def _shifts(config: SceneConfig, seed: int) -> NDArray[np.float64]:
    """Misregistration of each date and band, (T, B, 2), cut off at 1.5 pixels."""
    strength, dates = config.disturbance, len(config.days)
    rng = stream(seed, "shift")
    orbits = np.unique(config.date_orbits, return_inverse=True)[1]
    frame = strength.shift * (
        0.85 * _heavy(rng, dates, 2) + 0.5 * rng.standard_normal((int(orbits.max()) + 1, 2))[orbits]
    )
    own = [
        strength.band_shift * stream(seed, "band shift", band.name, band.wavelength).standard_normal((dates, 2))
        for band in config.bands
    ]
    return np.clip(frame[:, None] + np.stack(own, axis=1), -1.5, 1.5)


def _column_gains(rng: Generator, config: SceneConfig) -> NDArray[np.float32]:
    """Gain of each detector column, (T, W): 1, or stripes and a seam between two detectors."""
    dates, width = len(config.days), config.width
    striped = rng.random(dates) < config.disturbance.striping
    stripes = 0.006 * rng.standard_normal((dates, width))
    seam = SEAM_GAIN * rng.standard_normal((dates, 1)) * (np.arange(width) > rng.integers(0, width, (dates, 1)))
    return (1 + striped[:, None] * (stripes + seam)).astype(np.float32)

"""Random draws of what a scene is to be like, for training and for evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clearcube.simulation.config import (
    Delivery,
    Disturbance,
    Landscape,
    SceneConfig,
    Sky,
    random_bands,
)

if TYPE_CHECKING:
    from numpy.random import Generator

    from clearcube.cube import Band

TRAINING_YEARS = range(2014, 2022)
"""Years in which a scene drawn for training begins."""
EVALUATION_YEARS = range(2023, 2026)
"""Years in which a scene drawn for evaluation begins; no scene of the one kind equals one of the other."""


def random_config(
    rng: Generator,
    *,
    height: int = 128,
    width: int = 128,
    n_dates: int | None = None,
    bands: tuple[Band, ...] | None = None,
    evaluation: bool = False,
) -> SceneConfig:
    """Draw a scene as it might be met anywhere from the Mediterranean to Scandinavia, by any optical sensor.

    Ranges: 6 to 40 dates (half of the time 10 to 20), every five days or 2 to 15 days apart; pixels of 10, 15, 20 or
    30 m; latitude 34 to 62; fields of 60 to 700 m; cloudy dates 10 to 70 %; frame shifts, field noise and mask errors
    spread so that the error of linear interpolation has RMS .007-.03 in the visible and .015-.07 in the near infrared.

    n_dates, bands : given ones are kept. Without, bands are one of `BAND_SETS`, a random part of one, or a single band.
    evaluation : draw the year from `EVALUATION_YEARS` instead of `TRAINING_YEARS`.
    """
    if n_dates is None:
        n_dates = int(rng.integers(10, 21) if rng.random() < 0.5 else rng.integers(6, 41))
    days, orbits = _calendar(rng, n_dates)
    years = EVALUATION_YEARS if evaluation else TRAINING_YEARS
    latitude = float(np.clip(rng.normal(46, 7), 34, 62))
    return SceneConfig(
        height=height,
        width=width,
        start=np.datetime64(f"{rng.integers(years.start, years.stop)}-01-01", "D") + int(rng.integers(0, 365)),
        days=days,
        orbits=orbits,
        bands=random_bands(rng) if bands is None else bands,
        pixel_size=float(rng.choice([10.0, 10.0, 15.0, 20.0, 20.0, 20.0, 30.0])),
        latitude=latitude,
        landscape=_landscape(rng, latitude),
        disturbance=_disturbance(rng),
        sky=_sky(rng),
        delivery=_delivery(rng),
    )


def _calendar(rng: Generator, n_dates: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Days and orbits: one orbit every five days, two interleaved orbits, or irregular steps of 2 to 15 days."""
    draw = rng.random()
    if draw < 0.5:
        days = 5 * np.arange(n_dates)
        orbits = np.zeros(n_dates, dtype=int) if rng.random() < 0.6 else np.arange(n_dates) % 2
    elif draw < 0.75:
        step = int(rng.choice([2, 3]))
        days = np.sort(np.concatenate([5 * np.arange(n_dates), 5 * np.arange(n_dates) + step]))[:n_dates]
        orbits = (days % 5 > 0).astype(int)
    else:
        days = np.cumsum(rng.choice([2, 3, 5, 5, 5, 7, 8, 10, 12, 15], size=n_dates))
        days -= days[0]
        orbits = rng.integers(0, 2, n_dates)
    return tuple(days.tolist()), tuple(orbits.tolist())


def _landscape(rng: Generator, latitude: float) -> Landscape:
    """Fields, forests, towns; circles under irrigation in the south."""
    dry = latitude < 42
    weights = rng.dirichlet([1.2, 0.8, 0.5 if not dry else 0.1, 0.5, 0.7, 0.9 if not dry else 1.6])
    return Landscape(
        parcel=_spread(rng, 180, 1.8, 60, 700),
        natural=float(rng.beta(0.9, 2.2)),
        urban=min(0.5, float(rng.beta(0.6, 6))),
        water=float(rng.beta(0.4, 9)),
        pivots=float(rng.beta(1, 3)) if dry and rng.random() < 0.5 else 0.0,
        contrast=_spread(rng, 1.0, 1.3, 0.5, 1.8),
        texture=_spread(rng, 0.09, 1.5, 0.03, 0.25),
        crops=tuple(weights.tolist()),
        mountain_snow=float(rng.uniform(0.05, 0.5)) if latitude > 44 and rng.random() < 0.03 else 0.0,
    )


def _disturbance(rng: Generator) -> Disturbance:
    """Strengths of what changes from date to date; half a decade around the usual."""
    corrected = 0.3 if rng.random() < 0.25 else 1.0  # view-angle effects taken out (NBAR)
    frame = 0.6 if corrected < 1 else 1.0  # and with them part of the shifts of whole frames
    strength = _spread(rng, 0.8, 1.6, 0.3, 2.4)
    return Disturbance(
        aerosol=strength * frame * _spread(rng, 0.031, 1.8, 0.01, 0.2),
        aerosol_field=strength * _spread(rng, 0.024, 1.8, 0.004, 0.1),
        gain=strength * frame * _spread(rng, 0.016, 1.8, 0.004, 0.08),
        anisotropy=corrected * _spread(rng, 0.06, 1.7, 0.01, 0.15),
        class_gain=strength * _spread(rng, 0.025, 1.5, 0.004, 0.06),
        parcel_gain=strength * _spread(rng, 0.028, 1.5, 0.004, 0.06),
        growth_field=_spread(rng, 0.022, 1.7, 0.003, 0.05),
        shift=_spread(rng, 0.18, 1.8, 0.04, 0.6),
        band_shift=_spread(rng, 0.02, 1.5, 0.005, 0.1),
        grain=_spread(rng, 0.036, 1.5, 0.01, 0.1),
        noise=_spread(rng, 0.0008, 1.5, 0.0003, 0.003),
        striping=float(rng.choice([0.0, 0.0, 0.05, 0.2])),
        blur=_spread(rng, 0.52, 1.1, 0.42, 0.7),
    )


def _sky(rng: Generator) -> Sky:
    """From the dry south to the wet north."""
    cloudy = rng.uniform(0.1, 0.7)
    overcast = cloudy * rng.uniform(0.3, 0.7)
    return Sky(overcast=overcast, broken=cloudy - overcast, haze=rng.uniform(0.0, 0.25), low=_spread(rng, 1500, 1.6))


def _delivery(rng: Generator) -> Delivery:
    """Masks from careful to careless, now and then a faulty sensor."""
    return Delivery(
        lost=float(rng.beta(1, 12)),
        swath=float(rng.choice([0.0, 0.0, 0.1, 0.3])),
        dead=float(rng.choice([0.0, 0.0, 0.0, 0.1])),
        threshold=_spread(rng, 0.12, 1.8, 0.03, 0.45),
        missed_shadow=float(rng.beta(1, 2.5)),
        missed_cloud=float(rng.beta(1, 9)),
        false_alarm=float(rng.beta(1, 9)),
        coarse=int(rng.choice([1, 1, 2, 2, 3, 6])),
        dilation=int(rng.choice([0, 0, 1, 1, 2, 4])),
    )


def _spread(rng: Generator, median: float, factor: float, low: float = 0.0, high: float = np.inf) -> float:
    """Log-normal draw: one standard deviation is a factor; cut off at low and high."""
    return float(np.clip(median * factor ** rng.standard_normal(), low, high))

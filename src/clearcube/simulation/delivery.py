"""What reaches the user: missing parts, and a mask that is right most of the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import maximum_filter
from scipy.special import ndtri

from clearcube.simulation.fields import fractal_fields, sample, stream

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from clearcube.simulation.clouds import CloudFrame
    from clearcube.simulation.config import SceneConfig

SHADOW_THRESHOLD = 0.3
"""Shadow above this strength is one that a mask should find."""
THICK = 0.7
"""Clouds more opaque than this are never missed."""


class DeliveredMasks:
    """Draws the mask of one date after the other, with the errors of real ones."""

    def __init__(self, config: SceneConfig, canvas: int, seed: int) -> None:
        self._config = config
        self._rng = stream(seed, "mask")
        self._pieces = fractal_fields(self._rng, 3, canvas, slope=3.0)

    def draw(self, frame: CloudFrame) -> NDArray[np.bool_]:
        """Pixels that the mask calls clear, (H, W). Missing values are not its business."""
        delivery, rng = self._config.delivery, self._rng
        opacity = frame.opacity
        bad = opacity > delivery.threshold * np.exp(0.4 * rng.standard_normal())
        bad &= ~((opacity < THICK) & self._piece(delivery.missed_cloud))
        bad |= (frame.shadow > SHADOW_THRESHOLD) & ~self._piece(delivery.missed_shadow)
        if rng.random() < delivery.false_alarm:
            bad |= self._piece(rng.beta(1, 8))
        return ~_grown(_coarse(bad, delivery.coarse), delivery.dilation)

    def _piece(self, share: float) -> NDArray[np.bool_]:
        """Connected pieces that make up about this share of the frame."""
        shape = (self._config.height, self._config.width)
        if share <= 0:
            return np.zeros(shape, dtype=bool)
        return np.asarray(sample(self._rng, self._pieces, *shape) > ndtri(1 - min(share, 1 - 1e-6)))


def _coarse(bad: NDArray[np.bool_], step: int) -> NDArray[np.bool_]:
    """The mask judged in blocks of step x step pixels: bad if any part is bad."""
    if step <= 1 or not bad.any():
        return bad
    height, width = bad.shape
    padded = np.zeros((-(-height // step) * step, -(-width // step) * step), dtype=bool)
    padded[:height, :width] = bad
    blocks = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step).any(axis=(1, 3))
    return blocks.repeat(step, axis=0).repeat(step, axis=1)[:height, :width]


def _grown(bad: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    """Bad pixels grown by so many pixels each way."""
    if pixels <= 0 or not bad.any():
        return bad
    return np.asarray(maximum_filter(bad, 2 * pixels + 1, mode="constant"))


def draw_missing(config: SceneConfig, seed: int) -> NDArray[np.bool_]:
    """Pixels without data, (T, H, W): lost dates, the far side of a swath's edge, dead detectors."""
    rng = stream(seed, "missing")
    delivery, dates = config.delivery, len(config.days)
    missing = np.zeros((dates, config.height, config.width), dtype=bool)
    missing[rng.random(dates) < delivery.lost] = True
    orbits = np.unique(config.date_orbits, return_inverse=True)[1]
    edges = [_swath(rng, config) for _ in range(int(orbits.max()) + 1)]
    for date in np.flatnonzero(rng.random(dates) < delivery.swath):
        missing[date] |= edges[orbits[date]] > rng.normal(0, 2)
    for date in np.flatnonzero(rng.random(dates) < delivery.dead):
        missing[date] |= _dead_detectors(rng, config)
    if missing.all():  # at least one date is delivered
        missing[rng.integers(dates)] = False
    return missing


def _swath(rng: Generator, config: SceneConfig) -> NDArray[np.float64]:
    """Distance beyond the edge of an orbit's swath, pixels, (H, W); the edge runs nearly north to south."""
    y, x = np.mgrid[: config.height, : config.width]
    angle = np.radians(rng.normal(12, 3) * rng.choice([-1, 1]))
    side = rng.choice([-1.0, 1.0])
    place = rng.uniform(0.05, 0.95) * config.width
    return np.asarray(side * ((x - place) * np.cos(angle) + (y - config.height / 2) * np.sin(angle)))


def _dead_detectors(rng: Generator, config: SceneConfig) -> NDArray[np.bool_]:
    """Slanted columns that deliver nothing, one to three or at a regular distance, (H, W)."""
    y, x = np.mgrid[: config.height, : config.width]
    place = x + y * np.tan(np.radians(rng.normal(0, 6)))
    if rng.random() < 0.5:
        return np.asarray(np.mod(place, rng.uniform(20, 45)) < rng.uniform(2, 9))
    starts = rng.uniform(0, config.width, int(rng.integers(1, 4)))
    return np.asarray(np.any([np.abs(place - start) < rng.uniform(0.5, 2) for start in starts], axis=0))

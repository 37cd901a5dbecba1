"""Clouds with soft edges, cirrus and haze, and the shadows that clouds throw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from clearcube.cube import day_of_year
from clearcube.simulation.fields import cut, fractal_fields, stream
from clearcube.simulation.weather_effects import skies_of

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from clearcube.simulation.config import SceneConfig


@dataclass(frozen=True)
class CloudFrame:
    """The sky over one date, (H, W) float32 each.

    cloud, cirrus : opacity, [0, 1]; bright : brightness of the cloud relative to a usual thick one, [0, 1.25];
    shadow : share of the sun's direct light that clouds take away, [0, 1].
    """

    cloud: NDArray[np.float32]
    bright: NDArray[np.float32]
    cirrus: NDArray[np.float32]
    shadow: NDArray[np.float32]

    @property
    def opacity(self) -> NDArray[np.float32]:
        """Opacity of cloud and cirrus together, (H, W)."""
        return 1 - (1 - self.cloud) * (1 - self.cirrus)

    @property
    def contamination(self) -> NDArray[np.float32]:
        """How much the frame is not what a clear one would be, (H, W) in [0, 1]: 0 = clear, 1 = no ground seen."""
        return 1 - (1 - self.cloud) * (1 - self.cirrus) * (1 - self.shadow)


@dataclass(frozen=True)
class Weave:
    """A random mixture of two fields on a torus, to be looked at from several places."""

    first: NDArray[np.float32]
    second: NDArray[np.float32]
    origin: tuple[int, int, int, int]
    angle: float

    def look(self, down: int, across: int, height: int, width: int) -> NDArray[np.float32]:
        """The mixture, moved down and across by so many pixels, (height, width)."""
        y1, x1, y2, x2 = self.origin
        return np.float32(np.cos(self.angle)) * cut(self.first, y1 - down, x1 - across, height, width) + np.float32(
            np.sin(self.angle)
        ) * cut(self.second, y2 - down, x2 - across, height, width)


class Skies:
    """Draws the sky of one date after the other."""

    def __init__(self, config: SceneConfig, canvas: int, seed: int) -> None:
        rng = stream(seed, "clouds")
        self._config = config
        self._skies = skies_of(config, seed)
        self._rng = rng
        self._heaps = fractal_fields(rng, 3, canvas, slope=float(rng.uniform(3.1, 4.2)), cutoff=0.7)
        self._veils = fractal_fields(
            rng, 2, canvas, slope=float(rng.uniform(2.8, 3.6)), stretch=float(rng.uniform(1, 6))
        )
        self._nothing = np.zeros((config.height, config.width), dtype=np.float32)

    def draw(self, date: int) -> CloudFrame:
        """The sky of a date (its number); overcast, broken or clear, with or without cirrus."""
        sky, rng = self._skies[date], self._rng
        draw = rng.random()
        cover = rng.uniform(0.85, 1.0) if draw < sky.overcast else rng.beta(0.5, 0.7)
        cirrus = self._cirrus() if rng.random() < sky.haze else self._nothing
        if draw >= sky.overcast + sky.broken:
            return CloudFrame(self._nothing, self._nothing, cirrus, self._nothing)
        return self._clouds(cover, cirrus, shadow_offset(rng, self._config, date))

    def _clouds(self, cover: float, cirrus: NDArray[np.float32], offset: tuple[int, int]) -> CloudFrame:
        """Clouds that cover about this share of the sky, and their shadows, displaced by the offset (down, across)."""
        rng, shape = self._rng, (self._config.height, self._config.width)
        weave = self._weave(self._heaps)
        threshold = np.float32(ndtri(np.clip(1 - cover, 1e-3, 1 - 1e-3)))
        softness, thickest = np.float32(rng.choice([0.4, 1.0, 2.0]) * rng.uniform(0.6, 1.5)), rng.uniform(0.75, 1.0)
        heap = weave.look(0, 0, *shape)
        cloud = opacity(heap, threshold, softness, thickest)
        shade = opacity(weave.look(*offset, *shape), threshold, softness, thickest)
        fine = self._weave(self._heaps).look(0, 0, *shape)
        thickness = np.clip((heap - threshold) / np.float32(1.2), 0, 1)
        bright = np.clip(rng.uniform(0.45, 0.75) + 0.4 * thickness + 0.06 * fine, 0.3, 1.25).astype(np.float32)
        return CloudFrame(cloud, bright, cirrus, shade * np.float32(rng.uniform(0.75, 0.95)) * (1 - cloud))

    def _cirrus(self) -> NDArray[np.float32]:
        """A veil, streaky or even, opacity up to 0.4."""
        veil = self._weave(self._veils).look(0, 0, self._config.height, self._config.width)
        mean, swing = self._rng.gamma(1.5, 0.05), self._rng.uniform(0.2, 1.0)
        return np.asarray(np.clip(np.float32(mean) * (1 + np.float32(swing) * veil), 0, 0.4))

    def _weave(self, fields: NDArray[np.float32]) -> Weave:
        first, second = self._rng.integers(0, len(fields), 2)
        y1, x1, y2, x2 = self._rng.integers(0, fields.shape[-1], 4).tolist()
        return Weave(fields[first], fields[second], (y1, x1, y2, x2), self._rng.uniform(0, 2 * np.pi))


def opacity(
    field: NDArray[np.float32], threshold: np.float32, softness: np.float32, thickest: float
) -> NDArray[np.float32]:
    """Opacity of a cloud whose field rises above the threshold: 0 at its edge, `thickest` from `softness` above on."""
    rise = np.clip((field - threshold) / softness, 0, 1)
    return np.asarray(rise * rise * (3 - 2 * rise) * np.float32(thickest))


def shadow_offset(rng: Generator, config: SceneConfig, date: int) -> tuple[int, int]:
    """Pixels (down, across) from a cloud to its shadow: by the cloud's height, away from the sun at half past ten."""
    height = config.sky.low * 1.4 ** rng.standard_normal()
    elevation, azimuth = sun_position(config, date)
    length = height / np.tan(elevation) / config.pixel_size
    return round(length * np.cos(azimuth)), round(-length * np.sin(azimuth))


def sun_position(config: SceneConfig, date: int) -> tuple[float, float]:
    """Elevation above the horizon and azimuth clockwise from north, radians, at 10:30 local solar time.

    Reference: Cooper (1969) for the declination. The elevation is at least 8 degrees.
    """
    declination = np.radians(23.45) * np.sin(2 * np.pi * (283 + day_of_year(config.dates[date])) / 365)
    latitude, hour = np.radians(config.latitude), np.radians(-22.5)
    sine = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(hour)
    east = -np.cos(declination) * np.sin(hour)
    north = np.cos(latitude) * np.sin(declination) - np.sin(latitude) * np.cos(declination) * np.cos(hour)
    return max(float(np.arcsin(sine)), np.radians(8.0)), float(np.arctan2(east, north))

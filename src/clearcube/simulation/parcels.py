"""Where things are: fields, circles, forests, towns, water, roads, rivers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from clearcube.simulation.fields import fractal_fields, sample, stream
from clearcube.simulation.landcover import CROPS, LandCover

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from clearcube.simulation.config import SceneConfig

ARABLE = (
    LandCover.CEREAL,
    LandCover.MAIZE,
    LandCover.RAPESEED,
    LandCover.BEET,
    LandCover.CUT_GRASS,
    LandCover.GRASSLAND,
)
"""Classes of parcels, in the order of `Landscape.crops`."""


@dataclass(frozen=True)
class Parcels:
    """Map of parcels; anything that is managed or grows as one.

    label : (H, W) int32, 0 .. P - 1; landcover : (P,) uint8, `LandCover`.
    irrigated : (P,) bool; track : (H, W) float32, share of a pixel that is road or track, [0, 1].
    """

    label: NDArray[np.int32]
    landcover: NDArray[np.uint8]
    irrigated: NDArray[np.bool_]
    track: NDArray[np.float32]


def draw_parcels(config: SceneConfig, seed: int, height: int, width: int, canvas: int) -> Parcels:
    """Draw the map of a scene, height x width pixels (the scene's with a margin)."""
    rng = stream(seed, "parcels")
    land = config.landscape
    terrain = fractal_fields(rng, 3, canvas, slope=3.2)
    warp = 0.25 * land.parcel / config.pixel_size * np.stack([sample(rng, terrain, height, width) for _ in range(2)])
    y, x = np.mgrid[:height, :width].astype(np.float32)
    field = _fields(rng, y, x, land.parcel / config.pixel_size)
    circles = _circles(rng, y, x, config)
    field = np.where(circles >= 0, field.max() + 1 + circles, field)
    natural, kinds = _natural(rng, y + warp[0], x + warp[1], config, terrain)
    label = _compact(np.where(natural >= 0, field.max() + 1 + natural, field))
    landcover = rng.choice(np.array(ARABLE, dtype=np.uint8), size=label.max() + 1, p=_weights(land.crops))
    first_of = _first_pixels(label)
    wild = natural.ravel()[first_of] >= 0
    landcover[wild] = kinds[natural.ravel()[first_of][wild]]
    pivot = (circles.ravel()[first_of] >= 0) & ~wild
    worth_it = np.isin(landcover, (*CROPS, LandCover.CUT_GRASS)) & (config.latitude < 44)
    irrigated = pivot | ((rng.random(len(landcover)) < 0.35) & worth_it)
    landcover[pivot & (landcover > LandCover.CUT_GRASS)] = LandCover.MAIZE
    return Parcels(label, landcover, irrigated, _tracks(rng, y, x, label, landcover, config.pixel_size))


def _weights(values: tuple[float, ...]) -> NDArray[np.float64]:
    return np.asarray(np.asarray(values) / np.sum(values))


def _first_pixels(label: NDArray[np.int32]) -> NDArray[np.int64]:
    """Flat index of one pixel of each parcel."""
    first = np.zeros(label.max() + 1, dtype=np.int64)
    first[label.ravel()] = np.arange(label.size)
    return first


def _compact(label: NDArray[np.int64]) -> NDArray[np.int32]:
    """The same parcels, numbered without holes."""
    return np.unique(label, return_inverse=True)[1].reshape(label.shape).astype(np.int32)


def _fields(rng: Generator, y: NDArray[np.float32], x: NDArray[np.float32], width: float) -> NDArray[np.int64]:
    """Fields in blocks of one direction each: rows of strips whose widths and lengths vary; (H, W) labels."""
    height_px, width_px = y.shape
    span = float(np.hypot(height_px, width_px))
    count = max(1, round(height_px * width_px / (width * rng.uniform(4, 9)) ** 2))
    centres = rng.uniform(0, 1, (count, 2)) * (height_px, width_px)
    block = cKDTree(centres).query(np.stack([y.ravel(), x.ravel()], axis=1))[1].reshape(y.shape)
    angle = (rng.uniform(0, np.pi) + rng.normal(0, 0.25, count) + np.pi / 2 * rng.integers(0, 2, count)).astype(
        np.float32
    )
    cosine, sine = np.cos(angle)[block], np.sin(angle)[block]
    along, across = x * cosine + y * sine + span, y * cosine - x * sine + span
    size = (width * 1.5 ** rng.standard_normal(count)).astype(np.float32)[block]
    aspect = rng.uniform(1, 5, count).astype(np.float32)[block]
    strip = _cells(rng, across / size, int(3 * span / max(width / 4, 1)) + 8)
    offset = rng.uniform(0, 50, strip.max() + 1).astype(np.float32)[strip]
    cell = _cells(rng, along / (size * aspect) + offset, int(3 * span / max(width / 4, 1)) + 60)
    return np.asarray((block.astype(np.int64) * (strip.max() + 1) + strip) * (cell.max() + 1) + cell)


def _cells(rng: Generator, position: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Number of the cell that each position lies in; cells are 1 wide on average."""
    edges = np.cumsum(rng.gamma(3, 1 / 3, count) + 0.15).astype(np.float32)
    return np.searchsorted(edges, position.ravel()).reshape(position.shape)


def _circles(rng: Generator, y: NDArray[np.float32], x: NDArray[np.float32], config: SceneConfig) -> NDArray[np.int64]:
    """Centre pivots, some of them halved; (H, W), -1 = none."""
    label = np.full(y.shape, -1, dtype=np.int64)
    if config.landscape.pivots == 0:
        return label
    radius = 2.0 * config.landscape.parcel / config.pixel_size
    count = max(1, round(config.landscape.pivots * y.size / (4 * radius**2)))
    for number in range(count):
        cy, cx, angle = rng.uniform(0, y.shape[0]), rng.uniform(0, y.shape[1]), rng.uniform(0, 2 * np.pi)
        inside = (y - cy) ** 2 + (x - cx) ** 2 < (radius * rng.uniform(0.5, 1.1)) ** 2
        half = ((y - cy) * np.cos(angle) + (x - cx) * np.sin(angle) > 0) & (rng.random() < 0.4)
        label[inside] = 2 * number + half[inside]
    return label


def _natural(
    rng: Generator,
    y: NDArray[np.float32],
    x: NDArray[np.float32],
    config: SceneConfig,
    terrain: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Forest, grassland, bare ground, towns, lakes, a river: (H, W) patch, -1 = none, and each patch's class."""
    land, shape = config.landscape, y.shape
    count = max(6, round(y.size / (3 * land.parcel / config.pixel_size) ** 2))
    centres = rng.uniform(0, 1, (count, 2)) * shape
    patch = np.asarray(cKDTree(centres).query(np.stack([y.ravel(), x.ravel()], axis=1))[1]).reshape(shape)
    wild = [LandCover.BROADLEAF, LandCover.CONIFER, LandCover.GRASSLAND, LandCover.BARE]
    mix = rng.dirichlet([1.0, 0.8, 0.8, 0.8 if config.latitude < 42 else 0.15])
    kinds = np.concatenate([
        rng.choice(np.array(wild, dtype=np.uint8), size=count, p=mix),
        np.full(count, LandCover.URBAN, np.uint8),
        np.array([LandCover.WATER, LandCover.SNOW], np.uint8),
    ])  # fmt: skip
    label = np.full(shape, -1, dtype=np.int64)
    for share, numbers in (
        (land.natural, patch),
        (land.urban, patch + count),
        (land.water, np.full(shape, 2 * count)),
        (land.mountain_snow, np.full(shape, 2 * count + 1)),
    ):
        height = sample(rng, terrain, *shape)
        inside = height > _quantile(terrain, 1 - share)
        label[inside] = numbers[inside]
    if rng.random() < 0.25:
        label[_river(rng, y, x, config.pixel_size)] = 2 * count
    return label, kinds


def _quantile(fields: NDArray[np.float32], share: float) -> float:
    """Value below which this share of the fields lies."""
    return float(np.quantile(fields[:, ::4, ::4], share)) if share < 1 else np.inf


def _river(rng: Generator, y: NDArray[np.float32], x: NDArray[np.float32], pixel_size: float) -> NDArray[np.bool_]:
    """A winding band of 15 to 80 m, (H, W)."""
    angle, swing, wave = rng.uniform(0, np.pi), rng.uniform(2, 12), rng.uniform(30, 120)
    along = (x - rng.uniform(0, x.shape[1])) * np.cos(angle) + (y - rng.uniform(0, y.shape[0])) * np.sin(angle)
    across = (y - y.shape[0] / 2) * np.cos(angle) - (x - x.shape[1] / 2) * np.sin(angle)
    bend = swing * np.sin(along / wave * 2 * np.pi) + 0.4 * swing * np.sin(along / wave * 5.3 + 1)
    return np.asarray(np.abs(across - bend) < max(0.6, rng.uniform(15, 80) / 2 / pixel_size))


def _tracks(
    rng: Generator,
    y: NDArray[np.float32],
    x: NDArray[np.float32],
    label: NDArray[np.int32],
    landcover: NDArray[np.uint8],
    pixel_size: float,
) -> NDArray[np.float32]:
    """Share of road in each pixel: a few straight roads, and tracks along some of the parcels' edges."""
    track = np.zeros(label.shape, dtype=np.float32)
    edge = np.zeros(label.shape, dtype=bool)
    edge[:, 1:] |= label[:, 1:] != label[:, :-1]
    edge[1:] |= label[1:] != label[:-1]
    has_track = rng.random(len(landcover)) < rng.uniform(0.05, 0.5)
    track[edge & has_track[label]] = min(0.8, rng.uniform(3, 8) / pixel_size)
    for _ in range(rng.poisson(x.size * pixel_size**2 / 6e6)):
        angle = rng.uniform(0, np.pi)
        distance = np.abs(
            (x - rng.uniform(0, x.shape[1])) * np.sin(angle) - (y - rng.uniform(0, y.shape[0])) * np.cos(angle)
        )
        width = rng.uniform(6, 25) / pixel_size
        np.maximum(track, np.clip((width + 1) / 2 - distance, 0, min(1.0, width)), out=track)
    track[landcover[label] == LandCover.WATER] = 0
    return track

"""The ground of a scene: what it is made of, pixel by pixel, and what it reflects at each date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clearcube.simulation.fields import canvas_size, fractal_fields, sample, stream
from clearcube.simulation.kernels import TAPS
from clearcube.simulation.landcover import GROWTH, LandCover
from clearcube.simulation.parcels import Parcels, draw_parcels
from clearcube.simulation.phenology import ParcelCurves, growth_value, parcel_curves

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from clearcube.simulation.config import SceneConfig
    from clearcube.simulation.spectra import BandOptics

MARGIN = TAPS // 2
"""Pixels around the scene that are simulated so that frames can be shifted and blurred."""
SOILS = ("soil_sand", "soil_loam", "soil_dark", "soil_red", "soil_lime")
MATERIALS = ("asphalt", "concrete", "tile_roof", "bright_roof")


@dataclass(frozen=True)
class Ground:
    """A scene's ground with its margin, (H + 2 MARGIN, W + 2 MARGIN) pixels, P parcels, B bands.

    parcels, curves : where things are, how they grow.
    ground : (B, H, W) reflectance of dry soil, water, stone or snow; vigour : (H, W) relative green cover.
    canopy, dry_matter : (P, B) reflectance; track_reflectance : (B,).
    holds_water : (P,) 1 where the ground darkens when wet, 0 where not.
    """

    parcels: Parcels
    curves: ParcelCurves
    ground: NDArray[np.float32]
    vigour: NDArray[np.float32]
    canopy: NDArray[np.float32]
    dry_matter: NDArray[np.float32]
    track_reflectance: NDArray[np.float32]
    holds_water: NDArray[np.float32]


def draw_ground(config: SceneConfig, optics: BandOptics, seed: int) -> Ground:
    """Draw all of a scene that does not depend on the date, and the curves of its parcels."""
    height, width = config.height + 2 * MARGIN, config.width + 2 * MARGIN
    canvas = canvas_size(height, width)
    parcels = draw_parcels(config, seed, height, width, canvas)
    curves = parcel_curves(config, parcels, seed)
    texture = fractal_fields(stream(seed, "texture"), 4, canvas, slope=2.4)
    canopy, dry_matter = _plants(stream(seed, "plants"), parcels.landcover, optics, config.landscape.contrast)
    return Ground(
        parcels=parcels,
        curves=curves,
        ground=_ground(stream(seed, "ground"), config, parcels, optics, texture),
        vigour=_vigour(stream(seed, "vigour"), config, parcels, texture),
        canopy=canopy,
        dry_matter=dry_matter,
        track_reflectance=_track(stream(seed, "track"), optics),
        holds_water=np.isin(parcels.landcover, (LandCover.WATER, LandCover.SNOW), invert=True).astype(np.float32)
        * np.where(parcels.landcover == LandCover.URBAN, np.float32(0.4), np.float32(1)),
    )


def _plants(
    rng: Generator, landcover: NDArray[np.uint8], optics: BandOptics, contrast: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Reflectance of each parcel's canopy and dry matter, (P, B): mixtures within the class, darker or brighter."""
    one, other, dry = (
        np.stack([optics.spectra[getattr(GROWTH[cover], name)] for cover in LandCover])
        for name in ("canopy", "canopy_other", "dry_matter")
    )
    count = len(landcover)
    mixture = (contrast * rng.beta(1, 3, (count, 1))).clip(0, 1).astype(np.float32)
    bright = np.exp(contrast * rng.normal(0, [0.1, 0.15], (count, 2))).astype(np.float32)
    canopy = one[landcover] * (1 - mixture) + other[landcover] * mixture
    return np.asarray(canopy * bright[:, :1]), dry[landcover] * bright[:, 1:]


def _track(rng: Generator, optics: BandOptics) -> NDArray[np.float32]:
    """Reflectance of roads, (B,): between asphalt and pale gravel."""
    share = np.float32(rng.random())
    return share * optics.spectra["asphalt"] + (1 - share) * optics.spectra["concrete"]


def _ground(
    rng: Generator, config: SceneConfig, parcels: Parcels, optics: BandOptics, texture: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Reflectance of the dry ground, (B, H, W): two soils mixed by a smooth field, by parcel and by texture."""
    shape, contrast = parcels.label.shape, config.landscape.contrast
    weights = np.array([0.25, 0.35, 0.2, 0.1, 0.1] if config.latitude > 44 else [0.3, 0.15, 0.05, 0.3, 0.2])
    first, second = rng.choice(len(SOILS), 2, p=weights)
    by_parcel = rng.normal(0, 1.0, len(parcels.landcover)).astype(np.float32)[parcels.label]
    mixture = 1 / (1 + np.exp(-contrast * (sample(rng, texture, *shape) + by_parcel)))
    lightness = 0.12 * rng.normal(0, 1, len(parcels.landcover)).astype(np.float32)[parcels.label]
    grain = np.float32(rng.uniform(0.02, 0.11)) * rng.standard_normal(shape, dtype=np.float32)
    patches = np.float32(0.10) * sample(rng, texture, *shape)
    bright = np.exp(contrast * (lightness + patches) + grain + rng.normal(0, 0.15))
    one, other = optics.spectra[SOILS[first]][:, None, None], optics.spectra[SOILS[second]][:, None, None]
    ground = ((one + (other - one) * mixture) * bright).astype(np.float32)
    cover = parcels.landcover[parcels.label]
    for place, paint in (
        (LandCover.URBAN, _town),
        (LandCover.WATER, _water),
        (LandCover.SNOW, _snow),
    ):
        inside = cover == place
        if inside.any():
            ground[:, inside] = paint(rng, optics, texture, shape)[:, inside]
    return np.asarray(ground)


def _town(
    rng: Generator, optics: BandOptics, texture: NDArray[np.float32], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Roofs and streets, (B, H, W): every pixel its own mixture of materials."""
    materials = np.stack([optics.spectra[name] for name in MATERIALS])
    chances = np.array([0.45, 0.2, 0.31, 0.04], dtype=np.float32)
    weights = np.exp(1.6 * rng.standard_normal((len(MATERIALS), *shape), dtype=np.float32))
    weights *= chances[:, None, None]
    weights /= weights.sum(axis=0)
    return np.asarray(np.einsum("mb,myx->byx", materials, weights) * np.float32(0.85))


def _water(
    rng: Generator, optics: BandOptics, texture: NDArray[np.float32], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Clear to turbid water, (B, H, W)."""
    turbid = np.clip(rng.beta(1, 2) + 0.08 * sample(rng, texture, *shape), 0, 1).astype(np.float32)
    clear, other = optics.spectra["water_clear"][:, None, None], optics.spectra["water_turbid"][:, None, None]
    return np.asarray(clear + (other - clear) * turbid, dtype=np.float32)


def _snow(
    rng: Generator, optics: BandOptics, texture: NDArray[np.float32], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Snow on slopes, (B, H, W)."""
    light = np.clip(0.85 + 0.12 * sample(rng, texture, *shape), 0.4, 1.1).astype(np.float32)
    return np.asarray(optics.spectra["snow"][:, None, None] * light, dtype=np.float32)


def _vigour(rng: Generator, config: SceneConfig, parcels: Parcels, texture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Relative green cover of each pixel, mean about 1: smooth patches, crowns and gardens."""
    shape = parcels.label.shape
    patchiness, grain_share = (growth_value(name).astype(np.float32) for name in ("patchiness", "grain"))
    rough, share = (each[parcels.landcover][parcels.label] for each in (patchiness, grain_share))
    grain = rng.standard_normal(shape, dtype=np.float32)
    patches = sample(rng, texture, *shape)
    relative = config.landscape.texture * rough * (np.sqrt(1 - share**2) * patches + share * grain)
    return np.asarray(np.maximum(1 + relative, 0.05), dtype=np.float32)

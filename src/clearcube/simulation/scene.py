"""A simulated scene: what was on the ground, what a clear sky would have shown, what was delivered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clearcube.filler import Block
from clearcube.simulation.clouds import CloudFrame, Skies
from clearcube.simulation.dates import DateEffects, draw_date_effects, noise_stream, placement_taps
from clearcube.simulation.delivery import DeliveredMasks, draw_missing
from clearcube.simulation.fields import canvas_size, fractal_fields, sample, stream
from clearcube.simulation.kernels import atmosphere_kernel, cover_kernel, cover_up_kernel, mix_kernel, place_kernel
from clearcube.simulation.spectra import BandOptics, band_optics
from clearcube.simulation.surface import MARGIN, Ground, draw_ground

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.cube import Band
    from clearcube.simulation.config import SceneConfig

CLEAN = 0.03
"""True contamination up to which an observed pixel counts as clean."""
GROWTH_FIELD_DAYS = 30.0
"""Days in which the smooth field of growth turns into another one."""


@dataclass(frozen=True)
class Scene:
    """A scene of T dates, B bands, H x W pixels. Reflectance in unit 1, float32, (T, B, H, W).

    surface : the ground alone, without air, view angle, misregistration and noise; never NaN.
    clear : a clear observation of each date, with all of these; the truth of what clouds hide. Never NaN.
    reflectance : what was delivered: `clear` below clouds and shadows; NaN where nothing was.
    observed : (T, H, W) bool, the mask as delivered, errors included; False where reflectance is NaN.
    contamination : (T, H, W) float32 in [0, 1], how much cloud, cirrus and shadow really hide; 0 = clear.
    landcover : (H, W) uint8, `LandCover`, as in the calendar year that holds most of the dates.
    dates : (T,) datetime64[D]; bands : the B bands.
    """

    surface: NDArray[np.float32]
    clear: NDArray[np.float32]
    reflectance: NDArray[np.float32]
    observed: NDArray[np.bool_]
    contamination: NDArray[np.float32]
    landcover: NDArray[np.uint8]
    dates: NDArray[np.datetime64]
    bands: tuple[Band, ...]

    @property
    def block(self) -> Block:
        """What was delivered, as a filler is given it."""
        return Block(self.reflectance, self.observed, self.dates, self.bands)


def simulate(config: SceneConfig, seed: int) -> Scene:
    """Make the scene of this configuration and seed; the same two give the same scene.

    A band's values depend on its own name and wavelength, not on the other bands or their order.

    Raises
    ------
    InputError : a band's wavelength is unknown or outside 400 to 2400 nm.
    """
    optics = band_optics(config.bands)
    ground = draw_ground(config, optics, seed)
    effects = draw_date_effects(config, optics, ground.parcels.landcover, _canvas(config), seed)
    surface, clear = _observe(config, optics, ground, effects, seed)
    reflectance, observed, contamination = _deliver(config, optics, clear, seed)
    inside = slice(MARGIN, -MARGIN)
    return Scene(
        surface=surface,
        clear=clear,
        reflectance=reflectance,
        observed=observed,
        contamination=contamination,
        landcover=ground.curves.landcover[ground.parcels.label[inside, inside]],
        dates=config.dates,
        bands=config.bands,
    )


def _canvas(config: SceneConfig) -> int:
    return canvas_size(config.height + 2 * MARGIN, config.width + 2 * MARGIN)


def _observe(
    config: SceneConfig, optics: BandOptics, ground: Ground, effects: DateEffects, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Surface and clear observation of all dates, (T, B, H, W) each."""
    shape = ground.parcels.label.shape
    surface = np.empty((len(config.days), len(config.bands), config.height, config.width), dtype=np.float32)
    clear = np.empty_like(surface)
    growth = _growth_fields(config, shape, seed)
    level = np.float32(config.disturbance.noise)
    noise_of_bands = [noise_stream(band, seed) for band in config.bands]
    noise = np.empty(surface.shape[2:], dtype=np.float32)
    green, dry, raw, seen = (np.empty(shape, dtype=np.float32) for _ in range(4))
    row, blur = np.empty(shape[1], dtype=np.float32), config.disturbance.blur * optics.blur
    still = placement_taps(np.zeros_like(blur), blur)
    moved = placement_taps(effects.shift, blur[:, None])
    canopy, dry_matter, gain = (
        np.ascontiguousarray(of_parcels.swapaxes(-1, -2))
        for of_parcels in (ground.canopy, ground.dry_matter, effects.gain)
    )
    curves, label = ground.curves, ground.parcels.label
    held = curves.wet * ground.holds_water
    grain_of_dates = stream(seed, "grain")
    for date in range(len(config.days)):
        cover_kernel(label, curves.green[date], curves.dry[date], ground.vigour, growth[date], green, dry)
        amount = config.disturbance.grain * np.exp(0.5 * grain_of_dates.standard_normal())
        grain_weight = np.float32(amount) * optics.grain
        grain = grain_of_dates.standard_normal((2, *shape), dtype=np.float32)
        for band in range(len(config.bands)):
            darkening = curves.tilled[date] * (1 - optics.wetting[band] * held[date])
            mix_kernel(
                label, green, dry, ground.ground[band], ground.parcels.track,
                canopy[band], dry_matter[band], darkening, gain[date, band], ground.track_reflectance[band],
                optics.leaves[band] * np.float32(0.5), grain, grain_weight[band], raw, seen,
            )  # fmt: skip
            place_kernel(raw, still[band], still[band], row, surface[date, band])
            down, across = moved[date, band]
            place_kernel(seen, down, across, row, clear[date, band])
            noise_of_bands[band].standard_normal(out=noise, dtype=np.float32)
            atmosphere_kernel(
                effects.aerosol[date], optics.path[band], optics.loss[band], effects.column_gain[date],
                noise, level, clear[date, band],
            )  # fmt: skip
    return surface, clear


def _growth_fields(config: SceneConfig, shape: tuple[int, int], seed: int) -> NDArray[np.float32]:
    """Relative deviation of green cover from its parcel's curve, smooth in space and from date to date, (T, H, W)."""
    rng = stream(seed, "growth fields")
    bank = fractal_fields(rng, 2, _canvas(config), slope=3.0, cutoff=1.0)
    one, other = sample(rng, bank, *shape), sample(rng, bank, *shape)
    steps = np.diff(np.array(config.days), prepend=config.days[0]) / GROWTH_FIELD_DAYS
    angle = np.cumsum(2 * rng.standard_normal(len(config.days)) * np.sqrt(steps))
    turn = (config.disturbance.growth_field * np.stack([np.cos(angle), np.sin(angle)])).astype(np.float32)
    offset = config.disturbance.growth_field * rng.standard_normal(len(config.days)).astype(np.float32)
    return np.asarray(turn[0][:, None, None] * one + turn[1][:, None, None] * other + offset[:, None, None])


def _deliver(
    config: SceneConfig, optics: BandOptics, clear: NDArray[np.float32], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
    """Delivered reflectance, delivered mask and true contamination."""
    skies, masks = Skies(config, _canvas(config), seed), DeliveredMasks(config, _canvas(config), seed)
    missing = draw_missing(config, seed)
    reflectance = np.empty_like(clear)
    contamination = np.empty(missing.shape, dtype=np.float32)
    observed = ~missing
    for date in range(len(config.days)):
        sky = skies.draw(date)
        contamination[date] = sky.contamination
        observed[date] &= masks.draw(sky)
        _cover_up(optics, clear[date], sky, reflectance[date])
        reflectance[date][:, missing[date]] = np.nan
    return reflectance, observed, contamination


def _cover_up(optics: BandOptics, clear: NDArray[np.float32], sky: CloudFrame, out: NDArray[np.float32]) -> None:
    """Put clouds and shadows over the bands of one date, (B, H, W)."""
    for band in range(len(clear)):
        cover_up_kernel(
            clear[band], sky.cloud, sky.bright, sky.cirrus, sky.shadow, optics.spectra["cloud_water"][band],
            optics.spectra["cloud_ice"][band], optics.sky[band], out[band],
        )  # fmt: skip

"""Loops over pixels, compiled. Arrays are C-contiguous float32 unless said otherwise; nothing is allocated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clearcube.compilation import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

TAPS = 7
"""Length of the kernel that places and blurs a frame; its half is the margin that a frame needs on each side."""


@compiled()
def cover_kernel(
    label: NDArray[np.int32],
    green: NDArray[np.float32],
    dry: NDArray[np.float32],
    vigour: NDArray[np.float32],
    growth: NDArray[np.float32],
    out_green: NDArray[np.float32],
    out_dry: NDArray[np.float32],
) -> None:
    """Green and dry cover of each pixel at one date from its parcel's (P,), its own vigour and the growth field."""
    for y in range(label.shape[0]):
        for x in range(label.shape[1]):
            parcel = label[y, x]
            share = green[parcel] * (vigour[y, x] + growth[y, x])
            share = min(max(share, 0.0), 0.97)
            out_green[y, x] = share
            out_dry[y, x] = min(dry[parcel], 1.0 - share)


@compiled()
def mix_kernel(
    label: NDArray[np.int32],
    green: NDArray[np.float32],
    dry: NDArray[np.float32],
    ground: NDArray[np.float32],
    track: NDArray[np.float32],
    canopy: NDArray[np.float32],
    dry_matter: NDArray[np.float32],
    darkening: NDArray[np.float32],
    gain: NDArray[np.float32],
    track_reflectance: np.float32,
    leaves: np.float32,
    grain: NDArray[np.float32],
    grain_weight: NDArray[np.float32],
    surface: NDArray[np.float32],
    seen: NDArray[np.float32],
) -> None:
    """Reflectance of one band at one date: ground, dry matter and canopy mixed by cover; `seen` has the date's gain.

    canopy, dry_matter, darkening (share of the ground's reflectance that is left), gain are of parcels, (P,).
    grain : (2, H, W) fine detail that the date has of its own; grain_weight : (2,) how much of it this band shows.
    """
    first, second = grain_weight[0], grain_weight[1]
    for y in range(label.shape[0]):
        for x in range(label.shape[1]):
            parcel = label[y, x]
            g = green[y, x]
            d = dry[y, x]
            leaf = canopy[parcel] * (1.0 + leaves * (g - 0.75))
            value = ground[y, x] * darkening[parcel] * (1.0 - g - d) + dry_matter[parcel] * d + leaf * g
            value += track[y, x] * (track_reflectance - value)
            surface[y, x] = value
            seen[y, x] = value * gain[parcel] * (1.0 + first * grain[0, y, x] + second * grain[1, y, x])


@compiled()
def place_kernel(
    frame: NDArray[np.float32],
    down: NDArray[np.float32],
    across: NDArray[np.float32],
    rows: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Blur and shift a frame with a margin (H + 6, W + 6) by separable kernels (7,), into out (H, W).

    rows (W + 6,) is workspace.
    """
    height, width = out.shape
    d0, d1, d2, d3, d4, d5, d6 = down[0], down[1], down[2], down[3], down[4], down[5], down[6]
    a0, a1, a2, a3, a4, a5, a6 = across[0], across[1], across[2], across[3], across[4], across[5], across[6]
    for y in range(height):
        for x in range(width + 6):
            rows[x] = (
                (d0 * frame[y, x] + d1 * frame[y + 1, x])
                + (d2 * frame[y + 2, x] + d3 * frame[y + 3, x])
                + (d4 * frame[y + 4, x] + d5 * frame[y + 5, x])
                + d6 * frame[y + 6, x]
            )
        for x in range(width):
            out[y, x] = (
                (a0 * rows[x] + a1 * rows[x + 1])
                + (a2 * rows[x + 2] + a3 * rows[x + 3])
                + (a4 * rows[x + 4] + a5 * rows[x + 5])
                + a6 * rows[x + 6]
            )


@compiled()
def atmosphere_kernel(
    aerosol: NDArray[np.float32],
    path: np.float32,
    loss: np.float32,
    column_gain: NDArray[np.float32],
    noise: NDArray[np.float32],
    noise_level: np.float32,
    clear: NDArray[np.float32],
) -> None:
    """Turn the placed reflectance of one band, `clear` (H, W), into a clear observation, in place.

    aerosol : (H, W) optical thickness; column_gain : (W,); noise : (H, W) of unit variance, `noise_level` in the dark.
    """
    for y in range(clear.shape[0]):
        for x in range(clear.shape[1]):
            value = clear[y, x] * column_gain[x]
            value += aerosol[y, x] * (path - loss * value)
            clear[y, x] = value + noise[y, x] * noise_level * (1.0 + 2.0 * value)


@compiled()
def cover_up_kernel(
    clear: NDArray[np.float32],
    cloud: NDArray[np.float32],
    bright: NDArray[np.float32],
    cirrus: NDArray[np.float32],
    shadow: NDArray[np.float32],
    cloud_reflectance: np.float32,
    ice_reflectance: np.float32,
    sky: np.float32,
    out: NDArray[np.float32],
) -> None:
    """What the sensor sees of a clear frame (H, W) below cirrus and clouds of these opacities, with their shadows."""
    for y in range(clear.shape[0]):
        for x in range(clear.shape[1]):
            value = clear[y, x] * (1.0 - shadow[y, x] * (1.0 - sky))
            value += cirrus[y, x] * (ice_reflectance - value)
            out[y, x] = value + cloud[y, x] * (bright[y, x] * cloud_reflectance - value)

"""A simulated scene as a cube."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clearcube.cube import OBSERVED_DIMS, REFLECTANCE_DIMS, new_cube
from clearcube.simulation.landcover import LandCover

if TYPE_CHECKING:
    import xarray as xr

    from clearcube.simulation.scene import Scene

CRS = "EPSG:32631"
"""Coordinate reference system of simulated cubes: UTM zone 31 north."""
CORNER = (500_000.0, 5_400_000.0)
"""East and north of the upper left corner of simulated cubes, metres."""


def to_cube(scene: Scene, pixel_size: float) -> xr.Dataset:
    """The scene as a cube with its truth: what the sensor delivered, and beside it what a clear sky would have shown.

    Parameters
    ----------
    scene : of T dates, B bands, H x W pixels.
    pixel_size : metres, as in the scene's configuration.

    Returns
    -------
    A cube (`check_cube`) in UTM with the further variables `truth` (time, band, y, x) float32, reflectance of a clear
    observation of each date, never NaN; `contamination` (time, y, x) float32 in [0, 1]; `landcover` (y, x) uint8.
    """
    height, width = scene.landcover.shape
    cube = new_cube(
        scene.reflectance,
        scene.observed,
        scene.dates,
        scene.bands,
        y=CORNER[1] - pixel_size * (np.arange(height) + 0.5),
        x=CORNER[0] + pixel_size * (np.arange(width) + 0.5),
        crs=CRS,
        attrs={"title": "simulated scene"},
    )
    cube["truth"] = (REFLECTANCE_DIMS, scene.clear, {"long_name": "reflectance of a clear observation", "units": "1"})
    cube["contamination"] = (OBSERVED_DIMS, scene.contamination, {"long_name": "opacity of cloud and shadow"})
    meanings = " ".join(cover.name.lower() for cover in LandCover)
    attributes = {"flag_values": np.arange(len(LandCover), dtype=np.uint8), "flag_meanings": meanings}
    cube["landcover"] = (("y", "x"), scene.landcover, attributes)
    return cube

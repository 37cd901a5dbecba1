"""Land-cover classes: what they are made of, how they grow and how they answer to the view angle."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class LandCover(IntEnum):
    """Class of a pixel of a simulated scene."""

    CEREAL = 0
    MAIZE = 1
    RAPESEED = 2
    BEET = 3
    CUT_GRASS = 4
    GRASSLAND = 5
    BROADLEAF = 6
    CONIFER = 7
    WATER = 8
    URBAN = 9
    BARE = 10
    SNOW = 11


CROPS = (LandCover.CEREAL, LandCover.MAIZE, LandCover.RAPESEED, LandCover.BEET)
"""Classes that are sown and harvested each year and may follow each other on a parcel."""


@dataclass(frozen=True)
class Growth:
    """A year of a class at 48 degrees north. Days of the year; widths in days; cover as a share of ground.

    base : green cover in the dormant season, all year round; winter : cover between sowing and rise (crops).
    rise, rise_width, peak, fall, fall_width : the double-logistic curve between dormancy and `peak` cover.
    harvest, end : crops: day of harvest and of the tillage after it; 0 = none.
    dry : cover of dry leaves or straw after the fall.
    spread : standard deviation of the dates between parcels, days.
    canopy, canopy_other, dry_matter : names of spectra; a parcel mixes the two canopies.
    anisotropy : mean and standard deviation between parcels of the answer to the view angle, relative to soil's.
    patchiness : how much green cover differs within a parcel, relative to the landscape's texture.
    grain : share of that from pixel to pixel, in standard deviations; the rest is in smooth patches.
    """

    base: float
    winter: float
    rise: float
    rise_width: float
    peak: float
    fall: float
    fall_width: float
    harvest: float
    end: float
    dry: float
    spread: float
    canopy: str
    canopy_other: str
    dry_matter: str
    anisotropy: tuple[float, float]
    patchiness: float
    grain: float


GROWTH = {
    LandCover.CEREAL: Growth(
        0.0, 0.30, 92, 13, 0.90, 172, 7, 200, 232, 0.75, 9, "crop_green", "crop_pale", "straw", (1.0, 0.25), 0.9, 0.3
    ),
    LandCover.MAIZE: Growth(
        0.0, 0.0, 168, 9, 0.92, 255, 10, 270, 288, 0.55, 10, "crop_green", "grass_green", "straw", (0.8, 0.25), 0.9, 0.3
    ),
    LandCover.RAPESEED: Growth(
        0.0, 0.45, 84, 10, 0.88, 176, 8, 197, 228, 0.55, 6, "crop_green", "flower", "straw", (0.8, 0.25), 0.9, 0.3
    ),
    LandCover.BEET: Growth(
        0.0, 0.0, 158, 10, 0.94, 320, 20, 290, 312, 0.15, 14, "crop_green", "broadleaf", "litter", (0.7, 0.25), 0.9, 0.3
    ),
    LandCover.CUT_GRASS: Growth(
        0.50, 0.0, 82, 12, 0.88, 310, 25, 0, 0, 0.10, 8, "grass_green", "crop_pale", "straw", (0.8, 0.2), 0.9, 0.3
    ),
    LandCover.GRASSLAND: Growth(
        0.30, 0.0, 95, 14, 0.68, 270, 28, 0, 0, 0.35, 12, "grass_green", "shrub", "straw", (0.8, 0.25), 1.0, 0.5
    ),
    LandCover.BROADLEAF: Growth(
        0.18, 0.0, 118, 6, 0.92, 292, 10, 0, 0, 0.35, 6, "broadleaf", "grass_green", "litter", (1.3, 0.2), 0.5, 0.8
    ),
    LandCover.CONIFER: Growth(
        0.70, 0.0, 120, 20, 0.80, 300, 30, 0, 0, 0.08, 8, "conifer", "broadleaf", "litter", (1.4, 0.2), 0.6, 0.8
    ),
    LandCover.WATER: Growth(
        0.0, 0.0, 120, 20, 0.0, 290, 20, 0, 0, 0.0, 8, "grass_green", "grass_green", "litter", (1.5, 0.6), 0.0, 0.0
    ),
    LandCover.URBAN: Growth(
        0.14, 0.0, 105, 14, 0.26, 290, 25, 0, 0, 0.08, 8, "grass_green", "broadleaf", "litter", (0.5, 0.4), 2.5, 0.9
    ),
    LandCover.BARE: Growth(
        0.03, 0.0, 95, 15, 0.10, 200, 25, 0, 0, 0.10, 10, "shrub", "grass_green", "straw", (0.8, 0.3), 2.0, 0.7
    ),
    LandCover.SNOW: Growth(
        0.0, 0.0, 120, 20, 0.0, 290, 20, 0, 0, 0.0, 8, "grass_green", "grass_green", "litter", (0.3, 0.1), 0.0, 0.0
    ),
}

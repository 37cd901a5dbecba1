"""What a scene is to be like, as frozen values; sets of bands of sensors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from clearcube.cube import SENTINEL2_BANDS, Band
from clearcube.errors import InputError
from clearcube.simulation.climate import Climate

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

SENTINEL2_FOUR = tuple(SENTINEL2_BANDS[name] for name in ("B02", "B03", "B04", "B08"))
SENTINEL2_TEN = tuple(
    SENTINEL2_BANDS[name] for name in ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
)
EARTHNET_FOUR = tuple(SENTINEL2_BANDS[name] for name in ("B02", "B03", "B04", "B8A"))
LANDSAT_SEVEN = (
    Band("coastal", 443.0),
    Band("blue", 482.0),
    Band("green", 561.5),
    Band("red", 654.5),
    Band("nir08", 865.0),
    Band("swir16", 1608.5),
    Band("swir22", 2200.5),
)
PLANETSCOPE_FOUR = (Band("blue", 490.0), Band("green", 565.0), Band("red", 665.0), Band("nir", 865.0))
PLANETSCOPE_EIGHT = (
    Band("coastal", 443.0),
    Band("blue", 490.0),
    Band("green531", 531.0),
    Band("green", 565.0),
    Band("yellow", 610.0),
    Band("red", 665.0),
    Band("rededge071", 705.0),
    Band("nir", 865.0),
)
BAND_SETS = {
    "sentinel2-four": SENTINEL2_FOUR,
    "sentinel2-ten": SENTINEL2_TEN,
    "earthnet-four": EARTHNET_FOUR,
    "landsat-seven": LANDSAT_SEVEN,
    "planetscope-four": PLANETSCOPE_FOUR,
    "planetscope-eight": PLANETSCOPE_EIGHT,
}
"""Sets of bands by name. A single band is drawn from all of them."""


@dataclass(frozen=True)
class Landscape:
    """What is on the ground. Lengths in metres, shares in [0, 1].

    parcel : median width of a field; natural, urban, water : shares; pivots : share of the arable land in circles.
    contrast : spread of soils and canopies between parcels, 1 = usual.
    texture : standard deviation of green cover within a parcel, relative to its mean.
    """

    parcel: float = 150.0
    natural: float = 0.2
    urban: float = 0.05
    water: float = 0.02
    pivots: float = 0.0
    contrast: float = 1.0
    texture: float = 0.12
    crops: tuple[float, float, float, float, float, float] = (0.3, 0.2, 0.1, 0.1, 0.15, 0.15)
    """Weights of cereal, maize, rapeseed, beet, cut grassland and grassland among the parcels."""
    mountain_snow: float = 0.0


@dataclass(frozen=True)
class Disturbance:
    """What one date differs in from the next although nothing grew. Standard deviations; reflectance in unit 1.

    aerosol : of the optical thickness that atmospheric correction leaves over or takes too much.
    aerosol_field : of its smooth variation within the frame.
    gain : of the gain of a whole frame, relative, smooth over the spectrum.
    anisotropy : relative difference of the visible reflectance of soil between two orbits.
    class_gain, parcel_gain : of the gain of classes and of parcels by themselves, relative.
    growth_field : of a smooth field of green cover that changes from date to date.
    blur : of the sensor's point spread in the visible, pixels.
    shift : of the misregistration, pixels, each way; band_shift : of single bands against each other.
    grain : of fine detail that each date has of its own, relative, more on some dates than on others;
        nearly the same in all visible bands.
    noise : white noise of a dark pixel; twice that at reflectance 0.5.
    striping : probability of a date with column-wise gains.
    """

    aerosol: float = 0.03
    aerosol_field: float = 0.02
    gain: float = 0.015
    anisotropy: float = 0.05
    class_gain: float = 0.012
    parcel_gain: float = 0.015
    growth_field: float = 0.02
    blur: float = 0.52
    shift: float = 0.2
    band_shift: float = 0.05
    grain: float = 0.025
    noise: float = 0.0008
    striping: float = 0.03


@dataclass(frozen=True)
class Sky:
    """Clouds and the light.

    overcast, broken : shares of dates that are covered wholly and partly; haze : share of dates with cirrus or haze.
    low : typical height of clouds, metres.
    """

    overcast: float = 0.2
    broken: float = 0.3
    haze: float = 0.1
    low: float = 1500.0


@dataclass(frozen=True)
class Delivery:
    """What is delivered and how far its mask can be trusted. Probabilities are for each date.

    lost, swath, dead : dates without data, with a missing part of the swath, with dead detectors.
    threshold : opacity of cloud below which the mask misses it.
    missed_shadow, missed_cloud, false_alarm : of pieces of shadow or cloud called clear, of clear ground called cloud.
    coarse : pixels in a row that the mask judges together; dilation : pixels by which clouds and shadows are grown.
    """

    lost: float = 0.05
    swath: float = 0.05
    dead: float = 0.01
    threshold: float = 0.12
    missed_shadow: float = 0.2
    missed_cloud: float = 0.05
    false_alarm: float = 0.1
    coarse: int = 2
    dilation: int = 1


LATITUDES = (25.0, 68.0)
"""Degrees north, least and largest."""


@dataclass(frozen=True)
class SceneConfig:
    """All that a scene is made from, next to its seed.

    start : first date; days : days since it, ascending, unique, the first 0.
    orbits : orbit of each date as a number; dates of one orbit share view angle and swath.
    pixel_size : metres; latitude : degrees north, 25 to 68.
    climate : draws the daily weather that drives growth and clouds; None = growth by the calendar, clouds by `sky`.

    Raises
    ------
    InputError : no dates, dates not ascending or not from 0 on, no bands, a size under 8 pixels, a latitude out of
        range, orbits of another number than the dates.
    """

    height: int = 128
    width: int = 128
    start: np.datetime64 = field(default_factory=lambda: np.datetime64("2018-03-01", "D"))
    days: tuple[int, ...] = tuple(range(0, 120, 5))
    orbits: tuple[int, ...] = ()
    bands: tuple[Band, ...] = SENTINEL2_FOUR
    pixel_size: float = 20.0
    latitude: float = 48.0
    landscape: Landscape = field(default_factory=Landscape)
    disturbance: Disturbance = field(default_factory=Disturbance)
    sky: Sky = field(default_factory=Sky)
    delivery: Delivery = field(default_factory=Delivery)
    climate: Climate | None = None

    def __post_init__(self) -> None:
        if not self.days or any(after <= before for before, after in zip(self.days, self.days[1:], strict=False)):
            raise InputError(f"the days of a scene must be ascending and unique, found {self.days[:10]}")
        if self.days[0] != 0:
            raise InputError(f"the days of a scene begin with 0, its first date, not with {self.days[0]}")
        south, north = LATITUDES
        if not south <= self.latitude <= north:
            raise InputError(f"the latitude of a scene must lie in {south} to {north} degrees, not {self.latitude}")
        if not self.bands:
            raise InputError("a scene needs at least one band")
        if min(self.height, self.width) < 8:
            raise InputError(f"a scene needs at least 8 x 8 pixels, found {self.height} x {self.width}")
        if self.orbits and len(self.orbits) != len(self.days):
            raise InputError(f"{len(self.orbits)} orbits were given for {len(self.days)} dates; give one for each")

    @property
    def dates(self) -> NDArray[np.datetime64]:
        """(T,) datetime64[D]."""
        return np.asarray(self.start.astype("datetime64[D]") + np.array(self.days))

    @property
    def date_orbits(self) -> NDArray[np.int64]:
        """(T,) orbit of each date; one orbit where none were given."""
        return np.array(self.orbits or (0,) * len(self.days))


def usual_four(rng: Generator) -> tuple[Band, ...]:
    """The usual four bands, with the wider or the narrower near infrared."""
    return SENTINEL2_FOUR if rng.random() < 0.5 else EARTHNET_FOUR


def random_bands(rng: Generator) -> tuple[Band, ...]:
    """A set of bands: Sentinel-2's four most often, other sensors' sets, random parts of them, a single band."""
    if rng.random() < 0.35:
        return usual_four(rng)
    names = sorted(BAND_SETS)
    chosen = BAND_SETS[names[rng.integers(len(names))]]
    draw = rng.random()
    if draw < 0.12:
        return (chosen[rng.integers(len(chosen))],)
    if draw < 0.45:
        kept = np.sort(rng.choice(len(chosen), size=int(rng.integers(2, len(chosen) + 1)), replace=False))
        return tuple(chosen[index] for index in kept)
    return chosen

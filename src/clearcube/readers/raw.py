"""What every reader delivers: the series as the sensor gave it, before masks, merging of days and calendars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class RawSeries:
    """One place, all its acquisitions in any order, several of one day allowed. Lazy (dask) unless the file is small.

    reflectance : (time, band, y, x) float32, unit 1: scale, offset and no-data already applied, NaN = no value.
        `time` is datetime64[ns] with the time of day where the source tells it; `band` holds common names (the user's
        own where the source has no known ones) with the coordinate `wavelength` (nm, NaN = unknown); `y`, `x` are the
        coordinates of pixel centres.
    products : one name for each acquisition (product, file or source and position). Orders acquisitions of the same
        instant; the same name twice is the same product twice.
    masks : candidate masks by the name that the source gives them, (time, y, x) raw values on the same acquisitions,
        NaN (float) or the class 0 (SCL) = no data. Their grid may be coarser than that of `reflectance`.
    static : (y, x) fields that belong to the place: `landcover`, `elevation`, `latitude`, `longitude`.
    crs : anything that `rasterio.crs.CRS.from_user_input` takes, or None.
    others : names of fields with dates that are neither bands nor masks, as far as names tell.
    attrs : attributes for the cube (title, source, georeference, ...).
    """

    reflectance: xr.DataArray
    products: tuple[str, ...]
    masks: Mapping[str, xr.DataArray] = field(default_factory=dict)
    static: Mapping[str, xr.DataArray] = field(default_factory=dict)
    crs: Any = None
    others: tuple[str, ...] = ()
    attrs: Mapping[str, Any] = field(default_factory=dict)

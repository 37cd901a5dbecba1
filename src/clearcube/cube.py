"""What a cube is: one place over time, as an `xarray.Dataset` with fixed names, units and polarity.

A cube holds

- `reflectance` (time, band, y, x), float32, unit 1, NaN = no value;
- `observed` (time, y, x), bool, True where the sensor saw the ground in every band;
- coordinates `time` (UTC days, ascending, unique), `band` (names) with `wavelength` (nm, NaN = unknown),
  `y`, `x`, and `spatial_ref` where the coordinate reference system is known;
- optionally `landcover` (y, x), and `elevation` (y, x), m.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.errors import InputError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import ArrayLike, NDArray

REFLECTANCE_DIMS = ("time", "band", "y", "x")
OBSERVED_DIMS = ("time", "y", "x")
OPTICAL_NM = (400.0, 2400.0)
"""Shortest and longest centre wavelength of the bands that networks fill and scenes have, nm."""
PLAUSIBLE_REFLECTANCE = (-0.2, 2.0)
"""Range of reflectance in nature with some room for noise, thin cloud and glint; unit 1."""
SAME_PLACE = 0.1
"""Largest distance of the pixels of two cubes that count as the same, in pixels."""
PIXEL_SIZE = "pixel_size"
"""Attribute of the coordinate of a lone row or column: how wide the pixel is, in the unit of the coordinate."""
IMPLAUSIBLE_SHARE = 0.01
"""Largest share of observed values that may lie outside `PLAUSIBLE_REFLECTANCE`."""


class Source(IntEnum):
    """Where the value of a pixel at a date comes from."""

    UNFILLED = 0
    OBSERVED = 1
    INTERPOLATED = 2
    EXTRAPOLATED = 3
    INVENTED = 4
    REPLACED = 5
    SMOOTHED = 6
    FORECAST = 7


@dataclass(frozen=True)
class Band:
    """A spectral band: its STAC common name and centre wavelength in nm (NaN = unknown)."""

    name: str
    wavelength: float

    @property
    def optical(self) -> bool:
        """Whether the wavelength is known and within `OPTICAL_NM`."""
        return OPTICAL_NM[0] <= self.wavelength <= OPTICAL_NM[1]


SENTINEL2_BANDS = {
    "B01": Band("coastal", 443.0),
    "B02": Band("blue", 490.0),
    "B03": Band("green", 560.0),
    "B04": Band("red", 665.0),
    "B05": Band("rededge071", 705.0),
    "B06": Band("rededge075", 740.0),
    "B07": Band("rededge078", 783.0),
    "B08": Band("nir", 842.0),
    "B8A": Band("nir08", 865.0),
    "B09": Band("nir09", 945.0),
    "B11": Band("swir16", 1610.0),
    "B12": Band("swir22", 2190.0),
}
"""Sentinel-2 band id -> band."""

BANDS = {band.name: band for band in SENTINEL2_BANDS.values()}
"""Common name -> band."""


def band_named(name: str) -> Band:
    """The band of this name; its wavelength is NaN where the name is not a common name."""
    return BANDS.get(name, Band(name, float("nan")))


def new_cube(
    reflectance: Any,
    observed: Any,
    dates: ArrayLike,
    bands: Sequence[Band],
    *,
    y: ArrayLike | None = None,
    x: ArrayLike | None = None,
    crs: Any = None,
    attrs: dict[str, Any] | None = None,
) -> xr.Dataset:
    """Make a cube from arrays (NumPy or dask) and check it.

    Parameters
    ----------
    reflectance : (T, B, H, W) float32, unit 1, NaN = no value.
    observed : (T, H, W) bool.
    dates : (T,) days, ascending and unique.
    bands : the B bands.
    y, x : (H,), (W,) pixel-centre coordinates; without them, pixel indices (y descending in space is usual).
    crs : anything that `rasterio.crs.CRS.from_user_input` takes; None = unknown.

    Raises
    ------
    InputError : as `check_cube`.
    """
    import xarray as xr  # here, so that training needs no xarray

    height, width = reflectance.shape[-2:]
    coords: dict[str, Any] = {
        "time": np.asarray(dates, dtype="datetime64[D]").astype("datetime64[ns]"),
        "band": np.array([band.name for band in bands], dtype=object).astype(str),
        "wavelength": ("band", np.array([band.wavelength for band in bands], dtype=np.float64), {"units": "nm"}),
        "y": np.arange(height, dtype=np.float64) if y is None else np.asarray(y, dtype=np.float64),
        "x": np.arange(width, dtype=np.float64) if x is None else np.asarray(x, dtype=np.float64),
    }
    variables = {"reflectance": (REFLECTANCE_DIMS, reflectance), "observed": (OBSERVED_DIMS, observed)}
    cube = xr.Dataset(variables, coords, attrs)
    if crs is not None:
        cube = with_crs(cube, crs)
    return check_cube(cube)


def with_crs(dataset: xr.Dataset, crs: Any) -> xr.Dataset:
    """The dataset with its coordinate reference system written as `spatial_ref` (CF grid mapping)."""
    import rioxarray  # noqa: F401  (registers the accessor)

    written: xr.Dataset = dataset.rio.write_crs(crs)
    return written


def crs_of(dataset: xr.Dataset) -> Any:
    """The coordinate reference system (`rasterio.crs.CRS`) of a cube, or None where it has none."""
    if "spatial_ref" not in dataset.coords:
        return None
    import rioxarray  # noqa: F401  (registers the accessor)

    return dataset.rio.crs


def elevation_of(cube: xr.Dataset) -> NDArray[np.float32] | None:
    """Elevation in metres, (H, W) float32; None where a cube has none."""
    if "elevation" not in cube:
        return None
    values: NDArray[np.float32] = cube["elevation"].values.astype(np.float32)
    return values


def day_of_year(dates: NDArray[np.datetime64] | np.datetime64) -> NDArray[np.int64]:
    """Day of the year of dates, 1 on the first of January; of the shape of the dates.

    >>> int(day_of_year(np.datetime64("2020-12-31", "D")))
    366
    """
    days = np.asarray(dates, "datetime64[D]")
    return np.asarray((days - days.astype("datetime64[Y]")).astype(np.int64) + 1)


def pixel_steps(y: NDArray[np.float64], x: NDArray[np.float64]) -> tuple[float, float]:
    """From one pixel's centre to the next along y (H,) and x (W,), in the unit of the coordinates, signed.

    A lone row or column is as wide as the pixels are long the other way; a lone pixel 1. Lone rows go south, lone
    columns east.

    >>> pixel_steps(np.array([50.0]), np.array([0.0, 10.0]))
    (-10.0, 10.0)
    """
    steps = [float(axis[-1] - axis[0]) / (len(axis) - 1) if len(axis) > 1 else None for axis in (y, x)]
    along_y = steps[0] if steps[0] is not None else -abs(steps[1] or 1.0)
    return along_y, steps[1] if steps[1] is not None else abs(along_y)


def steps_of(placed: xr.Dataset | xr.DataArray) -> tuple[float, float]:
    """`pixel_steps` of what has coordinates y and x; a lone row or column is as wide as its `pixel_size` says."""
    y, x = (placed[axis] for axis in ("y", "x"))
    usual = pixel_steps(y.values, x.values)
    told = [axis.attrs.get(PIXEL_SIZE) if axis.size == 1 else None for axis in (y, x)]
    dy, dx = (step if size is None else float(np.copysign(size, step)) for step, size in zip(usual, told, strict=True))
    return dy, dx


def order_along(own: NDArray[np.float64], other: NDArray[np.float64], tolerance: float) -> slice | None:
    """Forwards or backwards, whichever makes the centres (N,) of an axis the other's (N,); None where neither does.

    tolerance : largest distance of centres that count as the same, in the unit of the coordinates.

    >>> order_along(np.array([10.0, 20.0]), np.array([20.0, 10.0]), 1.0)
    slice(None, None, -1)
    """
    for order in (slice(None), slice(None, None, -1)):
        if len(own) == len(other) and np.abs(own[order] - other).max() <= tolerance:
            return order
    return None


def check_cube(cube: xr.Dataset) -> xr.Dataset:
    """Return the cube if it is one, else say what is wrong with it. Looks at no pixel values.

    Raises
    ------
    InputError : a variable, dimension, coordinate or type is not what a cube has.
    """
    if not hasattr(cube, "data_vars"):
        raise InputError(
            f"not a cube: a {type(cube).__name__}; a cube is a Dataset with 'reflectance' and 'observed', such as "
            "open_cube gives"
        )
    for name, dims, dtype in (("reflectance", REFLECTANCE_DIMS, np.float32), ("observed", OBSERVED_DIMS, np.bool_)):
        if name not in cube.data_vars:
            raise InputError(
                f"not a cube: the variable '{name}' is missing; it has {sorted(map(str, cube.data_vars))}. "
                "clearcube.open_cube makes cubes of files, clearcube.new_cube of arrays"
            )
        if cube[name].dims != dims:
            raise InputError(f"not a cube: '{name}' has dimensions {cube[name].dims}, needed are {dims}")
        if cube[name].dtype != dtype:
            raise InputError(f"not a cube: '{name}' is {cube[name].dtype}, expected {np.dtype(dtype)}")
    for name in ("time", "band", "y", "x"):
        if name not in cube.coords:
            raise InputError(f"not a cube: the coordinate '{name}' is missing")
        if cube.sizes[name] == 0:
            raise InputError(f"not a cube: '{name}' is empty")
    if not np.issubdtype(cube["time"].dtype, np.datetime64):
        raise InputError(f"not a cube: 'time' is {cube['time'].dtype}, needed are dates (datetime64)")
    if np.isnat(cube["time"].values).any():
        raise InputError("not a cube: a date is missing (NaT); name it or leave its frame out")
    if (np.diff(dates_of(cube)) <= np.timedelta64(0, "D")).any():
        raise InputError("not a cube: its dates must be ascending with at most one a day; sort and merge them first")
    names = cube["band"].values.tolist()
    if len(set(names)) != len(names):
        raise InputError(f"not a cube: band names must differ, found {names}")
    return cube


def dates_of(cube: xr.Dataset) -> NDArray[np.datetime64]:
    """The cube's dates, (T,) datetime64[D]."""
    return cube["time"].values.astype("datetime64[D]")


def acquired_dates(cube: xr.Dataset) -> NDArray[np.bool_]:
    """(T,) bool, False where a date is none of the input's but was asked for (`readers.calendar.on_calendar`)."""
    if not {"wanted", "acquired"} <= set(cube.coords):
        return np.ones(cube.sizes["time"], dtype=bool)
    return np.asarray(cube["acquired"].values, dtype=bool)


def bands_of(cube: xr.Dataset) -> tuple[Band, ...]:
    """The cube's bands. Wavelengths come from the coordinate, else from the common names."""
    names = [str(name) for name in cube["band"].values]
    if "wavelength" not in cube.coords:
        return tuple(band_named(name) for name in names)
    return tuple(Band(name, float(value)) for name, value in zip(names, cube["wavelength"].values, strict=True))


def ndvi_bands(names: Sequence[str]) -> tuple[int, int] | None:
    """Indices of the red band and of the near infrared (`nir`, else `nir08`); None where one is not there.

    >>> ndvi_bands(("red", "nir08")), ndvi_bands(("red", "green"))
    ((0, 1), None)
    """
    infrared = next((name for name in ("nir", "nir08") if name in names), None)
    if "red" not in names or infrared is None:
        return None
    return list(names).index("red"), list(names).index(infrared)


def red_and_near_infrared(names: Sequence[str]) -> tuple[int, int]:
    """Indices of the red band and of the near infrared (`nir`, else `nir08`), for what needs both.

    Raises
    ------
    InputError : one of the two is not among the names.
    """
    found = ndvi_bands(names)
    if found is None:
        raise InputError(f"NDVI needs the bands 'red' and 'nir' (or 'nir08'); the cube has {', '.join(names)}")
    return found


def ndvi(cube: xr.Dataset) -> xr.DataArray:
    """Normalised difference vegetation index, (time, y, x) float32.

    (NIR - red) / (NIR + red); NaN where a band is NaN or the sum of both is not positive. Not clipped: beyond [-1, 1]
    where a reflectance is negative. Uses all values of `reflectance`, observed or filled; mask with `observed` for the
    observed ones alone.

    Raises
    ------
    InputError : the cube has no red or no near-infrared band.

    References
    ----------
    Rouse et al. (1974), Monitoring vegetation systems in the Great Plains with ERTS.
    """
    red, infrared = red_and_near_infrared([band.name for band in bands_of(cube)])
    r = cube["reflectance"].isel(band=red, drop=True)
    n = cube["reflectance"].isel(band=infrared, drop=True)
    total = n + r
    index = ((n - r) / total.where(total > 0)).astype(np.float32)
    return index.rename("ndvi").assign_attrs(long_name="normalized difference vegetation index", units="1")


def normalised_difference(infrared: Any, red: Any) -> Any:
    """NDVI of reflectances, float64, same shape: (NIR - red) / (NIR + red) clipped to [-1, 1].

    NaN where the sum is not positive. Beyond the limits, where a reflectance is negative, it has no meaning, and a few
    dark pixels would outweigh all others.
    """
    infrared, red = infrared.astype(np.float64), red.astype(np.float64)
    total = infrared + red
    return np.clip((infrared - red) / np.where(total > 0, total, np.nan), -1.0, 1.0)


NDVI_STD_LIMIT = 1.0
"""Of anything that lies in [-1, 1], no standard deviation is larger."""


def ndvi_std(
    red: NDArray[Any], infrared: NDArray[Any], red_std: NDArray[Any], infrared_std: NDArray[Any], correlation: float
) -> NDArray[Any]:
    """Standard deviation of the error of NDVI, at most 1, in the type of the reflectances, arrays of one shape.

    First-order propagation of the errors of red and near infrared with their correlation; it grows without bound where
    their sum comes near zero, and there says no more than that nothing is known of the NDVI. NaN where a value is NaN
    or the sum is not positive.
    """
    total = np.where(infrared + red > 0, infrared + red, np.nan).astype(red.dtype)
    by_red = -2 * infrared / total**2 * red_std
    by_infrared = 2 * red / total**2 * infrared_std
    variance = by_red**2 + by_infrared**2 + 2 * red.dtype.type(correlation) * by_red * by_infrared
    return np.asarray(np.minimum(np.sqrt(np.maximum(variance, 0)), red.dtype.type(NDVI_STD_LIMIT)))

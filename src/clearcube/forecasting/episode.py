"""What forecasting is about: an episode (a context and what came after it), a forecast, and who makes one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from clearcube.cube import normalised_difference, red_and_near_infrared
from clearcube.errors import InputError
from clearcube.filler import Block

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.cube import Band

    Floats = NDArray[np.float32]
    Days = NDArray[np.datetime64]

CONTEXT_DATES, TARGET_DATES = 10, 20
"""Dates of a context and of a target in the published protocol: 50 days to look at, 100 days to forecast."""
FEWEST_CONTEXT_DATES = 3
HORIZON = 100
"""Days that are forecast of cubes whose dates are farther apart."""


@dataclass(frozen=True)
class Weather:
    """Daily weather of a place, of the context and (for a guided forecast) of the days to forecast.

    dates : (D,) datetime64[D], ascending by one day. values : (D, V) float32, NaN = missing. names : the V variables,
    in the words and units of `forecasting.weather`.
    """

    dates: Days
    values: Floats
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        assert self.dates.dtype == np.dtype("datetime64[D]"), self.dates.dtype
        assert (np.diff(self.dates) == np.timedelta64(1, "D")).all(), "daily dates without holes"
        assert self.values.dtype == np.float32, self.values.dtype
        assert self.values.shape == (len(self.dates), len(self.names)), (self.values.shape, self.names)


@dataclass(frozen=True)
class Forecast:
    """Vegetation greenness on T dates to come.

    mean : (T, H, W) float32 NDVI in [-1, 1]; NaN where nothing can be said.
    std : (T, H, W) float32, one standard deviation of its error against a clear observation; NaN where the mean is.
    """

    mean: Floats
    std: Floats

    def __post_init__(self) -> None:
        assert self.mean.dtype == self.std.dtype == np.float32, (self.mean.dtype, self.std.dtype)
        assert self.mean.ndim == 3, self.mean.shape
        assert self.mean.shape == self.std.shape, (self.mean.shape, self.std.shape)


def check_dates(dates: Days, target_dates: Days) -> None:
    """Refuse a context of too few dates, or target dates that do not ascend after it.

    Raises
    ------
    InputError : what is wrong and what to do.
    """
    check_enough(len(dates))
    if not len(target_dates) or not (np.diff(target_dates, prepend=dates[-1:]) > np.timedelta64(0, "D")).all():
        raise InputError(f"the dates to forecast must come after the context's last date, {dates[-1]}, and ascend")


def check_enough(dates: int) -> None:
    """Refuse a context of so few dates that nothing can be forecast from it.

    Raises
    ------
    InputError : how many it needs.
    """
    if dates < FEWEST_CONTEXT_DATES:
        raise InputError(
            f"a forecast needs at least {FEWEST_CONTEXT_DATES} dates to look at, the context has {dates}; give a "
            "longer cube"
        )


@runtime_checkable
class Forecaster(Protocol):
    """Anything that forecasts NDVI from a context. It may look at the context, and at nothing after its last date
    but what is given as weather. See also `Checking`, `Guided` and `LooksBack`.
    """

    @property
    def name(self) -> str:
        """Name of the model, for metadata."""
        ...

    def forecast(
        self,
        context: Block,
        target_dates: Days,
        *,
        weather: Weather | None = None,
        elevation: Floats | None = None,
        landcover: NDArray[np.integer] | None = None,
    ) -> Forecast:
        """Forecast the NDVI of each pixel on the target dates.

        Parameters
        ----------
        context : T >= 3 dates with red and near infrared. Its reflectance is the filled one, or NaN where nothing
            was observed (`unfilled`); `observed` tells in both cases what was seen.
        target_dates : (Th,) datetime64[D], ascending, after the context's last date.
        weather : of the context and as far beyond as is known; used by guided models alone.
        elevation : (H, W) metres, NaN = unknown. landcover : (H, W), in the classes of the cube.

        Raises
        ------
        InputError : the context, the dates or the weather cannot be used.
        """
        ...


@runtime_checkable
class Checking(Protocol):
    """A forecaster that can tell beforehand what it would refuse."""

    def check(self, dates: Days, target_dates: Days, weather: Weather | None = None) -> None:
        """Whether the target dates can be forecast from a context of these dates, before it is filled.

        Raises
        ------
        InputError : they cannot, or the weather that is needed is missing.
        """
        ...


@runtime_checkable
class Guided(Protocol):
    """A forecaster that may look at the weather of the days to forecast."""

    @property
    def guided(self) -> bool:
        """Whether it does."""
        ...


def is_guided(forecaster: Forecaster) -> bool:
    """Whether a forecaster looks at the weather of the days to forecast."""
    return isinstance(forecaster, Guided) and forecaster.guided


@runtime_checkable
class LooksBack(Protocol):
    """A forecaster that may look at what was seen before the context."""

    @property
    def looks_back(self) -> bool:
        """Whether it does: it is then given that, unfilled, as the context's beginning."""
        ...


@dataclass(frozen=True)
class Episode:
    """A context of Tc dates, and the NDVI that was seen on Th dates after it.

    context : as delivered, NaN where not observed. target_dates : (Th,) datetime64[D].
    target_ndvi : (Th, H, W) float32 in [-1, 1], NaN where not clear.
    elevation : (H, W) float32 metres. landcover : (H, W) integers in the classes named by `classes`: "earthnet",
        "worldcover" (ESA WorldCover 10, 20, ... 100), "simulated" (`simulation.LandCover`), or "" without land cover.
    truth_ndvi : (Tc + Th, H, W) float32 NDVI of the ground on context and target dates, where simulated.
    place : what may not be in training and test alike: a tile, a region, the seed of a simulated place.
    history : what was seen before the context, for models that look back a year (`Forecaster`); None = nothing.
    """

    name: str
    context: Block
    target_dates: Days
    target_ndvi: Floats
    weather: Weather | None = None
    elevation: Floats | None = None
    landcover: NDArray[np.integer] | None = None
    classes: str = ""
    truth_ndvi: Floats | None = None
    place: str = ""
    history: Block | None = None

    def __post_init__(self) -> None:
        frame = self.context.observed.shape[1:]
        assert self.target_dates.dtype == np.dtype("datetime64[D]"), self.target_dates.dtype
        assert self.target_ndvi.shape == (len(self.target_dates), *frame), self.target_ndvi.shape
        assert self.target_ndvi.dtype == np.float32, self.target_ndvi.dtype
        assert len(self.target_dates) > 0, "an episode without target dates"
        assert self.target_dates[0] > self.context.dates[-1], "targets come after the context"
        assert self.history is None or self.history.dates[-1] < self.context.dates[0], (
            "history comes before the context"
        )
        for field in (self.elevation, self.landcover):
            assert field is None or field.shape == frame, (field.shape, frame)

    def fingerprint(self) -> str:
        """Checksum of all that forecasts and scores depend on beside the weather, whatever file it is from."""
        blocks = [self.context] if self.history is None else [self.context, self.history]
        arrays: list[NDArray[Any] | None] = []
        for block in blocks:
            arrays += [block.reflectance, block.observed, block.dates]
        arrays += [self.target_dates, self.target_ndvi, self.elevation, self.landcover, self.truth_ndvi]
        return _checksum((self.classes, self.context.bands), arrays)

    def weather_fingerprint(self) -> str:
        """Checksum of the weather, on which guided forecasts depend; empty without any."""
        weather = self.weather
        return "" if weather is None else _checksum(weather.names, [weather.dates, weather.values])

    @property
    def leads(self) -> NDArray[np.int64]:
        """(Th,) days from the last date of the context to each target date."""
        leads: NDArray[np.int64] = (self.target_dates - self.context.dates[-1]).astype(np.int64)
        return leads


def _checksum(names: object, arrays: Iterable[NDArray[Any] | None]) -> str:
    """Of names and arrays, all NaN alike."""
    digest = hashlib.sha256(repr(names).encode())
    for array in arrays:
        digest.update(b"none" if array is None else repr((array.shape, array.dtype.str)).encode() + _bytes(array))
    return digest.hexdigest()


def _bytes(array: NDArray[Any]) -> bytes:
    """The bytes of an array, all NaN alike."""
    plain = array.astype(np.int64) if array.dtype.kind == "M" else array
    if plain.dtype.kind == "f":
        plain = np.where(np.isnan(plain), np.array(np.nan, plain.dtype), plain)
    return plain.tobytes()


def continued(history: Block, context: Block) -> Block:
    """What was seen before a context, unfilled, and the context as it is."""
    before = unfilled(history)
    return replace(
        context,
        reflectance=np.concatenate([before.reflectance, context.reflectance]),
        observed=np.concatenate([before.observed, context.observed]),
        dates=np.concatenate([before.dates, context.dates]),
    )


def unfilled(context: Block) -> Block:
    """The context with NaN wherever nothing was observed: what a forecast without any filling is given."""
    seen = context.observed[:, None] & np.isfinite(context.reflectance)
    return replace(context, reflectance=np.where(seen, context.reflectance, np.float32(np.nan)))


def ndvi_of(reflectance: Floats, bands: Sequence[Band]) -> Floats:
    """NDVI of reflectance (T, B, H, W), clipped to [-1, 1], (T, H, W) float32.

    NaN where red or near infrared is, or where they do not sum to more than 0. That agrees with the definition of
    GreenEarthNet's scores, (NIR - red) / (NIR + red + 1e-8), to 1e-6 wherever there is any light.

    Raises
    ------
    InputError : no red or no near-infrared band.
    """
    red, infrared = red_and_near_infrared([band.name for band in bands])
    return np.asarray(normalised_difference(reflectance[:, infrared], reflectance[:, red]), np.float32)

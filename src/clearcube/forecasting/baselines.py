"""Forecasts that any model must beat: persistence, climatology, the year before, yearly waves.

All look at each pixel by itself. Their std is their RMS error on training episodes, by the days since the pixel was
last observed; the climatology's is the spread of its class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clearcube.cube import red_and_near_infrared
from clearcube.forecasting.baselines_series import (
    carried_on,
    days_since_seen,
    interpolated,
    last_value,
    mean_of_years,
    years_before,
)
from clearcube.forecasting.baselines_tables import EVERYWHERE, Course, courses, kinds_of, usual_error
from clearcube.forecasting.episode import Forecast, check_dates, ndvi_of
from clearcube.forecasting.vegetation import legend_of
from clearcube.methods.sampling import absolute_days

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.filler import Block
    from clearcube.forecasting.episode import Days, Floats, Weather

    Landcover = NDArray[np.integer]


@dataclass(frozen=True)
class Persistence:
    """The last NDVI of the context that has a value: the last filled one, or of an unfilled context the last seen."""

    @property
    def name(self) -> str:
        """The name on the command line."""
        return "persistence"

    def forecast(
        self,
        context: Block,
        target_dates: Days,
        *,
        weather: Weather | None = None,
        elevation: Floats | None = None,
        landcover: Landcover | None = None,
    ) -> Forecast:
        """The same value on every date; NaN where the context has none.

        Raises
        ------
        InputError : fewer than 3 dates, no red or near infrared, target dates before the end of the context.
        """
        check_request(context, target_dates)
        level = last_value(ndvi_of(context.reflectance, context.bands))
        mean = np.repeat(level[None], len(target_dates), axis=0)
        return _with_error(self.name, context, target_dates, mean)


@dataclass(frozen=True)
class Climatology:
    """The usual NDVI of the land cover at the time of the year, from the training set, whatever the context.

    Where the land cover is not known, the pixel's class is the one whose course explains its context best; where the
    context has no value either, all classes together are taken.

    classes : legend of the land cover (`Episode.classes`); "" = told by the codes.
    """

    classes: str = ""

    @property
    def name(self) -> str:
        """The name on the command line."""
        return "climatology"

    def forecast(
        self,
        context: Block,
        target_dates: Days,
        *,
        weather: Weather | None = None,
        elevation: Floats | None = None,
        landcover: Landcover | None = None,
    ) -> Forecast:
        """The course of each pixel's class on the target dates, and its spread.

        Raises
        ------
        InputError : as for persistence.
        """
        check_request(context, target_dates)
        frame = (context.observed.shape[1], context.observed.shape[2])
        legend = self.classes or ("" if landcover is None else legend_of(landcover))
        kinds = kinds_of(landcover, legend, frame)
        if (kinds == "").any():
            kinds = np.where(kinds == "", likeliest_kinds(context), kinds)
        mean = np.empty((len(target_dates), *frame), np.float32)
        std = np.empty_like(mean)
        for kind in np.unique(kinds):
            usual, spread = courses()[str(kind)].at(target_dates)
            mean[:, kinds == kind], std[:, kinds == kind] = usual[:, None], spread[:, None]
        return Forecast(mean, std)


@dataclass(frozen=True)
class Seasonal:
    """The NDVI of the year before, between its dates along a straight line; the mean of several years before."""

    @property
    def name(self) -> str:
        """The name on the command line."""
        return "seasonal"

    @property
    def looks_back(self) -> bool:
        """Whether what was seen before the context is given too."""
        return True

    def check(self, dates: Days, target_dates: Days, weather: Weather | None = None) -> None:
        """Whether a context of these dates covers the year before, before it is filled.

        Raises
        ------
        InputError : it does not.
        """
        years_before(dates, target_dates)

    def forecast(
        self,
        context: Block,
        target_dates: Days,
        *,
        weather: Weather | None = None,
        elevation: Floats | None = None,
        landcover: Landcover | None = None,
    ) -> Forecast:
        """The NDVI of 365 days before each target date, and of every further year that the context covers.

        Raises
        ------
        InputError : as for persistence, and where the context does not cover the year before.
        """
        check_request(context, target_dates)
        years = years_before(context.dates, target_dates)
        ndvi = ndvi_of(context.reflectance, context.bands)
        found = [interpolated(ndvi, context.dates, target_dates - days) for days in years]
        return _with_error(self.name, context, target_dates, mean_of_years(np.stack(found)))


@dataclass(frozen=True)
class Harmonic:
    """A trend and the wave of a year, fitted robustly to red and near infrared and carried on.

    The trend goes on level, the wave on its way. Short contexts have few terms (`clearcube.methods.harmonic`).
    """

    @property
    def name(self) -> str:
        """The name on the command line."""
        return "harmonic"

    @property
    def looks_back(self) -> bool:
        """Whether what was seen before the context is given too."""
        return True

    def forecast(
        self,
        context: Block,
        target_dates: Days,
        *,
        weather: Weather | None = None,
        elevation: Floats | None = None,
        landcover: Landcover | None = None,
    ) -> Forecast:
        """The fit at the target dates; every value of the context counts alike, filled or observed.

        Raises
        ------
        InputError : as for persistence.
        """
        check_request(context, target_dates)
        pair = list(red_and_near_infrared([band.name for band in context.bands]))
        bands = tuple(context.bands[index] for index in pair)
        values = np.ascontiguousarray(context.reflectance[:, pair]).reshape(len(context.dates), 2, -1)
        carried = carried_on(values, absolute_days(context.dates), absolute_days(target_dates))
        mean = ndvi_of(carried.reshape(len(target_dates), 2, *context.observed.shape[1:]), bands)
        return _with_error(self.name, context, target_dates, mean)


def check_request(context: Block, target_dates: Days) -> None:
    """Refuse a context that lacks a band, is too short, or does not end before the dates to forecast.

    Raises
    ------
    InputError : what is wrong and what to do.
    """
    red_and_near_infrared([band.name for band in context.bands])
    check_dates(context.dates, target_dates)


def _with_error(model: str, context: Block, dates: Days, mean: Floats) -> Forecast:
    """The forecast with the model's usual error; NaN where the mean is."""
    std = usual_error(model, days_since_seen(context, dates))
    return Forecast(mean.astype(np.float32), np.where(np.isnan(mean), np.float32(np.nan), std))


def likeliest_kinds(context: Block) -> NDArray[np.str_]:
    """The kind of each pixel (H, W) whose course makes its context most likely; `all` where the context is empty.

    Dates count as independent, deviations as normal with the spread of the kind.
    """
    ndvi = ndvi_of(context.reflectance, context.bands)
    kinds = [kind for kind in courses() if kind != EVERYWHERE]
    fit = np.stack([_surprise(ndvi, courses()[kind], context.dates) for kind in kinds])
    return np.where(np.isfinite(ndvi).any(axis=0), np.array(kinds)[fit.argmin(axis=0)], EVERYWHERE)


def _surprise(ndvi: Floats, course: Course, dates: Days) -> Floats:
    """Minus twice the logarithm of the likelihood of each pixel (H, W), but for a constant."""
    usual, spread = (values[:, None, None] for values in course.at(dates))
    of_date = ((ndvi - usual) / spread) ** 2 + 2 * np.log(spread)
    return np.asarray(np.where(np.isfinite(ndvi), of_date, 0.0).sum(axis=0))

"""The sums of one forecast: of GreenEarthNet's pixels by class, and of every clear target value by class and date."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clearcube.evaluation.statistics import Sums
from clearcube.filler import NORMAL_90
from clearcube.forecasting.earthnetscore import LONG, PART, distribution_score, trend_score
from clearcube.forecasting.episode import ndvi_of, unfilled
from clearcube.forecasting.greenearthnet import class_sums, complete, counted_pixels, pixel_scores
from clearcube.forecasting.vegetation import VEGETATION, vegetation_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.forecasting.episode import Episode, Forecast

COUNTED, CLEAR, GROUND, PARTS, CONTEXT = "counted", "clear", "ground", "earthnet", "context"
"""Sets: GreenEarthNet's pixels, every clear target value, the simulated ground, parts of EarthNetScore, the context."""


def forecast_sums(forecast: Forecast, episode: Episode) -> dict[str, dict[str, Sums]]:
    """Set -> statistic -> sums of a forecast against what was seen.

    `counted` has the scores of pixels, (classes,); `clear` and `ground` squared, signed and absolute errors,
    missing values and hits of the 90 % interval, (all classes, dates); `earthnet` what needs NDVI alone.
    """
    frame = (episode.context.observed.shape[1], episode.context.observed.shape[2])
    vegetation = vegetation_of(episode.landcover, episode.classes, frame)
    given = unfilled(episode.context)
    seen = ndvi_of(given.reflectance, given.bands)
    counted = counted_pixels(seen, episode.target_ndvi)
    sets = {
        COUNTED: class_sums(pixel_scores(forecast.mean, episode.target_ndvi), counted, vegetation),
        CLEAR: error_sums(forecast, episode.target_ndvi, vegetation),
        PARTS: _parts(forecast, episode.target_ndvi),
        CONTEXT: {"clear": _one(float(np.isfinite(seen).sum()), float(seen.size))},
    }
    if episode.truth_ndvi is not None:
        sets[GROUND] = error_sums(forecast, episode.truth_ndvi[len(given.dates) :], vegetation)
    return sets


def error_sums(forecast: Forecast, target: NDArray[np.floating], vegetation: NDArray[np.intp]) -> dict[str, Sums]:
    """Sums of errors by class and date, (len(VEGETATION), T), over the target values that are not NaN.

    target : (T, H, W) NDVI. vegetation : (H, W) index into `VEGETATION`. Missing forecasts count as NDVI 0.5.
    """
    clear = np.isfinite(target)
    error = np.where(clear, complete(forecast.mean) - np.nan_to_num(target), 0.0)
    known = clear & np.isfinite(forecast.std) & np.isfinite(forecast.mean)
    inside = np.abs(error) <= NORMAL_90 * np.nan_to_num(forecast.std)
    return {
        "squared": _by_class(error**2, clear, vegetation),
        "signed": _by_class(error, clear, vegetation),
        "absolute": _by_class(np.abs(error), clear, vegetation),
        "missing": _by_class(np.isnan(forecast.mean).astype(np.float64), clear, vegetation),
        "inside90": _by_class(inside.astype(np.float64), known, vegetation),
    }


def _by_class(values: NDArray[np.float64], counted: NDArray[np.bool_], vegetation: NDArray[np.intp]) -> Sums:
    total, weight = np.zeros((2, len(VEGETATION), len(values)))
    for date in range(len(values)):
        of = vegetation[counted[date]]
        total[:, date] = np.bincount(of, values[date][counted[date]], minlength=len(VEGETATION))
        weight[:, date] = np.bincount(of, minlength=len(VEGETATION))
    return Sums(total, weight)


def _parts(forecast: Forecast, target: NDArray[np.float32]) -> dict[str, Sums]:
    """Trends and distributions of EarthNetScore, which need NDVI alone; nothing where a series cannot be cut."""
    if len(target) > LONG and len(target) % PART:
        return {}
    clear = np.isfinite(target)
    mine, truth = complete(forecast.mean), np.nan_to_num(target).astype(np.float64)
    found = {
        "ols_published": trend_score(mine, truth, clear, "published"),
        "ols_strict": trend_score(mine, truth, clear, "strict"),
        "emd": distribution_score(mine, truth, clear),
    }
    return {name: _one(value, 1.0) for name, value in found.items() if np.isfinite(value)}


def _one(total: float, weight: float) -> Sums:
    return Sums(np.array([total]), np.array([weight]))

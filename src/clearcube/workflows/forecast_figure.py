"""What the figure of one episode shows: its context, the fill, the forecast, what came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearcube.forecasting.contexts import filled_context
from clearcube.forecasting.episode import ndvi_of, unfilled
from clearcube.forecasting.run import forecast_episode

if TYPE_CHECKING:
    from clearcube.filler import Filler
    from clearcube.forecasting.episode import Episode, Forecaster
    from clearcube.plots.forecast import ForecastShown


def forecast_shown(episode: Episode, filler: Filler | None, model: Forecaster) -> ForecastShown:
    """Forecast an episode from its filled context.

    Raises
    ------
    InputError : the fill or the model cannot be used on this episode.
    """
    from clearcube.plots.forecast import ForecastShown

    bare, filled = unfilled(episode.context), filled_context(episode.context, filler)
    forecast = forecast_episode(model, filled, episode)
    return ForecastShown(
        dates=bare.dates,
        context=ndvi_of(bare.reflectance, bare.bands),
        filled=ndvi_of(filled.reflectance, filled.bands),
        target_dates=episode.target_dates,
        forecast=forecast.mean,
        std=forecast.std,
        truth=episode.target_ndvi,
    )

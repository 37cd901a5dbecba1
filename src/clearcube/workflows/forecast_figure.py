"""The figure of one episode: its context, the fill, the forecast, what came, the error by horizon."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clearcube.forecasting.contexts import filled_context
from clearcube.forecasting.episode import ndvi_of, unfilled
from clearcube.forecasting.run import forecast_episode

if TYPE_CHECKING:
    from clearcube.filler import Filler
    from clearcube.forecasting.episode import Episode, Forecaster


def draw_episode(episode: Episode, filler: Filler | None, model: Forecaster, path: Path) -> None:
    """Forecast an episode from its filled context and draw it into a file (.png, .pdf, .svg).

    Raises
    ------
    InputError : the fill or the model cannot be used on this episode, or the file has another suffix.
    """
    from clearcube.plots.canvas import save
    from clearcube.plots.forecast import ForecastShown, forecast_figure

    bare, filled = unfilled(episode.context), filled_context(episode.context, filler)
    forecast = forecast_episode(model, filled, episode)
    shown = ForecastShown(
        dates=bare.dates,
        context=ndvi_of(bare.reflectance, bare.bands),
        filled=ndvi_of(filled.reflectance, filled.bands),
        target_dates=episode.target_dates,
        forecast=forecast.mean,
        std=forecast.std,
        truth=episode.target_ndvi,
    )
    save(forecast_figure(shown), path)

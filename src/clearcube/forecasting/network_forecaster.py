"""The network of a checkpoint as a forecaster."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from clearcube.cube import day_of_year, red_and_near_infrared
from clearcube.errors import InputError
from clearcube.forecasting.episode import Forecast, check_dates
from clearcube.forecasting.weather import network_weather, relative_elevation
from clearcube.networks.checkpoint import load
from clearcube.networks.forecast import MULTIPLE, Context, ForecastNet, at_leads
from clearcube.networks.shipped import located
from clearcube.networks.threads import torch_threads
from clearcube.tiling import windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.filler import Block
    from clearcube.forecasting.episode import Weather

    Floats = NDArray[np.float32]
    Days = NDArray[np.datetime64]

EMBEDDED, GUIDED = "forecast", "forecast-guided"
"""Names of the checkpoints that ship: without any weather, and with that of the days to forecast."""
LONGEST_CONTEXT = 12
"""Dates of a context that the network looks at, the last ones; it learnt from ten."""
WINDOW = 256
"""Pixels per side that the network sees at once, a multiple of its coarsest pixels."""
assert WINDOW % MULTIPLE == 0


@dataclass(frozen=True)
class NetworkForecaster:
    """Forecasts with the network of a checkpoint.

    path : of the checkpoint. threads : of torch, in each call; its many small steps gain nothing from more than one,
    and wait for each other where cores are busy.

    Raises
    ------
    InputError : the checkpoint cannot be used to forecast.
    """

    path: str
    threads: int = 1

    def __post_init__(self) -> None:
        _network(self.path)

    @property
    def name(self) -> str:
        """Name of the model; one that is told the weather of the days to forecast is named so."""
        return "convlstm-guided" if self.guided else "convlstm"

    @property
    def horizon(self) -> int:
        """Days that the network was trained to look ahead."""
        return int(_network(self.path).config.horizon)

    @property
    def guided(self) -> bool:
        """Whether it is given the weather of the days to forecast."""
        return bool(_network(self.path).config.weather)

    def forecast(
        self,
        context: Block,
        target_dates: Days,
        *,
        weather: Weather | None = None,
        elevation: Floats | None = None,
        landcover: NDArray[np.integer] | None = None,
    ) -> Forecast:
        """See `Forecaster`. Looks at the last `LONGEST_CONTEXT` dates of the context; land cover is not used.

        Where a pixel has no value in the whole context the forecast goes by its surroundings.
        """
        network = _network(self.path)
        told = self._told(context.dates, target_dates, weather)
        dates = slice(-LONGEST_CONTEXT, None)
        leads = (target_dates - context.dates[-1]).astype(np.float32)
        whole = _context(context, dates, told, elevation if network.config.elevation else None)
        with torch_threads(self.threads):
            mean, std = _in_windows(network, whole, torch.from_numpy(leads)[None])
        return Forecast(mean.clip(-1, 1), std)

    def check(self, dates: Days, target_dates: Days, weather: Weather | None = None) -> None:
        """Whether the target dates can be forecast from a context of these dates, before it is filled.

        Raises
        ------
        InputError : they cannot, or the weather that is needed is missing.
        """
        self._told(dates, target_dates, weather)

    def _told(self, dates: Days, target_dates: Days, weather: Weather | None) -> Floats | None:
        """What the network is told of the weather; None where it knows none."""
        check_dates(dates, target_dates)
        ahead = int((target_dates[-1] - dates[-1]).astype(np.int64))
        if ahead > self.horizon:
            raise InputError(
                f"{target_dates[-1]} lies {ahead} days ahead; the network was trained to look {self.horizon} days "
                f"ahead. Use --horizon {self.horizon}d or less, or the models persistence, climatology, seasonal or "
                "harmonic"
            )
        if not self.guided:
            return None
        config, known = _network(self.path).config, _required(weather, self.path)
        return network_weather(
            known, dates[-LONGEST_CONTEXT:], target_dates[-1], step_days=config.step_days, steps=config.steps
        )


def make_network_forecaster(*, weights: str | os.PathLike[str] | None = None) -> NetworkForecaster:
    """The forecaster of a checkpoint, a file or one that ships, by default the one without weather.

    Raises
    ------
    InputError : there is none, or the file cannot be used.
    """
    return NetworkForecaster(located(EMBEDDED if weights is None else weights))


def make_guided_forecaster(*, weights: str | os.PathLike[str] | None = None) -> NetworkForecaster:
    """The same, by default the one that is guided by the weather of the days to forecast.

    Raises
    ------
    InputError : as `make_network_forecaster`, or the checkpoint does not use weather.
    """
    made = NetworkForecaster(located(GUIDED if weights is None else weights))
    if not made.guided:
        raise InputError(f"{made.path} does not use weather; take the model convlstm with it")
    return made


@lru_cache(maxsize=4)
def _network(path: str) -> ForecastNet:
    """The network of a checkpoint, once for each process, on the GPU where there is one."""
    model, _ = load(path)
    if not isinstance(model, ForecastNet):
        raise InputError(f"{path} holds {type(model).__name__}, which fills cubes; a forecast needs other weights")
    return model.to(_device())


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _required(weather: Weather | None, path: str) -> Weather:
    if weather is None:
        raise InputError(
            f"{path} makes guided forecasts: it needs the weather of the context and of the days to forecast. Take a "
            "cube that brings it, give 'clearcube forecast' a table with --weather FILE, or use a model without weather"
        )
    return weather


def _context(context: Block, dates: slice, weather: Floats | None, elevation: Floats | None) -> Context:
    """The last dates as the network is given them.

    Raises
    ------
    InputError : no red or near-infrared band, or no value in any of these dates.
    """
    pair = list(red_and_near_infrared([band.name for band in context.bands]))
    values = context.reflectance[dates][:, pair]
    given: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(axis=1))
    if not given.any():
        raise InputError(
            f"nothing is observed on the last {len(given)} dates of the context, up to {context.dates[-1]}; fill it "
            "first, or end it earlier"
        )
    last = context.dates[-1]
    return Context(
        red_nir=torch.from_numpy(np.where(given[:, None], values, np.float32(0)))[None],
        given=torch.from_numpy(given)[None],
        observed=torch.from_numpy(context.observed[dates] & given)[None],
        days=torch.from_numpy((context.dates[dates] - last).astype(np.float32))[None],
        day_of_year=torch.tensor([float(day_of_year(last))]),
        weather=None if weather is None else torch.from_numpy(weather)[None],
        elevation=torch.from_numpy(relative_elevation(elevation, given.shape[1:]))[None],
    )


def _in_windows(network: ForecastNet, context: Context, leads: Tensor) -> tuple[Floats, Floats]:
    """Mean and std at the leads, (L, H, W) each, window by window with a halo, where the network is."""
    device = next(network.parameters()).device
    frame = (context.given.shape[2], context.given.shape[3])
    mean, std = (np.empty((leads.shape[1], *frame), np.float32) for _ in range(2))
    for window in windows(frame, WINDOW):
        outer = window.grown(network.config.halo, frame)
        inside, place = window.within(outer), window.slices
        with torch.inference_mode():
            steps = network(_moved(_cut(context, outer.slices), device))
            forecast, log_std = at_leads(steps, leads.to(device), network.config.step_days)
        mean[(..., *place)] = forecast[0].cpu().numpy()[(..., *inside)]
        std[(..., *place)] = log_std[0].exp().cpu().numpy()[(..., *inside)]
    return mean, std


def _cut(context: Context, place: tuple[slice, slice]) -> Context:
    """The context on a rectangle of pixels."""
    at = (..., *place)
    return context._replace(
        red_nir=context.red_nir[at],
        given=context.given[at],
        observed=context.observed[at],
        elevation=None if context.elevation is None else context.elevation[at],
    )


def _moved(context: Context, device: torch.device) -> Context:
    return Context._make(None if part is None else part.to(device) for part in context)

"""Forecasters by name. Importing this loads no network; making a forecaster does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from clearcube.errors import InputError

if TYPE_CHECKING:
    from clearcube.forecasting.episode import Forecaster


@dataclass(frozen=True)
class ForecasterInfo:
    """What a user needs to know to choose a model.

    module, maker : the class, in `clearcube.forecasting`, or function that makes it from the options, by keyword.
    options : names of the options.
    """

    name: str
    summary: str
    module: str
    maker: str
    options: tuple[str, ...] = ()


FORECASTERS: Mapping[str, ForecasterInfo] = MappingProxyType(
    {
        info.name: info
        for info in (
            ForecasterInfo(
                "convlstm",
                "a network that carries the context on, with its uncertainty",
                "network_forecaster",
                "make_network_forecaster",
                ("weights",),
            ),
            ForecasterInfo(
                "convlstm-guided",
                "the same network, told the weather of the days to forecast; learnt from simulated places alone",
                "network_forecaster",
                "make_guided_forecaster",
                ("weights",),
            ),
            ForecasterInfo("persistence", "the last NDVI of the context", "baselines", "Persistence"),
            ForecasterInfo(
                "climatology", "the usual NDVI of the land cover at that time of year", "baselines", "Climatology"
            ),
            ForecasterInfo("seasonal", "the NDVI of the year before, from the same cube", "baselines", "Seasonal"),
            ForecasterInfo("harmonic", "yearly waves fitted to the context", "baselines", "Harmonic"),
        )
    }
)
"""Name -> model."""


def make_forecaster(name: str, **options: Any) -> Forecaster:
    """The forecaster of this name with these options; those that are None count as not given.

    Raises
    ------
    InputError : unknown model, unknown option, or a value that the model cannot use.
    """
    if name not in FORECASTERS:
        raise InputError(f"unknown model '{name}'; choose one of {', '.join(FORECASTERS)}")
    info = FORECASTERS[name]
    given = {key: value for key, value in options.items() if value is not None}
    unknown = sorted(set(given) - set(info.options))
    if unknown:
        known = f"it takes {', '.join(info.options)}" if info.options else "it takes none"
        raise InputError(f"model '{name}' has no option '{unknown[0]}'; {known}")
    made: Forecaster = getattr(import_module(f"clearcube.forecasting.{info.module}"), info.maker)(**given)
    return made

"""What the training of a forecaster is: frozen values, read from a TOML file that may say as little as it likes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from clearcube.forecasting.episode import HORIZON
from clearcube.forecasting.weather import VARIABLES
from clearcube.networks.forecast import ForecastConfig
from clearcube.networks.precision import PRECISIONS
from clearcube.training.config import built, plain_values, table_in
from clearcube.training.cube_sources import CubeSource, sources_from
from clearcube.training.ranges import require


@dataclass(frozen=True)
class EpisodesConfig:
    """What is learnt from.

    simulated, validation : numbers of simulated places. size : pixels along their sides.
    fills : methods that the contexts of all places are filled with beforehand; unfilled ones are always among them.
        Every filling is learnt from equally often.
    real : share of samples from real cubes, where there are any.
    folder : where episodes are kept once they are made; "" = in the output folder. They are of the fills as they were
        then: empty it when a method has changed.
    """

    simulated: int = 2000
    validation: int = 32
    size: int = 48
    fills: tuple[str, ...] = ("linear", "last", "whittaker", "seq2seq")
    real: float = 0.1
    folder: str = ""


@dataclass(frozen=True)
class RatesConfig:
    """Steps and step sizes.

    steps, hours : the run ends with whichever comes first; the learning rate follows the share that is done.
    batch : samples in a step; crop : pixels along their sides. average : decay of the moving average of the weights.
    fewer_dates : share of batches whose contexts lose some of their dates. likelihood : weight of the loss of the std.
    precision : what the network computes in, one of `networks.precision.PRECISIONS`.
    """

    steps: int = 8000
    hours: float = 24.0
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    clip: float = 1.0
    batch: int = 4
    crop: int = 32
    average: float = 0.998
    fewer_dates: float = 0.15
    likelihood: float = 0.2
    precision: str = "auto"
    threads: int = 1


@dataclass(frozen=True)
class ForecastCheck:
    """Steps between two validations, and between two saves of the state."""

    every: int = 250
    save: int = 100


@dataclass(frozen=True)
class ForecastTraining:
    """A training run of a forecaster.

    output : folder for episodes, state, log and weights. train : real cubes, beside the simulated places.
    start : checkpoint, a file or one that ships, that the network begins with: of the same sizes but for the weather,
        which at first changes nothing; "" = random numbers.
    """

    output: str = "runs/forecast"
    seed: int = 0
    start: str = ""
    train: tuple[CubeSource, ...] = ()
    network: ForecastConfig = field(default_factory=lambda: ForecastConfig(fine=24, coarse=48))
    episodes: EpisodesConfig = field(default_factory=EpisodesConfig)
    optimisation: RatesConfig = field(default_factory=RatesConfig)
    check: ForecastCheck = field(default_factory=ForecastCheck)

    def __post_init__(self) -> None:
        rates, episodes = self.optimisation, self.episodes
        require(bool(self.output), "output must name a folder")
        require(0 <= self.seed < 2**63, "seed must be a whole number from 0, below 2^63")
        require(rates.steps > 0 and rates.hours > 0, "optimisation.steps and hours must be positive")
        require(rates.crop % 4 == 0 and 8 <= rates.crop <= episodes.size, "crop must be a multiple of 4 up to size")
        require(rates.batch > 0 and rates.threads > 0, "optimisation.batch and threads must be positive")
        require(rates.learning_rate > 0 and rates.clip > 0, "optimisation.learning_rate and clip must be positive")
        require(min(rates.weight_decay, rates.likelihood) >= 0, "optimisation.weight_decay, likelihood must be >= 0")
        require(0 <= rates.average < 1, "optimisation.average must lie in [0, 1)")
        require(0 <= rates.fewer_dates <= 1, "optimisation.fewer_dates must lie in [0, 1]")
        require(rates.precision in PRECISIONS, f"optimisation.precision must be one of {', '.join(PRECISIONS)}")
        require(episodes.simulated > 0 and episodes.validation > 0, "episodes need simulated and validation places")
        require(0 <= episodes.real < 1, "episodes.real must lie in [0, 1)")
        require(len({*episodes.fills}) == len(episodes.fills), "episodes.fills names a method twice")
        require(
            self.network.horizon <= HORIZON,
            f"network.step_days x steps is {self.network.horizon} days; targets to learn from end after {HORIZON}",
        )
        require(
            not (self.network.weather and self.train),
            "a network with weather learns from simulated places alone: take the cubes out of [[train]]",
        )
        require(self.network.weather in (0, len(VARIABLES)), f"network.weather must be 0 or {len(VARIABLES)}")
        require(self.check.every > 0 and self.check.save > 0, "check.every and check.save must be positive")

    def plain(self) -> dict[str, Any]:
        """All values as tables, numbers, texts and lists."""
        values: dict[str, Any] = plain_values(asdict(self))
        return values


def read_forecast_config(path: str | Path) -> ForecastTraining:
    """Read a configuration. Relative paths in it count from where the program is run.

    Raises
    ------
    InputError : no such file, not TOML, an unknown name, a value of the wrong type or out of range.
    """
    return forecast_config_from(table_in(path), str(path))


def forecast_config_from(table: Mapping[str, Any], where: str = "the configuration") -> ForecastTraining:
    """The configuration from plain values.

    Raises
    ------
    InputError : an unknown name, a value of the wrong type or out of range.
    """
    sources = sources_from(table.get("train", ()), f"{where}, [[train]]")
    return built(ForecastTraining, dict(table) | {"train": sources}, where)

"""Training of a forecaster from a configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clearcube.forecasting.pack import ForecastData, PackedEpisodes
    from clearcube.forecasting.training_config import ForecastTraining

VALIDATION_SEED = 1_000_000
"""Seed of the first simulated place of validation; those of training begin at 0."""


def train_forecaster(
    config: Path, report: Callable[[dict[str, Any]], None], *, resume: bool = False, overwrite: bool = False
) -> Path:
    """Train as the configuration says; returns the folder with episodes, state, log and weights.

    report : called with every record of the log; the making of episodes gives {"episodes": done, "of": all}.
    resume : go on from the saved state. overwrite : start over where there is another run's.

    Raises
    ------
    InputError : the configuration or a cube cannot be used, a test file is among them, a fill is not known, the folder
        holds another run, the loss is not finite.
    """
    from clearcube.forecasting.training import train
    from clearcube.forecasting.training_config import read_forecast_config
    from clearcube.training.state import check_folder

    settings = read_forecast_config(config)
    folder = Path(settings.output)
    check_folder(folder, resume=resume, overwrite=overwrite)
    train(settings, gathered_episodes(settings, report), report, resume=resume, overwrite=overwrite)
    return folder


def state_to_resume(config: Path, since: float = 0.0) -> Path | None:
    """The saved state that a run of this configuration would go on from, if it is no older than `since`; else None."""
    from clearcube.forecasting.training_config import read_forecast_config
    from clearcube.training.state import saved_state

    return saved_state(config, read_forecast_config, since)


def gathered_episodes(settings: ForecastTraining, report: Callable[[dict[str, Any]], None]) -> ForecastData:
    """The episodes of a run, with their contexts filled; simulated ones are kept in the output folder.

    Raises
    ------
    InputError : as `train_forecaster`.
    """
    from clearcube.checksums import sha256_of
    from clearcube.filler import checkpoint_of
    from clearcube.forecasting.pack import ForecastData, simulated_pack
    from clearcube.forecasting.run import NONE
    from clearcube.forecasting.stretches import real_pack
    from clearcube.networks.shipped import located
    from clearcube.training.config import TrainingConfig
    from clearcube.training.packing import gathered
    from clearcube.workflows.context_fills import quick_context_filler

    read, episodes = gathered(TrainingConfig(train=settings.train)), settings.episodes
    fillers = {name: quick_context_filler(name) for name in (NONE, *episodes.fills)}
    grid = {"step_days": settings.network.step_days, "steps": settings.network.steps}

    def simulated(first: int, count: int) -> PackedEpisodes:
        def told(done: int, of: int) -> None:
            report({"episodes": done, "of": of})

        folder = Path(episodes.folder or Path(settings.output) / "episodes")
        return simulated_pack(folder, range(first, first + count), episodes.size, fillers, **grid, report=told)

    real = real_pack(read.train, episodes.size, fillers, **grid)
    packs = [(simulated(0, episodes.simulated), 1 - episodes.real)]
    if real is not None:
        packs.append((real, episodes.real))
    weights = {name: checkpoint_of(filler) for name, filler in fillers.items()}
    if settings.start:
        weights["the beginning"] = located(settings.start)
    return ForecastData(
        train=tuple(packs),
        validation=simulated(VALIDATION_SEED, episodes.validation),
        fills=tuple(fillers),
        episodes={"simulated": episodes.simulated, "real": 0 if real is None else len(real)},
        files={**read.files, **{f"weights of {name}": sha256_of(path) for name, path in weights.items() if path}},
    )

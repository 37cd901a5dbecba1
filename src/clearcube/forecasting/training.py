"""The training of a forecaster: loop, log, files. A run that was killed goes on from its last state."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
import torch

from clearcube.forecasting.batches import Batches
from clearcube.forecasting.training_config import forecast_config_from
from clearcube.forecasting.training_step import ForecastLearner, new_learner, train_step
from clearcube.forecasting.training_validation import stretched, validated
from clearcube.networks import checkpoint
from clearcube.networks.threads import torch_threads
from clearcube.training.log import keep_lines, lines_until
from clearcube.training.progress import is_done, share_done
from clearcube.training.state import (
    BEST,
    LAST,
    LICENCE,
    LOG,
    alone_in,
    check_folder,
    check_same_files,
    clear_folder,
    hardware,
    load_state,
    provenance,
    save_state,
)

if TYPE_CHECKING:
    from clearcube.forecasting.pack import ForecastData
    from clearcube.forecasting.training_config import ForecastTraining
    from clearcube.networks.forecast import ForecastNet

LOG_EVERY = 25

Report = Callable[[dict[str, Any]], None]


@dataclass
class ForecastProgress:
    """Steps and seconds done, the smallest mean error of a validation, and what all of them found.

    files : name -> sha256 of every file that the run read. sums : of the loss's terms over the steps after `logged`.
    """

    step: int = 0
    seconds: float = 0.0
    best: float = float("inf")
    validations: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)
    logged: int = 0


def train(
    config: ForecastTraining,
    data: ForecastData,
    report: Report = lambda record: None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    until: int | None = None,
) -> ForecastProgress:
    """Train as configured; writes state, log, `last.safetensors` and `best.safetensors` into the output folder.

    report : called with every record that is logged. resume : go on from the saved state. overwrite : start over where
    the folder holds another run. until : end at this step, as if killed after a save.

    Raises
    ------
    InputError : a loss that is not finite; a folder that holds another run; nothing to resume, or the state of another
        configuration.
    """
    folder = Path(config.output)
    check_folder(folder, resume=resume, overwrite=overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    learner, progress = new_learner(config), ForecastProgress()
    if resume:
        progress = load_state(folder, learner, config, progress, forecast_config_from)
    check_same_files(progress.files, data.files)
    progress.files = dict(data.files)
    learner.place(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    run, path = ForecastRun(config, data, learner, progress), folder / LOG
    with torch_threads(config.optimisation.threads), alone_in(folder):
        if overwrite and not resume:
            clear_folder(folder)
        keep_lines(path, lines_until(path, progress.step) if resume else [])
        with path.open("a", encoding="utf-8") as log:
            _loop(run, lambda record: _written(record, log, report), until)
    return progress


def _written(record: dict[str, Any], log: TextIO, report: Report) -> None:
    """Write a record at once, and tell it."""
    log.write(json.dumps(record) + "\n")
    log.flush()
    report(record)


@dataclass(frozen=True)
class ForecastRun:
    """All that the loop works with."""

    config: ForecastTraining
    data: ForecastData
    learner: ForecastLearner
    progress: ForecastProgress

    @property
    def folder(self) -> Path:
        """Where state, log and weights go."""
        return Path(self.config.output)


def _loop(run: ForecastRun, write: Report, until: int | None) -> None:
    """Steps until the run is done."""
    config, progress, learner = run.config, run.progress, run.learner
    batches, rates = Batches(config, run.data.train), config.optimisation
    started = time.monotonic() - progress.seconds
    while not is_done(progress, rates) and progress.step != until:
        batch = batches.batch(progress.step).to(learner.device)
        terms = train_step(learner, batch, config, progress.step, share_done(progress, rates))
        progress.sums = {name: progress.sums.get(name, 0.0) + value for name, value in terms.items()}
        progress.step += 1
        progress.seconds = time.monotonic() - started
        done = is_done(progress, rates)
        if done or progress.step % LOG_EVERY == 0:
            count = progress.step - progress.logged
            write(_record(progress, "loss", {name: round(total / count, 4) for name, total in progress.sums.items()}))
            progress.sums, progress.logged = {}, progress.step
        if done or progress.step % config.check.every == 0:
            _validate(run, write)
        if done or progress.step % config.check.save == 0:
            save_state(run.folder, learner, progress, config)
            _save_weights(run, LAST, learner.average)


def _validate(run: ForecastRun, write: Report) -> None:
    """Judge the average of the weights; keep it if it is the best so far, its std made right."""
    progress, average = run.progress, run.learner.average
    found = validated(average, run.data, run.config)
    progress.validations.append({"step": progress.step, "rmse": found})
    write(_record(progress, "rmse", found))
    error = float(np.mean([found[name] for name in run.data.fills]))
    if error < progress.best:
        progress.best = error
        _save_weights(run, BEST, stretched(average, found))


def _record(progress: ForecastProgress, name: str, values: dict[str, float]) -> dict[str, Any]:
    return {"step": progress.step, "seconds": round(progress.seconds, 1), name: values}


def _save_weights(run: ForecastRun, name: str, network: ForecastNet) -> None:
    """Write averaged weights as a checkpoint that says where it comes from."""
    config, data = run.config, run.data
    rates = config.optimisation
    made = provenance(config, run.progress, run.progress.files, hardware(rates.threads, rates.precision))
    metadata = {
        "scaling": "reflectance, unit 1; NDVI out; the network scales by itself",
        "licence": LICENCE,
        "guided": config.network.weather > 0,
        "provenance": made | {"episodes": dict(data.episodes)},
        "validation": {"history": run.progress.validations},
    }
    checkpoint.save(run.folder / name, network, metadata)

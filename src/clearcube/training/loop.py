"""The loop: batches, steps, validation, saves. A run that was killed goes on from its last saved state."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from clearcube.training.log import RunLog
from clearcube.training.samples import Sampler
from clearcube.training.state import keep_best, load_state, save_state, save_weights
from clearcube.training.step import Learner, new_learner, train_step
from clearcube.training.validation import Experiment, experiments, gains, overall

if TYPE_CHECKING:
    from clearcube.training.config import TrainingConfig
    from clearcube.training.packing import TrainingData
    from clearcube.training.samples import Batch

Report = Callable[[dict[str, Any]], None]


@dataclass
class Progress:
    """How far a run is: steps and seconds done, the best validation so far, and how many were not better since."""

    step: int = 0
    seconds: float = 0.0
    best: float = float("-inf")
    since_best: int = 0
    validations: list[dict[str, Any]] = field(default_factory=list)


def train(
    config: TrainingConfig,
    data: TrainingData,
    report: Report = lambda record: None,
    *,
    resume: bool = False,
    until: int | None = None,
) -> Progress:
    """Train as configured; writes state, log, `last.safetensors` and `best.safetensors` into the output folder.

    Parameters
    ----------
    data : the real cubes, for training and for validation.
    report : called with every record that is logged.
    resume : go on from the saved state.
    until : end at this step, as if killed after a save.

    Raises
    ------
    InputError : a loss that is not finite; a folder that holds another run's state; nothing to resume.
    """
    torch.set_num_threads(config.optimisation.threads)
    folder = Path(config.output)
    learner, progress = new_learner(config), Progress()
    if resume:
        progress = Progress(**load_state(folder, learner, config))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for part in (learner.generator, learner.average, learner.discriminator):
        if part is not None:
            part.to(device)
    sampler = Sampler(config.sampling, [cube.block for cube in data.train], config.seed)
    tests = experiments(data.validation, config.check)
    with RunLog(folder, report, resume=resume) as log:
        _loop(config, learner, progress, _batches(sampler, config, progress.step), tests, log, until, data, device)
    return progress


def _loop(
    config: TrainingConfig,
    learner: Learner,
    progress: Progress,
    batches: Iterator[list[Batch]],
    tests: list[Experiment],
    log: RunLog,
    until: int | None,
    data: TrainingData,
    device: torch.device,
) -> None:
    """Steps until the run is done."""
    folder, check = Path(config.output), config.check
    started = time.monotonic() - progress.seconds
    while not _done(config, progress):
        share = max(progress.step / config.optimisation.steps, progress.seconds / 3600 / config.optimisation.hours)
        parts = [batch.to(device) for batch in next(batches)]
        terms = train_step(learner, parts, config, progress.step, share)
        progress.step += 1
        progress.seconds = time.monotonic() - started
        log.step(progress.step, progress.seconds, terms)
        if progress.step % check.every == 0 or _done(config, progress):
            _validate(config, learner, progress, tests, log, data)
        if progress.step % check.save == 0 or _done(config, progress):
            save_state(folder, learner, vars(progress), config)
            save_weights(folder / "last.safetensors", learner, config, vars(progress), data)
        if progress.step == until:
            return


def _done(config: TrainingConfig, progress: Progress) -> bool:
    rates, patience = config.optimisation, config.check.patience
    return (
        progress.step >= rates.steps
        or progress.seconds >= rates.hours * 3600
        or (patience > 0 and progress.since_best >= patience)
    )


def _validate(
    config: TrainingConfig,
    learner: Learner,
    progress: Progress,
    tests: list[Experiment],
    log: RunLog,
    data: TrainingData,
) -> None:
    """Judge the average of the weights; keep it if it is the best so far."""
    if not tests:
        return
    found = gains(learner.average, tests, config.optimisation.precision)
    means = overall(found)
    progress.validations.append({"step": progress.step, "gains": means})
    log.validation(progress.step, progress.seconds, means)
    progress.since_best += 1
    if means["all"] > progress.best:
        progress.best, progress.since_best = means["all"], 0
        keep_best(Path(config.output), learner, config, vars(progress), data, found)


def _batches(sampler: Sampler, config: TrainingConfig, start: int) -> Iterator[list[Batch]]:
    """The batches of each step from `start` on; the next ones are drawn while the last are learnt from."""

    def drawn(step: int) -> list[Batch]:
        return [sampler.batch(step, part) for part in range(config.optimisation.accumulation)]

    with ThreadPoolExecutor(1) as pool:
        step, ahead = start, pool.submit(drawn, start)
        while True:
            step, ready = step + 1, ahead
            ahead = pool.submit(drawn, step)
            yield ready.result()

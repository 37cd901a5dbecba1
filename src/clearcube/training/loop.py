"""The loop: batches, steps, validation, saves. A run that was killed goes on from its last saved state."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from clearcube.checksums import sha256_of
from clearcube.errors import InputError
from clearcube.networks.shipped import located
from clearcube.networks.threads import torch_threads
from clearcube.training.config import config_from
from clearcube.training.devices import OneDevice, chosen
from clearcube.training.drawing import clean_sampler_of, in_order, sampler_of
from clearcube.training.log import RunLog
from clearcube.training.pictures import picture, write_png
from clearcube.training.progress import is_done, share_done
from clearcube.training.state import (
    BEST,
    KEPT,
    LAST,
    Progress,
    alone_in,
    check_folder,
    check_same_files,
    clear_folder,
    load_state,
    save_state,
    save_weights,
)
from clearcube.training.step import Learner, new_learner, train_step
from clearcube.training.validation import Experiment, experiments, gains, overall, predicted

if TYPE_CHECKING:
    from clearcube.training.config import TrainingConfig
    from clearcube.training.packing import TrainingData
    from clearcube.training.samples import Batch

Report = Callable[[dict[str, Any]], None]


def train(
    config: TrainingConfig,
    data: TrainingData,
    report: Report = lambda record: None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    until: int | None = None,
) -> Progress:
    """Train as configured; writes state, log, `last.safetensors` and `best.safetensors` into the output folder.

    Parameters
    ----------
    data : the real cubes, for training and for validation.
    report : called with every record that is logged.
    resume : go on from the saved state.
    overwrite : start over where the folder holds another run.
    until : end at this step, as if killed after a save.

    Raises
    ------
    InputError : a loss that is not finite; a folder that holds another run; nothing to resume; cubes that do not fit
        the network, or that offer nothing to validate on.
    """
    folder = Path(config.output)
    check_folder(folder, resume=resume, overwrite=overwrite)
    begin = replace(config, start=located(config.start) if config.start and not resume else "")
    learner, data = new_learner(begin), in_order(config, data)
    progress = Progress(start_sha256=sha256_of(begin.start) if begin.start else "")
    if resume:
        progress = load_state(folder, learner, config, progress, config_from)
    check_same_files(progress.files, data.files)
    progress.files = dict(data.files)
    tests = _tests(config, data)
    where = chosen(config.optimisation.devices)
    where.place(learner)
    run = Run(config, data, learner, progress, where, tests)
    heard, quiet = (report, False) if where.rank == 0 else (_unheard, True)
    with torch_threads(config.optimisation.threads), _alone_in(folder, where):
        if overwrite and not resume and not quiet:
            clear_folder(folder)
        with RunLog(folder, heard, every=config.check.log, sums=progress.sums, step=progress.step, quiet=quiet) as log:
            _loop(run, log, until)
    return progress


@contextmanager
def _alone_in(folder: Path, where: OneDevice) -> Iterator[None]:
    """`alone_in` for the first process; if it is refused, so are all."""
    with ExitStack() as stack:
        problem = ""
        if where.rank == 0:
            try:
                stack.enter_context(alone_in(folder))
            except InputError as error:
                problem = str(error)
        if problem := where.agreed(problem):
            raise InputError(problem)
        yield


def _tests(config: TrainingConfig, data: TrainingData) -> list[Experiment]:
    """What the weights are judged by."""
    tests = experiments(data.validation, config.check)
    if config.check.patience and not data.validation:
        raise InputError(
            "check.patience ends a run by what it gains on held-back cubes, and there are none under [[validation]]: "
            "name some, or leave it out"
        )
    names = [cube.name for cube in data.validation]
    if names and not tests:
        raise InputError(
            f"none of the cubes of [[validation]] ({', '.join(names):.200}) is long and clear enough for "
            f"{_words(config)}: give others, set check.scenarios, or take them out"
        )
    judging = {test.cube.name for test in tests}
    if idle := [name for name in names if name not in judging]:
        warnings.warn(
            f"{len(idle)} of the cubes of [[validation]] judge nothing, as they are not long and clear enough for "
            f"{_words(config)}: {', '.join(idle):.200}",
            UserWarning,
            stacklevel=2,
        )
    return tests


def _words(config: TrainingConfig) -> str:
    return " or ".join(config.check.scenarios)


def _unheard(record: dict[str, Any]) -> None:
    """What is done with the records of other devices."""


@dataclass(frozen=True)
class Run:
    """All that the loop works with."""

    config: TrainingConfig
    data: TrainingData
    learner: Learner
    progress: Progress
    where: OneDevice
    tests: list[Experiment]

    @property
    def folder(self) -> Path:
        """Where state, log and weights go."""
        return Path(self.config.output)


def _loop(run: Run, log: RunLog, until: int | None) -> None:
    """Steps until the run is done."""
    config, progress, where = run.config, run.progress, run.where
    batches = _batches(run)
    started = time.monotonic() - progress.seconds
    done = where.agreed(_done(config, progress))
    while not done:
        share = where.agreed(share_done(progress, config.optimisation))
        given, clean = ([where.moved(batch) for batch in parts] for parts in next(batches))
        try:
            terms = train_step(run.learner, given, config, progress.step, share, clean=clean, where=where)
        except InputError as error:
            raise InputError(f"{error}{_what_is_good(run)}") from None
        progress.step += 1
        progress.seconds = time.monotonic() - started
        spent = where.agreed(_done(config, progress))
        log.step(progress.step, progress.seconds, terms, last=spent)
        if spent or progress.step % config.check.every == 0:
            _validate(run, log)
        done = where.agreed(_done(config, progress))  # validation may have been the last one
        if done:
            log.rest(progress.step, progress.seconds)
        _save(run, last=done)
        if progress.step == until:
            return


def _save(run: Run, *, last: bool) -> None:
    """Save what is due at this step, by the first process; weights that are not numbers replace nothing."""
    check, step = run.config.check, run.progress.step
    state, kept = last or step % check.save == 0, check.keep > 0 and step % check.keep == 0
    if not state and not kept:
        return
    if not all(bool(value.isfinite().all()) for value in run.learner.average.state_dict().values()):
        _fail(run, "the weights are not finite numbers")  # all processes: they hold the same weights
    if run.where.rank != 0:
        return
    if state:
        save_state(run.folder, run.learner, run.progress, run.config)
        save_weights(run.folder / LAST, run.learner, run.config, run.progress)
    if kept:
        save_weights(run.folder / KEPT.format(step), run.learner, run.config, run.progress)


def _what_is_good(run: Run) -> str:
    """How to use what a run had learnt before it failed: its best weights, else those that were saved last."""
    kept = next((path for path in (run.folder / BEST, run.folder / LAST) if path.is_file()), None)
    if kept is None:
        return ""
    return f'; what it had learnt is kept: with start = "{kept}" and another output a run begins with it'


def _fail(run: Run, what: str) -> NoReturn:
    raise InputError(
        f"{what} after step {run.progress.step}; lower optimisation.learning_rate and start over{_what_is_good(run)}"
    )


def _done(config: TrainingConfig, progress: Progress) -> bool:
    patience = config.check.patience
    return is_done(progress, config.optimisation) or (patience > 0 and progress.since_best >= patience)


def _validate(run: Run, log: RunLog) -> None:
    """Judge the average of the weights, by the first process; keep it if it is the best so far."""
    if not run.tests:
        return
    config, progress, average = run.config, run.progress, run.learner.average
    found = gains(average, run.tests, config.optimisation.precision) if run.where.rank == 0 else {}
    means = overall(found)
    if not run.where.agreed(all(map(math.isfinite, means.values()))):
        _fail(run, "the network's estimates are not finite numbers")
    if run.where.rank != 0:
        return
    progress.validations.append({"step": progress.step, "gains": means})
    log.validation(progress.step, progress.seconds, means)
    if config.check.pictures:
        image = picture(run.tests[0], predicted(average, run.tests[0].left, config.optimisation.precision))
        write_png(run.folder / "sample.png", image)
        log.picture(progress.step, "given, filled, true", image)
    progress.since_best += 1
    if means["all"] > progress.best:
        progress.best, progress.since_best = means["all"], 0
        save_weights(run.folder / BEST, run.learner, config, progress, found)


def _batches(run: Run) -> Iterator[tuple[list[Batch], list[Batch]]]:
    """The batches of each step from the present one on, and the clean ones to judge them by (or none).

    The next ones are drawn while the last are learnt from.
    """
    sampler, clean = sampler_of(run.config, run.data), clean_sampler_of(run.config, run.data)
    count = run.config.optimisation.accumulation

    def drawn(step: int) -> tuple[list[Batch], list[Batch]]:
        parts = range(run.where.rank * count, (run.where.rank + 1) * count)
        given = [sampler.batch(step, part) for part in parts]
        return given, [clean.batch(step, part) for part in parts] if clean else []

    with ThreadPoolExecutor(1) as pool:
        step, ahead = run.progress.step, pool.submit(drawn, run.progress.step)
        while True:
            step, ready = step + 1, ahead
            ahead = pool.submit(drawn, step)
            yield ready.result()

"""The training of a forecaster: step, loop, validation, state. A run that was killed goes on from its last state."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from clearcube.errors import InputError
from clearcube.forecasting.batches import Batch, Batches, Crop, collated
from clearcube.forecasting.training_config import forecast_config_from
from clearcube.networks import checkpoint
from clearcube.networks.forecast import ForecastNet, Steps, at_leads
from clearcube.networks.shipped import located
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
    clear_folder,
    load_state,
    provenance,
    save_state,
)
from clearcube.training.step import follow, one_cycle

if TYPE_CHECKING:
    from clearcube.forecasting.pack import PackedEpisodes
    from clearcube.forecasting.training_config import ForecastTraining

LOG_EVERY = 25
ERROR_UNIT = 0.02
"""Squared error of NDVI that counts as one unit of the loss."""

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class ForecastData:
    """What is learnt from and judged by.

    train : packs, each with its share of the samples. validation : filled by `fills`, in this order.
    episodes : how many there are of each kind. files : name -> sha256 of every file that was read.
    """

    train: tuple[tuple[PackedEpisodes, float], ...]
    validation: PackedEpisodes
    fills: tuple[str, ...]
    episodes: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass
class ForecastLearner:
    """The network, the moving average of its weights, and what moves them."""

    network: ForecastNet
    average: ForecastNet
    optimiser: torch.optim.Optimizer

    def state(self) -> dict[str, Any]:
        """All that is needed to go on, as tensors and plain values."""
        return {name: part.state_dict() for name, part in vars(self).items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for name, part in vars(self).items():
            part.load_state_dict(state[name])


@dataclass
class ForecastProgress:
    """Steps and seconds done, the smallest mean error of a validation, and what all of them found."""

    step: int = 0
    seconds: float = 0.0
    best: float = float("inf")
    validations: list[dict[str, Any]] = field(default_factory=list)


class ErrorSums(NamedTuple):
    """Sums of squared errors of forecast and persistence, of squared error over variance, and their number."""

    forecast: np.float64
    persistence: np.float64
    scaled: np.float64
    number: np.float64


def new_learner(config: ForecastTraining) -> ForecastLearner:
    """A learner at its beginning; the seed decides its weights, or a checkpoint.

    Raises
    ------
    InputError : the checkpoint cannot be used to begin with.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = ForecastNet(config.network).train()
    if config.start:
        begin_with(network, config.start)
    rates = config.optimisation
    optimiser = torch.optim.AdamW(
        network.parameters(), rates.learning_rate, betas=(0.9, 0.99), weight_decay=rates.weight_decay
    )
    return ForecastLearner(network, copy.deepcopy(network).eval().requires_grad_(False), optimiser)


def begin_with(network: ForecastNet, path: str) -> None:
    """Take the tensors of a checkpoint; what it was not told, the weather, gets the weight 0.

    Raises
    ------
    InputError : it holds another network, or one of other sizes.
    """
    known = checkpoint.load(located(path))[0].state_dict()
    own = network.state_dict()
    if own.keys() != known.keys() or any(not _begins(own[name], known[name]) for name in own):
        raise InputError(f"{path} holds a network of other sizes; leave start out, or set [network] as it was trained")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.zero_()[tuple(slice(size) for size in known[name].shape)] = known[name]


def _begins(own: Tensor, known: Tensor) -> bool:
    """Whether a tensor is of the same shape, or a matrix with as many rows and no more columns."""
    if own.shape == known.shape:
        return True
    return own.ndim == known.ndim == 2 and own.shape[0] == known.shape[0] and own.shape[1] > known.shape[1]


def loss_terms(steps: Steps, batch: Batch, step_days: int) -> dict[str, Tensor]:
    """Squared error of the mean in units of `ERROR_UNIT`, and the Gaussian likelihood of the std at fixed mean.

    Targets beyond the network's last step do not count. Errors count by the reciprocal of the std, as it stands: what
    nobody can foretell says least of the rest.
    """
    mean, log_std = at_leads(steps, batch.leads, step_days)
    known = _within(steps, batch, step_days)
    count = known.sum().clamp(min=1)
    square = torch.where(known, (mean - batch.target.nan_to_num()) ** 2, 0.0)
    weight = torch.where(known, torch.exp(-log_std.detach()), 0.0)
    likelihood = torch.where(known, log_std + 0.5 * square.detach() * torch.exp(-2 * log_std), 0.0)
    error = (weight * square).sum() / weight.sum().clamp(min=1e-6)
    return {"error": error / ERROR_UNIT, "likelihood": likelihood.sum() / count}


def _within(steps: Steps, batch: Batch, step_days: int) -> Tensor:
    """(N, Th, H, W) bool, targets that are known and no farther ahead than the last step."""
    near = batch.leads <= step_days * steps.mean.shape[1]
    return batch.target.isfinite() & near[..., None, None]


def train_step(
    learner: ForecastLearner, batch: Batch, config: ForecastTraining, step: int, share: float
) -> dict[str, float]:
    """Learn from a batch at a share of the run that is done; the parts of the loss, and the norm of the gradient.

    Raises
    ------
    InputError : the loss is not a finite number; the weights are left as they were.
    """
    rates = config.optimisation
    learner.optimiser.param_groups[0]["lr"] = rates.learning_rate * one_cycle(share)
    learner.optimiser.zero_grad(set_to_none=True)
    device = batch.target.device.type
    with torch.autocast(device, torch.bfloat16, enabled=rates.precision == "bfloat16"):
        steps = learner.network(batch.context)
    terms = loss_terms(steps, batch, config.network.step_days)
    loss = terms["error"] + rates.likelihood * terms["likelihood"]
    loss.backward()  # type: ignore[no-untyped-call]
    norm = nn.utils.clip_grad_norm_(learner.network.parameters(), rates.clip)
    if not bool(norm.isfinite()):
        raise InputError(
            f"the loss is not a finite number at step {step}; the last saved state is good: lower "
            "optimisation.learning_rate or set optimisation.precision to float32, and go on from it"
        )
    learner.optimiser.step()
    follow(learner.average, learner.network, rates.average, step)
    return {name: float(term.detach()) for name, term in terms.items()} | {"norm": float(norm)}


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
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    learner, progress = new_learner(config), ForecastProgress()
    if resume:
        progress = load_state(folder, learner, config, progress, forecast_config_from)
    for part in (learner.network, learner.average):
        part.to(device)
    learner.optimiser.load_state_dict(learner.optimiser.state_dict())  # its state is cast to where the weights are
    path = folder / LOG
    with torch_threads(config.optimisation.threads), alone_in(folder):
        if overwrite and not resume:
            clear_folder(folder)
        keep_lines(path, lines_until(path, progress.step) if resume else [])
        with path.open("a", encoding="utf-8") as log:

            def write(record: dict[str, Any]) -> None:
                log.write(json.dumps(record) + "\n")
                log.flush()
                report(record)

            _loop(config, data, learner, progress, write, device, until)
    return progress


def _loop(
    config: ForecastTraining,
    data: ForecastData,
    learner: ForecastLearner,
    progress: ForecastProgress,
    write: Report,
    device: torch.device,
    until: int | None,
) -> None:
    """Steps until the run is done."""
    batches, rates, folder = Batches(config, data.train), config.optimisation, Path(config.output)
    started, recent = time.monotonic() - progress.seconds, []
    while not is_done(progress, rates) and progress.step != until:
        share = share_done(progress, rates)
        recent.append(train_step(learner, batches.batch(progress.step).to(device), config, progress.step, share))
        progress.step += 1
        progress.seconds = time.monotonic() - started
        done = is_done(progress, rates)
        if progress.step % LOG_EVERY == 0:
            means = {name: round(float(np.mean([each[name] for each in recent])), 4) for name in recent[0]}
            write({"step": progress.step, "seconds": round(progress.seconds, 1), "loss": means})
            recent = []
        if done or progress.step % config.check.every == 0:
            found = validated(learner.average, data, config, device)
            progress.validations.append({"step": progress.step, "rmse": found})
            write({"step": progress.step, "seconds": round(progress.seconds, 1), "rmse": found})
            error = float(np.mean([found[name] for name in data.fills]))
            if error < progress.best:
                progress.best = error
                save_weights(folder / BEST, stretched(learner.average, found), config, data, progress)
        if done or progress.step % config.check.save == 0:
            save_state(folder, learner, progress, config)
            save_weights(folder / LAST, learner.average, config, data, progress)


def stretched(network: ForecastNet, found: Mapping[str, float]) -> ForecastNet:
    """The network with every std multiplied by the spread that was found, so that it is right on validation."""
    copied = copy.deepcopy(network)
    with torch.no_grad():
        assert copied.out.bias is not None
        copied.out.bias[1] += float(np.log(found["spread"]))
    return copied


def validated(
    network: ForecastNet, data: ForecastData, config: ForecastTraining, device: torch.device
) -> dict[str, float]:
    """RMSE of NDVI over the validation episodes for each filling of their contexts; that of persistence beside it.

    `spread` is the root of the mean square of error over std, 1 where the std is right.
    """
    found, scores = {}, list[ErrorSums]()
    pack, size = data.validation, data.validation.observed.shape[-1]
    dates = np.arange(pack.days.shape[1])
    for filling, name in enumerate(data.fills):
        parts = []
        for i in range(len(pack)):
            one = [Crop(pack, i, filling, 0, 0, 0, flip=False)]
            batch = collated(one, size, dates, with_weather=config.network.weather > 0).to(device)
            parts.append(_errors(network, batch, config))
        sums = _total(parts)
        found[name] = round(float(np.sqrt(sums.forecast / sums.number)), 5)
        found[f"persistence {name}"] = round(float(np.sqrt(sums.persistence / sums.number)), 5)
        scores.append(sums)
    total = _total(scores)
    return found | {"spread": round(float(np.sqrt(total.scaled / total.number)), 4)}


def _total(parts: Sequence[ErrorSums]) -> ErrorSums:
    return ErrorSums(*np.array(parts).sum(axis=0))


def _errors(network: ForecastNet, batch: Batch, config: ForecastTraining) -> ErrorSums:
    """The sums of a batch."""
    bfloat = config.optimisation.precision == "bfloat16"
    with torch.inference_mode(), torch.autocast(batch.target.device.type, torch.bfloat16, enabled=bfloat):
        steps = network(batch.context)
    mean, log_std = at_leads(steps, batch.leads, config.network.step_days)
    known = _within(steps, batch, config.network.step_days)
    truth = batch.target[known]
    square = (mean[known] - truth) ** 2
    still = (steps.base.unsqueeze(1).expand_as(batch.target)[known] - truth) ** 2
    scaled = square * torch.exp(-2 * log_std[known])
    return ErrorSums(*(np.float64(part.sum().item()) for part in (square, still, scaled, known)))


def save_weights(
    path: Path, network: ForecastNet, config: ForecastTraining, data: ForecastData, progress: ForecastProgress
) -> None:
    """Write the averaged weights as a checkpoint that says where it comes from."""
    made = provenance(config, progress, data.files, config.optimisation.threads)
    metadata = {
        "scaling": "reflectance, unit 1; NDVI out; the network scales by itself",
        "licence": LICENCE,
        "guided": config.network.weather > 0,
        "provenance": made | {"episodes": dict(data.episodes)},
        "validation": {"history": progress.validations},
    }
    checkpoint.save(path, network, metadata)

"""One step of training: a function of the networks, a batch and the weights of the loss. Reads only `start`."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from clearcube.errors import InputError
from clearcube.networks.adapters import bare, learnt
from clearcube.networks.checkpoint import load
from clearcube.networks.precision import computing_in
from clearcube.networks.seq2seq import Output
from clearcube.training.adversarial import judged
from clearcube.training.devices import OneDevice
from clearcube.training.kinds import new_discriminator, new_generator
from clearcube.training.losses import loss_terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clearcube.training.config import LossConfig, OptimisationConfig, TrainingConfig
    from clearcube.training.samples import Batch

SHARPENING = "sharpening."
"""The part that a network may have more than the checkpoint that it begins with, and that a discriminator teaches."""
RISE = 0.04
"""Share of the run in which the learning rate rises; then it falls to nothing along a cosine."""


@dataclass
class Learner:
    """What learns: the generator with the moving average of its weights, and, if it is judged, its discriminator."""

    generator: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    discriminator: nn.Module | None = None
    discriminator_optimiser: torch.optim.Optimizer | None = None

    def state(self) -> dict[str, Any]:
        """All that is needed to go on, as tensors and plain values."""
        return {name: part.state_dict() for name, part in vars(self).items() if part is not None}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for name, part in vars(self).items():
            if part is not None:
                part.load_state_dict(state[name])


def new_learner(config: TrainingConfig) -> Learner:
    """A learner at its beginning; the seed decides its weights, unless they come from a checkpoint.

    Raises
    ------
    InputError : the checkpoint cannot be read, or is of another network; the network lacks a part that is to learn.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        generator = new_generator(config.network).train()
        if config.start:
            _begin(generator, config.start)
        learner = learner_of(generator, config)
        if config.loss.adversarial:
            judge = new_discriminator(config.network, config.optimisation.discriminator_rate)
            learner.discriminator, learner.discriminator_optimiser = judge
        return learner


def learner_of(generator: nn.Module, config: TrainingConfig) -> Learner:
    """A learner that begins with this network, without a discriminator.

    Raises
    ------
    InputError : the network lacks a part that is to learn, or nothing is to.
    """
    average = copy.deepcopy(generator).eval().requires_grad_(False)
    _hold(bare(generator), config)
    rates = config.optimisation
    optimiser = torch.optim.AdamW(
        generator.parameters(), rates.learning_rate, betas=rates.betas, weight_decay=rates.weight_decay
    )
    return Learner(generator, average, optimiser)


def _begin(generator: nn.Module, start: str) -> None:
    """Give the generator the weights of a checkpoint; sharpening begins as new where the checkpoint has none."""
    network, state = bare(generator), load(start)[0].state_dict()
    own = network.state_dict()
    state = {name: value for name, value in own.items() if name.startswith(SHARPENING)} | state
    if {name: value.shape for name, value in state.items()} != {name: value.shape for name, value in own.items()}:
        raise InputError(
            f"start: {start} holds a network of another kind or size than [network] asks for; leave [network] out, and "
            "the network is that of the checkpoint, or give all its sizes"
        )
    network.load_state_dict(state)


def _hold(network: nn.Module, config: TrainingConfig) -> None:
    """Keep all parts of the network as they are but those that learn; sharpening learns beside a discriminator."""
    learns, parts = config.optimisation.learns, dict(network.named_children())
    unknown = [name for name in learns if name not in parts]
    if unknown:
        raise InputError(f"optimisation.learns: this network has no part {unknown[0]!r}; it has {', '.join(parts)}")
    for name, parameter in network.named_parameters():
        asked = bool(config.loss.adversarial) or not name.startswith(SHARPENING)
        parameter.requires_grad_(asked and (not learns or name.split(".")[0] in learns))
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise InputError("nothing is to learn: sharpening learns beside a discriminator; set loss.adversarial above 0")


def one_cycle(progress: float) -> float:
    """Factor of the learning rate at a share of the run that is done, [0, 1]: up along a cosine, then down.

    >>> [round(one_cycle(p), 2) for p in (0.0, 0.04, 1.0)]
    [0.04, 1.0, 0.0]
    """
    if progress < RISE:
        return float(0.04 + 0.96 * 0.5 * (1 - torch.cos(torch.tensor(torch.pi * progress / RISE))))
    return float(0.5 * (1 + torch.cos(torch.tensor(torch.pi * min((progress - RISE) / (1 - RISE), 1.0)))))


def train_step(
    learner: Learner,
    batches: Sequence[Batch],
    config: TrainingConfig,
    step: int,
    progress: float,
    *,
    clean: Sequence[Batch] = (),
    where: OneDevice | None = None,
) -> dict[str, float]:
    """Learn from the batches, all in one step; the parts of the loss by name, and the norm of the gradient.

    progress : share of the run that is done. clean : for each batch, series without gaps for the published
    discriminator. where : the devices that gradients are averaged over.

    Raises
    ------
    InputError : a part of the loss is not a finite number, or none depends on what is to learn; the weights are left as
        they were.
    """
    rates, where = config.optimisation, where or OneDevice()
    learner.optimiser.param_groups[0]["lr"] = rates.learning_rate * _factor(progress, rates)
    learner.optimiser.zero_grad(set_to_none=True)
    sums: dict[str, float] = {}
    for i, batch in enumerate(batches):
        output = forward(learner.generator, batch, rates.precision)
        terms = {name: t for name, t in loss_terms(output, batch).items() if learnt(learner.generator, name)}
        told: dict[str, Tensor] = {}
        if learner.discriminator is not None and progress >= rates.warm_up:
            learn = partial(_learn, learner, step=step, where=where)
            judging = judged(learner.discriminator, output, batch, clean[i] if clean else None, rates.precision, learn)
            terms["adversarial"], told["discriminator"] = judging
        _check_finite(terms | told, step, where)
        total = weighted(terms, config.loss) / len(batches)
        if not total.requires_grad:
            raise InputError(
                "no part of the loss depends on what is to learn; change optimisation.learns or the weights of [loss]"
            )
        total.backward()  # type: ignore[no-untyped-call]
        for name, term in (terms | told).items():
            sums[name] = sums.get(name, 0.0) + float(term.detach()) / len(batches)
    where.average_gradients(learner.generator)
    norm = nn.utils.clip_grad_norm_(learner.generator.parameters(), rates.clip)
    _check_finite({"norm of the gradient": norm}, step, where)
    learner.optimiser.step()
    follow(learner.average, learner.generator, rates.average, step)
    return sums | {"norm": float(norm)}


def _factor(progress: float, rates: OptimisationConfig) -> float:
    return one_cycle(progress) if rates.schedule == "one-cycle" else 1.0


def _learn(learner: Learner, loss: Tensor, *, step: int, where: OneDevice) -> None:
    """A step of the discriminator."""
    judge, optimiser = learner.discriminator, learner.discriminator_optimiser
    assert judge is not None
    assert optimiser is not None
    _check_finite({"discriminator": loss}, step, where)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    where.average_gradients(judge)
    optimiser.step()


def forward(generator: nn.Module, batch: Batch, precision: str) -> Output:
    """What the generator makes of a batch, in this precision."""
    with computing_in(precision, batch.given.device):
        output: Output = generator(batch.given, batch.observed, batch.days, batch.day_of_year, batch.wavelengths)
    return output


def weighted(terms: dict[str, Tensor], weights: LossConfig) -> Tensor:
    """The sum of the parts with their weights."""
    parts = [getattr(weights, name) * term for name, term in terms.items() if getattr(weights, name)]
    return torch.stack(parts).sum()


def follow(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move the average of the weights a little towards the network's; faster in the first steps."""
    kept = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        own = dict(network.state_dict())
        for name, mean in average.state_dict().items():
            mean.lerp_(own[name].to(mean.dtype), 1 - kept)


def _check_finite(terms: dict[str, Tensor], step: int, where: OneDevice) -> None:
    """Whether all terms are numbers, on all devices; they stop together."""
    wrong = [name for name, term in terms.items() if not bool(term.detach().isfinite())]
    if where.anywhere(bool(wrong)):
        raise InputError(
            f"the loss is not a finite number at step {step} ({', '.join(wrong) or 'on another device'}); lower "
            "optimisation.learning_rate (or set optimisation.precision to float32, if it is not), and start over"
        )

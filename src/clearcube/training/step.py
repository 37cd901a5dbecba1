"""One step of training: a function of the networks, a batch and the weights of the loss. It knows no files."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearcube.errors import InputError
from clearcube.networks.discriminator import DiscriminatorConfig, PatchDiscriminator
from clearcube.networks.seq2seq import Output, Seq2Seq
from clearcube.training.losses import loss_terms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clearcube.training.config import LossConfig, OptimisationConfig, TrainingConfig
    from clearcube.training.samples import Batch

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
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
    """A learner at its beginning; the seed decides its weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        generator = Seq2Seq(config.network).train()
        judge = PatchDiscriminator(DiscriminatorConfig()).train() if config.loss.adversarial > 0 else None
    average = copy.deepcopy(generator).eval().requires_grad_(False)
    rates = config.optimisation
    optimiser = torch.optim.AdamW(
        generator.parameters(), rates.learning_rate, betas=(0.9, 0.99), weight_decay=rates.weight_decay
    )
    judging = torch.optim.AdamW(judge.parameters(), rates.discriminator_rate, betas=(0.5, 0.99)) if judge else None
    return Learner(generator, average, optimiser, judge, judging)


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
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> dict[str, float]:
    """Learn from the batches, all in one step; the parts of the loss by name, and the norm of the gradient.

    progress : share of the run that is done. backward : how gradients are made (`devices`).

    Raises
    ------
    InputError : a part of the loss is not a finite number; the weights are left as they were.
    """
    rates = config.optimisation
    judged = learner.discriminator is not None and progress >= rates.warm_up
    learner.optimiser.param_groups[0]["lr"] = rates.learning_rate * one_cycle(progress)
    learner.optimiser.zero_grad(set_to_none=True)
    sums: dict[str, float] = {}
    for batch in batches:
        output = forward(learner.generator, batch, rates.precision)
        terms = loss_terms(output, batch)
        if judged:
            terms |= adversarial_terms(learner, output, batch, rates.precision, backward)
        _check_finite(terms, step)
        backward(weighted(terms, config.loss) / len(batches))
        for name, term in terms.items():
            sums[name] = sums.get(name, 0.0) + float(term.detach()) / len(batches)
    norm = nn.utils.clip_grad_norm_(learner.generator.parameters(), rates.clip)
    _check_finite({"norm of the gradient": norm}, step)
    learner.optimiser.step()
    _follow(learner, step, rates)
    return sums | {"norm": float(norm)}


def forward(generator: nn.Module, batch: Batch, precision: str) -> Output:
    """What the generator makes of a batch, in this precision."""
    device = batch.given.device.type
    with torch.autocast(device, DTYPES[precision], enabled=precision != "float32"):
        output = generator(batch.given, batch.observed, batch.days, batch.day_of_year, batch.wavelengths)
    return output if isinstance(output, Output) else Output(**output)


def weighted(terms: dict[str, Tensor], weights: LossConfig) -> Tensor:
    """The sum of the parts with their weights."""
    parts = [getattr(weights, name) * term for name, term in terms.items() if getattr(weights, name)]
    return torch.stack(parts).sum()


def adversarial_terms(
    learner: Learner, output: Output, batch: Batch, precision: str, backward: Callable[[Tensor], None]
) -> dict[str, Tensor]:
    """The generator's adversarial part, after a step of the discriminator (hinge loss)."""
    assert learner.discriminator is not None
    assert learner.discriminator_optimiser is not None
    counted = batch.weight.unsqueeze(2) > 0
    fake = torch.where(batch.observed.unsqueeze(2), batch.given, output.estimate)
    real = torch.where(counted, batch.target, fake.detach())
    look = _looked_at(batch, learner.discriminator)

    def judge(images: Tensor) -> Tensor:
        device = images.device.type
        assert learner.discriminator is not None
        with torch.autocast(device, DTYPES[precision], enabled=precision != "float32"):
            logits: Tensor = learner.discriminator(images, output.base, batch.observed, batch.days, batch.wavelengths)
        return logits.float()

    learner.discriminator_optimiser.zero_grad(set_to_none=True)
    hinge = _average(F.relu(1 - judge(real)), look) + _average(F.relu(1 + judge(fake.detach())), look)
    backward(hinge)
    learner.discriminator_optimiser.step()
    learner.discriminator.requires_grad_(False)
    verdict = -_average(judge(fake), look)
    learner.discriminator.requires_grad_(True)
    return {"adversarial": verdict}


def _looked_at(batch: Batch, discriminator: nn.Module) -> Tensor:
    """(N, T, h, w): share of each patch that was hidden and has a known truth."""
    step = 2 ** int(discriminator.config.halvings)  # type: ignore[union-attr, arg-type]
    return F.avg_pool2d((batch.weight > 0).float(), step)


def _average(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp(min=1e-6)


def _follow(learner: Learner, step: int, rates: OptimisationConfig) -> None:
    """Move the average of the weights a little; faster in the first steps."""
    decay = min(rates.average, (1 + step) / (10 + step))
    with torch.no_grad():
        own = dict(learner.generator.state_dict())
        for name, mean in learner.average.state_dict().items():
            mean.lerp_(own[name].to(mean.dtype), 1 - decay)


def _check_finite(terms: dict[str, Tensor], step: int) -> None:
    wrong = [name for name, term in terms.items() if not bool(term.detach().isfinite())]
    if wrong:
        raise InputError(
            f"the loss is not a finite number at step {step} ({', '.join(wrong)}); the last saved state is good: lower "
            "optimisation.learning_rate or set optimisation.precision to float32, and go on from it"
        )

"""A step of the training of a forecaster: what learns, what it is told, how it changes."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from clearcube.errors import InputError
from clearcube.networks import checkpoint
from clearcube.networks.forecast import ForecastNet, Steps, at_leads
from clearcube.networks.precision import computing_in
from clearcube.networks.shipped import located
from clearcube.training.step import follow, one_cycle

if TYPE_CHECKING:
    from clearcube.forecasting.batches import Batch
    from clearcube.forecasting.training_config import ForecastTraining

ERROR_UNIT = 0.02
"""Squared error of NDVI that counts as one unit of the loss."""


@dataclass
class ForecastLearner:
    """The network, the moving average of its weights, and what moves them."""

    network: ForecastNet
    average: ForecastNet
    optimiser: torch.optim.Optimizer

    def state(self) -> dict[str, Any]:
        """All that is needed to go on, as tensors and plain values."""
        return {name: part.state_dict() for name, part in vars(self).items()}

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.network.parameters()).device

    def place(self, device: torch.device) -> None:
        """Move the networks there; the optimiser's state follows them."""
        for part in (self.network, self.average):
            part.to(device)
        self.optimiser.load_state_dict(self.optimiser.state_dict())  # it is cast to where the weights are

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for name, part in vars(self).items():
            part.load_state_dict(state[name])


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
    known = within(steps, batch, step_days)
    count = known.sum().clamp(min=1)
    square = torch.where(known, (mean - batch.target.nan_to_num()) ** 2, 0.0)
    weight = torch.where(known, torch.exp(-log_std.detach()), 0.0)
    likelihood = torch.where(known, log_std + 0.5 * square.detach() * torch.exp(-2 * log_std), 0.0)
    error = (weight * square).sum() / weight.sum().clamp(min=1e-6)
    return {"error": error / ERROR_UNIT, "likelihood": likelihood.sum() / count}


def within(steps: Steps, batch: Batch, step_days: int) -> Tensor:
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
    with computing_in(rates.precision, batch.target.device):
        steps = learner.network(batch.context)
    terms = loss_terms(steps, batch, config.network.step_days)
    loss = terms["error"] + rates.likelihood * terms["likelihood"]
    loss.backward()  # type: ignore[no-untyped-call]
    norm = nn.utils.clip_grad_norm_(learner.network.parameters(), rates.clip)
    if not bool(norm.isfinite()):
        raise InputError(
            f"the loss is not a finite number at step {step}: lower optimisation.learning_rate or set "
            "optimisation.precision to float32, and start over, from the last good weights with start = "
            '"last.safetensors" where there are some'
        )
    learner.optimiser.step()
    follow(learner.average, learner.network, rates.average, step)
    return {name: float(term.detach()) for name, term in terms.items()} | {"norm": float(norm)}

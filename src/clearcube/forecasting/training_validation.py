"""What a forecaster errs on the episodes that validate it, while it is trained."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from clearcube.forecasting.batches import Batch, Crop, collated
from clearcube.forecasting.training_step import within
from clearcube.networks.forecast import ForecastNet, at_leads
from clearcube.networks.precision import computing_in

if TYPE_CHECKING:
    from clearcube.forecasting.pack import ForecastData
    from clearcube.forecasting.training_config import ForecastTraining


class ErrorSums(NamedTuple):
    """Sums of squared errors of forecast and persistence, of squared error over variance, and their number."""

    forecast: np.float64
    persistence: np.float64
    scaled: np.float64
    number: np.float64


def stretched(network: ForecastNet, found: Mapping[str, float]) -> ForecastNet:
    """The network with every std multiplied by the spread that was found, so that it is right on validation."""
    copied = copy.deepcopy(network)
    with torch.no_grad():
        assert copied.out.bias is not None
        copied.out.bias[1] += float(np.log(found["spread"]))
    return copied


def validated(network: ForecastNet, data: ForecastData, config: ForecastTraining) -> dict[str, float]:
    """RMSE of NDVI over the validation episodes for each filling of their contexts; that of persistence beside it.

    `spread` is the root of the mean square of error over std, 1 where the std is right.
    """
    found, scores = {}, list[ErrorSums]()
    pack, size = data.validation, data.validation.observed.shape[-1]
    dates, device = np.arange(pack.days.shape[1]), next(network.parameters()).device
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
    with torch.inference_mode(), computing_in(config.optimisation.precision, batch.target.device):
        steps = network(batch.context)
    mean, log_std = at_leads(steps, batch.leads, config.network.step_days)
    known = within(steps, batch, config.network.step_days)
    truth = batch.target[known]
    square = (mean[known] - truth) ** 2
    still = (steps.base.unsqueeze(1).expand_as(batch.target)[known] - truth) ** 2
    scaled = square * torch.exp(-2 * log_std[known])
    return ErrorSums(*(np.float64(part.sum().item()) for part in (square, still, scaled, known)))

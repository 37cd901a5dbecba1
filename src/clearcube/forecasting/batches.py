"""Batches for the forecaster: crops of packed episodes, each with one of the fillings of its context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from clearcube.networks.forecast import Context

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from clearcube.forecasting.pack import PackedEpisodes
    from clearcube.forecasting.training_config import ForecastTraining

FEWEST_DATES = 4
"""Dates that a shortened context keeps at least."""


class Batch(NamedTuple):
    """Samples side by side. context : see `networks.forecast`. target (N, Th, H, W) NaN = unknown; leads (N, Th)."""

    context: Context
    target: Tensor
    leads: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        parts = {name: part.to(device) for name, part in self.context._asdict().items() if part is not None}
        return Batch(Context(**parts), self.target.to(device), self.leads.to(device))


class Crop(NamedTuple):
    """An episode of a pack, a filling of its context, and where it is cropped."""

    pack: PackedEpisodes
    episode: int
    filling: int
    top: int
    left: int
    turns: int
    flip: bool


class Batches:
    """Draws batches; the same seed and step give the same batch, whatever was drawn before.

    packs : what is drawn from, each with its share of the samples.
    """

    def __init__(self, config: ForecastTraining, packs: Sequence[tuple[PackedEpisodes, float]]) -> None:
        self.config, self.packs = config, [pack for pack, _ in packs]
        shares = np.array([share for _, share in packs])
        self.shares = shares / shares.sum()

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        rng = np.random.default_rng([self.config.seed, step])
        dates = self._dates(rng)
        return collated(
            [self._chosen(rng) for _ in range(self.config.optimisation.batch)],
            self.config.optimisation.crop,
            dates,
            with_weather=self.config.network.weather > 0,
        )

    def _dates(self, rng: Generator) -> NDArray[np.intp]:
        """Which dates of the contexts are kept; the last one always is."""
        count = self.packs[0].days.shape[1]
        if rng.random() >= self.config.optimisation.fewer_dates:
            return np.arange(count)
        kept = int(rng.integers(min(FEWEST_DATES, count), count + 1))
        return np.append(np.sort(rng.choice(count - 1, kept - 1, replace=False)), count - 1)

    def _chosen(self, rng: Generator) -> Crop:
        pack = self.packs[rng.choice(len(self.packs), p=self.shares)]
        size, crop = pack.observed.shape[-1], self.config.optimisation.crop
        top, left = rng.integers(0, size - crop + 1, 2)
        return Crop(
            pack,
            int(rng.integers(len(pack))),
            int(rng.integers(pack.red_nir.shape[1])),
            int(top),
            int(left),
            int(rng.integers(4)),
            bool(rng.random() < 0.5),
        )


def collated(choices: Sequence[Crop], crop: int, dates: NDArray[np.intp], *, with_weather: bool) -> Batch:
    """The chosen samples side by side, with these dates of their contexts."""
    red_nir = np.stack([_cut(c, c.pack.red_nir[c.episode, c.filling][dates], crop) for c in choices])
    given = np.isfinite(red_nir).all(axis=2)
    observed = np.stack([_cut(c, c.pack.observed[c.episode, c.filling][dates], crop) for c in choices])
    target = np.stack([_cut(c, c.pack.target[c.episode], crop) for c in choices])
    weather = None
    if with_weather:
        steps = np.arange(len(choices[0].pack.days[0]), choices[0].pack.weather.shape[1])
        weather = _tensor(np.stack([c.pack.weather[c.episode][np.append(dates, steps)] for c in choices]))
    context = Context(
        red_nir=_tensor(np.where(given[:, :, None], red_nir, 0)),
        given=torch.from_numpy(given),
        observed=torch.from_numpy(observed),
        days=_tensor(np.stack([c.pack.days[c.episode][dates] for c in choices])),
        day_of_year=_tensor(np.array([c.pack.day_of_year[c.episode] for c in choices])),
        weather=weather,
        elevation=_tensor(np.stack([_cut(c, c.pack.elevation[c.episode], crop) for c in choices])),
    )
    return Batch(context, _tensor(target), _tensor(np.stack([c.pack.leads[c.episode] for c in choices])))


def _cut(choice: Crop, x: NDArray[Any], crop: int) -> NDArray[Any]:
    part = x[..., choice.top : choice.top + crop, choice.left : choice.left + crop]
    part = np.rot90(part, choice.turns, axes=(-2, -1))
    return np.ascontiguousarray(part[..., ::-1] if choice.flip else part)


def _tensor(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))

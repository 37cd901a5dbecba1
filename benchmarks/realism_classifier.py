"""A small network that tells real from simulated patches, held out by cube: how well it does is how unreal they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

SIZE, DATES, BANDS = 32, 6, 4
STEPS, BATCH = 240, 48
TRIES = 60


class Patches(NamedTuple):
    """Patches (N, DATES x BANDS, SIZE, SIZE) of one cube."""

    name: str
    values: NDArray[np.float32]


def patches_of(
    name: str, reflectance: NDArray[np.float32], observed: NDArray[np.bool_], count: int, seed: int
) -> Patches:
    """Up to `count` random patches of six dates in a row of those that are clear all over the patch."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(TRIES * count):
        top, left = (int(rng.integers(n - SIZE + 1)) for n in observed.shape[1:])
        place = (..., slice(top, top + SIZE), slice(left, left + SIZE))
        values = reflectance[place]
        clear = np.flatnonzero((observed[place] & np.isfinite(values).all(axis=1)).all(axis=(1, 2)))
        if clear.size >= DATES:
            first = int(rng.integers(clear.size - DATES + 1))
            found.append(values[clear[first : first + DATES]].reshape(-1, SIZE, SIZE))
        if len(found) == count:
            break
    return Patches(name, np.array(found, np.float32).reshape(-1, DATES * BANDS, SIZE, SIZE))


def without_place(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Patches without what tells the place: each band's mean and spread over space and time taken out."""
    apart = values.reshape(len(values), DATES, BANDS, SIZE, SIZE)
    mean, spread = (f(apart, axis=(1, 3, 4), keepdims=True) for f in (np.mean, np.std))
    return np.asarray((apart - mean) / (spread + 1e-4), np.float32).reshape(values.shape)


def area_under_curve(positive: NDArray[np.float32], negative: NDArray[np.float32]) -> float:
    """Probability that a positive one scores higher than a negative one; 0.5 = no better than chance."""
    above = (positive[:, None] > negative).mean() + 0.5 * (positive[:, None] == negative).mean()
    return float(above)


def held_out(real: Sequence[Patches], simulated: Sequence[Patches], *, seed: int = 0) -> dict[str, float]:
    """Real cube -> AUC of a classifier that has seen neither this cube nor some of the simulated ones."""
    found = {}
    for i, cube in enumerate(real):
        aside = [part for k, part in enumerate(simulated) if k % len(real) == i]
        kept = [part for k, part in enumerate(simulated) if k % len(real) != i]
        others = [part for part in real if part is not cube]
        score = _trained(others, kept, seed)
        unreal = np.concatenate([part.values for part in aside])
        found[cube.name] = area_under_curve(score(cube.values), score(unreal))
    return found


def _trained(
    real: Sequence[Patches], simulated: Sequence[Patches], seed: int
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """A function that scores patches: the higher the more real."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = nn.Sequential(
        nn.Conv2d(DATES * BANDS, 32, 3, stride=2), nn.ReLU(),
        nn.Conv2d(32, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(32, 1),
    )  # fmt: skip
    everything = np.concatenate([part.values for part in [*real, *simulated]])
    mean, spread = (f(everything, axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.std))
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-2)
    for _ in range(STEPS):
        batch, label = zip(*(_drawn(rng, real, simulated) for _ in range(BATCH)), strict=True)
        logit = network(torch.from_numpy((np.stack(batch) - mean) / spread).float()).squeeze(1)
        loss = nn.functional.binary_cross_entropy_with_logits(logit, torch.tensor(label))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval()

    @torch.inference_mode()
    def score(values: NDArray[np.float32]) -> NDArray[np.float32]:
        said: Tensor = network(torch.from_numpy((values - mean) / spread).float())
        return np.asarray(said.squeeze(1).numpy())

    return score


def _drawn(
    rng: np.random.Generator, real: Sequence[Patches], simulated: Sequence[Patches]
) -> tuple[NDArray[np.float32], float]:
    """A patch, turned and flipped, and 1.0 where it is real; cubes are drawn alike."""
    label = float(rng.random() < 0.5)
    part = (real if label else simulated)[int(rng.integers(len(real if label else simulated)))]
    patch = np.rot90(part.values[rng.integers(len(part.values))], int(rng.integers(4)), axes=(1, 2))
    return np.ascontiguousarray(patch[..., ::-1] if rng.random() < 0.5 else patch), label

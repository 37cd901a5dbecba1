"""How good the weights are on cubes that were held back: the protocol's scenarios, against linear interpolation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clearcube.filler import Block, cut
from clearcube.gaps import MaskBank, ScenarioUnavailable, hide, scored, withheld
from clearcube.methods.temporal import fill_block
from clearcube.methods.temporal_kernels import LINEAR
from clearcube.networks.inference import applied
from clearcube.tiling import windows

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from clearcube.training.config import ValidationConfig


@dataclass(frozen=True)
class NamedBlock:
    """A cube in memory and what it is called; elevation (H, W) in metres, where it is known."""

    name: str
    block: Block
    elevation: NDArray[np.float32] | None = None


WINDOW, AROUND = 256, 32
"""Pixels of a side that a network looks at together, and how many around them."""
LEAST_SQUARE = 1e-12
"""Mean square from which a fill counts as exact, so that its PSNR, 120 dB, is a number."""


@dataclass(frozen=True)
class Experiment:
    """A cube with hidden pixels: what is left of it, and the pixels to score."""

    cube: NamedBlock
    scenario: str
    seed: int
    left: Block
    scored: NDArray[np.bool_]

    def psnr(self, mean: NDArray[np.float32]) -> float:
        """PSNR, dB, of a fill (T, B, H, W) over the scored pixels; data range 1."""
        error = np.moveaxis(mean - self.cube.block.reflectance, 1, 0)[:, self.scored]
        return float(-10 * np.log10(np.maximum(np.mean(error.astype(np.float64) ** 2), LEAST_SQUARE)))


def experiments(cubes: Sequence[NamedBlock], config: ValidationConfig) -> list[Experiment]:
    """All experiments that the cubes can offer."""
    bank = MaskBank.of(cube.block.observed for cube in cubes)
    return list(_experiments(cubes, config, bank))


def _experiments(cubes: Sequence[NamedBlock], config: ValidationConfig, bank: MaskBank) -> Iterator[Experiment]:
    for cube in cubes:
        for scenario in config.scenarios:
            for seed in config.seeds:
                try:
                    hidden = hide(cube.block, scenario, seed, bank=bank, key=cube.name)
                except ScenarioUnavailable:
                    continue
                known = np.isfinite(cube.block.reflectance).all(axis=1)
                pixels = scored(cube.block.observed & known, hidden & known)
                if pixels.any():
                    yield Experiment(cube, scenario, seed, withheld(cube.block, hidden | ~known), pixels)


def gains(model: nn.Module, tests: Sequence[Experiment], precision: str) -> dict[str, dict[str, float]]:
    """Scenario -> cube -> mean gain over linear interpolation in PSNR, dB, over the seeds."""
    found: dict[str, dict[str, list[float]]] = {}
    for test in tests:
        gain = test.psnr(predicted(model, test.left, precision)) - test.psnr(fill_block(test.left, rule=LINEAR))
        found.setdefault(test.scenario, {}).setdefault(test.cube.name, []).append(gain)
    return {s: {cube: float(np.mean(each)) for cube, each in cubes.items()} for s, cubes in found.items()}


def overall(found: dict[str, dict[str, float]]) -> dict[str, float]:
    """Scenario -> mean over cubes; and their mean under the name 'all'."""
    means = {scenario: float(np.mean(list(cubes.values()))) for scenario, cubes in found.items()}
    return means | {"all": float(np.mean(list(means.values())))} if means else {}


def predicted(model: nn.Module, block: Block, precision: str) -> NDArray[np.float32]:
    """The network's mean of a block, (T, B, H, W); of large ones window by window, so that memory does not grow."""
    frame, mean = block.observed.shape[1:], np.empty_like(block.reflectance)
    for window in windows((frame[0], frame[1]), WINDOW):
        outer = window.grown(AROUND, (frame[0], frame[1]), AROUND)
        output = applied(model, cut(block, outer.slices), precision).mean[0].float().cpu().numpy()
        mean[(..., *window.slices)] = output[(..., *window.within(outer))]
    return mean

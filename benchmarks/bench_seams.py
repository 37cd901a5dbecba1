"""How far the cells that the embedded network fills agree with one look at the whole frame, by the width of their halo.

Run: `python -m benchmarks.bench_seams`. Simulated scenes, what they measure on themselves shared by both ways; of the
pixels and dates that are not believed, the largest difference over bands. Prints Markdown.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from clearcube.filler import Block, Estimate
from clearcube.network_filler import NetworkFiller, looks, make_network_filler
from clearcube.network_filler.seq2seq import PreparedNetwork
from clearcube.simulation import random_config, simulate
from clearcube.simulation.config import SENTINEL2_FOUR

FIRST_SEED = 50_000
CELLS = (128, 64)
"""Sides of cells, pixels: those of series of four bands of up to 54 dates, and of up to 122."""
HALOS = (80, 64, 32, 16, 0)
"""As far as the network sees, what is in use (32), and less."""
NOTICED = 1e-3
"""Reflectance."""


@dataclass(frozen=True)
class WithHalo(NetworkFiller):
    """Fills in cells that are shown with so many pixels around them."""

    around: int = 0

    @property
    def halo(self) -> int:
        """Pixels around a cell."""
        return self.around


def scene(seed: int, size: int, dates: int) -> Block:
    """A scene as it is drawn for evaluation, size x size pixels."""
    rng = np.random.default_rng(seed)
    config = random_config(rng, height=size, width=size, n_dates=dates, bands=SENTINEL2_FOUR, evaluation=True)
    return simulate(config, seed).block


def filled(prepared: PreparedNetwork, whole: Block, cell: int, halo: int) -> Estimate:
    """The fill of a block in cells of this side with this halo, pixels; in one look where the cell holds it all."""
    with patch.object(looks, "LARGEST_CELL", cell):
        return replace(prepared, filler=WithHalo(prepared.filler.path, around=halo)).fill(whole)


def differences(whole: Block, cell: int, halos: Sequence[int]) -> list[NDArray[np.float32]]:
    """For each halo how far cells of this side differ from one look at what one look does not believe, (N,)."""
    filler = make_network_filler("seq2seq")
    assert isinstance(filler, NetworkFiller)
    prepared = filler.prepare([whole])
    once = filled(prepared, whole, max(whole.observed.shape[1:]), filler.halo)
    assert once.believed is not None
    hidden = ~once.believed & np.isfinite(once.mean[:, 0])
    return [np.abs(filled(prepared, whole, cell, halo).mean - once.mean).max(axis=1)[hidden] for halo in halos]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=12)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--dates", type=int, default=12)
    given = parser.parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + given.scenes)
    wholes = [scene(seed, given.size, given.dates) for seed in seeds]
    print("| cell | halo | above 0.001 | in three of four scenes at most | in the worst | mean | largest |")
    print("|---|---|---|---|---|---|---|")
    for cell in CELLS:
        found = [differences(whole, cell, HALOS) for whole in wholes]
        for halo, parts in zip(HALOS, zip(*found, strict=True), strict=True):
            shares = [float((part > NOTICED).mean()) for part in parts]
            together = np.concatenate(parts)
            cells = [(together > NOTICED).mean(), np.quantile(shares, 0.75), max(shares)]
            written = " | ".join(f"{100 * share:.1f} %" for share in cells)
            print(f"| {cell} | {halo} | {written} | {together.mean():.5f} | {together.max():.3f} |", flush=True)


if __name__ == "__main__":
    main()

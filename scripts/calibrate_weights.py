"""Measure what a checkpoint of seq2seq errs by kind of gap, and write it into the checkpoint as its prior.

python scripts/calibrate_weights.py CHECKPOINT [--scenes 48]

Hides pixels by the protocol (seed 0) in simulated scenes of years that training never draws, four bands. Cubes that
trained the network would make it look better than it is. The checkpoint is written anew, with another checksum.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from clearcube.filler import NORMAL_90
from clearcube.network_filler.gap_kinds import GAP_KINDS
from clearcube.network_filler.hidden_gaps import errors_at
from clearcube.network_filler.looks import estimates_of, network_of
from clearcube.network_filler.mixture import Prior, best_shares
from clearcube.network_filler.seq2seq import PRIOR, NetworkFiller
from clearcube.networks.checkpoint import load, save
from clearcube.simulation import random_config, simulate
from clearcube.simulation.config import SENTINEL2_FOUR
from clearcube.training.config import ValidationConfig
from clearcube.training.validation import Experiment, NamedBlock, experiments

FEWEST_PIXELS = 200
FIRST_SEED = 90_000
SIZE = 64


def scenes(count: int) -> list[NamedBlock]:
    """Simulated scenes of 64 x 64 pixels and 12 to 36 dates, drawn as for training but of other years."""
    return [_scene(seed) for seed in range(FIRST_SEED, FIRST_SEED + count)]


def _scene(seed: int) -> NamedBlock:
    rng = np.random.default_rng(seed)
    dates = int(rng.integers(12, 37))
    config = random_config(rng, height=SIZE, width=SIZE, n_dates=dates, bands=SENTINEL2_FOUR, evaluation=True)
    scene = simulate(config, seed)
    return NamedBlock(f"scene {seed}", scene.block)


Found = tuple[int, str, np.ndarray, np.ndarray]
"""Kind of gap, scene, gram of the errors, and some errors of the best mixture in units of the network's std."""


def by_kind(filler: NetworkFiller, tests: Sequence[Experiment]) -> Iterator[Found]:
    """What is found of every experiment and each kind of gap that it has."""
    rng = np.random.default_rng(0)
    for test in tests:
        hidden = test.cube.block.observed & ~test.left.observed
        errors = errors_at(partial(estimates_of, network_of(filler.path), filler.threads), test.cube.block, hidden)
        for kind in range(GAP_KINDS):
            own = errors.of_kind(kind)
            if own.kind.size >= FEWEST_PIXELS:
                mixed = np.einsum("e,ebn->bn", best_shares(own.gram), own.error)
                yield kind, test.cube.name, own.gram, rng.choice(np.abs(mixed / own.std).ravel(), FEWEST_PIXELS)


def prior_of(found: Sequence[Found]) -> Prior:
    """Grams are means over experiments of a scene and over scenes; spreads are pooled."""
    start = Prior.of(None)
    for kind in range(GAP_KINDS):
        if own := [each for each in found if each[0] == kind]:
            start.gram[kind] = _mean_gram(own)
            start.spread[kind] = np.quantile(np.concatenate([each[3] for each in own]), 0.9) / NORMAL_90
    return start


def _mean_gram(found: Sequence[Found]) -> np.ndarray:
    names = sorted({each[1] for each in found})
    means = [np.mean([each[2] for each in found if each[1] == name], axis=0) for name in names]
    return np.asarray(np.mean(means, axis=0))


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--scenes", type=int, default=48)
    given = parser.parse_args()
    filler = NetworkFiller(given.checkpoint, "seq2seq")
    prior = prior_of(list(by_kind(filler, experiments(scenes(given.scenes), ValidationConfig(seeds=(0,))))))
    model, metadata = load(given.checkpoint)
    seeds = f"seeds {FIRST_SEED} to {FIRST_SEED + given.scenes - 1}"
    source = {"measured_on": f"simulated scenes of {seeds} by scripts/calibrate_weights.py"}
    save(given.checkpoint, model, {**metadata, PRIOR: prior.plain() | source})
    for kind in range(GAP_KINDS):
        sys.stdout.write(f"{kind}: shares {best_shares(prior.gram[kind]).round(2)} spread {prior.spread[kind]:.2f}\n")


if __name__ == "__main__":
    main()

"""Measure what a checkpoint of seq2seq errs by kind of gap, and write it into the checkpoint as its prior.

python scripts/calibrate_weights.py CHECKPOINT [--scenes 24] CUBE [CUBE ...]

Hides pixels by the protocol (seeds 0 to 2) in the cubes, which must not have trained the network, and in simulated
scenes of parameters that training never draws; cubes and scenes weigh alike. Each CUBE is a path, or several of one
place joined by commas.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from score_weights import opened, sample_of

from clearcube.filler import Block
from clearcube.methods.dineof import sampled_basis
from clearcube.network_filler.gap_kinds import GAP_KINDS
from clearcube.network_filler.hidden_gaps import GapErrors, errors_at
from clearcube.network_filler.mixture import Prior, best_shares, spread_of
from clearcube.network_filler.seq2seq import PRIOR, NetworkFiller, estimates_of
from clearcube.networks.checkpoint import load, save
from clearcube.simulation import random_config, simulate
from clearcube.simulation.config import SENTINEL2_FOUR
from clearcube.training.config import ValidationConfig
from clearcube.training.validation import Experiment, NamedBlock, experiments

FEWEST_PIXELS = 200
SIZE = 64


def scenes(count: int) -> list[NamedBlock]:
    """Simulated scenes of 64 x 64 pixels, 12 to 36 dates, of parameters that training never draws."""
    return [_scene(seed) for seed in range(90_000, 90_000 + count)]


def _scene(seed: int) -> NamedBlock:
    rng = np.random.default_rng(seed)
    dates = int(rng.integers(12, 37))
    config = random_config(rng, height=SIZE, width=SIZE, n_dates=dates, bands=SENTINEL2_FOUR, evaluation=True)
    scene = simulate(config, seed)
    return NamedBlock(f"scene {seed}", Block(scene.reflectance, scene.observed, scene.dates, scene.bands))


def measured(filler: NetworkFiller, test: Experiment) -> GapErrors:
    """Errors at the hidden pixels of an experiment, as a fill of the rest would make them."""
    basis = sampled_basis(sample_of(test.left))
    return errors_at(
        partial(estimates_of, filler, basis), test.cube.block, test.cube.block.observed & ~test.left.observed
    )


def by_kind(filler: NetworkFiller, tests: Sequence[Experiment]) -> Iterator[tuple[int, str, np.ndarray, float]]:
    """Kind of gap, cube, gram and spread, of every experiment that has such gaps."""
    for test in tests:
        errors = measured(filler, test)
        for kind in range(GAP_KINDS):
            own = errors.of_kind(kind)
            if own.kind.size >= FEWEST_PIXELS:
                mixed = np.einsum("e,ebn->bn", best_shares(own.gram), own.error)
                yield kind, test.cube.name, own.gram, float(np.log(spread_of(mixed, own.std)).mean())


def prior_of(found: Sequence[tuple[int, str, np.ndarray, float]]) -> Prior:
    """Means over experiments of a cube, over cubes of a group, over the two groups."""
    start = Prior.of(None)
    for kind in range(GAP_KINDS):
        groups = []
        for simulated in (False, True):
            own = [each for each in found if each[0] == kind and each[1].startswith("scene ") == simulated]
            names = {each[1] for each in own}
            if names:
                grams = [np.mean([e[2] for e in own if e[1] == name], axis=0) for name in names]
                groups.append((np.mean(grams, axis=0), np.mean([e[3] for e in own])))
        if groups:
            start.gram[kind] = np.mean([gram for gram, _ in groups], axis=0)
            start.spread[kind] = np.exp(np.mean([spread for _, spread in groups]))
    return start


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("cubes", nargs="*")
    parser.add_argument("--scenes", type=int, default=24)
    given = parser.parse_args()
    filler = NetworkFiller(given.checkpoint, "seq2seq")
    real = experiments([opened(cube) for cube in given.cubes], ValidationConfig(seeds=(0, 1, 2)))
    simulated = experiments(scenes(given.scenes), ValidationConfig(seeds=(0,)))
    prior = prior_of(list(by_kind(filler, [*real, *simulated])))
    model, metadata = load(given.checkpoint)
    save(given.checkpoint, model, {**metadata, PRIOR: prior.plain()})
    for kind in range(GAP_KINDS):
        sys.stdout.write(f"{kind}: shares {best_shares(prior.gram[kind]).round(2)} spread {prior.spread[kind]:.2f}\n")


if __name__ == "__main__":
    main()

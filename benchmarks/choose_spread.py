"""How much the prior weighs in the spread of the network's errors: coverage by `mixture.PRIOR_DATES_OF_SPREAD`.

    python -m benchmarks.choose_spread CUBE [CUBE ...] [--scenes 24] [--seeds 0 1 2 3 4] [--dates 6 9 12 15]

Hides by the protocol in the cubes that validate (all seeds) and in simulated scenes (seed 0), and measures errors as a
fill does. Prints Markdown: share of hidden values within the 90 % interval by band, mean over scenarios and cubes; mean
distance from 90 % of the scenarios' bands; and root mean square distance of the cubes' bands in each scenario.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.bench_coverage import scenes
from benchmarks.choose_caution import opened
from clearcube.filler import NORMAL_90
from clearcube.methods.hidden_errors import without_empty_dates
from clearcube.network_filler import NetworkFiller, mixture
from clearcube.network_filler.hidden_gaps import GapErrors, errors_at, gap_errors
from clearcube.network_filler.looks import estimates_of, network_of
from clearcube.network_filler.seq2seq import prior_of, to_measure_on
from clearcube.networks.shipped import located
from clearcube.training.config import ValidationConfig
from clearcube.training.validation import Experiment, NamedBlock, experiments

SCENARIOS = ("partial", "frames", "run30", "run60", "run90", "leading", "trailing")
PROMISED = 0.9
Found = tuple[str, str, GapErrors, GapErrors | None]
"""Scenario, cube, errors at the pixels to judge by, and what was measured on the rest of the cube."""


def measured(tests: Sequence[Experiment], filler: NetworkFiller) -> Iterator[Found]:
    """The errors of every experiment."""
    estimate = partial(estimates_of, network_of(filler.path), filler.threads)
    for test in tests:
        hidden = test.cube.block.observed & ~test.left.observed
        own = gap_errors(estimate, to_measure_on(without_empty_dates([test.left])))
        yield test.scenario, test.cube.name, errors_at(estimate, test.cube.block, hidden), own


def coverage(errors: GapErrors, own: GapErrors | None, prior: mixture.Prior) -> NDArray[np.float64]:
    """Share of the errors within the 90 % interval, by band (B,)."""
    settled = mixture.mixture(own, prior, errors.std.shape[0])
    mixed = np.einsum("ne,ebn->bn", settled.shares[errors.kind], errors.error)
    inside = np.abs(mixed) <= NORMAL_90 * settled.spread[errors.kind].T * errors.std
    return np.asarray(inside.mean(axis=1))


def row(found: Sequence[Found], prior: mixture.Prior) -> str:
    """The cells of one group of cubes: by band, and how far from what was promised."""
    by_cube = defaultdict(list)
    for scenario, cube, errors, own in found:
        by_cube[scenario, cube].append(coverage(errors, own, prior))
    cubes = {key: np.mean(each, axis=0) for key, each in by_cube.items()}
    names = dict.fromkeys(scenario for scenario, _ in cubes)
    cells = np.array([np.mean([c for (s, _), c in cubes.items() if s == name], axis=0) for name in names])
    apart = np.abs(cells - PROMISED).mean()
    spread = np.sqrt(np.mean([np.square(each - PROMISED) for each in cubes.values()]))
    return f"{' / '.join(f'{band:.3f}' for band in cells.mean(axis=0))} | {apart:.4f} | {spread:.4f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cubes", nargs="+")
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--dates", type=float, nargs="+", default=[6, 9, 12, 15])
    given = parser.parse_args()
    path = located("seq2seq")
    filler, prior = NetworkFiller(path), prior_of(path)
    made = enumerate(scenes(given.scenes, 64))
    simulated = [NamedBlock(str(i), s.block) for i, s in made]
    real = [opened(cube) for cube in given.cubes]
    groups = {
        where: list(measured(experiments(cubes, ValidationConfig(scenarios=SCENARIOS, seeds=tuple(seeds))), filler))
        for where, cubes, seeds in (("real", real, given.seeds), ("simulated", simulated, [0]))
    }
    print("| dates | cubes | by band | distance in a scenario | in a cube and scenario |\n|---|---|---|---|---|")
    for dates in given.dates:
        mixture.PRIOR_DATES_OF_SPREAD = dates
        for where, found in groups.items():
            print(f"| {dates:g} | {where} | {row(found, prior)} |", flush=True)


if __name__ == "__main__":
    main()

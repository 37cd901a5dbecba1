"""How much of the network to take at the ends of a series: gains and harm by `network_filler.mixture.CAUTION_AT_ENDS`.

    python -m benchmarks.choose_caution CUBE [CUBE ...] [--scenes 24] [--shares 0.85 0.7 0.6 0.5]

Hides the first and the last 20 days by the protocol in the cubes that validate and in simulated scenes, and fills as a
fill does. Prints Markdown: mean and worst gain in PSNR over linear interpolation, dB, and how many lose more than 0.3.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from benchmarks.bench_coverage import scenes
from clearcube.evaluation.experiments import named_cube
from clearcube.methods.temporal import fill_block
from clearcube.methods.temporal_kernels import LINEAR
from clearcube.network_filler import NetworkFiller
from clearcube.networks.shipped import located
from clearcube.readers.open import open_cube
from clearcube.training.config import ValidationConfig
from clearcube.training.validation import Experiment, NamedBlock, experiments

ENDS = ("leading", "trailing")
HARM = -0.3
"""dB; what a fill may lose against linear interpolation."""


def opened(path: str) -> NamedBlock:
    """A cube in memory."""
    return NamedBlock(path, named_cube(path, open_cube(path).load()).block)


def cautious(share: float) -> NetworkFiller:
    """The network that ships, with so much of the best mixture at the ends."""

    class Cautious(NetworkFiller):
        caution_at_ends = share

    return Cautious(located("seq2seq"))


def gains(tests: Sequence[Experiment], share: float) -> dict[str, list[float]]:
    """Scenario -> gain of every cube, dB."""
    filler, found = cautious(share), {name: list[float]() for name in ENDS}
    for test in tests:
        mean = filler.prepare([test.left]).fill(test.left).mean
        found[test.scenario].append(test.psnr(mean) - test.psnr(fill_block(test.left, rule=LINEAR)))
    return found


def cell(values: Sequence[float]) -> str:
    """Mean, worst, and how many are harmed."""
    harmed = sum(value < HARM for value in values)
    return f"{np.mean(values):+.2f}, worst {min(values):+.2f}, {harmed} of {len(values)}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cubes", nargs="+")
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.85, 0.7, 0.6, 0.5])
    given = parser.parse_args()
    made = enumerate(scenes(given.scenes, 64))
    simulated = [NamedBlock(str(i), s.block) for i, s in made]
    config = ValidationConfig(scenarios=ENDS)
    groups = [experiments(cubes, config) for cubes in ([opened(path) for path in given.cubes], simulated)]
    print("| share | " + " | ".join(f"{where}, {end}" for where in ("real", "simulated") for end in ENDS) + " |")
    print("|---" * 5 + "|")
    for share in given.shares:
        cells = [cell(values) for tests in groups for values in gains(tests, share).values()]
        print(f"| {share} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()

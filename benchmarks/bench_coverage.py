"""Coverage of the 90 % intervals of every method on simulated cubes, by scenario, band and length of gap.

Hides observed pixels by the protocol of `clearcube.gaps`, fills, and counts how often the clear truth of the
simulation lies within mean +- 1.645 std. Strata with fewer than 2000 hidden pixels are left out. Prints Markdown.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from clearcube.evaluation.calibration import calibration_sums, inside
from clearcube.evaluation.statistics import Sums
from clearcube.filler import Block
from clearcube.gaps import STRATA, MaskBank, Scenario, ScenarioUnavailable, gap_length, gap_stratum, hide, scored
from clearcube.gaps import without as left_after
from clearcube.methods import METHODS
from clearcube.simulation import Scene, random_config, simulate
from clearcube.simulation.config import SENTINEL2_FOUR
from clearcube.workflows.choosing import filler_named

FIRST_SEED = 930_000
"""Of scenes that no constant of a classical method was chosen by."""
FEWEST = 2000
"""Hidden pixels that a stratum needs to count."""
PROMISED = (0.85, 0.95)
"""Share of hidden pixels that the 90 % interval is to hold."""


def scenes(count: int, size: int) -> list[Scene]:
    """Scenes of size x size pixels as they are drawn for evaluation."""
    found = []
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        rng = np.random.default_rng(seed)
        config = random_config(rng, height=size, width=size, bands=SENTINEL2_FOUR, evaluation=True)
        found.append(simulate(config, seed))
    return found


def without(scene: Scene, hidden: np.ndarray) -> Block:
    """What a filler sees of a scene when some of its observed pixels (T, H, W) are hidden."""
    left = left_after(scene.observed, hidden)
    reflectance = np.where(left[:, None], scene.reflectance, np.float32(np.nan))
    return Block(reflectance, left, scene.dates, scene.bands)


def experiments(cubes: list[Scene]) -> Iterator[tuple[str, Scene, np.ndarray]]:
    """Scenario, scene and hidden pixels (T, H, W), wherever the scenario can be had."""
    bank = MaskBank.of(scene.observed for scene in cubes)
    for scenario in Scenario:
        for number, scene in enumerate(cubes):
            whole = scene.block
            try:
                yield scenario, scene, hide(whole, scenario, number % 5, bank=bank, key=str(number))
            except ScenarioUnavailable:
                continue


def measure(method: str, cubes: list[Scene]) -> dict[str, Sums]:
    """Scenario -> sums of what lies inside the 90 % interval, (strata, bands)."""
    found: dict[str, Sums] = defaultdict(lambda: Sums(0.0, 0.0))
    for scenario, scene, hidden in experiments(cubes):
        block = without(scene, hidden)
        estimate = filler_named(method, {}).prepare([block]).fill(block)
        stratum = gap_stratum(gap_length(block.observed, block.dates))
        names, counted = [band.name for band in scene.bands], scored(scene.observed, hidden)
        sums = calibration_sums(
            *(estimate, scene.clear, counted, names, np.eye(len(names))), cell=stratum, cells=len(STRATA)
        )
        found[scenario] += sums[inside(0.9)]
    return found


def row(method: str, scenario: str, sums: Sums) -> str:
    """A row of the table: lowest and highest coverage of the bands in each stratum; ! where it is not as promised."""
    cells = []
    for total, weight in zip(sums.total, sums.weight, strict=True):
        if weight[0] < FEWEST:
            cells.append("")
            continue
        share = total / weight
        kept = PROMISED[0] <= share.min() and share.max() <= PROMISED[1]
        cells.append(f"{100 * share.min():.1f}-{100 * share.max():.1f}{'' if kept else ' !'}")
    return f"| {method} | {scenario} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cubes", type=int, default=60)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    options = parser.parse_args()
    cubes = scenes(options.cubes, options.size)
    print(f"| method | scenario | {' | '.join(f'{name} d' for name in STRATA)} |\n|{'---|' * (2 + len(STRATA))}")
    for method in options.methods:
        found = measure(method, cubes)
        for scenario, sums in {"all": sum(found.values(), start=Sums(0.0, 0.0)), **found}.items():
            print(row(method, scenario, sums), flush=True)


if __name__ == "__main__":
    main()

"""What the embedded network gains over linear interpolation with other sets of bands, on the same simulated scenes.

Hides observed pixels by the protocol of `clearcube.gaps` and scores against the clear truth of the simulation, for the
bands of several sensors. Prints Markdown: mean over scenes of the gain in PSNR, dB. `--weights` judges other weights.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np

from benchmarks.bench_coverage import without
from clearcube.cube import Band
from clearcube.filler import Block, Filler
from clearcube.gaps import MaskBank, Scenario, ScenarioUnavailable, hide, scored
from clearcube.methods.temporal import fill_block
from clearcube.methods.temporal_kernels import LINEAR
from clearcube.network_filler import NetworkFiller, make_network_filler
from clearcube.simulation import Scene, random_config, simulate
from clearcube.simulation.config import BAND_SETS, SENTINEL2_FOUR

SCENARIOS = (Scenario.PARTIAL, Scenario.FRAMES, Scenario.RUN30, Scenario.RUN60, Scenario.LEADING, Scenario.TRAILING)
FIRST_SEED = 40_000


def scenes(count: int, size: int, bands: tuple[Band, ...]) -> list[Scene]:
    """The same scenes for every set of bands, of parameters that training never draws."""
    made = []
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        rng = np.random.default_rng(seed)
        config = random_config(rng, height=size, width=size, n_dates=24, bands=bands, evaluation=True)
        made.append(simulate(config, seed))
    return made


def gains(filler: Filler, cubes: list[Scene]) -> dict[Scenario, list[float]]:
    """Scenario -> gain of each scene that has it."""
    bank = MaskBank.of(scene.observed for scene in cubes)
    found = defaultdict(list)
    for scenario in SCENARIOS:
        for number, scene in enumerate(cubes):
            whole = Block(scene.reflectance, scene.observed, scene.dates, scene.bands)
            try:
                hidden = hide(whole, scenario, number % 5, bank=bank, key=str(number))
            except ScenarioUnavailable:
                continue
            found[scenario].append(_gain(filler, scene, hidden))
    return found


def _gain(filler: Filler, scene: Scene, hidden: np.ndarray) -> float:
    block, at = without(scene, hidden), scored(scene.observed, hidden)
    means = (filler.prepare([block]).fill(block).mean, fill_block(block, rule=LINEAR))
    squares = [np.mean(np.square(np.moveaxis(mean - scene.clear, 1, -1)[at], dtype=np.float64)) for mean in means]
    return float(10 * np.log10(squares[1] / squares[0]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=12)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--weights")
    options = parser.parse_args()
    filler = NetworkFiller(options.weights, "seq2seq") if options.weights else make_network_filler("seq2seq")
    print(f"| bands | {' | '.join(SCENARIOS)} |\n|{'---|' * (len(SCENARIOS) + 1)}")
    single = {"near infrared alone": (SENTINEL2_FOUR[3],)}
    for name, bands in {**BAND_SETS, **single}.items():
        found = gains(filler, scenes(options.scenes, options.size, bands))
        cells = [f"{np.mean(found[s]):+.2f}" if found[s] else "" for s in SCENARIOS]
        print(f"| {name} ({len(bands)}) | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

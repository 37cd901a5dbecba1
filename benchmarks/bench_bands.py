"""What the embedded network gains over linear interpolation with other sets of bands, on the same simulated scenes.

Hides observed pixels by the protocol of `clearcube.gaps` and scores against the clear truth of the simulation, for the
bands of several sensors. Prints Markdown: mean over scenes of the gain in PSNR, dB, for all bands together, and for
each band where a part of a date was seen. `--weights` judges other weights, `--only` some of the sets of bands.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np

from benchmarks.bench_coverage import without
from clearcube.cube import Band
from clearcube.filler import Filler
from clearcube.gaps import MaskBank, Scenario, ScenarioUnavailable, hide, scored
from clearcube.methods.temporal import fill_block
from clearcube.methods.temporal_kernels import LINEAR
from clearcube.network_filler import NetworkFiller, make_network_filler
from clearcube.simulation import Scene, random_config, simulate
from clearcube.simulation.config import BAND_SETS, SENTINEL2_FOUR

SCENARIOS = (Scenario.PARTIAL, Scenario.FRAMES, Scenario.RUN30, Scenario.RUN60, Scenario.LEADING, Scenario.TRAILING)
FIRST_SEED = 40_000
OTHERS = {
    "near-infrared-alone": (SENTINEL2_FOUR[3],),
    "940-nm-alone": (Band("water_vapour", 940.0),),
    "twenty": tuple(Band(f"nm{nm:.0f}", float(nm)) for nm in np.linspace(400, 2400, 20).round()),
}
"""Beside those of the sensors that training knows; the last two lie off their centres."""


def scenes(count: int, size: int, bands: tuple[Band, ...]) -> list[Scene]:
    """The same scenes for every set of bands, drawn as for training but of other years."""
    made = []
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        rng = np.random.default_rng(seed)
        config = random_config(rng, height=size, width=size, n_dates=24, bands=bands, evaluation=True)
        made.append(simulate(config, seed))
    return made


def errors(filler: Filler, cubes: list[Scene]) -> dict[Scenario, list[np.ndarray]]:
    """Scenario -> mean squares (linear and network, bands) of the errors on each scene that has it."""
    bank = MaskBank.of(scene.observed for scene in cubes)
    found = defaultdict(list)
    for scenario in SCENARIOS:
        for number, scene in enumerate(cubes):
            whole = scene.block
            try:
                hidden = hide(whole, scenario, number % 5, bank=bank, key=str(number))
            except ScenarioUnavailable:
                continue
            found[scenario].append(_squares(filler, scene, hidden))
    return found


def _squares(filler: Filler, scene: Scene, hidden: np.ndarray) -> np.ndarray:
    block, at = without(scene, hidden), scored(scene.observed, hidden)
    means = (fill_block(block, rule=LINEAR), filler.prepare([block]).fill(block).mean)
    return np.stack([np.square(np.moveaxis(m - scene.clear, 1, -1)[at], dtype=np.float64).mean(axis=0) for m in means])


def gain(squares: list[np.ndarray]) -> np.ndarray:
    """Mean over scenes of the gain in PSNR, dB, from mean squares (linear and network, ...)."""
    return np.mean([10 * np.log10(linear / network) for linear, network in squares], axis=0)


def main() -> None:
    """Print the tables."""
    sets = {**BAND_SETS, **OTHERS}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=12)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--weights")
    parser.add_argument("--only", nargs="+", choices=sets, default=sets, metavar="BANDS", help=", ".join(sets))
    options = parser.parse_args()
    filler = NetworkFiller(options.weights, "seq2seq") if options.weights else make_network_filler("seq2seq")
    print(f"| bands | {' | '.join(SCENARIOS)} |\n|{'---|' * (len(SCENARIOS) + 1)}")
    by_band = {}
    for name in options.only:
        bands = sets[name]
        found = errors(filler, scenes(options.scenes, options.size, bands))
        together = {s: gain([each.mean(axis=1) for each in squares]) for s, squares in found.items()}
        cells = [f"{together[s]:+.2f}" if s in together else "" for s in SCENARIOS]
        print(f"| {name} ({len(bands)}) | {' | '.join(cells)} |", flush=True)
        each = zip(bands, gain(found[Scenario.PARTIAL]), strict=True)
        by_band[name] = ", ".join(f"{band.name} {value:+.2f}" for band, value in each)
    print("\n| bands | partial, band by band |\n|---|---|")
    for name, cells_of_bands in by_band.items():
        print(f"| {name} | {cells_of_bands} |")


if __name__ == "__main__":
    main()

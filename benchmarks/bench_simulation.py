"""How fast scenes are simulated: pixel-frames (dates x pixels) per second of one core, all included.

Run: `python -m benchmarks.bench_simulation`. Scenes as they are drawn for training, the first of the table's sizes too;
the median over the scenes counts. Compiling is done before.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np

from clearcube.cube import Band
from clearcube.simulation import SceneConfig, random_config, simulate
from clearcube.simulation.config import SENTINEL2_FOUR, SENTINEL2_TEN

SIZES = ((48, 8), (48, 14), (64, 10), (64, 30), (96, 20), (128, 10), (128, 30), (256, 24))
"""Height = width in pixels, number of dates."""
AIM = 2.0
"""Million pixel-frames per second and core that four bands should reach."""


def median_seconds(size: int, dates: int, bands: tuple[Band, ...], scenes: int) -> float:
    """Processor time of a scene, seconds, median over so many."""
    times = []
    for seed in range(scenes):
        config = random_config(np.random.default_rng(seed), height=size, width=size, n_dates=dates, bands=bands)
        before = time.process_time()
        simulate(config, seed)
        times.append(time.process_time() - before)
    return float(np.median(times))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=21)
    scenes = parser.parse_args().scenes
    simulate(SceneConfig(height=16, width=16, days=(0, 5)), 0)
    print(f"| size | dates | bands | s | million pixel-frames/s (aim {AIM}) |\n|---|---|---|---|---|")
    for size, dates in SIZES:
        for bands in (SENTINEL2_FOUR, SENTINEL2_TEN):
            seconds = median_seconds(size, dates, bands, scenes)
            rate = size * size * dates / seconds / 1e6
            print(f"| {size} x {size} | {dates} | {len(bands)} | {seconds:.3f} | {rate:.1f} |")
    print(f"load average: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

"""How fast scenes are simulated: pixel-frames (dates x pixels) of four bands per second of one core, all included.

Run: `python -m benchmarks.bench_simulation`. Compiling is done before; the best of five scenes counts.
"""

from __future__ import annotations

import argparse
import os
import time

from clearcube.simulation import SceneConfig, simulate
from clearcube.simulation.config import SENTINEL2_TEN

SIZES = ((64, 10), (96, 20), (128, 10), (128, 30), (256, 24))
"""Height = width in pixels, number of dates."""
AIM = 2.0
"""Million pixel-frames per second and core that four bands should reach."""


def best_seconds(config: SceneConfig, repeats: int = 5) -> float:
    """Shortest processor time of one scene, seconds, over so many seeds."""
    times = []
    for seed in range(repeats):
        before = time.process_time()
        simulate(config, seed)
        times.append(time.process_time() - before)
    return min(times)


def main() -> None:
    """Print a table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    simulate(SceneConfig(height=16, width=16, days=(0, 5)), 0)
    print(f"| size | dates | bands | s | million pixel-frames/s (aim {AIM}) |\n|---|---|---|---|---|")
    for size, dates in SIZES:
        for bands in (SceneConfig().bands, SENTINEL2_TEN):
            config = SceneConfig(height=size, width=size, days=tuple(range(0, 5 * dates, 5)), bands=bands)
            seconds = best_seconds(config)
            rate = size * size * dates / seconds / 1e6
            print(f"| {size} x {size} | {dates} | {len(bands)} | {seconds:.3f} | {rate:.1f} |")
    print(f"load average: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

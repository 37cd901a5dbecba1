"""Rate of the smoothing methods: 30 x 4 x 256 x 256 float32 in memory, half observed, one thread, mean only."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from clearcube.cube import BANDS
from clearcube.filler import Block
from clearcube.methods.dineof import reconstruct_block
from clearcube.methods.dineof_basis import find_basis
from clearcube.methods.harmonic import Harmonic, fitted_block
from clearcube.methods.sampling import absolute_days, draw_pixels
from clearcube.methods.whittaker import Whittaker, smooth_block

TIMES, SIZE, MODES, RUNS = 30, 256, 6, 10
WHITTAKER_AT_LEAST = 1.0
"""Million pixel-frames per second and band."""


def cube(seed: int = 0) -> Block:
    rng = np.random.default_rng(seed)
    bands = tuple(BANDS[name] for name in ("blue", "green", "red", "nir"))
    dates = np.datetime64("2020-01-01", "D") + 12 * np.arange(TIMES)
    seasons = 0.3 + 0.1 * np.sin(2 * np.pi * np.arange(TIMES) / 30)[:, None, None, None]
    reflectance = (seasons + rng.normal(0, 0.02, (TIMES, 4, SIZE, SIZE))).astype(np.float32)
    return Block(reflectance, rng.random((TIMES, SIZE, SIZE)) < 0.5, dates, bands)


def rate(fill: Callable[[Block], object], block: Block) -> float:
    """Median over the runs after one to warm up, in million pixel-frames per second and band."""
    seconds = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        fill(block)
        seconds.append(time.perf_counter() - start)
    return block.reflectance.size / statistics.median(seconds[1:]) / 1e6


def measure() -> dict[str, float]:
    """Method -> million pixel-frames per second and band (values filled per second)."""
    block, noise = cube(), np.full(4, 0.02)
    reflectance, observed = draw_pixels([block], 1024)
    basis = find_basis(reflectance, observed, absolute_days(block.dates), MODES)
    fills: dict[str, Callable[[Block], object]] = {
        "whittaker": partial(smooth_block, smoothness=3000.0, noise=noise),
        "harmonic": partial(fitted_block, noise=noise, terms=Harmonic().terms),
        f"dineof ({MODES} modes)": partial(reconstruct_block, basis=basis),
        "whittaker with std": Whittaker(smoothness=3000.0).prepare([block]).fill,
    }
    return {name: rate(fill, block) for name, fill in fills.items()}


def main() -> None:
    """Print the rates as a table in Markdown and check the one that is promised."""
    rates = measure()
    print("| method | million pixel-frames/s and band |\n|---|---|")
    for name, value in rates.items():
        print(f"| {name} | {value:.1f} |")
    assert rates["whittaker"] >= WHITTAKER_AT_LEAST, rates


if __name__ == "__main__":
    main()

"""Speed of `linear` on a cube in memory, beside xarray's `interpolate_na` and a copy, in one run.

30 x 4 x 512 x 512 float32, half observed, output allocated and touched, median of 10 after a first call that
compiles. xarray fills a crop of 64 x 64 pixels of the same cube and is compared per pixel and date.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import xarray as xr

from clearcube.cube import band_named
from clearcube.fill_cube.flags import flag_pixels
from clearcube.fill_cube.window import FillSettings, fill_window
from clearcube.filler import Block, everywhere
from clearcube.methods.temporal import Linear, fill_block
from clearcube.methods.temporal_kernels import LINEAR

SHAPE = (30, 4, 512, 512)
CROP = 64
REPEATS = 10


def make_block() -> Block:
    generator = np.random.default_rng(0)
    times, _, height, width = SHAPE
    bands = tuple(band_named(name) for name in ("blue", "green", "red", "nir"))
    dates = np.datetime64("2020-01-01", "D") + 5 * np.arange(times)
    observed = generator.random((times, height, width)) < 0.5
    return Block(generator.random(SHAPE, dtype=np.float32), observed, dates, bands)


def cropped(block: Block, size: int) -> Block:
    reflectance = np.ascontiguousarray(block.reflectance[..., :size, :size])
    return Block(reflectance, np.ascontiguousarray(block.observed[:, :size, :size]), block.dates, block.bands)


def seconds(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median time of a call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return median(times)


def xarray_rate(block: Block) -> float:
    """Million pixel-frames a second of `interpolate_na` along the dates."""
    values = np.where(block.observed[:, None], block.reflectance, np.float32(np.nan))
    array = xr.DataArray(values, dims=("time", "band", "y", "x"), coords={"time": block.dates.astype("datetime64[ns]")})
    taken = seconds(lambda: array.interpolate_na("time", method="linear", use_coordinate="time"), 3)
    return block.observed.size / taken / 1e6


def measure() -> dict[str, float]:
    """Rates in million pixel-frames (pixels x dates, all four bands) a second, ratios, and seconds to compile."""
    block = make_block()
    out, std = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
    start = time.perf_counter()
    fill_block(cropped(block, 2), rule=LINEAR, parallel=True)
    compiling = time.perf_counter() - start
    prepared, serial = (Linear(parallel=parallel).prepare([cropped(block, CROP)]) for parallel in (True, False))

    def mean_only() -> None:
        fill_block(block, rule=LINEAR, parallel=True, out=out)

    def mean_std_and_flags() -> None:
        mean_only()
        prepared.errors.std(block.observed, block.dates, parallel=True, out=std)
        flag_pixels(block.observed, block.dates)

    calls: dict[str, Callable[[], object]] = {
        "copy": lambda: np.copyto(out, block.reflectance),
        "linear, mean": mean_only,
        "linear, one thread": lambda: fill_block(block, rule=LINEAR, out=out),
        "linear, mean + std + flags + days": mean_std_and_flags,
        "linear, as the engine fills a window": lambda: fill_window(serial, block, FillSettings(), everywhere(block)),
    }
    rates = {}
    for name, call in calls.items():
        call()
        rates[name] = block.observed.size / seconds(call) / 1e6
    rates["xarray interpolate_na"] = xarray_rate(cropped(block, CROP))
    full = rates["linear, mean + std + flags + days"]
    return {
        **rates,
        "mean: times xarray": rates["linear, mean"] / rates["xarray interpolate_na"],
        "mean: share of copy": rates["linear, mean"] / rates["copy"],
        "mean + std + flags + days: share of mean": full / rates["linear, mean"],
        "mean + std + flags + days: times xarray": rates["linear, mean + std + flags + days"]
        / rates["xarray interpolate_na"],
        "seconds to compile or load": compiling,
    }


def main() -> None:
    for name, value in measure().items():
        print(f"{name:42s} {value:10.3g}")


if __name__ == "__main__":
    main()

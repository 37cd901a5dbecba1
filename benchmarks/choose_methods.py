"""What the constants of the classical methods do, on the cubes that may be chosen by: training, validation, simulated.

Hides observed pixels by the protocol of `clearcube.gaps`, fills with each value of a constant, the others as they
are, and prints the gain of the PSNR over linear interpolation in dB, mean over real and over simulated cubes of each
scenario. Errors are not measured (the mean does not need them). Test cubes are never opened.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

# Constants of compiled kernels are part of the machine code, which must not get into anybody's cache.
os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp()

import numpy as np
from numba.core.registry import CPUDispatcher

import clearcube
from clearcube.cube import bands_of, dates_of
from clearcube.filler import Block
from clearcube.gaps import MaskBank, ScenarioUnavailable, hide, scored, without
from clearcube.methods import (
    dineof,
    dineof_basis,
    dineof_kernels,
    harmonic,
    harmonic_kernels,
    whittaker,
    whittaker_kernels,
)
from clearcube.methods.sampling import absolute_days, draw_pixels
from clearcube.methods.temporal import fill_block
from clearcube.methods.temporal_kernels import LINEAR
from clearcube.simulation import random_config, simulate
from clearcube.simulation.config import SENTINEL2_FOUR

DATA = Path(__file__).parents[2] / "shared" / "data"
CROP, DATES = 64, 40
"""Size that every cube is cut to."""
SIMULATED = 6
SAMPLE_PIXELS = 256
SCENARIOS = ("partial", "frames", "run30", "run60", "leading", "trailing")
SEED = 0


@dataclass(frozen=True)
class Trial:
    """A constant and the values that are tried; the present one is marked in the table."""

    method: str
    module: ModuleType
    constant: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Experiment:
    """What a method sees of a cube, the truth (T, B, H, W) and the scored pixels (T, H, W)."""

    name: str
    real: bool
    seen: Block
    truth: np.ndarray
    counted: np.ndarray


TRIALS = (
    Trial("whittaker", whittaker, "HALF_POWER_DAYS", ((10.0, 40.0), (20.0, 80.0), (30.0, 100.0), (45.0, 150.0))),
    Trial("whittaker", whittaker, "HALF_POWER_SPACINGS", ((2.0, 4.0), (3.0, 6.0), (4.0, 8.0))),
    Trial("whittaker", whittaker, "EQUALLY_SHARP", (1.0, 1.1, 1.3)),
    Trial("whittaker", whittaker_kernels, "BRIDGE", (15.0, 30.0, 60.0)),
    Trial("whittaker", whittaker_kernels, "BRIGHT", (2.0, 3.0, 4.0, 1e9)),
    Trial("harmonic", harmonic, "TREND_STD", (0.1, 0.3, 1.0)),
    Trial("harmonic", harmonic, "WAVE_STD", (0.03, 0.1, 0.3)),
    Trial("harmonic", harmonic_kernels, "SHORTEST_SPAN", (20.0, 45.0, 90.0)),
    Trial("dineof", dineof_basis, "BRIGHT", (3.0, 5.0, 8.0)),
    Trial("dineof", dineof_basis, "SMALLEST_SHARE", (0.1, 0.3, 0.5)),
    Trial("dineof", dineof_kernels, "BRIGHT", (2.0, 3.0, 5.0)),
)


def whittaker_mean(block: Block) -> np.ndarray:
    reflectance, observed = draw_pixels([block], SAMPLE_PIXELS)
    days = absolute_days(block.dates)
    smoothness = whittaker.corner_of_v_curve(reflectance, observed, days)
    noise = whittaker.residual_noise(reflectance, observed, days, smoothness)
    return whittaker.smooth_block(block, smoothness=smoothness, noise=noise)


def harmonic_mean(block: Block) -> np.ndarray:
    terms = harmonic.Harmonic().terms
    reflectance, observed = draw_pixels([block], SAMPLE_PIXELS)
    noise = harmonic.noise_of(reflectance, observed, absolute_days(block.dates), terms)
    return harmonic.fitted_block(block, noise=noise, terms=terms)


def dineof_mean(block: Block) -> np.ndarray:
    reflectance, observed = draw_pixels([block], SAMPLE_PIXELS)
    days = absolute_days(block.dates)
    known = dineof_basis.without_bright(reflectance, observed, days)
    return dineof.reconstruct_block(block, basis=dineof_basis.find_basis(reflectance, known, days, None))


MEANS: dict[str, Callable[[Block], np.ndarray]] = {
    "whittaker": whittaker_mean,
    "harmonic": harmonic_mean,
    "dineof": dineof_mean,
}


def real_blocks() -> Iterator[Block]:
    """The middle of the real cubes of the roles training and validation."""
    worldcereal = sorted((DATA / "train/worldcereal").glob("*_10m_*.nc"))
    for path in worldcereal:
        coarse = next(path.parent.glob(path.name.split("_10m_")[0] + "_20m_*.nc"))
        yield middle(clearcube.open_cube([path], mask=f"{coarse}:SCL"))
    for path in sorted((DATA / "train/gfmap").glob("*.nc")):
        yield middle(clearcube.open_cube([path], scale=1e-4))
    for path in sorted((DATA / "train/greenearthnet").glob("*.nc")) + sorted((DATA / "validation").glob("*/*.npz")):
        yield middle(clearcube.open_cube([path]))


def middle(cube: Any) -> Block:
    """The middle pixels and first dates of a cube, in memory, dates without any data left out."""
    top, left = ((cube.sizes[axis] - min(CROP, cube.sizes[axis])) // 2 for axis in ("y", "x"))
    part = cube.isel(y=slice(top, top + CROP), x=slice(left, left + CROP))
    part = part.isel(time=np.flatnonzero(part["observed"].values.any(axis=(1, 2)))[:DATES])
    reflectance = np.ascontiguousarray(part["reflectance"].values)
    return Block(reflectance, np.ascontiguousarray(part["observed"].values), dates_of(part), bands_of(part))


def simulated_blocks() -> Iterator[tuple[Block, np.ndarray]]:
    """Scenes drawn as for training, with their clear truth."""
    for seed in range(SIMULATED):
        config = random_config(np.random.default_rng(seed), height=CROP, width=CROP, bands=SENTINEL2_FOUR)
        scene = simulate(config, seed)
        yield scene.block, scene.clear


def experiments() -> list[Experiment]:
    """Every cube with every scenario that it can offer."""
    cubes = [(block, block.reflectance, True) for block in real_blocks()]
    cubes += [(block, clear, False) for block, clear in simulated_blocks()]
    bank = MaskBank.of(block.observed for block, _, _ in cubes)
    found = []
    for number, (block, truth, real) in enumerate(cubes):
        for scenario in SCENARIOS:
            try:
                hidden = hide(block, scenario, SEED, bank=bank, key=str(number))
            except ScenarioUnavailable:
                continue
            left = without(block.observed, hidden)
            kept = np.where(left[:, None], block.reflectance, np.float32(np.nan))
            seen = Block(kept, left, block.dates, block.bands)
            found.append(Experiment(scenario, real, seen, truth, scored(block.observed, hidden)))
    return found


def psnr(experiment: Experiment, mean: np.ndarray) -> float:
    error = np.moveaxis(mean - experiment.truth, 1, 0)[:, experiment.counted]
    return float(-10 * np.log10(np.mean(error.astype(np.float64) ** 2)))


@contextmanager
def constant(trial: Trial, value: Any) -> Iterator[None]:
    """The constant with another value for a while, in compiled kernels too."""
    before = getattr(trial.module, trial.constant)
    try:
        _set(trial, value)
        yield
    finally:
        _set(trial, before)


def _set(trial: Trial, value: Any) -> None:
    setattr(trial.module, trial.constant, value)
    for kernel in vars(trial.module).values():
        if isinstance(kernel, CPUDispatcher) and kernel.py_func.__module__ == trial.module.__name__:
            kernel.recompile()


def row(trial: Trial, value: Any, gains: list[float], made: list[Experiment]) -> str:
    """A row of the table: mean gain by scenario, over real and over simulated cubes."""
    groups = [[e.name == name for e in made] for name in SCENARIOS]
    groups += [[e.real for e in made], [not e.real for e in made]]
    cells = [f"{np.mean(np.array(gains)[np.array(group)]):+.2f}" for group in groups]
    present = "**" if value == getattr(trial.module, trial.constant) else ""
    name = f"{trial.module.__name__.rsplit('.', 1)[-1]}.{trial.constant}"
    return f"| {name} | {present}{value}{present} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", choices=list(MEANS), default=list(MEANS))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    made = experiments()
    linear = [psnr(e, fill_block(e.seen, rule=LINEAR)) for e in made]
    print(f"| constant | value | {' | '.join(SCENARIOS)} | real | simulated |\n|{'---|' * (len(SCENARIOS) + 4)}")
    for trial in (trial for trial in TRIALS if trial.method in options.methods):
        for value in trial.values:
            with constant(trial, value):
                gains = [psnr(e, MEANS[trial.method](e.seen)) - base for e, base in zip(made, linear, strict=True)]
            print(row(trial, value, gains, made), flush=True)


if __name__ == "__main__":
    main()

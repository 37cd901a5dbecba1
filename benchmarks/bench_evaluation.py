"""Rate of the metrics of one scenario, and the memory that an evaluation needs for few and for many cubes.

A cube of 30 x 4 x 128 x 128 float32, a third of it hidden, one thread: all distortion metrics by band, stratum and
set of pixels, without SSIM and with it; then everything that is measured. A pixel-frame is a pixel on a date, with all
of its bands. Memory is the peak of a process that evaluates so many small cubes, merges and writes what they say.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from clearcube.cube import BANDS
from clearcube.evaluation.distortion import distortion_sums
from clearcube.evaluation.experiments import Experiment, Fill, NamedCube, experiment
from clearcube.evaluation.folder import MASKS, SUMS
from clearcube.evaluation.judging import judge
from clearcube.evaluation.run import Plan, evaluate_into
from clearcube.evaluation.ssim import ssim_sums
from clearcube.filler import Block, Estimate
from clearcube.gaps import MaskBank
from clearcube.methods import make_filler
from clearcube.workflows.results import Asked, write_results

TIMES, SIZE, RUNS = 30, 128, 7
NAMES = ("blue", "green", "red", "nir")
AT_LEAST = {"distortion": 10.0, "distortion with SSIM": 1.0}
"""Million pixel-frames per second."""
FEW, MANY, SMALL = 8, 128, 32
FLAT = 1.1
"""Memory of many cubes by that of few, at most."""


def cube(seed: int = 0, size: int = SIZE, times: int = TIMES) -> NamedCube:
    rng = np.random.default_rng(seed)
    seasons = 0.2 + 0.1 * np.sin(2 * np.pi * np.arange(times) / times)[:, None, None, None]
    reflectance = (seasons + rng.normal(0, 0.02, (times, 4, size, size))).astype(np.float32)
    dates = np.datetime64("2020-01-01", "D") + 5 * np.arange(times)
    observed = np.repeat(rng.random((times, 1, 1)) < 0.8, size, 1).repeat(size, 2)
    observed[::6] = True
    landcover = rng.integers(1, 9, (size, size)) * 10
    return NamedCube(f"cube{seed}", Block(reflectance, observed, dates, tuple(BANDS[n] for n in NAMES)), landcover)


@dataclass(frozen=True)
class Case:
    """An experiment and a fill of it."""

    test: Experiment
    fill: Fill

    def distortion(self) -> None:
        """Hidden pixels by stratum, and observed ones; all are the sum of both."""
        mean, truth, strata = self.fill.estimate.mean, self.test.truth, self.test.strata
        strata.of(distortion_sums(mean, truth, self.test.hidden, NAMES, strata.cell, strata.cells)["squared"])
        distortion_sums(mean, truth, self.test.given.observed, NAMES)

    def with_ssim(self) -> None:
        """The same and SSIM of the three sets."""
        self.distortion()
        mean, truth, seen = self.fill.estimate.mean, self.test.truth, self.test.given.observed
        ssim_sums(mean, truth, self.test.hidden, self.test.strata.cell, self.test.strata.cells)
        ssim_sums(mean, truth, seen)
        ssim_sums(mean, truth, seen | self.test.hidden)

    def everything(self) -> None:
        """All that an evaluation measures."""
        judge(self.test, self.fill, NAMES)


def case() -> Case:
    """A run of sixty days hidden, and a fill that errs by noise."""
    test = experiment(cube(), "run60", 0, None)
    noise = np.random.default_rng(1).normal(0, 0.02, test.truth.shape)
    mean = np.where(test.given.observed[:, None], test.truth, test.truth + noise).astype(np.float32)
    return Case(test, Fill(Estimate(mean, np.full_like(mean, 0.02)), np.eye(4), mean))


def rate(measure: Callable[[], None], pixels: int) -> float:
    """Median over the runs after one to warm up, million pixel-frames per second of this thread's own time."""
    seconds = []
    for _ in range(RUNS + 1):
        start = time.thread_time()
        measure()
        seconds.append(time.thread_time() - start)
    return pixels / statistics.median(seconds[1:]) / 1e6


def peak(cubes: int) -> float:
    """Peak memory in MiB of a process that evaluates so many cubes."""
    command = [sys.executable, "-m", "benchmarks.bench_evaluation", "--cubes", str(cubes)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def evaluate(cubes: int) -> None:
    """Evaluate small cubes, one after the other, and write all tables; print the peak memory in MiB."""
    fillers = {name: lambda name=name: make_filler(name) for name in ("linear", "nearest")}
    plan = Plan(fillers, ("run30", "trailing"), (0,), MaskBank(()), {})
    with TemporaryDirectory() as name:
        folder = Path(name)
        for part in (SUMS, MASKS):
            (folder / part).mkdir()
        keys = []
        for seed in range(cubes):
            keys.append(evaluate_into(folder, cube(seed, SMALL), plan).cube)
        write_results(Asked(folder, tuple(keys), tuple(fillers), plan.scenarios, plan.seeds, "linear"))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    """Print the rates and the memory as tables in Markdown and check those that are promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cubes", type=int, help="evaluate so many small cubes and print the peak memory")
    parser.add_argument("--rates", action="store_true", help="leave the memory out")
    options = parser.parse_args()
    if options.cubes:
        evaluate(options.cubes)
        return
    each = case()
    measures = {"distortion": each.distortion, "distortion with SSIM": each.with_ssim, "everything": each.everything}
    rates = {name: rate(measure, each.test.hidden.size) for name, measure in measures.items()}
    print("| metrics of one scenario | million pixel-frames/s |\n|---|---|")
    for name, value in rates.items():
        print(f"| {name} | {value:.2f} |")
    slow = [name for name, least in AT_LEAST.items() if rates[name] < least]
    if slow:
        raise SystemExit(f"slower than promised: {', '.join(slow)}")
    if options.rates:
        return
    few, many = peak(FEW), peak(MANY)
    print(f"\n| cubes | peak memory, MiB |\n|---|---|\n| {FEW} | {few:.0f} |\n| {MANY} | {many:.0f} |")
    if many > FLAT * few:
        raise SystemExit(f"memory grows with the number of cubes: {few:.0f} to {many:.0f} MiB")


if __name__ == "__main__":
    main()

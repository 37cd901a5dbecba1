"""Score a checkpoint on cubes by the protocol: gain over linear in PSNR, per cube and scenario, as a Markdown table.

python scripts/score_weights.py CHECKPOINT CUBE [CUBE ...] [--seeds 0 1] [--scenarios partial frames] [--adapt STEPS]
    [--precision float32]

Each CUBE is a path, or several of one place joined by commas. With --adapt the network is first trained on what is left
of each experiment's cube, as `clearcube fill --adapt` does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from clearcube.evaluation.experiments import filled_by, named_cube
from clearcube.filler import NORMAL_90
from clearcube.methods.temporal import fill_block
from clearcube.methods.temporal_kernels import LINEAR
from clearcube.network_filler import NetworkFiller
from clearcube.networks.precision import PRECISIONS
from clearcube.readers.open import open_cube
from clearcube.training.config import ValidationConfig
from clearcube.training.validation import Experiment, NamedBlock, experiments


def opened(path: str) -> NamedBlock:
    """A cube in memory, NaN and infinite values not observed."""
    name = Path(path.split(",")[0]).stem
    return NamedBlock(name, named_cube(name, open_cube(path.split(",")).load()).block)


def scored(test: Experiment, network: NetworkFiller) -> dict[str, float]:
    """Gain in PSNR, dB, and the share of hidden values in 90 % intervals, of an experiment."""
    mine = filled_by(network, test.left).estimate
    base = fill_block(test.left, rule=LINEAR)
    error = np.moveaxis(mine.mean - test.cube.block.reflectance, 1, 0)[:, test.scored]
    assert mine.std is not None
    inside = np.abs(error) < NORMAL_90 * np.moveaxis(mine.std, 1, 0)[:, test.scored]
    linear = test.psnr(base)
    return {"linear": linear, "gain": test.psnr(mine.mean) - linear, "coverage": float(inside.mean())}


def rows(tests: Sequence[Experiment], network: NetworkFiller) -> Iterator[tuple[str, str, int, dict[str, float]]]:
    """Cube, scenario, seed and scores."""
    for test in tests:
        found = scored(test, network)
        sys.stderr.write(f"{test.cube.name[:60]} {test.scenario} {test.seed} {found}\n")
        yield test.cube.name, test.scenario, test.seed, found


def table(found: Sequence[tuple[str, str, int, dict[str, float]]], scenarios: Sequence[str]) -> str:
    """Mean over seeds by cube and scenario: gain (PSNR of linear); last rows: mean over cubes, coverage."""
    cubes = list(dict.fromkeys(cube for cube, *_ in found))
    lines = ["| cube | " + " | ".join(scenarios) + " |", "|---" * (len(scenarios) + 1) + "|"]

    def mean(name: str, cube: str | None, scenario: str) -> float:
        values = [each[name] for c, s, _, each in found if s == scenario and cube in (None, c)]
        return float(np.mean(values)) if values else float("nan")

    for cube in cubes:
        cells = [f"{mean('gain', cube, s):+.2f} ({mean('linear', cube, s):.1f})" for s in scenarios]
        lines.append(f"| {cube} | " + " | ".join(cells) + " |")
    lines.append("| mean gain | " + " | ".join(f"{mean('gain', None, s):+.2f}" for s in scenarios) + " |")
    lines.append("| 90 % intervals hold | " + " | ".join(f"{mean('coverage', None, s):.0%}" for s in scenarios) + " |")
    return "\n".join(lines)


def main() -> None:
    """Score and write the table to standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("cubes", nargs="+")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--scenarios", nargs="+", default=list(ValidationConfig().scenarios))
    parser.add_argument("--adapt", type=int, default=0, help="steps of training on the cube; 0 = none")
    parser.add_argument("--precision", choices=PRECISIONS, default="auto", help="what the network computes in")
    given = parser.parse_args()
    config = ValidationConfig(scenarios=tuple(given.scenarios), seeds=tuple(given.seeds))
    tests = experiments([opened(cube) for cube in given.cubes], config)

    class Computing(NetworkFiller):
        precision = given.precision

    found = list(rows(tests, Computing(given.checkpoint, "seq2seq", adapt=given.adapt)))
    sys.stdout.write(table(found, given.scenarios) + "\n")


if __name__ == "__main__":
    main()

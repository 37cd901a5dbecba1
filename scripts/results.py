"""Evaluate every method on the test cubes and on simulated ones, and write docs/results.md with its figures.

python scripts/results.py [--quick] [--work FOLDER] [--data FOLDER] [--out FILE]

The runs go on where they were stopped. The section that a person writes stays as it is. `--quick` takes few small
cubes, one seed and fast methods, and writes into the folder of the runs.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
from results_page import Part, page

from clearcube import fill, open_cube
from clearcube.evaluation.comparison import Comparison
from clearcube.evaluation.inputs import cubes_of
from clearcube.evaluation.mask_error import MASK_ERROR
from clearcube.evaluation.records import load
from clearcube.gaps import Scenario
from clearcube.plots import Filling, save, sequence_figure
from clearcube.simulation.config import EARTHNET_FOUR
from clearcube.simulation.cubes import to_cube
from clearcube.simulation.draws import random_config
from clearcube.simulation.scene import simulate
from clearcube.workflows.evaluate import EvaluationRequest, evaluate_files
from clearcube.workflows.figures import FIGURES, Results

HERE = Path(__file__).parents[1]
CLASSICAL = ("nearest", "linear", "whittaker", "harmonic", "dineof")
SCENARIOS = (*map(str, Scenario), MASK_ERROR)
ABLATIONS = HERE / "runs" / "ablations" / "ablations.toml"
"""Checkpoints of the ablations, where they were trained: [[ablation]] name, checkpoint, about."""
ABLATION_SCENARIOS = ("partial", "frames", "run60", "leading")
FIRST_SEED = 1_000_000
"""Seed of the first simulated cube; training begins at 0."""


@dataclass(frozen=True)
class Size:
    """How much is evaluated: simulated cubes, their side and dates, seeds of either kind, methods."""

    cubes: int = 200
    side: int = 48
    dates: int = 24
    real_seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    seeds: tuple[int, ...] = (0,)
    methods: tuple[str, ...] = CLASSICAL
    networks: bool = True

    @property
    def all_methods(self) -> tuple[str, ...]:
        """The classical methods and every network that ships."""
        folder = files("clearcube") / "weights"
        shipped = sorted(Path(str(each)).stem for each in folder.iterdir() if each.name.endswith(".safetensors"))
        return (*self.methods, *(shipped if self.networks else ()))


QUICK = Size(2, 32, 24, (0,), (0,), ("nearest", "linear"), networks=False)


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--work", type=Path, default=HERE / "build" / "results")
    parser.add_argument("--data", type=Path, default=HERE.parent / "shared" / "data" / "test")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--cubes", type=int, default=Size.cubes, help="simulated cubes")
    parser.add_argument("--seeds", type=int, default=len(Size.real_seeds), help="seeds on the test cubes")
    parser.add_argument("--workers", type=int)
    given = parser.parse_args()
    size = QUICK if given.quick else Size(given.cubes, real_seeds=tuple(range(given.seeds)))
    work = given.work / "quick" if given.quick else given.work
    out = given.out or (work / "results.md" if given.quick else HERE / "docs" / "results.md")
    images = out.parent / "images"
    images.mkdir(parents=True, exist_ok=True)
    parts = [
        run(part, size, work, given.workers, images)
        for part in (real_part(given.data, size), simulated_part(work / "cubes", size))
        if part.inputs
    ]
    if not given.quick:
        draw_sequence(given.data, images / "results-sequence.png")
    ablations = [run_ablations(part, work, given.workers) for part in parts] if ABLATIONS.is_file() else []
    out.write_text(page(parts, [each for each in ablations if each], out), encoding="utf-8")
    sys.stdout.write(f"{out}\n")


def real_part(data: Path, size: Size) -> Part:
    """The cubes of the test data; in a quick run one EarthNet2021 cube and its neighbour."""
    inputs = sorted(str(path) for path in data.rglob("*") if path.suffix in (".npz", ".nc"))
    if size == QUICK:
        inputs = [path for path in inputs if "697_825" in path]
    return Part("real", "Test cubes", tuple(inputs), size.all_methods, SCENARIOS, size.real_seeds)


def simulated_part(folder: Path, size: Size) -> Part:
    """Scenes drawn for evaluation, each written once."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(size.cubes):
        path = folder / f"scene{number:03d}_{size.side}x{size.dates}.zarr"
        paths.append(str(path))
        if path.exists():
            continue
        seed = FIRST_SEED + number
        rng = np.random.default_rng(seed)
        frame = {"height": size.side, "width": size.side, "n_dates": size.dates}
        config = random_config(rng, bands=EARTHNET_FOUR, evaluation=True, **frame)
        cube = to_cube(simulate(config, seed), config.pixel_size).drop_vars(["truth", "contamination"])
        partial = path.with_suffix(".part")
        cube.to_zarr(partial, mode="w", zarr_format=2)
        partial.rename(path)
    return Part("simulated", "Simulated cubes", tuple(paths), size.all_methods, SCENARIOS, size.seeds)


def run(part: Part, size: Size, work: Path, workers: int | None, images: Path) -> Part:
    """Evaluate, and draw what was found."""
    request = EvaluationRequest(
        part.inputs, work / part.name, part.methods, part.scenarios, part.seeds, workers=workers, command="make results"
    )
    found = evaluate_files(request, show(part.title))
    results, kind = Results.of(found), "png" if size == QUICK else "svg"
    figures = {name: f"results-{part.name}-{name}.{kind}" for name in FIGURES}
    for name, draw in FIGURES.items():
        save(draw(results), images / figures[name])
    return replace(part, found=found, figures=figures, clear=clear_shares(work / part.name, found))


def clear_shares(folder: Path, found: Comparison) -> dict[str, str]:
    """Cube -> its class of clear share."""
    shares = {}
    for key in found.cubes:
        strata = [s for outcome in load(folder / "sums" / f"{key}.npz").outcomes.values() for s in outcome.strata]
        shares[key] = next((name for family, name in strata if family == "clear share"), "-")
    return shares


def run_ablations(part: Part, work: Path, workers: int | None) -> Part | None:
    """Evaluate the checkpoints of the ablations, each as a method, beside `linear`."""
    listed = tomllib.loads(ABLATIONS.read_text(encoding="utf-8"))["ablation"]
    weights = tuple(str(ABLATIONS.parent / each["checkpoint"]) for each in listed)
    request = EvaluationRequest(
        *(part.inputs, work / f"{part.name}-ablations", ("linear",), ABLATION_SCENARIOS, part.seeds[:1]),
        weights=weights,
        workers=workers,
        command="make results",
    )
    found = evaluate_files(request, show(f"{part.title}, ablations"))
    about = {Path(each["checkpoint"]).stem: f"{each['name']}: {each['about']}" for each in listed}
    return replace(part, found=found, scenarios=ABLATION_SCENARIOS, seeds=part.seeds[:1], about=about)


def draw_sequence(data: Path, path: Path) -> None:
    """The EarthNet2021 test cubes as they are and filled by the network."""
    fillings = []
    for sources in cubes_of([str(data / "earthnet2021")]).values():
        cube = open_cube(sources)
        fillings.append(Filling(fill(cube, method="seq2seq"), cube, {}))
    save(sequence_figure(fillings, 10), path)


def show(title: str):  # noqa: ANN201  (what it returns is a callback of the workflow)
    """What tells how far a run is, a line for every tenth."""

    def tell(phase: str, done: int, total: int) -> None:
        if total and (done * 10) // total > ((done - 1) * 10) // total:
            sys.stderr.write(f"{title}: {phase} {done} of {total}\n")

    return tell


if __name__ == "__main__":
    main()

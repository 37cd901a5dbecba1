"""Evaluate every method on the test cubes and on simulated ones, and write docs/results.md with its figures.

python scripts/results.py [--quick] [--work FOLDER] [--data FOLDER] [--out FILE]

The runs go on where they were stopped. The section that a person writes stays as it is, and so do the ablations where
their checkpoints are not there. `--quick` takes few small cubes, one seed and fast methods, and writes into the folder
of the runs. The full run takes about two hours on two idle cores, two thirds of it for the published networks. Test
cubes are evaluated with seeds 0 to 4, simulated ones with seed 0.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from page_pictures import put_picture
from results_page import Part, page

from clearcube import fill, open_cube
from clearcube.evaluation.comparison import Comparison
from clearcube.evaluation.folder import sums_path
from clearcube.evaluation.mask_error import MASK_ERROR
from clearcube.evaluation.records import load
from clearcube.gaps import Scenario
from clearcube.landcover import class_names
from clearcube.network_filler import shipped
from clearcube.network_filler.checkpoints import network_at
from clearcube.plots import Filling, save, sequence_figure
from clearcube.progress import ReportProgress
from clearcube.readers.grouping import cubes_of
from clearcube.simulation.config import EARTHNET_FOUR, SceneConfig
from clearcube.simulation.cubes import to_cube
from clearcube.simulation.draws import random_config
from clearcube.simulation.scene import simulate
from clearcube.training.kinds import kind_of
from clearcube.workflows.evaluate import evaluate_files
from clearcube.workflows.evaluation_plan import EvaluationRequest
from clearcube.workflows.figures import FIGURES, Results

HERE = Path(__file__).parents[1]
COMMAND = "make results"
CLASSICAL = ("last", "next", "nearest", "linear", "whittaker", "harmonic", "dineof")
SCENARIOS = (*map(str, Scenario), MASK_ERROR)
ABLATIONS = HERE / "runs" / "ablations" / "ablations.toml"
"""What scripts/ablations.py trained: budget, and [[ablation]] name, checkpoint, about."""
ABLATION_SCENARIOS = ("partial", "frames", "run60", "leading")
ABLATION_CUBES = 24
FIRST_SEED = 1_000_000
"""Seed of the first simulated cube; training begins at 0."""
LATITUDES, PIXELS, STEPS = ((30.0, 33.5), (62.5, 64.0)), (12.5, 25.0, 40.0), (4, 6, 9, 11)
"""What no scene of training has: degrees north, metres, days between dates."""


@dataclass(frozen=True)
class Size:
    """How much is evaluated: simulated cubes, their side and dates, seeds on the test cubes, methods."""

    cubes: int = 200
    side: int = 32
    dates: int = 20
    real_seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    classical: tuple[str, ...] = CLASSICAL
    networks: bool = True

    @property
    def methods(self) -> tuple[str, ...]:
        """The classical methods and the networks that ship."""
        return (*self.classical, *self.kinds)

    @property
    def kinds(self) -> dict[str, str]:
        """Name -> kind of the networks that ship."""
        return kinds_of_shipped() if self.networks else {}


QUICK = Size(8, 32, 20, (0,), ("nearest", "linear"), networks=False)


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
        run(real_part(given.data, size), work, given.workers),
        run(simulated_part(work / "cubes", size), work, given.workers),
    ]
    parts = [drawn(part, images, "png" if size == QUICK else "svg") for part in parts]
    if not given.quick:
        draw_sequence(given.data, images / "results-sequence.png")
    ablations = [] if given.quick or not ABLATIONS.is_file() else run_ablations(parts, work, given.workers)
    out.write_text(page(parts, ablations, out), encoding="utf-8")
    sys.stdout.write(f"{out}\n")


def kinds_of_shipped() -> dict[str, str]:
    """Name -> kind of every embedded checkpoint of a network that fills."""
    configs: dict[str, Any] = {path.stem: network_at(str(path)).config for path in shipped()}
    return {name: kind_of(config) for name, config in configs.items()}


def labels(size: Size) -> dict[str, str]:
    """Name -> what the tables call it: networks that others published were trained again for this package."""
    return {name: f"{name} (retrained)" for name, kind in size.kinds.items() if kind != "seq2seq"}


def real_part(data: Path, size: Size) -> Part:
    """The cubes of the test data; in a quick run one EarthNet2021 cube and its neighbour."""
    inputs = sorted(str(path) for path in data.rglob("*") if path.suffix in (".npz", ".nc"))
    if not inputs:
        raise SystemExit(f"there are no test cubes in {data}; name their folder with --data")
    if size == QUICK:
        inputs = [path for path in inputs if "697_825" in path]
    return Part("real", "Test cubes", tuple(inputs), size.methods, SCENARIOS, size.real_seeds, about=labels(size))


def simulated_part(folder: Path, size: Size) -> Part:
    """Scenes of parameters that training never draws, each written once."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(size.cubes):
        path = folder / f"scene{number:03d}_{size.side}x{size.dates}.zarr"
        paths.append(str(path))
        if path.exists():
            continue
        seed = FIRST_SEED + number
        config = unseen(seed, size)
        cube = to_cube(simulate(config, seed), config.pixel_size).drop_vars(["truth", "contamination"])
        partial = path.with_suffix(".part")
        cube.to_zarr(partial, mode="w", zarr_format=2)
        partial.rename(path)
    return Part("simulated", "Simulated cubes", tuple(paths), size.methods, SCENARIOS, (0,), about=labels(size))


def unseen(seed: int, size: Size) -> SceneConfig:
    """A scene whose year, latitude, pixels and days between dates training never draws."""
    rng = np.random.default_rng(seed)
    frame = {"height": size.side, "width": size.side, "n_dates": size.dates}
    config = random_config(rng, bands=EARTHNET_FOUR, evaluation=True, **frame)
    steps = rng.choice(STEPS, size.dates - 1)
    return replace(
        config,
        latitude=float(rng.uniform(*LATITUDES[rng.integers(len(LATITUDES))])),
        pixel_size=float(rng.choice(PIXELS)),
        days=(0, *np.cumsum(steps).tolist()),
    )


def run(part: Part, work: Path, workers: int | None) -> Part:
    """Evaluate all scenarios on each cube."""
    folder = work / part.name
    request = EvaluationRequest(
        part.inputs, folder, part.methods, part.scenarios, part.seeds, workers=workers, command=COMMAND
    )
    found = evaluate_files(request, show(part.title))
    return replace(part, found=found, clear=clear_shares(folder, found))


def drawn(part: Part, images: Path, kind: str) -> Part:
    """Draw what was found."""
    figures = {name: f"results-{part.name}-{name}.{kind}" for name in FIGURES}
    for name, draw in FIGURES.items():
        save(draw(Results.of(part.found)), images / figures[name])
    return replace(part, figures=figures)


def clear_shares(folder: Path, found: Comparison) -> dict[str, str]:
    """Cube -> its class of clear share."""
    shares = {}
    for key in found.cubes:
        strata = [s for outcome in load(sums_path(folder, key)).outcomes.values() for s in outcome.strata]
        shares[key] = next((name for family, name in strata if family == "clear share"), "-")
    return shares


def run_ablations(parts: Sequence[Part], work: Path, workers: int | None) -> list[Part]:
    """Evaluate the checkpoints of the ablations, each as a method and by itself, beside `linear`."""
    made = tomllib.loads(ABLATIONS.read_text(encoding="utf-8"))
    listed = made.get("ablation", [])
    weights = tuple(str(ABLATIONS.parent / each["checkpoint"]) for each in listed)
    about = {each["name"]: f"{each['name']}: {each['about']}" for each in listed}
    runs = []
    for part in parts if listed else ():
        inputs = part.inputs if part.name == "real" else part.inputs[:ABLATION_CUBES]
        request = EvaluationRequest(
            *(inputs, work / f"{part.name}-ablations", ("linear",), ABLATION_SCENARIOS, part.seeds[:1]),
            weights=weights,
            alone=True,
            workers=workers,
            command=COMMAND,
        )
        found = evaluate_files(request, show(f"{part.title}, ablations"))
        shown = replace(part, found=found, scenarios=ABLATION_SCENARIOS, seeds=part.seeds[:1], about=about)
        runs.append(replace(shown, budget=made["budget"]))
    return runs


def draw_sequence(data: Path, path: Path) -> None:
    """The test cubes as they are and filled by the network."""
    fillings = []
    for sources in cubes_of([str(data / "earthnet2021"), str(data / "greenearthnet")]).values():
        cube = open_cube(sources)
        names = class_names(cube["landcover"].values, cube["landcover"].attrs) if "landcover" in cube else {}
        fillings.append(Filling(fill(cube, method="seq2seq"), cube, names))
    save(sequence_figure(fillings, 10), path)
    put_picture(path, path)


def show(title: str) -> ReportProgress:
    """What tells how far a run is, a line for every tenth."""

    def tell(phase: str, done: int, total: int) -> None:
        if total and (done * 10) // total > ((done - 1) * 10) // total:
            sys.stderr.write(f"{title}: {phase} {done} of {total}\n")

    return tell


if __name__ == "__main__":
    main()

"""Evaluating: from inputs and methods to a folder of scores, masks and a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from clearcube.checksums import sha256_of_input
from clearcube.cores import usable_cores
from clearcube.errors import InputError
from clearcube.evaluation.folder import PROVENANCE, SUMS
from clearcube.evaluation.mask_error import MASK_ERROR
from clearcube.evaluation.run import Plan, evaluate_into
from clearcube.gaps import Scenario
from clearcube.parallel import in_parallel
from clearcube.readers.grouping import cubes_of
from clearcube.stopping import Stop
from clearcube.workflows.evaluation_plan import (
    EvaluationRequest,
    fillers_of,
    networks_of,
    plan_of,
    read_cube,
)
from clearcube.workflows.places import check_results_folder, check_workers
from clearcube.workflows.results import Asked, provenance, write_json, write_results

if TYPE_CHECKING:
    from clearcube.evaluation.comparison import Comparison
    from clearcube.progress import ReportProgress


def evaluate_files(request: EvaluationRequest, progress: ReportProgress) -> Comparison:
    """Run all experiments that `out` does not hold yet, and write what all of them say.

    `out` gets `scores.parquet`, `summary.csv`, `report.md`, `report.html`, `provenance.json`, `hidden/` (the masks)
    and `sums/`, what a later run goes on from. Cubes are read one by one, as many at once as there are workers. A cube
    that cannot be read is among the failures of what is returned.

    Raises
    ------
    InputError : an input, method, scenario or the folder cannot be used; no experiment was run. No cube can be read.
    """
    fillers, digests = fillers_of(request)
    _check(request, tuple(fillers))
    networks = networks_of(request)
    cubes = cubes_of(request.inputs)
    plan = plan_of(request, fillers, digests, networks, cubes)
    unread = _run(request, plan, cubes, progress)
    read = tuple(key for key in cubes if key not in unread)
    if not read:
        raise InputError(f"no cube can be read: {next(iter(unread.values()))}")
    methods = tuple(fillers)
    asked = Asked(
        request.out, read, methods, request.scenarios, request.seeds, request.reference, networks.inception is not None
    )
    found = write_results(asked, list(unread.items()))
    about = _about(request, plan, cubes, read) | {"unread": unread}
    write_json(request.out / PROVENANCE, provenance(request.command, about))
    return found


def _check(request: EvaluationRequest, methods: tuple[str, ...]) -> None:
    """Refuse what cannot be run."""
    known = (*Scenario, MASK_ERROR)
    unknown = [name for name in request.scenarios if name not in known]
    if unknown:
        raise InputError(f"there is no scenario '{unknown[0]}'; there are {', '.join(known)}")
    if not methods or not request.scenarios or not request.seeds:
        raise InputError("give at least one method, scenario and seed")
    if request.reference not in methods:
        raise InputError(f"the reference '{request.reference}' is not among the methods {', '.join(methods)}; add it")
    check_workers(request.workers)
    check_results_folder(request.out, SUMS, "results")


def _run(
    request: EvaluationRequest, plan: Plan, cubes: Mapping[str, list[str]], progress: ReportProgress
) -> dict[str, str]:
    """Evaluate the cubes, several at once; key -> message of those that cannot be read."""
    total, done, lock = len(cubes) * len(plan.scenarios), 0, Lock()

    def on_progress() -> None:
        nonlocal done
        with lock:
            done += 1
            progress("evaluating", done, total)

    progress("evaluating", 0, total)

    def on_stop() -> None:
        progress("stopping", done, total)

    stop = Stop()
    work = partial(_evaluate, request, plan, on_progress, stop)
    results = in_parallel(work, cubes.items(), request.workers or usable_cores(), stop, on_stop)
    return {key: message for key, message in results if message}


def _evaluate(
    request: EvaluationRequest, plan: Plan, on_progress: Callable[[], None], stop: Stop, item: tuple[str, list[str]]
) -> tuple[str, str]:
    """Evaluate a cube; its key, and a message where it cannot be read."""
    key, sources = item
    cube = read_cube(request, key, sources)
    if isinstance(cube, str):
        return key, cube
    evaluate_into(request.out, cube, plan, on_progress, stop)
    return key, ""


def _about(
    request: EvaluationRequest, plan: Plan, cubes: Mapping[str, list[str]], read: tuple[str, ...]
) -> dict[str, Any]:
    """What the results are of."""
    return {
        "methods": list(plan.fillers),
        "reference": request.reference,
        "scenarios": list(request.scenarios),
        "seeds": list(request.seeds),
        "masks_in_bank": len(plan.bank.masks),
        "settings": dict(plan.settings),
        "inputs": {key: {source: sha256_of_input(source) for source in cubes[key]} for key in read},
    }

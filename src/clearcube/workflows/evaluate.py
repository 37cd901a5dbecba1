"""Evaluating: from inputs and methods to a folder of scores, masks and a report."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearcube.errors import InputError
from clearcube.evaluation.comparison import Comparison
from clearcube.evaluation.experiments import named_cube
from clearcube.evaluation.inputs import cubes_of
from clearcube.evaluation.mask_error import MASK_ERROR, CloudyFrame, cloudy_frames
from clearcube.evaluation.records import Record, load
from clearcube.evaluation.report import report, write_scores, write_summary
from clearcube.evaluation.run import BANK, BANK_SCENARIOS, Plan, bank_of, digest_of, evaluate_into, in_parallel
from clearcube.gaps import MaskBank, Scenario
from clearcube.version import __version__

if TYPE_CHECKING:
    from clearcube.fill_cube import Progress
    from clearcube.filler import Filler

LIBRARIES = ("numpy", "scipy", "numba", "xarray", "torch", "pyarrow")
"""Libraries whose versions are noted."""


@dataclass(frozen=True)
class EvaluationRequest:
    """What `clearcube evaluate` was asked for.

    weights : checkpoints, each a method of its own, called by the file's name. masks : folder with a bank of masks.
    opening : keyword arguments of `open_cube`. workers : cubes at once; None = one for each core.
    """

    inputs: tuple[str, ...]
    out: Path
    methods: tuple[str, ...]
    scenarios: tuple[str, ...]
    seeds: tuple[int, ...]
    reference: str = "linear"
    weights: tuple[str, ...] = ()
    masks: str | None = None
    opening: Mapping[str, Any] = field(default_factory=dict)
    workers: int | None = None
    command: str = "clearcube evaluate"


def evaluate_files(request: EvaluationRequest, progress: Progress) -> Comparison:
    """Run all experiments that `out` does not hold yet, and write what all of them say.

    `out` gets `scores.parquet`, `summary.csv`, `report.md`, `provenance.json`, `hidden/` (the masks) and `sums/`, what
    a later run goes on from. Cubes are read one by one, as many at once as there are workers.

    Raises
    ------
    InputError : an input, method, scenario or the folder cannot be used; no experiment was run.
    """
    fillers, digests = _fillers(request)
    _check(request, tuple(fillers))
    cubes = cubes_of(request.inputs)
    for name in ("sums", "hidden"):
        (request.out / name).mkdir(parents=True, exist_ok=True)
    plan = _plan(request, fillers, digests, cubes)
    work = partial(_evaluate, request, plan)
    progress("evaluating", 0, len(cubes))
    for done, _ in enumerate(in_parallel(work, cubes.items(), request.workers or os.cpu_count() or 1), start=1):
        progress("evaluating", done, len(cubes))
    found = _write(request, tuple(fillers), list(cubes))
    write_json(request.out / "provenance.json", _provenance(request, plan, cubes))
    return found


def _fillers(request: EvaluationRequest) -> tuple[dict[str, Callable[[], Filler]], dict[str, str]]:
    """Method -> how to make its filler, and -> checksum of its weights. Each is made once: errors come early."""
    from clearcube.workflows.fill import filler_named

    options: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in request.methods}
    for path in request.weights:
        if not os.path.isfile(path):
            raise InputError(f"the weights {path} do not exist; check --weights")
        options[Path(path).stem] = ("seq2seq", {"weights": path})
    makers: dict[str, Callable[[], Filler]] = {
        name: partial(filler_named, method, given) for name, (method, given) in options.items()
    }
    digests = {}
    for name, make in makers.items():
        checkpoint = getattr(make(), "path", None)
        if checkpoint is not None:
            digests[name] = sha256_of(checkpoint)
    return makers, digests


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
    if request.workers is not None and request.workers < 1:
        raise InputError(f"--workers is {request.workers}; give 1 or more")
    if request.out.exists() and not request.out.is_dir():
        raise InputError(f"{request.out} is a file; name a folder for the results")
    if request.out.is_dir() and os.listdir(request.out) and not (request.out / "sums").is_dir():
        raise InputError(f"{request.out} holds other things than results; name a new or empty folder")


def _plan(
    request: EvaluationRequest,
    fillers: Mapping[str, Callable[[], Filler]],
    digests: Mapping[str, str],
    cubes: Mapping[str, list[str]],
) -> Plan:
    """What is run, with the bank of masks where a scenario draws from it."""
    from clearcube.readers.open import open_cube

    bank = MaskBank(())
    if set(request.scenarios) & set(BANK_SCENARIOS):
        opened = ((key, open_cube(sources, **request.opening)["observed"].values) for key, sources in cubes.items())
        bank = MaskBank.read(request.masks) if request.masks is not None else bank_of(opened)
    clouds: tuple[CloudyFrame, ...] = ()
    if MASK_ERROR in request.scenarios:
        clouds = cloudy_frames((k, named_cube(k, open_cube(s, **request.opening)).block) for k, s in cubes.items())
    settings = {
        "version": __version__,
        "weights": dict(sorted(digests.items())),
        "opening": {name: str(value) for name, value in request.opening.items()},
        BANK: digest_of(MaskBank((*bank.masks, *(frame.cloud for frame in clouds)))),
    }
    return Plan(fillers, request.scenarios, request.seeds, bank, settings, clouds)


def _evaluate(request: EvaluationRequest, plan: Plan, cube: tuple[str, list[str]]) -> None:
    from clearcube.readers.open import open_cube

    key, sources = cube
    evaluate_into(request.out, named_cube(key, open_cube(sources, **request.opening)), plan)


def _write(request: EvaluationRequest, methods: tuple[str, ...], cubes: list[str]) -> Comparison:
    """The tables and the report, from the sums of the cubes of this run, one cube after the other."""
    found = Comparison()

    def records() -> Iterator[Record]:
        for key in cubes:
            record = load(request.out / "sums" / f"{key}.npz")
            found.add(record, methods, request.scenarios, request.seeds)
            yield record

    chosen = (methods, request.scenarios, request.reference)
    write_scores(request.out / "scores.parquet", records(), request.scenarios, request.seeds)
    write_summary(request.out / "summary.csv", found, chosen)
    (request.out / "report.md").write_text(report(found, chosen, request.seeds), encoding="utf-8")
    return found


def _provenance(request: EvaluationRequest, plan: Plan, cubes: Mapping[str, list[str]]) -> dict[str, Any]:
    """What the results were made with and from."""
    from datetime import UTC, datetime

    return {
        "command": request.command,
        "created": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "versions": {"clearcube": __version__, "python": platform.python_version()}
        | {name: version(name) for name in LIBRARIES},
        "methods": list(plan.fillers),
        "reference": request.reference,
        "scenarios": list(request.scenarios),
        "seeds": list(request.seeds),
        "masks_in_bank": len(plan.bank.masks),
        "settings": plan.settings,
        "inputs": {key: {source: sha256_of(source) for source in sources} for key, sources in cubes.items()},
    }


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Checksum of a file, or of the names and contents of a folder; nothing of what is not local."""
    place = Path(path)
    if "://" in str(path) or not place.exists():
        return ""
    digest = hashlib.sha256()
    files = [place] if place.is_file() else sorted(each for each in place.rglob("*") if each.is_file())
    for file in files:
        if place.is_dir():
            digest.update(str(file.relative_to(place)).encode())
        with file.open("rb") as opened:
            for chunk in iter(partial(opened.read, 1 << 20), b""):
                digest.update(chunk)
    return digest.hexdigest()


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write values as indented JSON."""
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")

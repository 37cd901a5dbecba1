"""Evaluating: from inputs and methods to a folder of scores, masks and a report."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from clearcube.errors import InputError
from clearcube.evaluation.experiments import NamedCube, named_cube
from clearcube.evaluation.inputs import cubes_of
from clearcube.evaluation.judging import Networks
from clearcube.evaluation.mask_error import MASK_ERROR, CloudyFrame, cloudy_frames
from clearcube.evaluation.run import WEIGHTS, Plan, bank_of, digest_of, evaluate_into, in_parallel
from clearcube.gaps import MaskBank, Scenario
from clearcube.version import __version__
from clearcube.workflows.results import LIBRARIES, Asked, provenance, write_json, write_results

if TYPE_CHECKING:
    from clearcube.evaluation.comparison import Comparison
    from clearcube.fill_cube import Progress
    from clearcube.filler import Filler

__all__ = ["LIBRARIES", "EvaluationRequest", "evaluate_files", "sha256_of", "write_json"]


@dataclass(frozen=True)
class EvaluationRequest:
    """What `clearcube evaluate` was asked for.

    weights : checkpoints, each a method of its own, called by the file's name. masks : a folder of masks (.npy), or
    the inputs whose masks and clouds are drawn from instead of those of the evaluated cubes. opening : keyword
    arguments of `open_cube`. workers : cubes at once; None = one for each core. lpips, fid : weights of the networks
    that judge pictures.
    """

    inputs: tuple[str, ...]
    out: Path
    methods: tuple[str, ...]
    scenarios: tuple[str, ...]
    seeds: tuple[int, ...]
    reference: str = "linear"
    weights: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    opening: Mapping[str, Any] = field(default_factory=dict)
    workers: int | None = None
    lpips: str | None = None
    fid: str | None = None
    command: str = "clearcube evaluate"


def evaluate_files(request: EvaluationRequest, progress: Progress) -> Comparison:
    """Run all experiments that `out` does not hold yet, and write what all of them say.

    `out` gets `scores.parquet`, `summary.csv`, `report.md`, `report.html`, `provenance.json`, `hidden/` (the masks)
    and `sums/`, what a later run goes on from. Cubes are read one by one, as many at once as there are workers. A cube
    that cannot be read is among the failures of what is returned.

    Raises
    ------
    InputError : an input, method, scenario or the folder cannot be used; no experiment was run. No cube can be read.
    """
    fillers, digests = _fillers(request)
    _check(request, tuple(fillers))
    networks = _networks(request)
    cubes = cubes_of(request.inputs)
    plan = _plan(request, fillers, digests, networks, cubes)
    for name in ("sums", "hidden"):
        (request.out / name).mkdir(parents=True, exist_ok=True)
    unread = _run(request, plan, cubes, progress)
    read = tuple(key for key in cubes if key not in unread)
    if not read:
        raise InputError(f"no cube can be read: {next(iter(unread.values()))}")
    methods = tuple(fillers)
    asked = Asked(
        request.out, read, methods, request.scenarios, request.seeds, request.reference, networks.inception is not None
    )
    found = write_results(asked, list(unread.items()))
    write_json(request.out / "provenance.json", provenance(request.command, _about(request, plan, cubes, read)))
    return found


def _run(request: EvaluationRequest, plan: Plan, cubes: Mapping[str, list[str]], progress: Progress) -> dict[str, str]:
    """Evaluate the cubes, several at once; key -> message of those that cannot be read."""
    total, done, lock = len(cubes) * len(plan.scenarios), 0, Lock()

    def tell() -> None:
        nonlocal done
        with lock:
            done += 1
            progress("evaluating", done, total)

    progress("evaluating", 0, total)
    work = partial(_evaluate, request, plan, tell)
    results = in_parallel(work, cubes.items(), request.workers or os.cpu_count() or 1)
    return {key: message for key, message in results if message}


def _fillers(request: EvaluationRequest) -> tuple[dict[str, Callable[[], Filler]], dict[str, str]]:
    """Method -> how to make its filler, and -> checksum of its weights. Each is made once: errors come early."""
    makers = {name: partial(_filler, name) for name in request.methods}
    for path in request.weights:
        if not os.path.isfile(path):
            raise InputError(f"the weights {path} do not exist; check --weights")
        name = Path(path).stem
        if name in makers:
            raise InputError(f"two methods would be called '{name}', one of them {path}; rename the file")
        makers[name] = partial(_filler_of, path)
    digests = {}
    for name, make in makers.items():
        checkpoint = getattr(make(), "path", None)
        if checkpoint is not None:
            digests[name] = sha256_of(checkpoint)
    return dict(makers), digests


def _filler(name: str) -> Filler:
    """The filler of a method, or of the embedded checkpoint of this name."""
    from clearcube.methods import METHODS

    if name not in METHODS:
        from clearcube.network_filler import NETWORKS, embedded_weights

        path = embedded_weights(name)
        if name not in NETWORKS and path is not None:
            return _filler_of(str(path))
    from clearcube.workflows.fill import filler_named

    return filler_named(name, {})


def _filler_of(path: str) -> Filler:
    """The filler of the network that a checkpoint holds."""
    from clearcube.network_filler import filler_of

    return filler_of(path)


def _networks(request: EvaluationRequest) -> Networks:
    """The networks that judge pictures."""
    lpips = inception = None
    if request.lpips is not None:
        from clearcube.evaluation.lpips import Lpips

        lpips = Lpips(request.lpips)
    if request.fid is not None:
        from clearcube.evaluation.inception import Inception

        inception = Inception(request.fid)
    return Networks(lpips, inception)


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
    networks: Networks,
    cubes: Mapping[str, list[str]],
) -> Plan:
    """What is run, with what the scenarios draw from."""
    from clearcube.fill_cube.window import disbelieved

    bank, clouds = _drawn_from(request, cubes)
    judges = {name: path for name, path in (("lpips", request.lpips), ("fid", request.fid)) if path is not None}
    settings = {
        "version": __version__,
        WEIGHTS: dict(sorted(digests.items())),
        "opening": {name: str(value) for name, value in request.opening.items()},
        "judges": {name: sha256_of(path) for name, path in judges.items()},
        "bank": None if bank is None else digest_of(bank),
        "clouds": None if clouds is None else digest_of(MaskBank(tuple(frame.cloud for frame in clouds))),
    }
    scenarios, seeds = request.scenarios, request.seeds
    return Plan(fillers, scenarios, seeds, bank or MaskBank(()), settings, clouds or (), networks, disbelieved)


def _drawn_from(
    request: EvaluationRequest, cubes: Mapping[str, list[str]]
) -> tuple[MaskBank | None, tuple[CloudyFrame, ...] | None]:
    """Masks for `partial` and cloudy dates for `mask-error`, where these are asked for."""
    folder = len(request.masks) == 1 and any(Path(request.masks[0]).glob("*.npy"))
    sources = cubes_of(request.masks) if request.masks and not folder else cubes
    bank = clouds = None
    if Scenario.PARTIAL in request.scenarios:
        observed = ((cube.key, cube.block.observed) for cube in _readable(request, sources))
        bank = MaskBank.read(request.masks[0]) if folder else bank_of(observed)
    if MASK_ERROR in request.scenarios:
        clouds = cloudy_frames((cube.key, cube.block) for cube in _readable(request, sources))
    return bank, clouds


def _readable(request: EvaluationRequest, cubes: Mapping[str, list[str]]) -> Iterator[NamedCube]:
    """The cubes that can be read, one after the other; the others are named when they are to be evaluated."""
    for key, sources in cubes.items():
        cube = _read(request, key, sources)
        if isinstance(cube, NamedCube):
            yield cube


def _read(request: EvaluationRequest, key: str, sources: list[str]) -> NamedCube | str:
    """A cube in memory, or why it cannot be read."""
    from clearcube.readers.open import open_cube

    try:
        return named_cube(key, open_cube(sources, **request.opening))
    except Exception as error:  # a damaged file may fail in any way, here or when its values are read
        kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        return f"{kind}{error}"


def _evaluate(
    request: EvaluationRequest, plan: Plan, tell: Callable[[], None], item: tuple[str, list[str]]
) -> tuple[str, str]:
    """Evaluate a cube; its key, and a message where it cannot be read."""
    key, sources = item
    cube = _read(request, key, sources)
    if isinstance(cube, str):
        return key, cube
    evaluate_into(request.out, cube, plan, tell)
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
        "inputs": {key: {source: sha256_of(source) for source in cubes[key]} for key in read},
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

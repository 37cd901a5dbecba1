"""What an evaluation runs: its methods, what its scenarios draw from, its cubes one by one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearcube.checksums import sha256_of
from clearcube.errors import InputError, described
from clearcube.evaluation.experiments import NamedCube, named_cube
from clearcube.evaluation.judging import Networks
from clearcube.evaluation.mask_error import MASK_ERROR, CloudyFrame, with_frames
from clearcube.evaluation.run import WEIGHTS, Plan, digest_of, digest_of_clouds, with_masks
from clearcube.filler import checkpoint_of
from clearcube.gaps import MaskBank, Scenario
from clearcube.readers.grouping import cubes_of
from clearcube.version import __version__
from clearcube.workflows.first_look import warn_without_mask

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clearcube.filler import Filler


@dataclass(frozen=True)
class EvaluationRequest:
    """What `clearcube evaluate` was asked for.

    weights : checkpoints, each a method of its own, called by the file's name; `alone`: not mixed with interpolation,
    to judge the networks and not what is made of them. masks : a folder of masks (.npy), or
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
    alone: bool = False
    masks: tuple[str, ...] = ()
    opening: Mapping[str, Any] = field(default_factory=dict)
    workers: int | None = None
    lpips: str | None = None
    fid: str | None = None
    command: str = "clearcube evaluate"


def fillers_of(request: EvaluationRequest) -> tuple[dict[str, Callable[[], Filler]], dict[str, str]]:
    """Method -> how to make its filler, and -> checksum of its weights. Each is made once: errors come early."""
    makers = {name: partial(_filler, name) for name in request.methods}
    for path in request.weights:
        if not os.path.isfile(path):
            raise InputError(f"the weights {path} do not exist; check --weights")
        name = Path(path).stem
        if name in makers:
            raise InputError(f"two methods would be called '{name}', one of them {path}; rename the file")
        makers[name] = partial(_filler_of, path, alone=request.alone)
    digests = {}
    for name, make in makers.items():
        checkpoint = checkpoint_of(make())
        if checkpoint is not None:
            digests[name] = sha256_of(checkpoint)
    return dict(makers), digests


def _filler(name: str) -> Filler:
    """The filler of a method, or of the embedded checkpoint of this name."""
    from clearcube.methods import METHODS
    from clearcube.workflows.choosing import filler_named

    if name in METHODS:
        return filler_named(name, {})
    from clearcube.network_filler import NETWORKS, embedded_weights, shipped

    if name in NETWORKS:
        return filler_named(name, {})
    path = embedded_weights(name)
    if path is None:
        names = ", ".join(each.stem for each in shipped()) or "none"
        raise InputError(
            f"unknown method '{name}'; choose one of {', '.join([*METHODS, *NETWORKS])}, or a checkpoint that ships "
            f"({names}); any other checkpoint is a method with --weights FILE"
        )
    return _filler_of(str(path))


def _filler_of(path: str, *, alone: bool = False) -> Filler:
    """The filler of the network that a checkpoint holds."""
    from clearcube.network_filler import NetworkFiller, filler_of

    filler = filler_of(path)
    return replace(filler, alone=True) if alone and isinstance(filler, NetworkFiller) else filler


def networks_of(request: EvaluationRequest) -> Networks:
    """The networks that judge pictures."""
    lpips = inception = None
    if request.lpips is not None:
        from clearcube.evaluation.lpips import Lpips

        lpips = Lpips(request.lpips)
    if request.fid is not None:
        from clearcube.evaluation.inception import Inception

        inception = Inception(request.fid)
    return Networks(lpips, inception)


def plan_of(
    request: EvaluationRequest,
    fillers: Mapping[str, Callable[[], Filler]],
    digests: Mapping[str, str],
    networks: Networks,
    cubes: Mapping[str, list[str]],
) -> Plan:
    """What is run, with what the scenarios draw from."""
    bank, clouds = _drawn_from(request, cubes)
    judges = {name: path for name, path in (("lpips", request.lpips), ("fid", request.fid)) if path is not None}
    settings = {
        "version": __version__,
        WEIGHTS: dict(sorted(digests.items())),
        "opening": {name: str(value) for name, value in request.opening.items()},
        **({"alone": True} if request.alone else {}),
        "judges": {name: sha256_of(path) for name, path in judges.items()},
        "bank": None if bank is None else digest_of(bank),
        "clouds": None if clouds is None else digest_of_clouds(clouds),
    }
    scenarios, seeds = request.scenarios, request.seeds
    return Plan(fillers, scenarios, seeds, bank or MaskBank(()), settings, clouds or (), networks)


def _drawn_from(
    request: EvaluationRequest, cubes: Mapping[str, list[str]]
) -> tuple[MaskBank | None, tuple[CloudyFrame, ...] | None]:
    """Masks for `partial` and cloudy dates for `mask-error`, where these are asked for."""
    folder = len(request.masks) == 1 and any(Path(request.masks[0]).glob("*.npy"))
    sources = cubes_of(request.masks) if request.masks and not folder else cubes
    of_masks = Scenario.PARTIAL in request.scenarios and not folder
    of_clouds = MASK_ERROR in request.scenarios
    masks: dict[str, NDArray[np.bool_]] = {}
    frames: dict[str, CloudyFrame] = {}
    for cube in _readable(request, sources) if of_masks or of_clouds else ():
        masks = with_masks(masks, cube.key, cube.block.observed) if of_masks else masks
        frames = with_frames(frames, cube.key, cube.block) if of_clouds else frames
    bank = MaskBank(tuple(masks.values())) if of_masks else None
    if folder and Scenario.PARTIAL in request.scenarios:
        bank = MaskBank.read(request.masks[0])
    return bank, tuple(frames.values()) if of_clouds else None


def _readable(request: EvaluationRequest, cubes: Mapping[str, list[str]]) -> Iterator[NamedCube]:
    """The cubes that can be read, one after the other; the others are named when they are to be evaluated."""
    for key, sources in cubes.items():
        cube = read_cube(request, key, sources)
        if isinstance(cube, NamedCube):
            yield cube


def read_cube(request: EvaluationRequest, key: str, sources: list[str]) -> NamedCube | str:
    """A cube in memory, or why it cannot be read."""
    from clearcube.fill_cube.survey import check_reflectance
    from clearcube.readers.open import open_cube

    try:
        opened = open_cube(sources, **request.opening)
        warn_without_mask(opened)
        cube = named_cube(key, opened)
        check_reflectance(cube.block.reflectance, cube.block.observed)
        return cube
    except Exception as error:  # a damaged file may fail in any way, here or when its values are read
        return described(error)

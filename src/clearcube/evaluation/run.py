"""All experiments of one cube, each method on the same hidden pixels; cubes one by one or several at once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.errors import DAMAGED_ARCHIVE, InputError, described
from clearcube.evaluation.experiments import Experiment, NamedCube, experiment, filled_by
from clearcube.evaluation.folder import masks_path, sums_path
from clearcube.evaluation.judging import HIDDEN, Networks, judge
from clearcube.evaluation.mask_error import MASK_ERROR, CloudyFrame
from clearcube.evaluation.records import Outcome, Record, load, save
from clearcube.gaps import MaskBank, ScenarioUnavailable, covers
from clearcube.stopping import Stop

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.filler import Filler

BANK_SIZE = 4096
"""Masks in a bank, at most: of more, those are kept whose checksums come first, whatever the order of the cubes."""

KEEP_S = 10.0
"""Seconds of finished work that a killed run loses at most, beside the fill in progress."""
WEIGHTS = "weights"
"""Name of the checksums of checkpoints, by method, among the settings."""
PASTING = b"a fifth of the pixels of every pasted cloud is missed"
"""Version of how clouds are pasted, a part of their checksum. What it says is of no account, but whoever changes
`MISSED_SHARE`, `HIDDEN_SHARE`, `PIECE` or how they are used must change it: sums that were measured before are then
measured again."""
DRAWN = {"bank": "partial", "clouds": MASK_ERROR}
"""Name of the checksum of what a scenario draws from, among the settings -> the scenario; None = not used."""

SaveRecord = Callable[[Record, Mapping[str, "NDArray[np.bool_]"]], None]
"""Called with a record and new masks, name -> (T, H, W) bool."""


@dataclass(frozen=True)
class Plan:
    """What is evaluated.

    fillers : method -> makes its filler. bank, clouds : what is drawn from.
    settings : what outcomes depend on besides, as JSON values. networks : that judge pictures.
    """

    fillers: Mapping[str, Callable[[], Filler]]
    scenarios: tuple[str, ...]
    seeds: tuple[int, ...]
    bank: MaskBank
    settings: Mapping[str, Any]
    clouds: tuple[CloudyFrame, ...] = ()
    networks: Networks = field(default_factory=Networks)


def evaluate_cube(
    cube: NamedCube,
    plan: Plan,
    known: Record | None = None,
    save_record: SaveRecord = lambda record, masks: None,
    on_progress: Callable[[], None] = lambda: None,
    stop: Stop | None = None,
) -> Record:
    """Run every experiment that is not known yet of a cube of the same content.

    A method that fails on the cube, whatever the reason, leaves a message in its outcome; the others go on. Seeds that
    hide the same pixels (those of `leading` and `trailing` all do) are run once.

    save_record : is given the record and the new masks, "scenario_seed" -> hidden pixels (T, H, W) bool, with those of
        pasted pixels, after each scenario, every ten seconds, and when it ends before that. on_progress : is called
        after each scenario. stop : asks to end before the next fill.

    Raises
    ------
    Terminated : `stop` was asked.
    """
    stop, saved_at = stop or Stop(), time.monotonic()
    record = Record(cube.key, cube.bands, plan.settings, fingerprint=cube.fingerprint())
    if known is not None and _same_cube(known, record):
        record.outcomes.update({each: o for each, o in known.outcomes.items() if _valid(each, known, plan)})
        record.settings = _kept_settings(record, known)
    for scenario in plan.scenarios:
        masks: dict[str, NDArray[np.bool_]] = {}
        try:
            for _ in _experiments_of(cube, plan, scenario, record, masks):
                if time.monotonic() - saved_at > KEEP_S:
                    save_record(record, masks)
                    saved_at = time.monotonic()
                stop.check()
        finally:
            save_record(record, masks)
        on_progress()
    return record


def _experiments_of(
    cube: NamedCube, plan: Plan, scenario: str, record: Record, masks: dict[str, NDArray[np.bool_]]
) -> Iterator[None]:
    """Run what is missing of a scenario, a fill at a time, into the record; hidden pixels go into the masks."""
    alike: dict[bytes, int] = {}
    for seed in plan.seeds:
        missing = [name for name in plan.fillers if record.undone((name, scenario, seed))]
        if not missing:
            continue
        try:
            test = experiment(cube, scenario, seed, plan.bank, plan.clouds)
        except ScenarioUnavailable as error:
            outcome = Outcome(problem=str(error), left_out=True)
            record.outcomes.update({(name, scenario, seed): outcome for name in missing})
            continue
        masks |= {f"{scenario}_{seed}{ending}": mask for ending, mask in test.masks.items()}
        twin = alike.setdefault(_what_is_given(test), seed)
        for name in missing:
            if twin != seed and not record.undone((name, scenario, twin)):
                record.outcomes[name, scenario, seed] = record.outcomes[name, scenario, twin]
            else:
                record.outcomes[name, scenario, seed] = _outcome(plan.fillers[name], test, cube.bands, plan)
            yield


def _same_cube(one: Record, other: Record) -> bool:
    return (one.bands, one.fingerprint) == (other.bands, other.fingerprint)


def _what_is_given(test: Experiment) -> bytes:
    """Checksum of what a filler is given, of one cube and scenario."""
    if test.pasted is not None:
        return hashlib.sha256(test.given.reflectance.tobytes()).digest()
    return hashlib.sha256(np.packbits(test.given.observed).tobytes()).digest()


def _valid(experiment: tuple[str, str, int], known: Record, plan: Plan) -> bool:
    """Whether an outcome of an earlier run holds for this one: what it depends on is the same, or not asked for."""
    method, scenario, _ = experiment
    names = {*known.settings, *plan.settings} - {WEIGHTS, *DRAWN}
    names |= {name for name, drawing in DRAWN.items() if drawing == scenario and plan.settings.get(name) is not None}
    if any(known.settings.get(name) != plan.settings.get(name) for name in names):
        return False
    earlier, now = (settings.get(WEIGHTS, {}).get(method) for settings in (known.settings, plan.settings))
    return method not in plan.fillers or earlier == now


def _kept_settings(record: Record, known: Record) -> dict[str, Any]:
    """The settings of this run, and those of an earlier one that outcomes of it depend on."""
    settings = dict(record.settings)
    methods = {method for method, _, _ in record.outcomes}
    earlier = {name: digest for name, digest in known.settings.get(WEIGHTS, {}).items() if name in methods}
    if WEIGHTS in settings or earlier:
        settings[WEIGHTS] = dict(sorted((earlier | settings.get(WEIGHTS, {})).items()))
    for name in DRAWN:
        if settings.get(name) is None and name in known.settings:
            settings[name] = known.settings[name]
    return settings


def _outcome(make: Callable[[], Filler], test: Experiment, bands: Sequence[str], plan: Plan) -> Outcome:
    """The sums of a method, or what went wrong."""
    try:
        fill = filled_by(make(), test.given)
        judged = judge(test, fill, bands, plan.networks)
    except Exception as error:  # a method may fail in any way; its failure is a result
        return Outcome(problem=described(error))
    counted = judged.sets[HIDDEN]["missing"]
    if counted.total[0, 0] == counted.weight[0, 0]:
        return Outcome(problem="the fill has no value at any hidden pixel")
    return Outcome(judged.sets, test.strata.names, features=judged.features)


def with_masks(kept: Mapping[str, NDArray[np.bool_]], key: str, observed: NDArray[np.bool_]) -> dict[str, Any]:
    """What is kept for a bank, checksum -> mask, with the masks of one more cube."""
    added = {
        hashlib.sha256(f"{key}\n{t}".encode()).hexdigest(): mask for t, mask in enumerate(observed) if covers(mask)
    }
    return dict(sorted({**kept, **added}.items())[:BANK_SIZE])


def digest_of(bank: MaskBank) -> str:
    """Checksum of a bank."""
    digest = hashlib.sha256()
    for mask in bank.masks:
        digest.update(repr(mask.shape).encode() + np.packbits(mask).tobytes())
    return digest.hexdigest()


def digest_of_clouds(frames: Sequence[CloudyFrame]) -> str:
    """Checksum of what is pasted: how, where the clouds lie, and how they look."""
    digest = hashlib.sha256(PASTING + digest_of(MaskBank(tuple(frame.cloud for frame in frames))).encode())
    for frame in frames:
        digest.update(repr(frame.bands).encode() + frame.reflectance[:, frame.cloud].tobytes())
    return digest.hexdigest()


def evaluate_into(
    folder: Path, cube: NamedCube, plan: Plan, on_progress: Callable[[], None] = lambda: None, stop: Stop | None = None
) -> Record:
    """Bring the record of a cube in a folder of results up to date, and its masks; see `evaluate_cube`."""
    path, hidden_path = sums_path(folder, cube.key), masks_path(folder, cube.key)
    known = load(path) if path.exists() else None
    there = None if known is None else (known.fingerprint, known.settings, len(known.outcomes))

    def save_record(record: Record, masks: Mapping[str, NDArray[np.bool_]]) -> None:
        nonlocal known
        for folder_of in (path.parent, hidden_path.parent):  # not before there is something to keep
            folder_of.mkdir(parents=True, exist_ok=True)
        if known is None or not _same_cube(known, record):
            hidden_path.unlink(missing_ok=True)  # those of another cube that had this name
        known = record
        save_masks(masks, hidden_path, record)
        if masks or (record.fingerprint, record.settings, len(record.outcomes)) != there:
            save(record, path)

    return evaluate_cube(cube, plan, known, save_record, on_progress, stop)


def save_masks(masks: Mapping[str, NDArray[np.bool_]], path: Path, record: Record) -> None:
    """Write hidden pixels, packed to bits, beside their `shape` (T, H, W).

    Those of other experiments stay where the record holds an outcome of them, else they are of an earlier drawing.
    """
    earlier = read_masks(path) if path.exists() else {}
    kept = {**masks_held(earlier, record), **masks}
    if kept.keys() == earlier.keys() and not masks:
        return
    if not kept:
        path.unlink()
        return
    packed: dict[str, Any] = {name: np.packbits(mask) for name, mask in kept.items()}
    packed["shape"] = np.array(next(iter(kept.values())).shape)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **packed)
    part.replace(path)


def masks_held(masks: Mapping[str, NDArray[np.bool_]], record: Record) -> dict[str, NDArray[np.bool_]]:
    """The masks of experiments that the record holds an outcome of."""
    held = {f"{scenario}_{seed}" for _, scenario, seed in record.outcomes}
    return {name: mask for name, mask in masks.items() if name in held or name.rpartition("_")[0] in held}


def read_masks(path: Path) -> dict[str, NDArray[np.bool_]]:
    """Hidden and pasted pixels as an evaluation keeps them: "scenario_seed", with an ending -> (T, H, W) bool.

    Raises
    ------
    InputError : the file holds something else.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            shape = tuple(archive["shape"])
            size = int(np.prod(shape))
            names = [name for name in archive.files if name != "shape"]
            if not names:
                raise ValueError("it holds none")
            return {n: np.unpackbits(archive[n], count=size).reshape(shape).astype(bool) for n in names}
    except DAMAGED_ARCHIVE as error:
        raise InputError(f"{path} cannot be read as hidden pixels ({error}); give one of an evaluation") from error

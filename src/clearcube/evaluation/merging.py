"""Two partial runs as one: what was measured of a cube in each, brought together exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clearcube.errors import InputError
from clearcube.evaluation.folder import masks_path, sums_path
from clearcube.evaluation.records import Outcome, Record, load, save
from clearcube.evaluation.run import DRAWN, WEIGHTS, masks_held, read_masks, save_masks


def merge_cube(key: str, folders: Sequence[Path], out: Path) -> None:
    """Write the record and the hidden pixels of a cube that the folders hold, together, into `out`.

    Raises
    ------
    InputError : what was measured cannot be one run: another cube of this name, other settings, masks, weights, or
        other sums of one experiment.
    """
    there = [folder for folder in folders if sums_path(folder, key).is_file()]
    records = [load(sums_path(folder, key)) for folder in there]
    merged = records[0]
    for folder, record in zip(there[1:], records[1:], strict=True):
        merged = _joined(merged, record, f"{there[0]} and {folder}: cube {key}")
    save(merged, sums_path(out, key))
    for folder, record in zip(there, records, strict=True):
        path = masks_path(folder, key)
        if path.is_file():
            save_masks(masks_held(read_masks(path), record), masks_path(out, key), merged)


def _joined(one: Record, other: Record, where: str) -> Record:
    """The outcomes of both."""
    if one.bands != other.bands:
        raise InputError(f"{where} has the bands {', '.join(one.bands)} and {', '.join(other.bands)}; run one again")
    if one.fingerprint != other.fingerprint:
        raise InputError(
            f"{where} is of two different inputs that have one name, or of one that changed in between; rename one of "
            "them and run it again"
        )
    settings = merged_settings(one.settings, other.settings, where)
    outcomes = dict(one.outcomes)
    for name, outcome in other.outcomes.items():
        outcomes[name] = _better(outcomes.get(name), outcome, f"{where}, {name[0]}, {name[1]}, seed {name[2]}")
    return Record(one.cube, one.bands, settings, outcomes, one.fingerprint)


def merged_settings(one: Mapping[str, Any], other: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The settings of both runs, with the weights of all methods and what either drew from.

    Raises
    ------
    InputError : they differ.
    """
    weights = {**one.get(WEIGHTS, {}), **other.get(WEIGHTS, {})}
    for name in {*one, *other} - {WEIGHTS, *DRAWN}:
        if one.get(name) != other.get(name):
            raise InputError(f"{where} was run with {name} {one.get(name)} and {other.get(name)}; run one again")
    for name, scenario in DRAWN.items():
        if one.get(name) and other.get(name) and one[name] != other[name]:
            raise InputError(
                f"{where}: what '{scenario}' hides was drawn from different masks, so the runs are no parts of one; "
                "run both with the same --masks"
            )
    for name in {*one.get(WEIGHTS, {})} & {*other.get(WEIGHTS, {})}:
        if one[WEIGHTS][name] != other[WEIGHTS][name]:
            raise InputError(f"{where}: '{name}' stands for two different checkpoints; run one again")
    drawn = {name: one.get(name) or other.get(name) for name in DRAWN if name in {*one, *other}}
    return {**one, **drawn, WEIGHTS: dict(sorted(weights.items()))}


def _better(one: Outcome | None, other: Outcome, where: str) -> Outcome:
    """The outcome that is no failure; of two, either, for they must agree."""
    if one is None or one.failed:
        return other
    if other.failed:
        return one
    if not _equal(one, other):
        raise InputError(f"{where}: the two runs measured different sums; run one again")
    return one


def _equal(one: Outcome, other: Outcome) -> bool:
    if (one.strata, one.left_out, one.sets.keys()) != (other.strata, other.left_out, other.sets.keys()):
        return False
    for which, tally in one.sets.items():
        if tally.keys() != other.sets[which].keys():
            return False
        for name, sums in tally.items():
            theirs = other.sets[which][name]
            pairs = ((sums.total, theirs.total), (sums.weight, theirs.weight))
            if not all(np.array_equal(a, b, equal_nan=True) for a, b in pairs):
                return False
    return True

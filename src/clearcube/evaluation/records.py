"""What is kept of a cube: the sums of all its experiments, in one small file that appears when it is complete."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.errors import DAMAGED_ARCHIVE, InputError
from clearcube.evaluation.statistics import Sums, Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

META = "meta"
Sets = Mapping[str, Tally]


@dataclass
class Outcome:
    """An experiment of a method: its sums, or why there are none.

    sets : set of pixels -> statistic -> sums. strata : (family, name) of each stratum.
    problem : the message of what went wrong. left_out : the cube does not offer the scenario.
    features : `filled` and `truth`, (N, F) float32, what FID compares; nothing where it was not asked for.
    """

    sets: Sets = field(default_factory=dict)
    strata: tuple[tuple[str, str], ...] = ()
    problem: str = ""
    left_out: bool = False
    features: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether something went wrong; a cube that does not offer the scenario is no failure."""
        return bool(self.problem) and not self.left_out


@dataclass
class Record:
    """The outcomes of a cube.

    settings : what the outcomes depend on beside method, scenario and seed; others are not comparable.
    outcomes : (method, scenario, seed) -> outcome. fingerprint : of what was evaluated, empty = not known.
    """

    cube: str
    bands: tuple[str, ...]
    settings: Mapping[str, Any]
    outcomes: dict[tuple[str, str, int], Outcome] = field(default_factory=dict)
    fingerprint: str = ""

    def of_seeds(self, method: str, scenario: str, seeds: Iterable[int]) -> dict[int, Outcome]:
        """Seed -> outcome of those that were run, ascending."""
        keys = ((method, scenario, seed) for seed in sorted(seeds))
        return {key[2]: self.outcomes[key] for key in keys if key in self.outcomes}

    def undone(self, experiment: tuple[str, str, int]) -> bool:
        """Whether an experiment was never run, or failed."""
        return experiment not in self.outcomes or self.outcomes[experiment].failed


def save(record: Record, path: Path) -> None:
    """Write a record under its name in one step."""
    arrays: dict[str, Any] = {}
    entries = []
    for number, ((method, scenario, seed), outcome) in enumerate(record.outcomes.items()):
        values, layout = _packed(outcome.sets)
        arrays[str(number)] = values
        arrays |= {f"{number}_{which}": rows for which, rows in outcome.features.items()}
        entries.append([method, scenario, seed, layout, outcome.strata, outcome.problem, outcome.left_out])
    about = {"cube": record.cube, "fingerprint": record.fingerprint, "bands": record.bands}
    meta = {**about, "settings": record.settings, "outcomes": entries}
    arrays[META] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    part.replace(path)


def load(path: Path) -> Record:
    """Read a record.

    Raises
    ------
    InputError : the file is none.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            meta = json.loads(archive[META].tobytes())
            record = Record(
                meta["cube"], tuple(meta["bands"]), meta["settings"], fingerprint=meta.get("fingerprint", "")
            )
            for number, entry in enumerate(meta["outcomes"]):
                method, scenario, seed, layout, strata, problem, left_out = entry
                sets = _unpacked(archive[str(number)], layout)
                named = tuple((family, name) for family, name in strata)
                features = {which: archive[key] for which, key in _feature_keys(archive, number)}
                record.outcomes[method, scenario, seed] = Outcome(sets, named, problem, left_out, features)
    except DAMAGED_ARCHIVE as error:
        raise _unreadable(path, error) from error
    return record


def features_of(
    path: Path, method: str, scenario: str, seeds: Sequence[int]
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """The features (N, F), filled and true, of the outcomes of these seeds in a record, without reading its sums.

    Raises
    ------
    InputError : the file is no record.
    """
    found = []
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            for number, entry in enumerate(json.loads(archive[META].tobytes())["outcomes"]):
                wanted = entry[:2] == [method, scenario] and entry[2] in seeds
                keys = dict(_feature_keys(archive, number)) if wanted else {}
                if keys:
                    found.append((archive[keys["filled"]], archive[keys["truth"]]))
    except DAMAGED_ARCHIVE as error:
        raise _unreadable(path, error) from error
    return found


def _feature_keys(archive: Any, number: int) -> list[tuple[str, str]]:
    """What the features of an outcome are of, and under which name they are kept."""
    return [(which, key) for which in ("filled", "truth") if (key := f"{number}_{which}") in archive.files]


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} cannot be read as sums of an evaluation ({error}); delete it and run again")


def _packed(sets: Sets) -> tuple[NDArray[np.float64], list[Any]]:
    """All numbers of an outcome in one vector, and where each is."""
    parts, layout = [np.zeros(0)], []
    for which, tally in sets.items():
        for name, sums in tally.items():
            total, weight = np.asarray(sums.total, np.float64), np.asarray(sums.weight, np.float64)
            layout.append([which, name, total.shape, weight.shape])
            parts += [total.ravel(), weight.ravel()]
    return np.concatenate(parts), layout


def _unpacked(values: NDArray[np.float64], layout: list[Any]) -> dict[str, dict[str, Sums]]:
    sets: dict[str, dict[str, Sums]] = {}
    start = 0
    for which, name, *shapes in layout:
        arrays = []
        for shape in shapes:
            size = int(np.prod(shape))
            arrays.append(values[start : start + size].reshape(shape))
            start += size
        sets.setdefault(which, {})[name] = Sums(*arrays)
    return sets

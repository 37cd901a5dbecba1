"""The tables, the report and the provenance of an evaluation, from the sums of its cubes."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearcube.evaluation.comparison import Comparison
from clearcube.evaluation.fid import inception_distance
from clearcube.evaluation.folder import sums_path
from clearcube.evaluation.records import Record, features_of, load
from clearcube.evaluation.report import report
from clearcube.evaluation.report_html import report_html
from clearcube.evaluation.tables import write_scores, write_summary
from clearcube.version import __version__

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LIBRARIES = ("numpy", "scipy", "numba", "xarray", "torch", "pyarrow")
"""Libraries whose versions are noted."""


@dataclass(frozen=True)
class Asked:
    """What the tables are of.

    folder : the results. cubes : their names. fid : whether features were kept for it.
    """

    folder: Path
    cubes: tuple[str, ...]
    methods: tuple[str, ...]
    scenarios: tuple[str, ...]
    seeds: tuple[int, ...]
    reference: str
    fid: bool = False


def write_results(asked: Asked, failures: Sequence[tuple[str, str]] = ()) -> Comparison:
    """Write `scores.parquet`, `summary.csv`, `report.md` and `report.html`, one cube after the other.

    failures : cube and message of those that could not be read.
    """
    from clearcube.workflows.figures import Results, report_svgs

    found = Comparison()
    folder, seeds = asked.folder, tuple(sorted(asked.seeds))

    def records() -> Iterator[Record]:
        for key in asked.cubes:
            record = load(sums_path(folder, key))
            found.add(record, asked.methods, asked.scenarios, seeds)
            yield record

    write_scores(folder / "scores.parquet", records(), asked.methods, asked.scenarios, seeds)
    found.failures += [(cube, "all methods", "all", seeds[0], message) for cube, message in failures]
    if asked.fid:
        found.distances = _distances(asked, found)
    write_summary(folder / "summary.csv", found, asked.reference)
    (folder / "report.md").write_text(report(found, asked.reference, seeds), encoding="utf-8")
    figures = report_svgs(Results.of(found)) if found.pools else {}
    (folder / "report.html").write_text(report_html(found, asked.reference, seeds, figures), encoding="utf-8")
    return found


def _distances(asked: Asked, found: Comparison) -> dict[tuple[str, str], float]:
    """FID of each method and scenario over what is pooled; the features of one cube at a time are in memory."""

    def pairs(method: str, scenario: str) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        for key, seeds in found.common.seeds_of(scenario).items():
            yield from features_of(sums_path(asked.folder, key), method, scenario, seeds)

    return {
        (method, scenario): inception_distance(pairs(method, scenario))
        for method in asked.methods
        for scenario in asked.scenarios
    }


def provenance(command: str, about: Mapping[str, Any]) -> dict[str, Any]:
    """What results were made with, and `about` what."""
    from datetime import UTC, datetime

    return {
        "command": command,
        "created": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "versions": {"clearcube": __version__, "python": platform.python_version()}
        | {name: version(name) for name in LIBRARIES},
        **about,
    }


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write values as indented JSON."""
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")

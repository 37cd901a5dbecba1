"""Bringing the results of partial runs together, as if they had been one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from clearcube.errors import InputError
from clearcube.evaluation.folder import MASKS, PROVENANCE, SUMS, provenance_in, sums_path
from clearcube.evaluation.merging import merge_cube, merged_settings
from clearcube.workflows.results import Asked, provenance, write_json, write_results

if TYPE_CHECKING:
    from clearcube.evaluation.comparison import Comparison
    from clearcube.progress import ReportProgress


def merge_results(
    folders: Sequence[Path], out: Path, reference: str, command: str, progress: ReportProgress
) -> Comparison:
    """Write what the folders of partial runs hold together into a new folder, with all tables made anew.

    The runs may differ in cubes, methods, scenarios and seeds. What a run of all of them would have given comes out to
    the bit, if `partial` and `mask-error` drew from the same masks (`--masks`). A cube that no run could read is among
    the failures. The new folder appears when it is complete.

    Raises
    ------
    InputError : a folder holds no results, `out` is not empty, or the runs are no parts of one.
    """
    if len(folders) < 2:
        raise InputError("--merge needs two or more folders of results")
    if out.exists() and (not out.is_dir() or os.listdir(out)):
        raise InputError(f"{out} is not empty; name a new folder for the merged results")
    runs = [provenance_in(folder, "settings") for folder in folders]
    methods, scenarios, seeds = (_union(run[name] for run in runs) for name in ("methods", "scenarios", "seeds"))
    if reference not in methods:
        raise InputError(f"the reference '{reference}' is not among the methods {', '.join(methods)}; name one of them")
    settings = runs[0]["settings"]
    for folder, run in zip(folders[1:], runs[1:], strict=True):
        settings = merged_settings(settings, run["settings"], f"{folders[0]} and {folder}: what")
    inputs = {key: sources for run in runs for key, sources in run["inputs"].items()}
    _check_sums(folders, runs)
    about: dict[str, Any] = {
        "methods": list(methods),
        "reference": reference,
        "scenarios": list(scenarios),
        "seeds": sorted(seeds),
    }
    unread = {key: message for run in runs for key, message in run.get("unread", {}).items() if key not in inputs}
    about |= {"settings": settings, "inputs": dict(sorted(inputs.items())), "unread": unread}
    about["parts"] = [{"folder": str(folder), **run} for folder, run in zip(folders, runs, strict=True)]
    fid = "fid" in settings.get("judges", {})
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f"{out.name}.part", dir=out.parent) as place:
        part = Path(place) / out.name
        for name in (SUMS, MASKS):
            (part / name).mkdir(parents=True)
        for done, key in enumerate(sorted(inputs), start=1):
            merge_cube(key, folders, part)
            progress("merging", done, len(inputs))
        asked = Asked(part, tuple(sorted(inputs)), methods, scenarios, tuple(sorted(seeds)), reference, fid)
        found = write_results(asked, list(unread.items()))
        write_json(part / PROVENANCE, provenance(command, about))
        if out.exists():
            out.rmdir()
        part.rename(out)
    return found


def _check_sums(folders: Sequence[Path], runs: Sequence[Mapping[str, Any]]) -> None:
    """Refuse runs that do not hold the sums of all of their cubes."""
    for folder, run in zip(folders, runs, strict=True):
        for key in run["inputs"]:
            path = sums_path(folder, key)
            if not path.is_file():
                raise InputError(f"{path} does not exist; run the evaluation of {folder} again")


def _union(parts: Any) -> tuple[Any, ...]:
    """All entries in the order in which they come first."""
    return tuple(dict.fromkeys(each for part in parts for each in part))

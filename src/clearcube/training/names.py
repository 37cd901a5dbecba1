"""Short names of files that tell them apart."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path


def distinct_names(paths: Iterable[Path]) -> dict[Path, str]:
    """Path -> the last of its parts, as many as it takes to tell it from the others.

    >>> list(distinct_names([Path("a/x.nc"), Path("b/x.nc"), Path("b/y.nc")]).values())
    ['a/x.nc', 'b/x.nc', 'y.nc']
    """
    parts = {path: Path(os.path.abspath(path)).parts for path in paths}
    names: dict[Path, str] = {}
    for count in range(1, max(map(len, parts.values()), default=0) + 1):
        ends = Counter(each[-count:] for each in set(parts.values()))
        for path, each in parts.items():
            if path not in names and ends[each[-count:]] == 1:
                names[path] = Path(*each[-count:]).as_posix()
    return {path: names[path] for path in parts}


def distinct_stems(paths: Iterable[Path]) -> dict[Path, str]:
    """As `distinct_names`, without the suffix where names differ in more.

    >>> list(distinct_stems([Path("a/x.nc"), Path("b/x.nc"), Path("y.nc"), Path("y.zarr")]).values())
    ['a/x', 'b/x', 'y.nc', 'y.zarr']
    >>> list(distinct_stems([Path("b.nc"), Path("b.b"), Path("b.b.nc")]).values())
    ['b.nc', 'b.b', 'b.b.nc']
    """
    whole = {path: Path(os.path.abspath(path)) for path in paths}
    chosen = {each: each.parent / each.stem for each in whole.values()}
    while alike := _sharing(chosen):
        chosen |= {each: each for each in alike}
    names = distinct_names(chosen.values())
    return {path: names[chosen[each]] for path, each in whole.items()}


def _sharing(chosen: Mapping[Path, Path]) -> list[Path]:
    """The paths that were shortened to what another one is called."""
    count = Counter(chosen.values())
    return [path for path, name in chosen.items() if count[name] > 1 and name != path]

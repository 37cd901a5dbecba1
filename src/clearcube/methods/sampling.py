"""Pixels out of a cube's sample, for methods that settle something in `prepare`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from clearcube.filler import Block

EPOCH = np.datetime64("1970-01-01", "D")


def absolute_days(dates: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """(T,) days since 1970: unlike days since the first date, the same whatever other dates there are."""
    return (dates - EPOCH).astype(np.float64)


def draw_pixels(sample: Sequence[Block], most: int, *, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """At most `most` pixels of the sample that are observed at least once, drawn without replacement.

    Returns reflectance (T, B, P), 0 where not observed, and observed (T, P); P may be 0.
    """
    observed = np.concatenate([block.observed.reshape(len(block.dates), -1) for block in sample], axis=1)
    seen = np.flatnonzero(observed.any(axis=0))
    if seen.size > most:
        seen = np.sort(np.random.default_rng(seed).choice(seen, most, replace=False))
    starts = np.cumsum([0] + [block.observed[0].size for block in sample])
    parts = []
    for block, start, stop in zip(sample, starts[:-1], starts[1:], strict=True):
        inside = seen[(seen >= start) & (seen < stop)] - start
        parts.append(block.reflectance.reshape(*block.reflectance.shape[:2], -1)[:, :, inside])
    observed = observed[:, seen]
    return np.where(observed[:, None], np.concatenate(parts, axis=2), np.float32(0)), observed

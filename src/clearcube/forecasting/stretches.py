"""Episodes to learn from in the real cubes of a run: every stretch of dates that is long enough, in pieces."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from clearcube.errors import InputError
from clearcube.filler import Block
from clearcube.forecasting.episode import CONTEXT_DATES, TARGET_DATES, Episode, ndvi_of
from clearcube.forecasting.pack import PackedEpisodes, joined, packed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from clearcube.forecasting.pack import Fillers
    from clearcube.training.validation import NamedBlock

STRIDE = 5
"""Dates between the beginnings of two stretches of one cube."""
LEAST_CONTEXT, LEAST_TARGET = 0.15, 0.05
"""Shares of a stretch's context and target that must be observed."""
FEWEST_TARGETS = 5


def stretches(cube: NamedBlock, size: int, horizon: int) -> Iterator[Episode]:
    """Episodes of size x size pixels: 10 dates of context, and those of the next 20 within the horizon, days."""
    block = cube.block
    observed = block.observed & np.isfinite(block.reflectance).all(axis=1)
    height, width = observed.shape[1:]
    for start in range(0, len(block.dates) - CONTEXT_DATES - FEWEST_TARGETS + 1, STRIDE):
        context = slice(start, start + CONTEXT_DATES)
        ahead = (block.dates - block.dates[context][-1]).astype(np.int64)
        targets = np.flatnonzero((ahead > 0) & (ahead <= horizon))[:TARGET_DATES]
        if len(targets) < FEWEST_TARGETS:
            continue
        for top in range(0, height - size + 1, size):
            for left in range(0, width - size + 1, size):
                place = (slice(top, top + size), slice(left, left + size))
                episode = _stretch(cube, observed, context, targets, place)
                if _tells_enough(episode):
                    yield episode


def _stretch(
    cube: NamedBlock,
    observed: NDArray[np.bool_],
    context: slice,
    targets: NDArray[np.intp],
    place: tuple[slice, slice],
) -> Episode:
    block, seen = cube.block, observed[(slice(None), *place)]
    values = np.where(seen[:, None], block.reflectance[(..., *place)], np.float32(np.nan))
    return Episode(
        name=cube.name,
        context=Block(values[context], seen[context], block.dates[context], block.bands),
        target_dates=block.dates[targets],
        target_ndvi=ndvi_of(values[targets], block.bands),
        elevation=None if cube.elevation is None else cube.elevation[place],
    )


def _tells_enough(episode: Episode) -> bool:
    known = np.isfinite(episode.target_ndvi).mean()
    return bool(episode.context.observed.mean() >= LEAST_CONTEXT and known >= LEAST_TARGET)


def real_pack(
    cubes: Sequence[NamedBlock], size: int, fillers: Fillers, *, step_days: int, steps: int
) -> PackedEpisodes | None:
    """The stretches of all cubes, packed; None without cubes. Fewer targets than 20 are made up with NaN.

    Warns of cubes that give none.

    Raises
    ------
    InputError : no cube gives any.
    """
    parts: list[PackedEpisodes] = []
    idle = []
    for cube in cubes:
        there = len(parts)
        for episode in stretches(cube, size, step_days * steps):
            pack = packed(episode, episode.target_ndvi, fillers, step_days=step_days, steps=steps)
            parts.append(_made_up(pack))
        if len(parts) == there:
            idle.append(cube.name)
    if idle:
        problem = (
            f"nothing can be learnt from {', '.join(idle):.200}: an episode takes {CONTEXT_DATES + FEWEST_TARGETS} "
            f"dates of {size} x {size} pixels (episodes.size) that were seen often enough"
        )
        if not parts:
            raise InputError(f"{problem}; give other cubes, make episodes.size smaller, or take them out of [[train]]")
        warnings.warn(problem, UserWarning, stacklevel=2)
    return joined(parts) if parts else None


def _made_up(pack: PackedEpisodes) -> PackedEpisodes:
    """The pack with 20 targets, the added ones unknown."""
    missing = TARGET_DATES - pack.leads.shape[1]
    target = np.pad(pack.target, ((0, 0), (0, missing), (0, 0), (0, 0)), constant_values=np.nan)
    return replace(pack, target=target, leads=np.pad(pack.leads, ((0, 0), (0, missing)), mode="edge"))

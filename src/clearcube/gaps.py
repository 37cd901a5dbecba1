"""Gaps in time, and experiments that make them: how long a gap is, and which observed pixels a scenario hides.

One implementation of the protocol serves evaluation, the validation of training, and tests: hide what was observed,
fill, score what was hidden. Every draw depends on the seed, the scenario and the cube's key alone, so hidden pixels
are the same whatever else is evaluated and in whichever order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.compilation import compiled
from clearcube.cube import dates_of
from clearcube.errors import DAMAGED_ARCHIVE, InputError
from clearcube.filler import Block

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

NEVER = -1
"""Days to an observation where there is none on that side."""
LONGEST = np.iinfo(np.int16).max
"""Days to an observation that is as many days away or more."""

STRATA_EDGES = (0.0, 12.0, 22.0, 42.0, 92.0, float("inf"))
"""Edges of the strata of gap length, days; a stratum holds its lower edge and not its upper one."""
STRATA = ("[0, 12)", "[12, 22)", "[22, 42)", "[42, 92)", "[92, inf)")
"""Names of the strata."""

CLEAR_SHARE = 0.95
"""A date is clear when more than this share of its pixels is observed."""
FAIRLY_CLEAR_SHARE = 0.40
"""The same for a cube without a single clear date."""
MASK_COVER = (0.10, 0.95)
"""Least and largest share of unobserved pixels of a mask in the bank."""
MARGIN_DAYS = 5
"""Days left unhidden before and after a run, at least."""
END_DAYS = 20
"""Days hidden at the start or end of the series."""


class GapPosition(IntEnum):
    """Where in its series a gap lies."""

    OBSERVED = 0
    INTERIOR = 1
    LEADING = 2
    TRAILING = 3
    ENTIRE = 4


class Scenario(StrEnum):
    """What an experiment hides."""

    PARTIAL = "partial"
    FRAMES = "frames"
    RUN30 = "run30"
    RUN60 = "run60"
    RUN90 = "run90"
    LEADING = "leading"
    TRAILING = "trailing"


RUN_DAYS = {Scenario.RUN30: 30, Scenario.RUN60: 60, Scenario.RUN90: 90}
"""Scenario -> length of its run in days."""


class ScenarioUnavailable(InputError):
    """A scenario that this cube cannot offer: leave the cube out of it, and say so."""


def days_to_observation(
    observed: NDArray[np.bool_], dates: NDArray[np.datetime64]
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Days to the nearest observation at or before, and at or after, every date of every pixel.

    Parameters
    ----------
    observed : (T, H, W) bool.
    dates : (T,) datetime64[D], ascending.

    Returns
    -------
    before, after : (T, H, W) int16 days, 0 where observed, `NEVER` where there is no observation on that side, at
        most `LONGEST`.
    """
    before = np.empty(observed.shape, np.int16)
    after = np.empty(observed.shape, np.int16)
    _count_days(np.ascontiguousarray(observed), steps_between(dates), before, after)
    return before, after


def steps_between(dates: NDArray[np.datetime64]) -> NDArray[np.int16]:
    """Days since the date before and to the date after, (2, T), at most `LONGEST`; 0 where there is none."""
    steps = np.minimum(np.diff(dates).astype(np.int64), LONGEST)
    return np.stack([np.append(0, steps), np.append(steps, 0)]).astype(np.int16)


@compiled()
def count_row(
    seen: NDArray[np.bool_], nearer: NDArray[np.int16], step: np.int16, width: int, days: NDArray[np.int16]
) -> None:
    """Days to an observation for a row of pixels, `step` days after (or before) one where they are `nearer`.

    All (width,). A loop over pixels without branches whose arithmetic fits into 16 bits: as a function of its own it
    is compiled so that one instruction handles as many pixels as possible.
    """
    room = np.int16(LONGEST - step)
    for x in range(width):
        kept = nearer[x]
        longer = np.int16(kept + step) if kept < room else np.int16(LONGEST)
        longer = np.int16(NEVER) if kept < 0 else longer
        days[x] = np.int16(0) if seen[x] else longer


@compiled()
def _count_days(
    observed: NDArray[np.bool_], steps: NDArray[np.int16], before: NDArray[np.int16], after: NDArray[np.int16]
) -> None:
    """Count days forwards into `before` and backwards into `after`, row by row of the frame."""
    times, height, width = observed.shape
    nothing = np.full(width, np.int16(NEVER))
    for y in range(height):
        nearer = nothing
        for t in range(times):
            count_row(observed[t, y], nearer, steps[0, t], width, before[t, y])
            nearer = before[t, y]
        nearer = nothing
        for t in range(times - 1, -1, -1):
            count_row(observed[t, y], nearer, steps[1, t], width, after[t, y])
            nearer = after[t, y]


def gap_length(observed: NDArray[np.bool_], dates: NDArray[np.datetime64]) -> NDArray[np.int32]:
    """Days between the observations on either side of the gap that a pixel and date lie in.

    Give what is observed after hiding. The first and the last date count as observations.

    Parameters
    ----------
    observed : (T, H, W) bool.
    dates : (T,) datetime64[D], ascending.

    Returns
    -------
    (T, H, W) int32 days, 0 where observed.
    """
    before, after = days_to_observation(observed, dates)
    from_start = (dates - dates[0]).astype(np.int32)[:, None, None]
    to_end = (dates[-1] - dates).astype(np.int32)[:, None, None]
    return np.where(before == NEVER, from_start, before) + np.where(after == NEVER, to_end, after)


def gap_position(observed: NDArray[np.bool_], dates: NDArray[np.datetime64]) -> NDArray[np.uint8]:
    """Where the gap of a pixel and date lies: (T, H, W) uint8 of `GapPosition`; parameters as `gap_length`.

    Pixels that are observed at no date at all are `ENTIRE`.
    """
    before, after = (days == NEVER for days in days_to_observation(observed, dates))
    position = np.where(observed, GapPosition.OBSERVED, GapPosition.INTERIOR).astype(np.uint8)
    position[before] = GapPosition.LEADING
    position[after] = GapPosition.TRAILING
    position[before & after] = GapPosition.ENTIRE
    return position


def gap_stratum(length: NDArray[np.int32]) -> NDArray[np.intp]:
    """Index into `STRATA` of gap lengths in days, same shape.

    >>> gap_stratum(np.array([0, 11, 12, 91, 92], np.int32)).tolist()
    [0, 0, 1, 3, 4]
    """
    return np.searchsorted(np.array(STRATA_EDGES[1:-1]), length, side="right")


def clear_dates(observed: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Positions of the clear dates: over 95 % observed, or over 40 % in a cube that has no such date.

    observed : (T, H, W) bool.
    """
    share = observed.mean(axis=(1, 2))
    clear = np.flatnonzero(share > CLEAR_SHARE)
    return clear if clear.size else np.flatnonzero(share > FAIRLY_CLEAR_SHARE)


@dataclass(frozen=True)
class MaskBank:
    """Shapes of real cloud cover, to be laid over dates that are clear.

    masks : (H, W) bool each, True = observed; sizes may differ.
    """

    masks: tuple[NDArray[np.bool_], ...]

    @classmethod
    def of(cls, series: Iterable[NDArray[np.bool_]]) -> MaskBank:
        """The bank of all masks in the given `observed` arrays, (T, H, W) bool each, that cover 10 to 95 %."""
        masks = (mask for observed in series for mask in observed)
        return cls(tuple(mask for mask in masks if covers(mask)))

    @classmethod
    def read(cls, folder: str | Path) -> MaskBank:
        """The bank of all masks in a folder of `.npy` files, (H, W) or (T, H, W) bool, True = observed.

        Raises
        ------
        InputError : there is no such file, or one holds something else.
        """
        paths = sorted(Path(folder).glob("*.npy"))
        if not paths:
            raise InputError(f"no masks (.npy files) in '{folder}'")
        return cls.of([_read_masks(path) for path in paths])

    def draw(self, generator: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """A random mask of the bank, (H, W) bool: rotated by a multiple of 90 degrees, tiled, cropped to the shape."""
        return laid_over(self.masks[generator.integers(len(self.masks))], generator, shape)


def covers(mask: NDArray[np.bool_]) -> bool:
    """Whether a mask (H, W), True = observed, covers as much as those of a bank do."""
    return bool(MASK_COVER[0] <= (~mask).mean() <= MASK_COVER[1])


def laid_over(fields: NDArray[Any], generator: np.random.Generator, shape: tuple[int, int]) -> NDArray[Any]:
    """Fields (..., H, W) rotated by a multiple of 90 degrees, tiled, cropped to a shape (h, w), at random."""
    turned = np.rot90(fields, int(generator.integers(4)), axes=(-2, -1))
    size = turned.shape[-2:]
    repeats = [-(-wanted // there) for wanted, there in zip(shape, size, strict=True)]
    tiled = np.tile(turned, [1] * (turned.ndim - 2) + repeats)
    size = tiled.shape[-2:]
    top, left = (generator.integers(there - wanted + 1) for wanted, there in zip(shape, size, strict=True))
    return tiled[..., top : top + shape[0], left : left + shape[1]]


def read_mask(path: str | Path) -> NDArray[np.bool_]:
    """The array of a `.npy` file of masks, bool.

    Raises
    ------
    InputError : the file cannot be read, or holds something else.
    """
    try:
        with open(path, "rb") as file:
            mask = np.load(file, allow_pickle=False)
    except DAMAGED_ARCHIVE as error:
        raise InputError(f"'{path}' cannot be read as a mask ({error}); give a .npy file") from error
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        held = mask.dtype if isinstance(mask, np.ndarray) else "several arrays"
        raise InputError(f"'{path}' holds {held}; masks are bool (H, W) or (T, H, W), one array in a .npy file")
    return mask


def _read_masks(path: Path) -> NDArray[np.bool_]:
    """The (T, H, W) masks in one file."""
    masks = read_mask(path)
    if masks.ndim not in (2, 3):
        raise InputError(f"'{path}' holds {masks.dtype} {masks.shape}; masks are bool (H, W), True = observed")
    stacked: NDArray[np.bool_] = masks.reshape(-1, *masks.shape[-2:])
    return stacked


def hide(
    cube: xr.Dataset | Block, scenario: str, seed: int, *, bank: MaskBank | None = None, key: str = ""
) -> NDArray[np.bool_]:
    """The observed pixels that a scenario hides, (T, H, W) bool. Loads `observed` into memory.

    Parameters
    ----------
    cube : a cube or block with at least one date.
    scenario : name of a `Scenario`. `partial` and `frames` hide on the same dates, drawn among the inner clear ones
        (neither the first nor the last clear date); runs start on a date of the cube.
    seed : the protocol's seeds are 0 to 4.
    bank : shapes of clouds; `partial` needs it.
    key : what the cube is called; cubes of different keys are drawn for independently.

    Raises
    ------
    ScenarioUnavailable : the cube is too short or too cloudy, or the bank is empty.
    InputError : there is no such scenario.
    """
    observed, dates = _observed_and_dates(cube)
    chosen = _scenario_named(scenario)
    name = f"'{key}'" if key else "the cube"
    hidden = _hidden_dates(observed, dates, chosen, seed, key)[:, None, None] & observed
    if chosen is Scenario.PARTIAL:
        hidden &= ~_cloud_cover(hidden, seed, key, bank)
    if not scored(observed, hidden).any():
        raise ScenarioUnavailable(f"{chosen} hides no pixel of {name} that is observed at another date; leave it out")
    return hidden


def scored(observed: NDArray[np.bool_], hidden: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The hidden pixels that count: those observed at least once elsewhere in the cube. (T, H, W) bool each."""
    return hidden & without(observed, hidden).any(axis=0)


def without(observed: NDArray[np.bool_], hidden: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What is still observed when the hidden pixels are hidden, (T, H, W) bool each."""
    return observed & ~hidden


def withheld(block: Block, hidden: NDArray[np.bool_]) -> Block:
    """The block when the hidden pixels (T, H, W) are hidden: NaN there, clouds as they were delivered."""
    values = np.where(hidden[:, None], np.float32(np.nan), block.reflectance)
    return replace(block, reflectance=values, observed=without(block.observed, hidden))


def _observed_and_dates(cube: xr.Dataset | Block) -> tuple[NDArray[np.bool_], NDArray[np.datetime64]]:
    if isinstance(cube, Block):
        return cube.observed, cube.dates
    return cube["observed"].values, dates_of(cube)


def _scenario_named(name: str) -> Scenario:
    try:
        return Scenario(name)
    except ValueError:
        raise InputError(f"there is no scenario '{name}'; there are {', '.join(Scenario)}") from None


def generator_of(seed: int, purpose: str, key: str) -> np.random.Generator:
    """Random numbers for one purpose at one cube, whatever else is drawn."""
    digest = hashlib.sha256(f"{purpose}\n{key}".encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest)])


def _hidden_dates(
    observed: NDArray[np.bool_], dates: NDArray[np.datetime64], scenario: Scenario, seed: int, key: str
) -> NDArray[np.bool_]:
    """The dates on which a scenario hides pixels, (T,) bool."""
    days = (dates - dates[0]).astype(np.int64)
    if scenario is Scenario.LEADING:
        return np.asarray(days < END_DAYS)
    if scenario is Scenario.TRAILING:
        return np.asarray(days > days[-1] - END_DAYS)
    if scenario in RUN_DAYS:
        return _run(days, RUN_DAYS[scenario], generator_of(seed, scenario, key))
    return half_of_inner(observed, generator_of(seed, "dates", key))


def _run(days: NDArray[np.int64], length: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """The dates of a run of `length` days that starts on a random date, (T,) bool."""
    starts = days[(days >= MARGIN_DAYS) & (days + length <= days[-1] - MARGIN_DAYS)]
    if not starts.size:
        raise ScenarioUnavailable(
            f"a run of {length} days with {MARGIN_DAYS} days left at either end does not fit into a cube of "
            f"{days[-1]} days and {days.size} dates; leave it out"
        )
    start = generator.choice(starts)
    return np.asarray((days >= start) & (days < start + length))


def half_of_inner(observed: NDArray[np.bool_], generator: np.random.Generator) -> NDArray[np.bool_]:
    """Half of the inner clear dates (rounded down, at least one), (T,) bool."""
    inner = clear_dates(observed)[1:-1]
    if not inner.size:
        raise ScenarioUnavailable("the cube has no clear date between two others; leave it out")
    chosen = np.zeros(observed.shape[0], bool)
    chosen[generator.choice(inner, max(1, inner.size // 2), replace=False)] = True
    return chosen


def _cloud_cover(hidden: NDArray[np.bool_], seed: int, key: str, bank: MaskBank | None) -> NDArray[np.bool_]:
    """A mask of the bank for every date on which something is hidden, (T, H, W) bool, True = left observed."""
    if bank is None or not bank.masks:
        raise ScenarioUnavailable("partial needs a bank of masks that cover 10 to 95 %; give cubes with clouds")
    generator = generator_of(seed, "masks", key)
    cover = np.ones(hidden.shape, bool)
    for t in np.flatnonzero(hidden.any(axis=(1, 2))):
        cover[t] = bank.draw(generator, (hidden.shape[1], hidden.shape[2]))
    return cover

"""One look at every pixel before anything is filled: is there something to fill from, is it reflectance.

The same look takes the sample that `prepare` sees. Pure NumPy; the engine calls it piece by piece.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clearcube.cube import IMPLAUSIBLE_SHARE, PLAUSIBLE_REFLECTANCE, Band
from clearcube.errors import InputError
from clearcube.filler import Block
from clearcube.tiling import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray


LANDSAT_NUMBERS = 10_000
"""Mean above which digital numbers are Landsat's: those of Sentinel-2 mean a reflectance of more than 0.9 there."""


@dataclass(frozen=True)
class Chip:
    """A part of a sampled rectangle: some dates of the pixels that a piece has of it."""

    index: int
    first_date: int
    rows: slice
    columns: slice
    reflectance: NDArray[np.float32]
    observed: NDArray[np.bool_]


@dataclass(frozen=True)
class PieceSurvey:
    """What a look at one piece found; pieces add up.

    values, implausible, infinite : number of observed values, of those out of range, of infinite values.
    total : sum of the observed values.
    """

    first_date: int
    values: int
    implausible: int
    infinite: int
    total: float
    chips: tuple[Chip, ...]


@dataclass(frozen=True)
class Survey:
    """What a look at the whole cube found.

    values, implausible, infinite : number of observed values, of those out of range, of infinite values.
    mean : of the observed values. sample : blocks spread over the frame, all dates.
    """

    values: int
    implausible: int
    infinite: int
    mean: float
    sample: tuple[Block, ...]


def survey_piece(
    reflectance: NDArray[np.float32],
    observed: NDArray[np.bool_],
    window: Window,
    first_date: int,
    chips: Sequence[Window],
) -> PieceSurvey:
    """Look at a piece: reflectance (t, B, h, w) and observed (t, h, w) of a window, from a date on."""
    finite = np.isfinite(reflectance)
    infinite = 0 if finite.all() else int(np.isinf(reflectance).sum())
    usable = observed if finite.all() else observed & finite.all(axis=1)
    low, high = PLAUSIBLE_REFLECTANCE
    values = implausible = 0
    total = 0.0
    for date, seen in zip(reflectance, usable, strict=True):
        chosen = date[:, seen]
        values += chosen.size
        implausible += int(((chosen < low) | (chosen > high)).sum())
        total += float(chosen.sum(dtype=np.float64))
    found = tuple(
        Chip(
            index,
            first_date,
            *common.within(chip),
            np.ascontiguousarray(reflectance[(..., *common.within(window))]),
            np.ascontiguousarray(usable[(..., *common.within(window))]),
        )
        for index, chip in enumerate(chips)
        if (common := chip.intersection(window)) is not None
    )
    return PieceSurvey(first_date, values, implausible, infinite, total, found)


def add_up(
    pieces: Iterable[PieceSurvey], chips: Sequence[Window], dates: NDArray[np.datetime64], bands: tuple[Band, ...]
) -> Survey:
    """The survey of the frame from those of its pieces, in any order; chips are what they took of the sample."""
    values = [np.full((len(dates), len(bands), *chip.shape), np.nan, np.float32) for chip in chips]
    usable = [np.zeros((len(dates), *chip.shape), dtype=bool) for chip in chips]
    count = implausible = infinite = 0
    total = 0.0
    for piece in sorted(pieces, key=lambda piece: piece.first_date):
        count, implausible = count + piece.values, implausible + piece.implausible
        infinite, total = infinite + piece.infinite, total + piece.total
        for chip in piece.chips:
            times = slice(chip.first_date, chip.first_date + len(chip.observed))
            values[chip.index][times, :, chip.rows, chip.columns] = chip.reflectance
            usable[chip.index][times, chip.rows, chip.columns] = chip.observed
    sample = tuple(Block(v, u, dates, bands) for v, u in zip(values, usable, strict=True) if u.any())
    mean = total / count if count else float("nan")
    return Survey(count, implausible, infinite, mean, sample)


def check(survey: Survey) -> None:
    """Refuse what cannot be filled, warn of what was left out.

    Raises
    ------
    InputError : nothing is observed, or too many observed values cannot be reflectance.
    """
    if survey.infinite:
        warnings.warn(f"{survey.infinite} infinite values are treated as not observed", stacklevel=2)
    if survey.values == 0 or not survey.sample:
        raise InputError(
            "nothing is observed in this input: every pixel is missing or masked at every date; "
            "check --mask, --bands, --nodata, --bbox and --time"
        )
    _refuse_implausible(survey.values, survey.implausible, survey.mean)


def check_reflectance(
    reflectance: NDArray[np.float32], observed: NDArray[np.bool_], what: str = "the input", options: str = "--{} {}"
) -> None:
    """Refuse a cube in memory, (T, B, H, W) and (T, H, W), of which too many observed values cannot be reflectance.

    what : is refused. options : how an option and its value are written.

    Raises
    ------
    InputError : as said.
    """
    found = survey_piece(reflectance, observed, Window(0, observed.shape[1], 0, observed.shape[2]), 0, ())
    mean = found.total / found.values if found.values else float("nan")
    _refuse_implausible(found.values, found.implausible, mean, what, options)


def _refuse_implausible(
    values: int, implausible: int, mean: float, what: str = "the input", options: str = "--{} {}"
) -> None:
    if implausible <= IMPLAUSIBLE_SHARE * values:
        return
    low, high = PLAUSIBLE_REFLECTANCE
    share = 100 * implausible / values
    found = f"{share:.1f} % of the observed values lie outside [{low}, {high}], their mean is {mean:.4g}"
    if mean > LANDSAT_NUMBERS:
        scale, offset = options.format("scale", "0.0000275"), options.format("offset", "-0.2")
        advice = f"they look like digital numbers of Landsat Collection 2: add {scale} and {offset}"
    elif mean > 100:
        scale, offset = options.format("scale", "0.0001"), options.format("offset", "-0.1")
        advice = f"they look like digital numbers: add {scale} (and {offset} for Sentinel-2 with offset)"
    elif mean > high:
        advice = f"they look like percent: add {options.format('scale', '0.01')}"
    else:
        advice = "say how they become reflectance with scale, offset and nodata, or mask the clouds"
    raise InputError(f"{what} is not reflectance from 0 to 1: {found}; {advice}")

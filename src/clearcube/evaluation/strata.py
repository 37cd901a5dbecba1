"""Classes of hidden pixels that scores are given for, one by one: how long a gap, where, on what land, when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clearcube.evaluation.statistics import Sums
from clearcube.gaps import STRATA, GapPosition, gap_length, gap_position, gap_stratum
from clearcube.landcover import class_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

POSITIONS = ("interior", "leading", "trailing")
SEASONS = ("DJF", "MAM", "JJA", "SON")
CLEAR_SHARES = ("[0, 25) %", "[25, 50) %", "[50, 75) %", "[75, 100] %")
NO_LANDCOVER = "none"
FAMILIES = {
    "gap": "gap length (days)",
    "position": "position of the gap",
    "landcover": "land cover",
    "season": "season",
    "clear share": "clear share of the cube",
}
"""Families of strata and what they are called where people read."""


@dataclass(frozen=True)
class Strata:
    """The classes of a cube's pixels.

    names : (family, name) of each stratum; the first is ("all", "all").
    cell : (T, H, W) int32, the combination of classes of each pixel and date.
    members : (strata, cells) float64, 1 where the cell belongs to the stratum.
    """

    names: tuple[tuple[str, str], ...]
    cell: NDArray[np.int32]
    members: NDArray[np.float64]

    @property
    def cells(self) -> int:
        """How many combinations there are."""
        return int(self.members.shape[1])

    def of(self, sums: Sums) -> Sums:
        """Sums (strata, ...) from those of the cells, (cells, ...)."""
        return shared_out(sums, self.members)

    def dates_with(self, counted: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(strata, T), 1 where the stratum holds, in its family, the most pixels of the date that count.

        A date without any is of no stratum but that of all.

        counted : (T, H, W) bool.
        """
        cells = [np.bincount(cell[some], minlength=self.cells) for cell, some in zip(self.cell, counted, strict=True)]
        pixels = self.members @ np.array(cells, np.float64).T
        families = np.array([family for family, _ in self.names])
        members = np.zeros_like(pixels)
        for family in np.unique(families):
            rows = np.flatnonzero(families == family)
            members[rows[pixels[rows].argmax(axis=0)], np.arange(pixels.shape[1])] = 1.0
        members[1:, ~counted.any(axis=(1, 2))] = 0.0
        return members


def shared_out(sums: Sums, members: NDArray[np.float64]) -> Sums:
    """Sums (strata, ...) from those of classes (classes, ...), by who belongs to what, (strata, classes)."""
    return Sums(np.tensordot(members, sums.total, 1), np.tensordot(members, sums.weight, 1))


def strata_of(
    left: NDArray[np.bool_],
    dates: NDArray[np.datetime64],
    landcover: NDArray[np.integer] | None = None,
    clear_share: float | None = None,
    classes: Mapping[int, str] | None = None,
) -> Strata:
    """Classes by gap length and position (of what is left observed), land cover, season and clear share of the cube.

    Parameters
    ----------
    left : (T, H, W) bool, observed after hiding.
    dates : (T,) datetime64[D].
    landcover : (H, W) codes of EarthNet2021 or ESA WorldCover; None = not known.
    clear_share : share of the cube's pixels that were observed before hiding, 0 to 1; by default of what is left.
    classes : names of the codes of the land cover; by default those of EarthNet2021 or ESA WorldCover.
    """
    share = float(left.mean()) if clear_share is None else clear_share
    position = np.clip(gap_position(left, dates).astype(np.int32) - int(GapPosition.INTERIOR), 0, len(POSITIONS) - 1)
    month = dates.astype("datetime64[M]").astype(np.int64) % 12 + 1
    names, codes = landcover_classes(landcover, left.shape[1:], classes)
    families: list[tuple[str, tuple[str, ...], NDArray[np.integer]]] = [
        ("gap", STRATA, gap_stratum(gap_length(left, dates))),
        ("position", POSITIONS, position),
        ("landcover", names, codes[None]),
        ("season", SEASONS, (month % 12 // 3)[:, None, None]),
        ("clear share", CLEAR_SHARES, np.full((1, 1, 1), min(int(share * 4), 3))),
    ]
    sizes = [len(names) for _, names, _ in families]
    labels = np.broadcast_arrays(*(label for _, _, label in families))
    joint = np.ravel_multi_index(tuple(labels), tuple(sizes))
    present, cell = np.unique(joint, return_inverse=True)
    places = np.unravel_index(present, sizes)
    strata, rows = [("all", "all")], [np.ones(present.size)]
    for (family, family_names, _), of_cell in zip(families, places, strict=True):
        for number in np.unique(of_cell):
            strata.append((family, family_names[number]))
            rows.append((of_cell == number).astype(np.float64))
    return Strata(tuple(strata), cell.reshape(left.shape).astype(np.int32), np.stack(rows))


def landcover_classes(
    landcover: NDArray[np.integer] | None, shape: tuple[int, ...], names: Mapping[int, str] | None = None
) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Names of classes, the first "none", and the class of each pixel, (H, W).

    landcover : (H, W) codes; None = not known. names : of the codes; without them those of EarthNet2021 or ESA
        WorldCover, whichever knows more of the codes.
    """
    if landcover is None:
        return (NO_LANDCOVER,), np.zeros(shape, np.intp)
    codes = np.asarray(landcover)
    classes = names or class_names(codes)
    distinct = tuple(dict.fromkeys((NO_LANDCOVER, *classes.values())))  # several codes may have one name
    order = np.zeros(codes.shape, np.intp)
    for code, name in classes.items():
        order[codes == code] = distinct.index(name)
    return distinct, order

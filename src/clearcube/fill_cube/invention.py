"""Values for pixels that were never observed: their filled neighbours', weighted by nearness, up to a distance.

A second pass over the filled frame. A pixel's value depends on the filled pixels within `reach_of(distance)` of it
alone, so windows with that halo give the same values whatever their size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from clearcube.compilation import compiled
from clearcube.cube import Source
from clearcube.methods.noise import robust_std

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.fill_cube.window import Filled
    from clearcube.filler import Block

DECAY = 3.0
"""Pixels over which the weight of a neighbour falls to 1/e."""
BEYOND_NEAREST = 6
"""Pixels beyond the nearest filled one that still count: two decays, so what is left out weighs little."""
FALLBACK_SPREAD = 0.05
"""Spread of reflectance between neighbours (unit 1) where the sample has no pair of pixels to measure it."""


@dataclass(frozen=True)
class SpatialSpread:
    """How much reflectance differs between pixels of one date by their distance.

    distances : (K,) pixels, ascending.
    spread : (K, B) half the central 90 % range of the difference / 1.645, unit 1.
    """

    distances: NDArray[np.float64]
    spread: NDArray[np.float64]

    def at(self, distance: NDArray[np.float64]) -> NDArray[np.float32]:
        """Spread at these distances, (..., B); held beyond the largest measured one."""
        columns = [np.interp(distance, self.distances, column) for column in self.spread.T]
        return np.stack(columns, axis=-1).astype(np.float32)


def measure_spread(sample: Sequence[Block]) -> SpatialSpread:
    """Spread of reflectance between observed pixels of one row and date, from blocks spread over the cube."""
    bands = sample[0].reflectance.shape[1]
    distances = [d for d in (1, 2, 4, 8, 16, 32) if any(block.reflectance.shape[3] > d for block in sample)] or [1]
    spread = np.empty((len(distances), bands))
    for k, distance in enumerate(distances):
        for band in range(bands):
            spread[k, band] = _spread(sample, band, distance)
    spread = np.maximum.accumulate(np.where(np.isfinite(spread), spread, FALLBACK_SPREAD), axis=0)
    return SpatialSpread(np.array(distances, dtype=np.float64), spread)


def _spread(sample: Sequence[Block], band: int, distance: int) -> float:
    differences = []
    for block in sample:
        both: NDArray[np.bool_] = np.logical_and(block.observed[:, :, distance:], block.observed[:, :, :-distance])
        values = block.reflectance[:, band]
        differences.append((values[:, :, distance:] - values[:, :, :-distance])[both])
    pooled = np.concatenate(differences)
    pooled = pooled[np.isfinite(pooled)]
    return robust_std(pooled) if pooled.size >= 20 else float("nan")


def to_invent(source: NDArray[np.uint8], days: NDArray[np.int16]) -> NDArray[np.bool_]:
    """(H, W) True at pixels that were never observed in the cube. `days` as in `Filled`."""
    return np.asarray(((days < 0) & np.isin(source, (Source.UNFILLED, Source.INVENTED))).all(axis=0))


def reach_of(distance: int) -> int:
    """Pixels around a window that `invent` looks at."""
    return distance + BEYOND_NEAREST if distance else 0


def invent(filled: Filled, distance: int, spread: SpatialSpread) -> Filled:
    """The window with its never-observed pixels filled where a filled pixel is at most `distance` away.

    mean: over the filled pixels up to `BEYOND_NEAREST` pixels farther than the nearest one, weighted by
    exp(-(|rows| + |columns|) / DECAY); std: theirs and the spatial spread at the distance of the nearest, added as
    variances; flagged `invented`. Other pixels come back as they are.
    """
    from scipy import ndimage

    never = to_invent(filled.source, filled.days)
    if distance == 0 or not never.any() or never.all():
        return filled
    away = np.asarray(ndimage.distance_transform_cdt(never, metric="chessboard"))
    rows, columns = np.nonzero(never & (away <= distance))
    given = ~never & (filled.source != Source.UNFILLED)
    means, variances, nearest = _means(
        np.where(given[:, None], filled.reflectance, np.float32(0)),
        np.where(given[:, None], filled.std, np.float32(0)),
        given,
        rows,
        columns,
        away[rows, columns],
        distance,
        np.exp(-np.arange(reach_of(distance) + 1) / DECAY),
    )
    reflectance, std, source = filled.reflectance.copy(), filled.std.copy(), filled.source.copy()
    reached = np.isfinite(means[:, 0])
    reflectance[..., rows, columns] = means
    std[..., rows, columns] = np.sqrt(variances + spread.at(nearest.astype(np.float64)).swapaxes(1, 2) ** 2)
    source[:, rows, columns] = np.where(reached, Source.INVENTED, Source.UNFILLED)
    return replace(filled, reflectance=reflectance, std=std, source=source)


@compiled()
def _means(
    values: NDArray[np.float32],
    std: NDArray[np.float32],
    given: NDArray[np.bool_],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    away: NDArray[np.int64],
    distance: int,
    weights: NDArray[np.float64],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Weighted means of values and of squared std around some pixels, (T, B, pixels); how far the nearest given one is.

    That is looked for from `away` (pixels,) to `distance`, (T, pixels); where there is none on a date, the means are
    NaN and it is `distance`. Every sum runs over the same pixels in the same order wherever the window lies.
    """
    times, bands, height, width = values.shape
    means = np.full((times, bands, len(rows)), np.float32(np.nan))
    variances = np.full((times, bands, len(rows)), np.float32(np.nan))
    nearest = np.full((times, len(rows)), distance)
    for k in range(len(rows)):
        row, column = rows[k], columns[k]
        for t in range(times):
            near = _nearest(given[t], row, column, away[k], distance)
            if near > distance:
                continue
            nearest[t, k] = near
            reach = near + BEYOND_NEAREST
            top, bottom = max(row - reach, 0), min(row + reach + 1, height)
            left, right = max(column - reach, 0), min(column + reach + 1, width)
            total = 0.0
            for i in range(top, bottom):
                for j in range(left, right):
                    total += weights[abs(i - row)] * weights[abs(j - column)] * given[t, i, j]
            for b in range(bands):
                mean = variance = 0.0
                for i in range(top, bottom):
                    for j in range(left, right):
                        weight = weights[abs(i - row)] * weights[abs(j - column)]
                        mean += weight * values[t, b, i, j]
                        variance += weight * std[t, b, i, j] * std[t, b, i, j]
                means[t, b, k] = mean / total
                variances[t, b, k] = variance / total
    return means, variances, nearest


@compiled()
def _nearest(given: NDArray[np.bool_], row: int, column: int, first: int, last: int) -> int:
    """How many rows or columns off the nearest given pixel (H, W) is, from `first` to `last`; `last` + 1 for none."""
    height, width = given.shape
    for away in range(first, last + 1):
        for i in range(max(row - away, 0), min(row + away + 1, height)):
            step = 1 if abs(i - row) == away else max(2 * away, 1)  # within the square only its two ends are as far
            for j in range(column - away, column + away + 1, step):
                if 0 <= j < width and given[i, j]:
                    return away
    return last + 1

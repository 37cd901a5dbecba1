"""Values for pixels that were never observed: their filled neighbours', weighted by nearness, up to a distance.

A second pass over the filled frame. A pixel's value depends on the filled pixels within `distance` of it alone, so
windows with a halo of `distance` give the same values whatever their size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from clearcube.cube import Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.fill_cube.window import Filled
    from clearcube.filler import Block

DECAY = 3.0
"""Pixels over which the weight of a neighbour falls to 1/e."""
HALF_WIDTH_90 = 1.645
"""Half width of the central 90 % of a Gaussian, in std."""
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
        both = block.observed[:, :, distance:] & block.observed[:, :, :-distance]
        values = block.reflectance[:, band]
        differences.append(np.abs(values[:, :, distance:] - values[:, :, :-distance])[both])
    pooled = np.concatenate(differences)
    pooled = pooled[np.isfinite(pooled)]
    return float(np.quantile(pooled, 0.9)) / HALF_WIDTH_90 if pooled.size >= 20 else float("nan")


def to_invent(source: NDArray[np.uint8], days: NDArray[np.int16]) -> NDArray[np.bool_]:
    """(H, W) True at pixels that were never observed in the cube. `days` as in `Filled`."""
    never: NDArray[np.bool_] = ((days < 0) & np.isin(source, (Source.UNFILLED, Source.INVENTED))).all(axis=0)
    return never


def invent(filled: Filled, distance: int, spread: SpatialSpread) -> Filled:
    """The window with its never-observed pixels filled where a filled pixel is at most `distance` away.

    mean: neighbours' values weighted by exp(-(|rows| + |columns|) / DECAY); std: theirs and the spatial spread at the
    distance of the nearest, added as variances; flagged `invented`. Other pixels come back as they are.
    """
    from scipy import ndimage

    never = to_invent(filled.source, filled.days)
    if distance == 0 or not never.any() or never.all():
        return filled
    away = ndimage.distance_transform_cdt(never, metric="chessboard")
    wanted = never & (away <= distance)
    local_spread = spread.at(away[wanted].astype(np.float64)).T ** 2
    reflectance, std, source = filled.reflectance.copy(), filled.std.copy(), filled.source.copy()
    for t in range(len(source)):
        given = ~never & (source[t] != Source.UNFILLED)
        weight = _nearness_sum(given.astype(np.float64), distance)[wanted]
        reached = weight > 0
        if not reached.any():
            continue
        rows, columns = (index[reached] for index in np.nonzero(wanted))
        for band in range(reflectance.shape[1]):
            mean = _nearness_mean(reflectance[t, band], given, distance)[wanted] / np.where(reached, weight, 1)
            variance = _nearness_mean(std[t, band] ** 2, given, distance)[wanted] / np.where(reached, weight, 1)
            reflectance[t, band, rows, columns] = mean[reached]
            std[t, band, rows, columns] = np.sqrt(variance + local_spread[band])[reached]
        source[t, rows, columns] = Source.INVENTED
    return replace(filled, reflectance=reflectance, std=std, source=source)


def _nearness_mean(values: NDArray[np.float32], given: NDArray[np.bool_], distance: int) -> NDArray[np.float64]:
    return _nearness_sum(np.where(given, values, 0).astype(np.float64), distance)


def _nearness_sum(values: NDArray[np.float64], distance: int) -> NDArray[np.float64]:
    """Sum over the square of +-distance pixels, weighted by nearness; what lies outside the array counts as 0."""
    from scipy import ndimage

    kernel = np.exp(-np.abs(np.arange(-distance, distance + 1)) / DECAY)
    rows = ndimage.correlate1d(values, kernel, axis=0, mode="constant")
    return ndimage.correlate1d(rows, kernel, axis=1, mode="constant")

"""Sums of the distortion of a fill in one pass over its pixels: by band and by cell, a class of pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from clearcube.compilation import compiled
from clearcube.cube import ndvi_bands
from clearcube.evaluation.statistics import Sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

BAND_STATISTICS = ("absolute", "squared", "signed", "truth", "truth_squared")
"""Statistics of each pixel and band: |e|, e^2, e, t, t^2 with e = filled - truth."""
INDEX_STATISTICS = tuple(f"ndvi_{name}" for name in BAND_STATISTICS)
"""The same of the vegetation index."""


def distortion_sums(
    filled: NDArray[np.float32],
    truth: NDArray[np.float32],
    counted: NDArray[np.bool_],
    bands: Sequence[str],
    cell: NDArray[np.integer] | None = None,
    cells: int = 1,
) -> dict[str, Sums]:
    """Sums of every distortion statistic over the pixels that count and have a value in all bands of both.

    Parameters
    ----------
    filled, truth : (T, B, H, W) reflectance, unit 1, NaN = no value. What they are elsewhere has no influence.
    counted : (T, H, W) bool.
    bands : names of the B bands; NDVI is scored where red and near infrared are among them.
    cell : (T, H, W) in [0, cells), the class of each pixel and date; None = all are of one.

    Returns
    -------
    `BAND_STATISTICS` (cells, B); `angle` (cells, 1), degrees between the spectra, of pixels where neither is zero;
    `INDEX_STATISTICS` (cells, 1), of NDVI clipped to [-1, 1], of pixels where red + near infrared is positive in
    both; `missing` and `untrue` (cells, 1): pixels without value in the fill and in the truth, their weight counts all
    pixels.
    """
    red, infrared = ndvi_bands(bands) or (-1, -1)
    labels = np.zeros(counted.shape, np.int32) if cell is None else np.ascontiguousarray(cell, np.int32)
    by_band, others = np.zeros((cells, len(bands), 5)), np.zeros((cells, 12))
    _accumulate(
        np.asarray(filled, np.float32),
        np.asarray(truth, np.float32),
        np.ascontiguousarray(counted),
        labels,
        (red, infrared),
        by_band,
        others,
    )
    scored = others[:, 0] - others[:, 1] - others[:, 2] + others[:, 3]
    weight = np.repeat(scored[:, None], len(bands), axis=1)
    sums = {name: Sums(by_band[:, :, i], weight) for i, name in enumerate(BAND_STATISTICS)}
    sums["missing"] = Sums(others[:, [1]], others[:, [0]])
    sums["untrue"] = Sums(others[:, [2]], others[:, [0]])
    if len(bands) > 1:
        sums["angle"] = Sums(others[:, [4]], others[:, [5]])
    if red >= 0:
        sums |= {name: Sums(others[:, [7 + i]], others[:, [6]]) for i, name in enumerate(INDEX_STATISTICS)}
    return sums


@compiled()
def _accumulate(
    filled: NDArray[np.float32],
    truth: NDArray[np.float32],
    counted: NDArray[np.bool_],
    cell: NDArray[np.int32],
    index: tuple[int, int],
    by_band: NDArray[np.float64],
    others: NDArray[np.float64],
) -> None:
    """Add every pixel that counts to the sums of its cell.

    index : positions of red and near infrared, negative where there is no index.
    others : (cells, 12): all pixels, missing, untrue, both; angle and its count; count and sums of the index.
    """
    times, bands, height, width = filled.shape
    red, infrared = index
    for t in range(times):
        for y in range(height):
            for x in range(width):
                if not counted[t, y, x]:
                    continue
                c = cell[t, y, x]
                missing = untrue = False
                mine = theirs = both = 0.0
                for b in range(bands):
                    f, v = np.float64(filled[t, b, y, x]), np.float64(truth[t, b, y, x])
                    missing |= not math.isfinite(f)
                    untrue |= not math.isfinite(v)
                    mine += f * f
                    theirs += v * v
                    both += f * v
                others[c, 0] += 1
                others[c, 1] += missing
                others[c, 2] += untrue
                others[c, 3] += missing and untrue
                if missing or untrue:
                    continue
                for b in range(bands):
                    f, v = np.float64(filled[t, b, y, x]), np.float64(truth[t, b, y, x])
                    by_band[c, b, 0] += abs(f - v)
                    by_band[c, b, 1] += (f - v) ** 2
                    by_band[c, b, 2] += f - v
                    by_band[c, b, 3] += v
                    by_band[c, b, 4] += v * v
                if mine > 0 and theirs > 0:
                    cosine = min(max(both / math.sqrt(mine * theirs), -1.0), 1.0)
                    others[c, 4] += math.degrees(math.acos(cosine))
                    others[c, 5] += 1
                if red >= 0:
                    r, n = np.float64(filled[t, red, y, x]), np.float64(filled[t, infrared, y, x])
                    p, q = np.float64(truth[t, red, y, x]), np.float64(truth[t, infrared, y, x])
                    if r + n > 0 and p + q > 0:
                        i = min(max((q - p) / (q + p), -1.0), 1.0)
                        e = min(max((n - r) / (n + r), -1.0), 1.0) - i
                        others[c, 6] += 1
                        others[c, 7] += abs(e)
                        others[c, 8] += e * e
                        others[c, 9] += e
                        others[c, 10] += i
                        others[c, 11] += i * i

"""How the filled dates look beside clear ones, without their truth: sharpness, entropy, roughness in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clearcube.evaluation.statistics import Sums
from clearcube.gaps import clear_dates

if TYPE_CHECKING:
    from numpy.typing import NDArray

GREY_LEVELS = 256
"""Levels between reflectance 0 and 1 that entropy is counted in."""


def quality_sums(
    filled: NDArray[np.float32], left: NDArray[np.bool_], counted: NDArray[np.bool_], dates: NDArray[np.datetime64]
) -> dict[str, Sums]:
    """Sums of what filled dates look like, and of the nearest clear date at the same pixels.

    Parameters
    ----------
    filled : (T, B, H, W), the complete cube. left : (T, H, W) bool, observed after hiding.
    counted : (T, H, W) bool, the pixels that are looked at. dates : (T,).

    Returns
    -------
    `detail_filled`, `detail_clear` (1, B): squares of the Laplacian; `grey_filled`, `grey_clear` (1, B, 256): counts
    of levels; `rough_filled`, `rough_clear` (1, B): squared distance from the line by date between the dates on
    either side, for filled pixels and for those observed three times in a row.
    """
    bands = filled.shape[1]
    sums = {f"detail_{which}": Sums(np.zeros((1, bands)), np.zeros((1, bands))) for which in ("filled", "clear")}
    sums |= {
        f"grey_{which}": Sums(np.zeros((1, bands, GREY_LEVELS)), np.zeros((1, bands, 1)))
        for which in ("filled", "clear")
    }
    clear = clear_dates(left)
    for t in np.flatnonzero(counted.any(axis=(1, 2))) if clear.size else ():
        nearest = clear[np.argmin(abs(dates[clear] - dates[t]))]
        both = counted[t] & left[nearest] & np.isfinite(filled[[t, nearest]]).all(axis=(0, 1))
        for which, image in (("filled", filled[t]), ("clear", filled[nearest])):
            sums[f"detail_{which}"] += _detail(image, both)
            sums[f"grey_{which}"] += _grey(image[:, both])
    return sums | _roughness(filled, left, counted, dates)


def _detail(image: NDArray[np.float32], valid: NDArray[np.bool_]) -> Sums:
    """Squares of the Laplacian where the pixel and its four neighbours are valid, (1, B)."""
    inner = valid[1:-1, 1:-1] & valid[:-2, 1:-1] & valid[2:, 1:-1] & valid[1:-1, :-2] & valid[1:-1, 2:]
    values = np.where(valid, image, 0.0).astype(np.float64)
    around = values[:, :-2, 1:-1] + values[:, 2:, 1:-1] + values[:, 1:-1, :-2] + values[:, 1:-1, 2:]
    laplacian = (around - 4 * values[:, 1:-1, 1:-1])[:, inner]
    return Sums((laplacian**2).sum(axis=1)[None], np.full((1, len(image)), float(inner.sum())))


def _grey(values: NDArray[np.float32]) -> Sums:
    """Counts of levels, (1, B, 256), of values (B, N)."""
    levels = np.clip((values * GREY_LEVELS).astype(np.intp), 0, GREY_LEVELS - 1)
    counts = np.stack([np.bincount(each, minlength=GREY_LEVELS) for each in levels]).astype(np.float64)[None]
    return Sums(counts, np.full((1, len(values), 1), float(values.shape[1])))


def entropy(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy of levels in bits, from counts (..., levels); NaN where nothing was counted."""
    total = counts.sum(axis=-1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    bits = -np.where(share > 0, share * np.log2(np.where(share > 0, share, 1.0)), 0.0).sum(axis=-1)
    return np.where(total[..., 0] > 0, bits, np.nan)


def _roughness(
    filled: NDArray[np.float32], left: NDArray[np.bool_], counted: NDArray[np.bool_], dates: NDArray[np.datetime64]
) -> dict[str, Sums]:
    bands = filled.shape[1]
    sums = {f"rough_{which}": Sums(np.zeros((1, bands)), np.zeros((1, bands))) for which in ("filled", "clear")}
    days = (dates - dates[0]).astype(np.float64)
    for t in range(1, len(dates) - 1):
        share = (days[t] - days[t - 1]) / (days[t + 1] - days[t - 1])
        line = filled[t - 1] + share * (filled[t + 1] - filled[t - 1])
        squares = (filled[t] - line).astype(np.float64) ** 2
        for which, pixels in (("filled", counted[t]), ("clear", left[t - 1 : t + 2].all(axis=0))):
            usable = pixels & np.isfinite(squares).all(axis=0)
            total = squares[:, usable].sum(axis=1)[None]
            sums[f"rough_{which}"] += Sums(total, np.full((1, bands), float(usable.sum())))
    return sums

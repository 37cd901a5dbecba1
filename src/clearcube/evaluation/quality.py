"""How filled dates look beside clear ones, without their truth: sharpness, entropy, naturalness, roughness in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from clearcube.evaluation.niqe import STATISTICS, grey, square_moments
from clearcube.evaluation.statistics import Sums
from clearcube.gaps import clear_dates

if TYPE_CHECKING:
    from numpy.typing import NDArray

GREY_LEVELS = 256
"""Levels between reflectance 0 and 1 that entropy is counted in."""


def quality_sums(
    filled: NDArray[np.float32],
    left: NDArray[np.bool_],
    counted: NDArray[np.bool_],
    dates: NDArray[np.datetime64],
    bands: Sequence[str],
) -> dict[str, Sums]:
    """Sums of every date: what filled dates look like, and the nearest other clear date at the same pixels.

    Parameters
    ----------
    filled : (T, B, H, W), the complete cube. left : (T, H, W) bool, observed after hiding.
    counted : (T, H, W) bool, the pixels that are looked at. dates : (T,). bands : names of the B bands.

    Returns
    -------
    `laplacian_filled`, `laplacian_clear`, `detail_filled`, `detail_clear` (T, B): the Laplacian, and its squares;
    `grey_filled`, `grey_clear` (T, B, 256): counts of levels; `rough_filled`, `rough_clear` (T, B): squared distance
    from the line by date between the dates on either side, for filled pixels and for those observed three times in a
    row; `niqe_filled`, `niqe_clear` (T, 37, 37): see `niqe.square_moments`, of filled pixels and of clear dates.
    """
    shape, count = filled.shape[:2], STATISTICS + 1
    sums = _none(("laplacian", "detail", "rough"), shape, shape)
    sums |= _none(("grey",), (*shape, GREY_LEVELS), (*shape, 1))
    sums |= _none(("niqe",), (shape[0], count, count), (shape[0], 1, 1))
    clear, some = clear_dates(left), np.flatnonzero(counted.any(axis=(1, 2)))
    for t in some:
        others = clear[clear != t]
        if not others.size:
            continue
        nearest = others[np.argmin(abs(dates[others] - dates[t]))]
        both = counted[t] & left[nearest] & np.isfinite(filled[[t, nearest]]).all(axis=(0, 1))
        for which, image in (("filled", filled[t]), ("clear", filled[nearest])):
            for name, part in _detail(image, both).items():
                _put(sums[f"{name}_{which}"], t, part)
            _put(sums[f"grey_{which}"], t, _grey(image[:, both]))
    for which, chosen, pixels in (("filled", some, counted), ("clear", clear, left)):
        for t in chosen:
            valid = pixels[t] & np.isfinite(filled[t]).all(axis=0)
            _put(sums[f"niqe_{which}"], t, square_moments(grey(filled[t], bands), valid))
    _add_roughness(sums, filled, {"filled": counted, "clear": left}, dates)
    return sums


def _none(names: Sequence[str], total: tuple[int, ...], weight: tuple[int, ...]) -> dict[str, Sums]:
    """Sums of nothing, of filled and of clear dates."""
    return {
        f"{name}_{which}": Sums(np.zeros(total), np.zeros(weight)) for name in names for which in ("filled", "clear")
    }


def _put(sums: Sums, date: np.integer, part: Sums) -> None:
    sums.total[date], sums.weight[date] = part.total, part.weight


def _detail(image: NDArray[np.float32], valid: NDArray[np.bool_]) -> dict[str, Sums]:
    """The Laplacian and its squares where the pixel and its four neighbours are valid, (B,)."""
    inner = valid[1:-1, 1:-1] & valid[:-2, 1:-1] & valid[2:, 1:-1] & valid[1:-1, :-2] & valid[1:-1, 2:]
    values = np.where(valid, image, 0.0).astype(np.float64)
    around = values[:, :-2, 1:-1] + values[:, 2:, 1:-1] + values[:, 1:-1, :-2] + values[:, 1:-1, 2:]
    laplacian = (around - 4 * values[:, 1:-1, 1:-1])[:, inner]
    weight = np.full(len(image), float(inner.sum()))
    return {"laplacian": Sums(laplacian.sum(axis=1), weight), "detail": Sums((laplacian**2).sum(axis=1), weight)}


def _grey(values: NDArray[np.float32]) -> Sums:
    """Counts of levels, (B, 256), of values (B, N)."""
    levels = np.clip((values * GREY_LEVELS).astype(np.intp), 0, GREY_LEVELS - 1)
    counts = np.stack([np.bincount(each, minlength=GREY_LEVELS) for each in levels]).astype(np.float64)
    return Sums(counts, np.full((len(values), 1), float(values.shape[1])))


def entropy(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy of levels in bits, from counts (..., levels); NaN where nothing was counted."""
    total = counts.sum(axis=-1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    bits = -np.where(share > 0, share * np.log2(np.where(share > 0, share, 1.0)), 0.0).sum(axis=-1)
    return np.where(total[..., 0] > 0, bits, np.nan)


def _add_roughness(
    sums: dict[str, Sums],
    filled: NDArray[np.float32],
    pixels: Mapping[str, NDArray[np.bool_]],
    dates: NDArray[np.datetime64],
) -> None:
    """Put `rough_filled` and `rough_clear` of the inner dates into the sums."""
    days = (dates - dates[0]).astype(np.float64)
    for t in range(1, len(dates) - 1):
        share = (days[t] - days[t - 1]) / (days[t + 1] - days[t - 1])
        line = filled[t - 1] + share * (filled[t + 1] - filled[t - 1])
        squares = (filled[t] - line).astype(np.float64) ** 2
        chosen = {"filled": pixels["filled"][t], "clear": pixels["clear"][t - 1 : t + 2].all(axis=0)}
        for which, some in chosen.items():
            usable = some & np.isfinite(squares).all(axis=0)
            part = Sums(squares[:, usable].sum(axis=1), np.full(len(squares), float(usable.sum())))
            _put(sums[f"rough_{which}"], np.intp(t), part)

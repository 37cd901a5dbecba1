"""Formulae of scores, and the score of a fill over hidden pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

import numpy as np

from clearcube.cube import ndvi_bands, normalised_difference
from clearcube.errors import InputError
from clearcube.evaluation.pairs import Pair, paired
from clearcube.evaluation.statistics import (
    Sums,
    Tally,
    absolute_error,
    error,
    squared_error,
    summed,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

DATA_RANGE = 1.0
"""Range of reflectance that PSNR refers to."""


class Scores(TypedDict):
    """Scores over a set of pixels; NaN where the set is empty.

    mae, rmse, bias : unit of reflectance (1); bias is filled less truth.
    psnr : dB for a data range of 1.0; infinite where nothing is wrong at all.
    """

    mae: float
    rmse: float
    psnr: float
    bias: float


class HiddenScores(Scores):
    """Scores pooled over hidden pixels and all bands.

    pixels : pixels and dates that were scored, each with all of its bands.
    missing : hidden pixels that the filler left without a value in some band; they are in no score.
    bands : the scores of each band by its name.
    ndvi_mae, ndvi_rmse : of the vegetation index, where there are red and near infrared; pixels whose two bands do
        not sum to more than 0, filled or in truth, are left out.
    """

    pixels: int
    missing: int
    bands: dict[str, Scores]
    ndvi_mae: NotRequired[float]
    ndvi_rmse: NotRequired[float]


STATISTICS = {"absolute": absolute_error, "squared": squared_error, "signed": error}
"""Name -> statistic of a pixel and band."""


def mean(sums: Sums) -> NDArray[np.float64]:
    """Mean of a statistic (mean absolute error, bias), NaN where no pixel counts."""
    empty = np.asarray(sums.weight) == 0
    return np.where(empty, np.nan, sums.total / np.where(empty, 1.0, sums.weight))


def root_mean(sums: Sums) -> NDArray[np.float64]:
    """Root of the mean of a squared statistic (RMSE), NaN where no pixel counts."""
    return np.sqrt(mean(sums))


def psnr(sums: Sums) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio in dB from sums of squared errors: 20 log10(data range / RMSE)."""
    with np.errstate(divide="ignore"):
        return np.asarray(20.0 * np.log10(DATA_RANGE / root_mean(sums)))


def score_hidden(filled: Any, truth: Any, hidden: Any, *, bands: Sequence[str] | None = None) -> HiddenScores:
    """Score a fill where it had to guess: at pixels that were hidden from it although their truth is known.

    Parameters
    ----------
    filled : dataset with `reflectance`, DataArray or array (NumPy or dask), (T, B, H, W), unit 1. NaN = not filled.
    truth : the same for what was hidden. Of a dataset with `observed`, only those hidden pixels are scored that are
        observed at least once elsewhere in it.
    hidden : DataArray or array, (T, H, W) bool, True where it counts. All other values have no influence.
    bands : names of the B bands, where neither `filled` nor `truth` tells them; else they are called by position.

    Returns
    -------
    Scores pooled over pixels and bands, and those of every band. Sums are pooled in float64, formulae come last.

    Raises
    ------
    InputError : shapes, dates or bands differ; nothing is hidden; the truth is not finite at a hidden pixel; the fill
        has no value at any of them.
    """
    pair = paired(filled, truth, hidden, bands)
    sums = pooled_sums(pair)
    _check_counts(sums)
    pooled = _scores({name: sums[name].pooled() for name in STATISTICS})
    scores = HiddenScores(
        mae=pooled["mae"],
        rmse=pooled["rmse"],
        psnr=pooled["psnr"],
        bias=pooled["bias"],
        pixels=int(sums["missing"].weight - sums["missing"].total),
        missing=int(sums["missing"].total),
        bands={band: _scores({name: _band(sums[name], b) for name in STATISTICS}) for b, band in enumerate(pair.bands)},
    )
    if "ndvi_squared" in sums:
        scores["ndvi_mae"] = float(mean(sums["ndvi_absolute"].pooled()))
        scores["ndvi_rmse"] = float(root_mean(sums["ndvi_squared"].pooled()))
    return scores


def pooled_sums(pair: Pair) -> dict[str, Sums]:
    """Sums of every statistic over the hidden pixels of a pair: add them over cubes and seeds, name by name.

    `absolute`, `squared`, `signed` are of shape (B,); `ndvi_absolute` and `ndvi_squared` (1,), where there are red
    and near infrared. Of `missing` and `untrue` the total counts pixels without value in the fill and in the truth,
    the weight counts all hidden pixels.
    """
    parts = [_sums_of_part(part) for part in pair.parts()]
    sums = {name: sum((part[name] for part in parts[1:]), parts[0][name]) for name in parts[0]}
    if not pair.lazy:
        return sums
    from dask.base import compute

    computed: dict[str, Sums] = compute(sums)[0]  # type: ignore[no-untyped-call]
    return computed


def _sums_of_part(pair: Pair) -> dict[str, Sums]:
    """The sums of `pooled_sums`, lazy where the pair is."""
    usable = np.isfinite(pair.filled).all(axis=-3)
    known = np.isfinite(pair.truth).all(axis=-3)
    counted = pair.hidden & usable & known
    filled = np.where(counted[..., None, :, :], pair.filled, 0.0)
    truth = np.where(counted[..., None, :, :], pair.truth, 0.0)
    sums = {name: summed(statistic(filled, truth), counted) for name, statistic in STATISTICS.items()}
    hidden = pair.hidden.sum(dtype=np.float64)
    sums["missing"] = Sums((pair.hidden & ~usable).sum(dtype=np.float64), hidden)
    sums["untrue"] = Sums((pair.hidden & ~known).sum(dtype=np.float64), hidden)
    return sums | _index_sums(filled, truth, counted, pair.bands)


def _index_sums(filled: Any, truth: Any, counted: Any, bands: Sequence[str]) -> dict[str, Sums]:
    """Sums of the errors of NDVI, shape (1,); nothing where a band for it is missing."""
    places = ndvi_bands(bands)
    if places is None:
        return {}
    red, infrared = places
    mine = normalised_difference(filled[:, [infrared]], filled[:, [red]])
    theirs = normalised_difference(truth[:, [infrared]], truth[:, [red]])
    defined = counted & np.isfinite(mine).all(axis=-3) & np.isfinite(theirs).all(axis=-3)
    return {
        "ndvi_absolute": summed(absolute_error(mine, theirs), defined),
        "ndvi_squared": summed(squared_error(mine, theirs), defined),
    }


def _check_counts(sums: Tally) -> None:
    """Raise where there is nothing to score, or nothing to score it with."""
    missing, untrue, pixels = sums["missing"].total, sums["untrue"].total, sums["missing"].weight
    if pixels == 0:
        raise InputError("nothing to score: no pixel is hidden (and observed at another date, where the truth tells)")
    if untrue:
        raise InputError(
            f"the truth has no finite value at {untrue:.0f} of {pixels:.0f} hidden pixels; hide observed pixels only"
        )
    if missing == pixels:
        raise InputError(f"nothing to score: the fill has no value at any of the {pixels:.0f} hidden pixels")


def _scores(sums: Tally) -> Scores:
    """The formulae of scalar sums."""
    return Scores(
        mae=float(mean(sums["absolute"])),
        rmse=float(root_mean(sums["squared"])),
        psnr=float(psnr(sums["squared"])),
        bias=float(mean(sums["signed"])),
    )


def _band(sums: Sums, position: int) -> Sums:
    """The sums of one band."""
    return Sums(sums.total[position], sums.weight[position])

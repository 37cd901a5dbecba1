"""From sums to scores: every metric is one formula of pooled sums."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from clearcube.evaluation import calibration as cal
from clearcube.evaluation.mask_error import KINDS, detection_scores
from clearcube.evaluation.niqe import naturalness
from clearcube.evaluation.perceptual import HIGH, coherence, frechet_distance, spectrum_ratio
from clearcube.evaluation.quality import entropy
from clearcube.evaluation.scores import mean, psnr, root_mean
from clearcube.evaluation.statistics import Sums, Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

ALL_BANDS = "all"
"""Name of the bands together."""
NDVI = "ndvi"
DATE_STATISTICS = (
    *("ms_ssim", "gmsd", "lpips", "power_filled", "power_truth", "cross"),
    *("laplacian_filled", "laplacian_clear", "detail_filled", "detail_clear", "rough_filled", "rough_clear"),
)
"""Statistics of whole dates. Each date counts for the strata that hold most of its pixels; clear dates, whose roughness
that of filled ones is compared with, count for all."""


class Score(NamedTuple):
    """A metric of a stratum and band.

    sum, weight : what adds up over cubes, NaN where the metric needs more than one sum. value : the metric itself.
    """

    stratum: tuple[str, str]
    band: str
    metric: str
    sum: float
    weight: float
    value: float


_ONE_SUM: Mapping[str, tuple[str, Callable[[Sums], Values]]] = {
    "mae": ("absolute", mean),
    "rmse": ("squared", root_mean),
    "psnr": ("squared", psnr),
    "bias": ("signed", mean),
    "truth": ("truth", mean),
    "truth_squared": ("truth_squared", mean),
    "ssim": ("ssim", mean),
    "sam": ("angle", mean),
    "missing": ("missing", mean),
    "missing_std": ("missing_std", mean),
    "ms_ssim": ("ms_ssim", mean),
    "gmsd": ("gmsd", mean),
    "lpips": ("lpips", mean),
    "crps": ("crps", mean),
    **{f"coverage{100 * level:.0f}": (cal.inside(level), mean) for level in cal.LEVELS},
}
"""Metric -> its statistic and formula; with `ndvi_` before both, the same of the vegetation index."""


_DISTANCES = (
    ("frechet", frechet_distance, ("patch_filled", "patch_truth")),
    ("niqe", naturalness, ("niqe_filled", "niqe_clear")),
)
"""Metric, formula, its two sums of outer products."""
_BY_STRATUM = {"untrue", *(statistic for statistic, _ in _ONE_SUM.values()), *cal.BINNED, *DATE_STATISTICS}


def formula_of(metric: str) -> Callable[[Sums], Values] | None:
    """The formula of a metric of one sum; None of one that needs more."""
    entry = _ONE_SUM.get(metric.removeprefix("missed_").removeprefix(f"{NDVI}_"))
    return entry[1] if entry else None


def by_stratum(statistic: str) -> bool:
    """Whether a statistic has a sum for every stratum; the others are of a cube as a whole."""
    return statistic.removeprefix(f"{NDVI}_") in _BY_STRATUM


def r_squared(squared: Sums, truth: Sums, truth_squared: Sums) -> Values:
    """R2 = 1 - SSE / SST about the mean of the truth; NaN where the truth does not vary."""
    weight = np.where(truth.weight > 0, truth.weight, 1.0)
    spread = np.maximum(truth_squared.total - truth.total**2 / weight, 0.0)
    share = np.divide(squared.total, spread, out=np.full_like(spread, np.nan), where=spread > 1e-12 * weight)
    return np.asarray(1.0 - share)


def nnse(r2: Values) -> Values:
    """Normalised Nash-Sutcliffe efficiency 1 / (2 - NSE), 0 to 1; over a pool of pixels NSE is R2."""
    return np.asarray(1.0 / (2.0 - r2))


def with_all_bands(sums: Sums) -> Sums:
    """Sums (S, B) with the bands together behind them, (S, B + 1)."""
    return Sums(*(np.concatenate([part, part.sum(axis=1, keepdims=True)], 1) for part in (sums.total, sums.weight)))


def scores(tally: Tally, strata: Sequence[tuple[str, str]], bands: Sequence[str]) -> Iterator[Score]:
    """Every metric that the tally has the sums of, by stratum and band.

    tally : statistic -> sums, (strata, B or 1, ...), or (1, ...) of those that are not `by_stratum`.
    """
    for prefix in ("", f"{NDVI}_"):
        for metric, (statistic, formula) in _ONE_SUM.items():
            if prefix + statistic in tally:
                sums, names = _with_names(tally[prefix + statistic], bands, prefix)
                yield from _rows(prefix + metric, formula(sums), strata, names, sums)
        if f"{prefix}truth" in tally:
            parts = [_with_names(tally[prefix + name], bands, prefix) for name in ("squared", "truth", "truth_squared")]
            r2 = r_squared(*(part for part, _ in parts))
            yield from _rows(f"{prefix}r2", r2, strata, parts[0][1])
            yield from _rows(f"{prefix}nnse", nnse(r2), strata, parts[0][1])
        if f"{prefix}levels" in tally:
            yield from _calibration(tally, strata, bands, prefix)
    yield from _whole_dates(tally, strata, bands)
    for statistic, prefix in (("detections", ""), ("detections_blue", "blue_")):
        if statistic in tally:
            clear, *found = tally[statistic].total
            for kind, counts in zip(KINDS, found, strict=True):
                for metric, value in detection_scores(clear, counts).items():
                    yield Score(strata[0], ALL_BANDS, f"{prefix}{metric}_{kind}", np.nan, np.nan, value)


def _with_names(sums: Sums, bands: Sequence[str], prefix: str = "") -> tuple[Sums, tuple[str, ...]]:
    """Sums of the bands with their names; the bands together come last."""
    names = _names(sums, bands, prefix)
    return with_all_bands(sums) if len(names) > 1 else sums, names


def _names(sums: Sums, bands: Sequence[str], prefix: str = "") -> tuple[str, ...]:
    """Names of the bands and of them together; of one that stands for all there is only the last."""
    if prefix:
        return (NDVI,)
    return (ALL_BANDS,) if sums.total.shape[1] == 1 else (*bands, ALL_BANDS)


def _rows(
    metric: str, values: Values, strata: Sequence[tuple[str, str]], bands: Sequence[str], sums: Sums | None = None
) -> Iterator[Score]:
    """A row for each stratum and band, where something is counted."""
    nothing = np.full(values.shape, np.nan)
    total, weight = (nothing, nothing) if sums is None else (sums.total, sums.weight)
    for stratum, *rows in zip(strata, values.tolist(), total.tolist(), weight.tolist(), strict=True):
        for band, value, t, w in zip(bands, *rows, strict=True):
            if w != 0:
                yield Score(stratum, band, metric, t, w, value)


def _calibration(tally: Tally, strata: Sequence[tuple[str, str]], bands: Sequence[str], prefix: str) -> Iterator[Score]:
    """UCE, AUCE and AUSE by stratum and band and, of reflectance, of the bands together."""
    part = {name: _with_sum(tally[prefix + name].total) for name in cal.BINNED}
    names = _names(tally[f"{prefix}levels"], bands, prefix)
    spread, oracle = ((part[f"{by}_count"], part[f"{by}_squared"]) for by in ("spread", "oracle"))
    found = {
        "uce": cal.uncertainty_error(part["spread_count"], part["spread_variance"], part["spread_squared"]),
        "auce": cal.coverage_error(part["levels"]),
        "ause": cal.sparsification_error(spread, oracle),
    }
    counted = part["levels"].sum(axis=-1) > 0
    for metric, values in found.items():
        for s, b in np.argwhere(counted):
            yield Score(strata[s], names[b], prefix + metric, np.nan, np.nan, float(values[s, b]))


def _with_sum(values: Values) -> Values:
    """(S, B + 1, ...) of (S, B, ...): the last is the sum over bands; (S, 1, ...) stays."""
    return np.concatenate([values, values.sum(axis=1, keepdims=True)], axis=1) if values.shape[1] > 1 else values


def _whole_dates(tally: Tally, strata: Sequence[tuple[str, str]], bands: Sequence[str]) -> Iterator[Score]:
    """Metrics of images: spectrum, patches, sharpness, entropy, roughness."""
    if "cross" in tally:
        names = _names(tally["cross"], bands)
        powers = (_with_sum(tally[name].total)[..., HIGH] for name in ("power_filled", "power_truth", "cross"))
        mine, theirs, cross = powers
        yield from _defined("spectrum_ratio", spectrum_ratio(mine, theirs), strata, names)
        yield from _defined("coherence", coherence(cross, mine, theirs), strata, names)
    for metric, distance, which in _DISTANCES:
        if which[0] in tally:
            value = distance(*(tally[name].total[0] for name in which))
            yield Score(strata[0], ALL_BANDS, metric, np.nan, np.nan, value)
    for metric, size, statistic in (("sharpness_ratio", _variance, "detail"), ("roughness_ratio", _rough, "rough")):
        if f"{statistic}_filled" in tally:
            names = _names(tally[f"{statistic}_filled"], bands)
            yield from _defined(metric, _ratio(*(size(tally, bands, w) for w in ("filled", "clear"))), strata, names)
    if "grey_filled" in tally:
        bits = [entropy(_with_sum(tally[f"grey_{which}"].total)) for which in ("filled", "clear")]
        yield from _rows("entropy_ratio", _ratio(*bits), strata[:1], _names(tally["grey_filled"], bands))


def _defined(metric: str, values: Values, strata: Sequence[tuple[str, str]], names: Sequence[str]) -> Iterator[Score]:
    """The values that there are; of all pixels together also where there is none."""
    for row in _rows(metric, values, strata, names):
        if row.stratum == strata[0] or np.isfinite(row.value):
            yield row


def _variance(tally: Tally, bands: Sequence[str], which: str) -> Values:
    """Variance of the Laplacian, of filled or of clear pixels."""
    squares, values = (_with_names(tally[f"{name}_{which}"], bands)[0] for name in ("detail", "laplacian"))
    return np.asarray(np.maximum(mean(squares) - mean(values) ** 2, 0.0))


def _rough(tally: Tally, bands: Sequence[str], which: str) -> Values:
    """Root mean square of the distance from the line in time, of filled or of clear pixels."""
    return root_mean(_with_names(tally[f"rough_{which}"], bands)[0])


def _ratio(mine: Values, theirs: Values) -> Values:
    return np.divide(mine, theirs, out=np.full_like(theirs, np.nan), where=theirs > 0)

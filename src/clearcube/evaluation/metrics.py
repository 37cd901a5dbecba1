"""From sums to scores: every metric is one formula of pooled sums."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clearcube.evaluation import calibration as cal
from clearcube.evaluation.mask_error import KINDS, detection_scores
from clearcube.evaluation.perceptual import HIGH, coherence, frechet_distance, spectrum_ratio
from clearcube.evaluation.quality import entropy
from clearcube.evaluation.scores import mean, psnr, root_mean
from clearcube.evaluation.statistics import Sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]
    Tally = Mapping[str, Sums]

ALL_BANDS = "all"
"""Name of the bands together."""
NDVI = "ndvi"


@dataclass(frozen=True)
class Score:
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
    "ms_ssim": ("ms_ssim", mean),
    "gmsd": ("gmsd", mean),
    "crps": ("crps", mean),
    **{f"coverage{100 * level:.0f}": (cal.inside(level), mean) for level in cal.LEVELS},
}
"""Metric -> its statistic and formula; with `ndvi_` before both, the same of the vegetation index."""


_WHOLE_DATES = ("ms_ssim", "gmsd")
_BY_STRATUM = {"untrue", *(statistic for statistic, _ in _ONE_SUM.values())} - set(_WHOLE_DATES)


def by_stratum(statistic: str) -> bool:
    """Whether a statistic has a sum for every stratum; the others are of whole dates or of bins of std."""
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

    tally : statistic -> sums, (strata, B or 1, ...); those of whole dates and of std are for the first stratum alone.
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
    for statistic, prefix in (("detected", ""), ("detected_blue", "blue_")):
        if statistic in tally:
            clear, *found = tally[statistic].total
            for kind, counts in zip(KINDS, found, strict=True):
                for metric, value in detection_scores(clear, counts).items():
                    yield Score(strata[0], ALL_BANDS, f"{prefix}{metric}_{kind}", np.nan, np.nan, value)


def _with_names(sums: Sums, bands: Sequence[str], prefix: str = "") -> tuple[Sums, tuple[str, ...]]:
    """Sums of the bands with their names; the bands together come last."""
    if prefix:
        return sums, (NDVI,)
    if sums.total.shape[1] == 1:
        return sums, (ALL_BANDS,)
    return with_all_bands(sums), (*bands, ALL_BANDS)


def _rows(
    metric: str, values: Values, strata: Sequence[tuple[str, str]], bands: Sequence[str], sums: Sums | None = None
) -> Iterator[Score]:
    for (s, b), value in np.ndenumerate(values):
        if sums is not None and sums.weight[s, b] == 0:
            continue
        total, weight = (sums.total[s, b], sums.weight[s, b]) if sums is not None else (np.nan, np.nan)
        yield Score(strata[s], bands[b], metric, float(total), float(weight), float(value))


def _calibration(tally: Tally, strata: Sequence[tuple[str, str]], bands: Sequence[str], prefix: str) -> Iterator[Score]:
    """UCE, AUCE and AUSE by band and, of reflectance, of the bands together."""
    part = {
        name: _bins(tally[prefix + name].total)
        for name in ("levels", "spread_count", "spread_variance", "spread_squared", "oracle_count", "oracle_squared")
    }
    names = (NDVI,) if prefix else (*bands, ALL_BANDS)
    for b, band in enumerate(names):
        of = {name: values[b] for name, values in part.items()}
        found = {
            "uce": cal.uncertainty_error(of["spread_count"], of["spread_variance"], of["spread_squared"]),
            "auce": cal.coverage_error(of["levels"]),
            "ause": cal.sparsification_error(
                (of["spread_count"], of["spread_squared"]), (of["oracle_count"], of["oracle_squared"])
            ),
        }
        for metric, value in found.items():
            yield Score(strata[0], band, prefix + metric, np.nan, np.nan, value)


def _bins(values: Values) -> Values:
    """(B + 1, bins) of (1, B, bins): the last is the sum over bands."""
    return np.concatenate([values[0], values.sum(axis=1)])


def _whole_dates(tally: Tally, strata: Sequence[tuple[str, str]], bands: Sequence[str]) -> Iterator[Score]:
    """Metrics of images: spectrum, patches, sharpness, entropy, roughness."""
    names = (*bands, ALL_BANDS)
    if "cross" in tally:
        mine, theirs, cross = (_bins(tally[name].total) for name in ("power_filled", "power_truth", "cross"))
        high = (slice(None), [HIGH])
        yield from _rows("spectrum_ratio", spectrum_ratio(mine[high], theirs[high]).T, strata, names)
        yield from _rows("coherence", coherence(cross[high], mine[high], theirs[high]).T, strata, names)
        distance = frechet_distance(tally["patch_filled"].total, tally["patch_truth"].total)
        yield Score(strata[0], ALL_BANDS, "frechet", np.nan, np.nan, distance)
    for metric, statistic in (("sharpness_ratio", "detail"), ("roughness_ratio", "rough")):
        if f"{statistic}_filled" in tally:
            pair = (root_mean(with_all_bands(tally[f"{statistic}_{which}"])) for which in ("filled", "clear"))
            yield from _rows(metric, _ratio(*pair), strata, names)
    if "grey_filled" in tally:
        bits = [entropy(_bins(tally[f"grey_{which}"].total)) for which in ("filled", "clear")]
        yield from _rows("entropy_ratio", _ratio(*bits)[None], strata, names)


def _ratio(mine: Values, theirs: Values) -> Values:
    return np.divide(mine, theirs, out=np.full_like(theirs, np.nan), where=theirs > 0)

"""EarthNetScore of predicted reflectance: values, trends, distributions and looks in one number.

Two variants, never to be mixed. `published` is what the makers' toolkit computes, its faults included: sub-scores that
are 0 are dropped from the harmonic mean, random noise enters the trends, pixels without two clear dates have a perfect
trend, structural similarity takes a data range of 2. `strict` is the same definition without these faults: a sub-score
of 0 makes the score 0, nothing is random, such pixels do not count, the data range is 1.

References
----------
Requena-Mesa et al. (2021), EarthNet2021: a large-scale dataset and challenge for Earth surface forecasting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from clearcube.cube import red_and_near_infrared
from clearcube.errors import InputError
from clearcube.forecasting.earthnet_kernels import pixel_distances, slopes
from clearcube.forecasting.earthnet_ssim import mean_similarity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.cube import Band

    Floats = NDArray[np.float64]

Variant = Literal["published", "strict"]
Value = TypeVar("Value", np.float64, np.bool_)
MAD_EXPONENT = 0.06649346971087526
"""Power of the absolute differences of reflectance; this and the next two are the makers' numbers."""
TREND_EXPONENT = 0.10082047548620601
"""Power of the distances between trends and between distributions of NDVI."""
SSIM_EXPONENT = 10.31885115
"""Power of the mean structural similarity."""
DATA_RANGE = {"published": 2.0, "strict": 1.0}
LONG, PART = 40, 20
"""Series of more dates than the one are cut into parts of the other for the trends."""
SLOPE_SHARE = 0.25
"""A trend is compared by this share of the change of NDVI over the span: the toolkit's time axis and its halving."""
NOISE = 1e-4
CLEAR_SHARE = 0.7
"""A frame is compared in looks when more than this share of it is clear."""
MOST_PREDICTIONS = 10


@dataclass(frozen=True)
class SubScores:
    """The four parts of the score, 0 (worst) to 1; NaN where a cube offers nothing to compare.

    mad : median absolute deviation of reflectance. ols : trends of NDVI. emd : distributions of NDVI. ssim : looks.
    """

    mad: float
    ols: float
    emd: float
    ssim: float


def earthnet_score(cubes: Iterable[Sequence[SubScores]], variant: Variant) -> tuple[float, SubScores]:
    """The score of a data set and the means of its parts over cubes.

    cubes : for each cube the parts of each of its predictions, at most ten; the best one counts.

    Raises
    ------
    InputError : no cubes, or a cube without or with more than ten predictions.
    """
    best = []
    for predictions in cubes:
        if not 0 < len(predictions) <= MOST_PREDICTIONS:
            raise InputError(f"a cube has {len(predictions)} predictions; give 1 to {MOST_PREDICTIONS}")
        best.append(astuple(best_of(predictions, variant)))
    if not best:
        raise InputError("there is no cube to score")
    table = np.array(best, np.float64)
    there = np.isfinite(table)
    count = there.sum(axis=0)
    means = np.where(count > 0, np.where(there, table, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
    parts = SubScores(*means.tolist())
    return harmonic_mean(parts, variant), parts


def best_of(predictions: Sequence[SubScores], variant: Variant) -> SubScores:
    """The prediction with the highest harmonic mean, the first where none has one."""
    means = [harmonic_mean(parts, variant) for parts in predictions]
    return predictions[int(np.argmax([-1.0 if np.isnan(mean) else mean for mean in means]))]


def harmonic_mean(parts: SubScores, variant: Variant) -> float:
    """The harmonic mean of the parts, 0 to 1.

    published : of the parts that are not 0 and not NaN, with 1e-8 added to each; NaN where none is left.
    strict : of all four; 0 where one is 0, NaN where one is NaN.
    """
    values = np.array(astuple(parts))
    if variant == "published":
        kept = values[np.isfinite(values) & (values != 0)]
        return float(min(1.0, kept.size / (1 / (kept + 1e-8)).sum())) if kept.size else float("nan")
    if np.isnan(values).any():
        return float("nan")
    return float(values.size / (1 / values).sum()) if (values > 0).all() else 0.0


def sub_scores(
    predicted: NDArray[np.floating],
    target: NDArray[np.floating],
    clear: NDArray[np.bool_],
    bands: Sequence[Band],
    variant: Variant,
    *,
    seed: int = 0,
) -> SubScores:
    """The parts of the score of one prediction.

    predicted, target : (T, B, H, W) reflectance, unit 1; both are clipped to [0, 1], and NaN of the target counts
        as 0. clear : (T, H, W) bool, where the target counts. seed : of the noise of `published`.

    Raises
    ------
    InputError : shapes differ, the prediction has NaN, the bands lack red or near infrared, or a series of more than
        40 dates cannot be cut into twenties.
    """
    _check(predicted, target, clear)
    mine = np.clip(predicted, 0.0, 1.0).astype(np.float64)
    truth = np.clip(np.nan_to_num(target, nan=0.0), 0.0, 1.0).astype(np.float64)
    ndvi_mine, ndvi_truth = (_ndvi(values, bands) for values in (mine, truth))
    return SubScores(
        median_score(mine, truth, clear),
        trend_score(ndvi_mine, ndvi_truth, clear, variant, seed=seed),
        distribution_score(ndvi_mine, ndvi_truth, clear),
        looks_score(mine, truth, clear, variant),
    )


def _check(predicted: NDArray[np.floating], target: NDArray[np.floating], clear: NDArray[np.bool_]) -> None:
    frames = (target.shape[0], *target.shape[2:])
    if predicted.shape != target.shape or clear.shape != frames:
        raise InputError(
            f"the prediction has the shape {predicted.shape}, the target {target.shape} and its mask {clear.shape}; "
            "needed are the same dates, bands and pixels"
        )
    missing = int(np.isnan(predicted).sum())
    if missing:
        raise InputError(f"the prediction has no value at {missing} places; EarthNetScore needs one everywhere")


def _ndvi(reflectance: Floats, bands: Sequence[Band]) -> Floats:
    """NDVI (T, H, W) with 1e-6 in the denominator, as the score defines it."""
    red, infrared = (reflectance[:, index] for index in red_and_near_infrared([band.name for band in bands]))
    return (infrared - red) / (infrared + red + 1e-6)


def median_score(predicted: Floats, target: Floats, clear: NDArray[np.bool_]) -> float:
    """1 - median of |difference| ^ 0.0665 over clear pixels and bands, (T, B, H, W); NaN where nothing is clear."""
    distances = np.abs(np.moveaxis(predicted - target, 1, -1)[clear]) ** MAD_EXPONENT
    return _unit(1.0 - float(np.median(distances))) if distances.size else float("nan")


def trend_score(
    predicted: Floats, target: Floats, clear: NDArray[np.bool_], variant: Variant, *, seed: int = 0
) -> float:
    """1 - mean of |difference of slopes| ^ 0.1008 over pixels, of NDVI (T, H, W).

    Slopes are least squares: the target's over its clear dates, the prediction's over all dates between the first and
    the last of them; time is scaled to that span, and a quarter of the slope counts. Series of more than 40 dates are
    cut into twenties, each a series of its own. Dates are evenly spaced.

    Raises
    ------
    InputError : such a series has a number of dates that is no multiple of 20.
    """
    mine, truth, seen = _parts(predicted), _parts(target), _parts(clear)
    usable = seen.sum(axis=0) >= 2
    if variant == "published":
        noise = np.random.default_rng(seed).random((usable.size, 2, 2)) * NOISE
        distances = np.where(usable, _noisy_slopes(mine, truth, seen, noise), 0.0)
    else:
        mine, truth, seen = mine[:, usable], truth[:, usable], seen[:, usable]
        distances = np.abs(np.subtract(*slopes(mine, truth, seen))) * SLOPE_SHARE
    return _unit(1.0 - float((distances**TREND_EXPONENT).mean())) if distances.size else float("nan")


def _parts(values: NDArray[Value]) -> NDArray[Value]:
    """Series (T, N) of all pixels, long ones cut into twenties."""
    times = values.shape[0]
    series = values.reshape(times, -1)
    if times <= LONG:
        return series
    if times % PART:
        raise InputError(
            f"EarthNetScore cuts series of more than {LONG} dates into {PART}s; {times} dates cannot be cut"
        )
    return np.concatenate(np.split(series, times // PART), axis=1)


def _noisy_slopes(mine: Floats, truth: Floats, seen: NDArray[np.bool_], noise: Floats) -> Floats:
    """Half the difference of slopes (N,) over times from 2 to 4, with noise (N, 2, 2) on both normal matrices."""
    first, last = seen.argmax(axis=0), len(seen) - 1 - seen[::-1].argmax(axis=0)
    steps = np.arange(len(seen))[:, None]
    time = 2.0 * ((steps - first) / np.maximum(last - first, 1) + 1.0)
    span = (steps >= first) & (steps <= last)
    own = _noisy_slope(time, mine, span, noise)
    return np.asarray(np.abs(_noisy_slope(time, truth, seen, noise) - own) / 2.0)


def _noisy_slope(time: Floats, values: Floats, counted: NDArray[np.bool_], noise: Floats) -> Floats:
    """Least-squares slopes (N,) of the counted dates, (T, N), with noise (N, 2, 2) on the normal matrix."""
    t = np.where(counted, time, 0.0)
    n, st, stt = counted.sum(axis=0), t.sum(axis=0), (t * t).sum(axis=0)
    sy, sty = np.where(counted, values, 0.0).sum(axis=0), (t * values).sum(axis=0)
    a, b, c, d = stt + noise[:, 0, 0], st + noise[:, 0, 1], st + noise[:, 1, 0], n + noise[:, 1, 1]
    determinant = a * d - b * c
    return np.asarray((d * sty - b * sy) / np.where(determinant == 0, np.nan, determinant))


def distribution_score(predicted: Floats, target: Floats, clear: NDArray[np.bool_]) -> float:
    """1 - mean of W1 ^ 0.1008 over pixels with two clear dates, of NDVI (T, H, W); NaN where there is no such pixel.

    W1 is the Wasserstein distance of all predicted values of a pixel and its clear target values.
    """
    distances = pixel_distances(_by_pixel(predicted), _by_pixel(target), _by_pixel(clear))
    distances = distances[np.isfinite(distances)]
    return _unit(1.0 - float((distances**TREND_EXPONENT).mean())) if distances.size else float("nan")


def _by_pixel(values: NDArray[Value]) -> NDArray[Value]:
    """(N, T) of (T, H, W)."""
    return np.ascontiguousarray(values.reshape(len(values), -1).T)


def looks_score(predicted: Floats, target: Floats, clear: NDArray[np.bool_], variant: Variant) -> float:
    """Mean structural similarity of frames and bands that are over 70 % clear, to the power 10.32; NaN without any.

    Where the target is masked it takes the prediction's value. The similarity is that of a 7 x 7 mean window with the
    sample covariance, for a data range of 2 (`published`) or 1 (`strict`).
    """
    frames = np.flatnonzero(clear.mean(axis=(1, 2)) > CLEAR_SHARE)
    found = [
        mean_similarity(predicted[t, b], np.where(clear[t], target[t, b], predicted[t, b]), DATA_RANGE[variant])
        for t in frames
        for b in range(predicted.shape[1])
    ]
    return max(float(np.mean(found)), 0.0) ** SSIM_EXPONENT if found else float("nan")


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)

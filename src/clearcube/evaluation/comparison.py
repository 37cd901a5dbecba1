"""Many cubes at once: pooled sums, one value for each cube, and how sure a difference between methods is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from clearcube.evaluation.mask_error import KINDS
from clearcube.evaluation.metrics import ALL_BANDS, NDVI, Score, by_stratum, scores
from clearcube.evaluation.records import Outcome, Record
from clearcube.evaluation.statistics import Sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 2000
"""Bootstrap samples of the cubes."""
CONFIDENCE = 0.95
DETECTION = ("auc", "average_precision", "recall1")
HEADLINE = (
    *("psnr", "rmse", "mae", "bias", "r2", "sam", "ssim", "ms_ssim", "gmsd", "spectrum_ratio", "coherence", "frechet"),
    *("sharpness_ratio", "entropy_ratio", "roughness_ratio", "crps", "coverage50", "coverage80", "coverage90"),
    *("coverage95", "uce", "auce", "ause", "ndvi_mae", "ndvi_rmse", "ndvi_r2", "ndvi_nnse", "ndvi_crps"),
    *(f"{method}{metric}_{kind}" for method in ("", "blue_") for metric in DETECTION for kind in KINDS),
    *("ndvi_coverage90", "ndvi_uce", "ndvi_auce", "missing"),
)
"""Metrics, over all bands or of NDVI, that are kept for every cube."""

Strata = tuple[tuple[str, str], ...]
Group = tuple[str, str, str]
"""Method, scenario, set of pixels."""


@dataclass
class Pool:
    """Sums over cubes and seeds of one group, for cubes of the same bands."""

    bands: tuple[str, ...]
    tally: dict[str, Sums] = field(default_factory=dict)
    strata: Strata = (("all", "all"),)

    def add(self, tally: Mapping[str, Sums], strata: Strata) -> None:
        """Add the sums of an experiment; strata that it does not have gain nothing."""
        names = (*self.strata, *(name for name in strata if name not in self.strata))
        for name, sums in tally.items():
            if not by_stratum(name):
                self.tally[name] = self.tally[name] + sums if name in self.tally else sums
                continue
            wide = _widened(sums, strata, names)
            self.tally[name] = _widened(self.tally[name], self.strata, names) + wide if name in self.tally else wide
        for name in self.tally.keys() - tally.keys():
            if by_stratum(name):
                self.tally[name] = _widened(self.tally[name], self.strata, names)
        self.strata = names

    def scores(self) -> Iterator[Score]:
        """Every metric by stratum and band."""
        return scores(self.tally, self.strata, self.bands)


def _widened(sums: Sums, strata: Strata, names: Strata) -> Sums:
    """Sums by stratum in the order of `names`, 0 where they have none."""
    if strata == names:
        return sums
    rows = [names.index(name) for name in strata]
    total = np.zeros((len(names), *sums.total.shape[1:]))
    weight = np.zeros((len(names), *sums.weight.shape[1:]))
    total[rows], weight[rows] = sums.total, sums.weight
    return Sums(total, weight)


@dataclass
class Comparison:
    """What is known of all cubes: pools, values by cube, and what did not work.

    pools : (group, bands) -> pool. values : (method, scenario, metric) -> cube -> value over hidden pixels, its seeds
    pooled. failures, left_out : (cube, method, scenario, seed, message).
    """

    pools: dict[tuple[Group, tuple[str, ...]], Pool] = field(default_factory=dict)
    values: dict[tuple[str, str, str], dict[str, float]] = field(default_factory=dict)
    failures: list[tuple[str, str, str, int, str]] = field(default_factory=list)
    left_out: list[tuple[str, str, str, int, str]] = field(default_factory=list)
    cubes: list[str] = field(default_factory=list)

    def add(self, record: Record, methods: Sequence[str], scenarios: Sequence[str], seeds: Sequence[int]) -> None:
        """Add the outcomes of a cube that were asked for."""
        self.cubes.append(record.cube)
        for scenario in scenarios:
            for method in methods:
                outcomes = {seed: record.outcomes[method, scenario, seed] for seed in seeds}
                for seed, outcome in outcomes.items():
                    if outcome.problem:
                        problems = self.left_out if outcome.left_out else self.failures
                        problems.append((record.cube, method, scenario, seed, outcome.problem))
                self._add_outcomes(record, method, scenario, list(outcomes.values()))

    def _add_outcomes(self, record: Record, method: str, scenario: str, outcomes: Sequence[Outcome]) -> None:
        """Add the outcomes of all seeds; a cube on which one of them failed has no value of its own."""
        own = Pool(record.bands)
        for outcome in outcomes:
            for which, tally in outcome.sets.items():
                pool = self.pools.setdefault(((method, scenario, which), record.bands), Pool(record.bands))
                strata = outcome.strata if which == "hidden" else (("all", "all"),)
                pool.add(tally, strata)
                if which == "hidden":
                    own.add(tally, strata)
        if own.tally and not any(outcome.problem and not outcome.left_out for outcome in outcomes):
            for metric, value in headline(own.scores()).items():
                self.values.setdefault((method, scenario, metric), {})[record.cube] = value

    def pooled(self, method: str, scenario: str, which: str = "hidden") -> dict[str, float]:
        """Headline metrics of the pooled sums; NaN of cubes with different bands, which do not pool."""
        pools = [pool for (group, _), pool in self.pools.items() if group == (method, scenario, which)]
        return headline(pools[0].scores()) if len(pools) == 1 else {}


def headline(found: Iterable[Score]) -> dict[str, float]:
    """Metric -> value over all strata, of all bands together or of NDVI."""
    return {s.metric: s.value for s in found if s.stratum[0] == "all" and s.band in (ALL_BANDS, NDVI)}


@dataclass(frozen=True)
class Interval:
    """A mean over cubes with its bootstrap interval.

    uncertain : whether the interval includes zero.
    """

    mean: float
    low: float
    high: float
    cubes: int

    @property
    def uncertain(self) -> bool:
        """Whether zero lies within the interval; True where there is none."""
        return not (self.low > 0 or self.high < 0)


def interval(values: Sequence[float], resamples: int = RESAMPLES) -> Interval:
    """Mean over cubes and the central 95 % of the means of bootstrap samples; NaN limits with fewer than two cubes.

    References
    ----------
    Efron and Tibshirani (1993), An introduction to the bootstrap: the percentile interval.
    """
    array = np.asarray([value for value in values if np.isfinite(value)], np.float64)
    if array.size < 2:
        return Interval(float(array.mean()) if array.size else float("nan"), float("nan"), float("nan"), array.size)
    generator = np.random.default_rng(array.size)
    means = np.array([array[generator.integers(array.size, size=array.size)].mean() for _ in range(resamples)])
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(array.mean()), float(low), float(high), array.size)


def paired_difference(mine: Mapping[str, float], theirs: Mapping[str, float]) -> Interval:
    """The mean difference over the cubes that both have, with its paired bootstrap interval."""
    both: NDArray[np.float64] = np.array([mine[cube] - theirs[cube] for cube in mine if cube in theirs])
    return interval(both.tolist())

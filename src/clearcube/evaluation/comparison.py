"""Many cubes at once: pooled sums, one value for each cube, and how sure a difference between methods is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from tempfile import TemporaryFile
from typing import TYPE_CHECKING
from weakref import finalize

import numpy as np

from clearcube.evaluation.intervals import Interval, interval, paired_difference, resampled, with_limits
from clearcube.evaluation.judging import HIDDEN, MISSED
from clearcube.evaluation.mask_error import KINDS, MASK_ERROR
from clearcube.evaluation.metrics import ALL_BANDS, NDVI, Score, formula_of
from clearcube.evaluation.pools import WHOLE, Pool
from clearcube.evaluation.records import Outcome, Record
from clearcube.evaluation.statistics import Sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Comparison", "Interval", "Pool", "headline", "interval", "paired_difference"]

UNCERTAINTY = ("crps", "coverage50", "coverage80", "coverage90", "coverage95", "uce", "auce", "ause")
DETECTION = ("auc", "average_precision", "recall1")
HEADLINE = (
    *("psnr", "rmse", "mae", "bias", "r2", "nnse", "sam", "ssim"),
    *("ndvi_mae", "ndvi_rmse", "ndvi_bias", "ndvi_r2", "ndvi_nnse"),
    *("ms_ssim", "gmsd", "spectrum_ratio", "coherence", "frechet", "lpips"),
    *("niqe", "sharpness_ratio", "entropy_ratio", "roughness_ratio"),
    *(f"{of}{metric}" for of in ("", "ndvi_") for metric in UNCERTAINTY),
    *(f"{who}{metric}_{kind}" for who in ("", "blue_") for metric in DETECTION for kind in KINDS),
    *(f"{MISSED}_{metric}" for metric in ("psnr", "rmse", "mae", "sam")),
    "missing",
)
"""Metrics, over all bands or of NDVI, that are kept for every cube."""

Group = tuple[str, str, str]
"""Method, scenario, set of pixels."""
Problem = tuple[str, str, str, int, str]
_PLACES = {metric: place for place, metric in enumerate(HEADLINE)}


class Comparison:
    """What is known of all cubes: pools, values by cube, and what did not work.

    Values by cube lie in a temporary file, so that memory does not grow with the cubes.

    pools : (group, bands) -> pool. cubes : their names. failures, left_out : (cube, method, scenario, seed, message).
    """

    def __init__(self) -> None:
        self.methods: tuple[str, ...] = ()
        self.scenarios: tuple[str, ...] = ()
        self.pools: dict[tuple[Group, tuple[str, ...]], Pool] = {}
        self.cubes: list[str] = []
        self.failures: list[Problem] = []
        self.left_out: list[Problem] = []
        self.distances: dict[tuple[str, str], float] = {}
        self._pooled: dict[Group, dict[str, float]] = {}
        self._values = TemporaryFile()  # noqa: SIM115  (closed with the comparison)
        finalize(self, self._values.close)

    def add(self, record: Record, methods: Sequence[str], scenarios: Sequence[str], seeds: Sequence[int]) -> None:
        """Add the outcomes of a cube that were asked for; those that it does not hold count as not there.

        What is asked for is the same for all cubes.
        """
        assert not self.cubes or (self.methods, self.scenarios) == (tuple(methods), tuple(scenarios))
        self.methods, self.scenarios = tuple(methods), tuple(scenarios)
        self._pooled.clear()
        self.cubes.append(record.cube)
        values = np.full((len(self.scenarios), len(self.methods), len(HEADLINE), 3), np.nan)
        for place in product(range(len(self.scenarios)), range(len(self.methods))):
            scenario, method = self.scenarios[place[0]], self.methods[place[1]]
            keys = [(method, scenario, seed) for seed in sorted(seeds)]
            outcomes = {key[2]: record.outcomes[key] for key in keys if key in record.outcomes}
            for seed, outcome in outcomes.items():
                if outcome.problem:
                    problems = self.left_out if outcome.left_out else self.failures
                    problems.append((record.cube, method, scenario, seed, outcome.problem))
            own = self._pooled_outcomes(record.bands, method, scenario, list(outcomes.values()))
            for score in own:
                if score.metric in _PLACES:
                    values[(*place, _PLACES[score.metric])] = score.value, score.sum, score.weight
        self._values.write(values.tobytes())

    def _pooled_outcomes(
        self, bands: tuple[str, ...], method: str, scenario: str, outcomes: Sequence[Outcome]
    ) -> Iterator[Score]:
        """Add the outcomes of all seeds; the cube's own scores, none where one of them failed."""
        own = {which: Pool(bands) for which in (HIDDEN, MISSED)}
        for outcome in outcomes:
            for which, tally in outcome.sets.items():
                pool = self.pools.setdefault(((method, scenario, which), bands), Pool(bands))
                strata = outcome.strata if which == HIDDEN else WHOLE
                pool.add(tally, strata)
                if which in own:
                    own[which].add(tally, strata)
        failed = any(outcome.problem and not outcome.left_out for outcome in outcomes)
        return iter(()) if failed else _headlines(own)

    def of_cubes(self, method: str, scenario: str, metric: str) -> NDArray[np.float64]:
        """Value, sum and weight of a headline metric over hidden pixels for every cube, its seeds pooled, (cubes, 3).

        NaN where there is none; sum and weight are NaN where the metric needs more than one sum.
        """
        shape = (len(self.cubes), len(self.scenarios), len(self.methods), len(HEADLINE), 3)
        if not self.cubes or method not in self.methods or scenario not in self.scenarios or metric not in _PLACES:
            return np.full((len(self.cubes), 3), np.nan)
        self._values.flush()
        table = np.memmap(self._values, np.float64, "r", shape=shape)
        place = (self.scenarios.index(scenario), self.methods.index(method), _PLACES[metric])
        return np.array(table[(slice(None), *place)])

    def values(self, method: str, scenario: str, metric: str) -> NDArray[np.float64]:
        """The value of a metric for every cube, (cubes,), NaN where there is none."""
        return self.of_cubes(method, scenario, metric)[:, 0]

    def difference(self, method: str, reference: str, scenario: str, metric: str) -> Interval:
        """Mean over cubes of what the method has over the reference, with its paired bootstrap interval."""
        return interval(self.values(method, scenario, metric) - self.values(reference, scenario, metric))

    def pooled_difference(self, method: str, reference: str, scenario: str, metric: str) -> Interval:
        """The same of the metric pooled over all cubes that both have; NaN where it needs more than one sum."""
        pair = [self.of_cubes(name, scenario, metric)[:, 1:] for name in (method, reference)]
        both = np.isfinite(pair[0]).all(axis=1) & np.isfinite(pair[1]).all(axis=1)
        formula = formula_of(metric)
        if formula is None or not both.any():
            return Interval(np.nan, np.nan, np.nan, 0)
        mine, theirs = (formula(Sums(*sums[both].sum(axis=0))) for sums in pair)
        of_samples = [formula(Sums(*resampled(sums[both]).T)) for sums in pair]
        return with_limits(float(mine - theirs), of_samples[0] - of_samples[1], int(both.sum()))

    def over_scenarios(self, method: str) -> Iterator[Score]:
        """Every score over hidden pixels, pooled over the scenarios that hide, of cubes with the same bands."""
        merged: dict[tuple[str, ...], Pool] = {}
        for ((name, scenario, which), bands), pool in self.pools.items():
            if name == method and which == HIDDEN and scenario != MASK_ERROR:
                merged.setdefault(bands, Pool(bands)).add(pool.tally, pool.strata)
        return next(iter(merged.values())).scores() if len(merged) == 1 else iter(())

    def pooled(self, method: str, scenario: str, which: str = "hidden") -> dict[str, float]:
        """Headline metrics of the pooled sums; nothing of cubes with different bands, which do not pool."""
        place = (method, scenario, which)
        if place not in self._pooled:
            self._pooled[place] = self._pooled_metrics(*place)
        return self._pooled[place]

    def _pooled_metrics(self, method: str, scenario: str, which: str) -> dict[str, float]:
        wanted = (HIDDEN, MISSED) if which == HIDDEN else (which,)
        pools = [(group[2], pool) for (group, _), pool in self.pools.items() if group[:2] == (method, scenario)]
        chosen = [(HIDDEN if name == which else name, pool) for name, pool in pools if name in wanted]
        if len({name for name, _ in chosen}) < len(chosen):
            return {}
        found = headline(_headlines(dict(chosen)))
        if which == HIDDEN and (method, scenario) in self.distances:
            found["fid"] = self.distances[method, scenario]
        return found


def headline(found: Iterable[Score]) -> dict[str, float]:
    """Metric -> value over all strata, of all bands together or of NDVI."""
    return {s.metric: s.value for s in found if s.stratum[0] == "all" and s.band in (ALL_BANDS, NDVI)}


def _headlines(pools: Mapping[str, Pool]) -> Iterator[Score]:
    """Scores over all strata, of all bands together or of NDVI; those of missed pixels are called so."""
    for which, pool in pools.items():
        for score in pool.whole() if pool.tally else ():
            if score.band in (ALL_BANDS, NDVI):
                yield score._replace(metric=f"{MISSED}_{score.metric}") if which == MISSED else score

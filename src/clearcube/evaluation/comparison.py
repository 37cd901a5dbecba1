"""Many cubes at once: pooled sums, one value for each cube, and how sure a difference between methods is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from tempfile import TemporaryFile
from typing import TYPE_CHECKING
from weakref import finalize

import numpy as np

from clearcube.evaluation.common import CommonPools, Group, Pools, pools_of, shared_scenarios
from clearcube.evaluation.intervals import Interval, interval, resampled, with_limits
from clearcube.evaluation.judging import HIDDEN, MISSED
from clearcube.evaluation.mask_error import KINDS
from clearcube.evaluation.metrics import ALL_BANDS, NDVI, Score, formula_of
from clearcube.evaluation.pools import WHOLE, Pool, joined_scores, over_all_strata
from clearcube.evaluation.records import Outcome, Record
from clearcube.evaluation.statistics import Sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    *("missing", "missing_std"),
)
"""Metrics, over all bands or of NDVI, that are kept for every cube."""

BY_BAND = ("psnr", "rmse", "mae", "bias", "r2", "ssim", *UNCERTAINTY)
"""Metrics that are also given by band."""

Problem = tuple[str, str, str, int, str]
_PLACES = {metric: place for place, metric in enumerate(HEADLINE)}


class Comparison:
    """What is known of all cubes: pools, values by cube, and what did not work.

    Values by cube lie in a temporary file, so that memory does not grow with the cubes.

    common : the sums of the experiments that every compared method completed. cubes : their names.
    failures, left_out : (cube, method, scenario, seed, message).
    distances : (method, scenario) -> Fréchet Inception distance of all cubes; whoever has computed it puts it in.
    """

    def __init__(self) -> None:
        self.methods: tuple[str, ...] = ()
        self.scenarios: tuple[str, ...] = ()
        self.common = CommonPools()
        self.cubes: list[str] = []
        self.failures: list[Problem] = []
        self.left_out: list[Problem] = []
        self.distances: dict[tuple[str, str], float] = {}
        self._pools: Pools | None = None
        self._pooled: dict[Group, dict[str, float]] = {}
        self._over: dict[str, tuple[Score, ...]] = {}
        self._values = TemporaryFile()  # noqa: SIM115  (closed with the comparison)
        finalize(self, self._values.close)

    @property
    def pools(self) -> Pools:
        """(group, bands) -> sums of the experiments that every compared method completed."""
        if self._pools is None:
            self._pools = self.common.pools()
        return self._pools

    def add(self, record: Record, methods: Sequence[str], scenarios: Sequence[str], seeds: Sequence[int]) -> None:
        """Add the outcomes of a cube that were asked for; those that it does not hold count as not there.

        What is asked for is the same for all cubes. The values of the cube are of the seeds that were run with each
        method that was run on it at all, so that methods are compared on the same pixels.
        """
        assert not self.cubes or (self.methods, self.scenarios) == (tuple(methods), tuple(scenarios))
        self.methods, self.scenarios = tuple(methods), tuple(scenarios)
        self._pooled.clear()
        self._over.clear()
        self._pools = None
        self.common.add(record, methods, scenarios, seeds)
        self.cubes.append(record.cube)
        values = np.full((len(self.scenarios), len(self.methods), len(HEADLINE), 3), np.nan)
        for row, scenario in enumerate(self.scenarios):
            run = [record.of_seeds(method, scenario, seeds) for method in self.methods]
            shared = set.intersection(*(set(outcomes) for outcomes in run if outcomes)) if any(run) else set()
            for column, (method, outcomes) in enumerate(zip(self.methods, run, strict=True)):
                for seed, outcome in outcomes.items():
                    if outcome.problem:
                        problems = self.left_out if outcome.left_out else self.failures
                        problems.append((record.cube, method, scenario, seed, outcome.problem))
                for score in self._of_seeds(record.bands, [outcomes[seed] for seed in outcomes if seed in shared]):
                    if score.metric in _PLACES:
                        values[row, column, _PLACES[score.metric]] = score.value, score.sum, score.weight
        self._values.write(values.tobytes())

    @staticmethod
    def _of_seeds(bands: tuple[str, ...], outcomes: Sequence[Outcome]) -> Iterator[Score]:
        """The scores of the outcomes of all seeds together; none where one of them failed."""
        own = {which: Pool(bands) for which in (HIDDEN, MISSED)}
        for outcome in outcomes:
            for which in own.keys() & outcome.sets.keys():
                own[which].add(outcome.sets[which], outcome.strata if which == HIDDEN else WHOLE)
        failed = any(outcome.failed for outcome in outcomes)
        return iter(()) if failed else _headlines({which: [pool] for which, pool in own.items()})

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
        mine, theirs = (self.values(name, scenario, metric) for name in (method, reference))
        with np.errstate(invalid="ignore"):  # of two perfect fills
            return interval(mine - theirs)

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
        """Every score over hidden pixels, pooled over the hiding scenarios that all methods have pools of."""
        if method not in self._over:
            pools = pools_of(self.pools, method, shared_scenarios(self.pools, self.scenarios))
            self._over[method] = tuple(joined_scores(pools))
        return iter(self._over[method])

    def pooled(self, method: str, scenario: str, which: str = HIDDEN) -> dict[str, float]:
        """Headline metrics of the pooled sums, of all bands together or of NDVI, of cubes of whatever bands."""
        place = (method, scenario, which)
        if place not in self._pooled:
            self._pooled[place] = self._pooled_metrics(*place)
        return self._pooled[place]

    def _pooled_metrics(self, method: str, scenario: str, which: str) -> dict[str, float]:
        wanted = {HIDDEN: which, MISSED: MISSED} if which == HIDDEN else {HIDDEN: which}
        pools = {name: pools_of(self.pools, method, (scenario,), of) for name, of in wanted.items()}
        found = headline(_headlines(pools))
        if which == HIDDEN and (method, scenario) in self.distances:
            found["fid"] = self.distances[method, scenario]
        return found

    def by_band(self, method: str, scenario: str) -> dict[str, dict[str, float]]:
        """Metric -> band -> value over hidden pixels, each band pooled over the cubes that have it."""
        found: dict[str, dict[str, float]] = {}
        for score in over_all_strata(pools_of(self.pools, method, (scenario,))):
            if score.metric in BY_BAND and score.band not in (ALL_BANDS, NDVI):
                found.setdefault(score.metric, {})[score.band] = score.value
        return found


def headline(found: Iterable[Score]) -> dict[str, float]:
    """Metric -> value over all strata, of all bands together or of NDVI."""
    return {s.metric: s.value for s in found if s.stratum[0] == "all" and s.band in (ALL_BANDS, NDVI)}


def _headlines(pools: Mapping[str, Sequence[Pool]]) -> Iterator[Score]:
    """Scores over all strata, of all bands together or of NDVI; those of missed pixels are called so."""
    for which, each in pools.items():
        for score in over_all_strata([pool for pool in each if pool.tally]):
            if score.band in (ALL_BANDS, NDVI):
                yield score._replace(metric=f"{MISSED}_{score.metric}") if which == MISSED else score

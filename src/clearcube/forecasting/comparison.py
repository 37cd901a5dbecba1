"""Many episodes at once: the scores of every model and fill, and what filling the context does for the forecast."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from clearcube.evaluation.intervals import Interval, interval, paired_difference
from clearcube.evaluation.scores import mean, root_mean
from clearcube.evaluation.statistics import Sums, Tally
from clearcube.forecasting.greenearthnet import by_class, dataset_scores
from clearcube.forecasting.outperformance import outperformance
from clearcube.forecasting.reading import is_tile
from clearcube.forecasting.run import PLACE, SEED
from clearcube.forecasting.run_scores import CLEAR, CONTEXT, COUNTED, GROUND, PARTS
from clearcube.forecasting.vegetation import VEGETATION

if TYPE_CHECKING:
    from clearcube.evaluation.records import Outcome, Record

Key = tuple[str, str]
"""Model, fill."""
LEAD_EDGES = (25, 50, 75, 100)
"""Last days of the parts of the horizon."""
CLOUDINESS = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.01))
"""Shares of the context's values that were not observed: from, up to."""
FEWEST_TILES = 5
"""Tiles from which on regions are tiles too."""
ERROR, ERROR25, ERROR_COUNTED, ERROR_GROUND = "rmse_clear", "rmse25_clear", "rmse", "rmse_ground"
"""RMSE of a cube over all clear target values, of the first 25 days of them, over GreenEarthNet's pixels and classes,
and over all values of the simulated ground."""
_PARTS = ("ols_published", "ols_strict", "emd")
"""Parts of EarthNetScore that need NDVI alone."""
_STATISTIC = {
    ERROR: (CLEAR, "squared"),
    ERROR25: (CLEAR, "squared"),
    ERROR_GROUND: (GROUND, "squared"),
    "mae_clear": (CLEAR, "absolute"),
    "bias_clear": (CLEAR, "signed"),
    "coverage90": (CLEAR, "inside90"),
    "missing": (CLEAR, "missing"),
    **{name: (PARTS, name) for name in _PARTS},
}
"""Metric -> set and statistic of the sums that it is made of."""


@dataclass
class ForecastComparison:
    """What is known of all episodes. Scores are of the cubes that every model and fill gave a forecast of.

    outcomes : (model, fill) -> cube -> its sums. values : (model, fill, metric) -> cube -> value.
    cloudy : cube -> share of its context that was not observed. places : cube -> place.
    failures, left_out : (cube, model, fill, message).
    """

    outcomes: dict[Key, dict[str, Outcome]] = field(default_factory=dict)
    values: dict[tuple[str, str, str], dict[str, float]] = field(default_factory=dict)
    cloudy: dict[str, float] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    failures: list[tuple[str, str, str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str, str, str]] = field(default_factory=list)
    cubes: list[str] = field(default_factory=list)

    def add(self, record: Record, models: Sequence[str], fills: Sequence[str]) -> None:
        """Add the outcomes of an episode that were asked for."""
        self.cubes.append(record.cube)
        self.places[record.cube] = str(record.settings.get(PLACE, ""))
        for model in models:
            for fill in fills:
                outcome = record.outcomes[model, fill, SEED]
                if outcome.problem:
                    problems = self.left_out if outcome.left_out else self.failures
                    problems.append((record.cube, model, fill, outcome.problem))
                    continue
                self.outcomes.setdefault((model, fill), {})[record.cube] = outcome
                seen = outcome.sets[CONTEXT]["clear"]
                self.cloudy[record.cube] = float(1 - seen.total[0] / seen.weight[0])
                for metric, value in cube_values(outcome).items():
                    if np.isfinite(value):
                        self.values.setdefault((model, fill, metric), {})[record.cube] = value

    @property
    def shared(self) -> set[str]:
        """The cubes of which every model and fill has a forecast, of those that have any."""
        return set.intersection(*map(set, self.outcomes.values())) if self.outcomes else set()

    def compared(self, model: str, fill: str) -> dict[str, Outcome]:
        """Cube -> its sums, of the shared cubes."""
        shared = self.shared
        return {cube: outcome for cube, outcome in self.outcomes.get((model, fill), {}).items() if cube in shared}

    def counted(self, model: str, fill: str) -> dict[str, Tally]:
        """Cube -> sums over GreenEarthNet's pixels, of the shared cubes."""
        return {cube: outcome.sets[COUNTED] for cube, outcome in self.compared(model, fill).items()}

    def scores(self, model: str, fill: str) -> dict[str, float]:
        """GreenEarthNet's scores, outperformance, and pooled errors over all clear target values."""
        found = dataset_scores(self.counted(model, fill).values())
        found["outperformance"] = outperformance(self.counted(model, fill), self.counted("climatology", fill))
        for metric in _STATISTIC:
            found[metric] = self._pooled(model, fill, metric)
        return found

    def _pooled(self, model: str, fill: str, metric: str) -> float:
        """A metric of the sums of the shared cubes."""
        outcomes = self.compared(model, fill).values()
        parts = [sums for sums in (_sums_of(outcome, metric) for outcome in outcomes) if sums is not None]
        if not parts:
            return float("nan")
        return _value(metric, Sums(sum(part.total for part in parts), sum(part.weight for part in parts)))

    def by_class(self, model: str, fill: str) -> dict[str, dict[str, float]]:
        """Class -> score -> value over GreenEarthNet's pixels; classes without pixels are left out."""
        return scores_by_class(self.counted(model, fill).values())

    def by_lead(self, model: str, fill: str) -> dict[str, float]:
        """Part of the horizon, days -> RMSE over all clear target values, pooled."""
        return errors_by_lead(self.compared(model, fill).values())


def scores_by_class(tallies: Iterable[Tally]) -> dict[str, dict[str, float]]:
    """Class -> score -> value of some cubes; classes without pixels are left out."""
    table = by_class(tallies)
    names = [name for name, there in zip(VEGETATION, np.isfinite(table["rmse"]), strict=False) if there]
    return {name: {key: float(row[VEGETATION.index(name)]) for key, row in table.items()} for name in names}


def errors_by_lead(outcomes: Iterable[Outcome]) -> dict[str, float]:
    """Part of the horizon, days -> RMSE over all clear target values of some cubes, pooled."""
    total, weight = np.zeros((2, len(LEAD_EDGES) + 1))
    for outcome in outcomes:
        squared = outcome.sets[CLEAR]["squared"]
        part = np.searchsorted(LEAD_EDGES, leads_of(outcome))
        total += np.bincount(part, squared.total.sum(axis=0), minlength=total.size)
        weight += np.bincount(part, squared.weight.sum(axis=0), minlength=weight.size)
    starts = (1, *(edge + 1 for edge in LEAD_EDGES))
    names = [f"{start}-{stop}" for start, stop in zip(starts, LEAD_EDGES, strict=False)]
    names.append(f"over {LEAD_EDGES[-1]}")
    values = zip(names, total, weight, strict=True)
    return {name: float(np.sqrt(t / w)) for name, t, w in values if w > 0}


def leads_of(outcome: Outcome) -> list[int]:
    """Days of each target date after the context."""
    return [int(name) for _, name in outcome.strata]


def cube_values(outcome: Outcome) -> dict[str, float]:
    """Metric -> value of one cube; NaN where it has none."""
    found = dataset_scores([outcome.sets[COUNTED]])
    for metric in (ERROR, ERROR25, ERROR_GROUND, "mae_clear", *_PARTS):
        sums = _sums_of(outcome, metric)
        found[metric] = float("nan") if sums is None else _value(metric, sums)
    return found


def _sums_of(outcome: Outcome, metric: str) -> Sums | None:
    """The sum and weight of a metric over everything that it is of, or None."""
    which, statistic = _STATISTIC[metric]
    sums = outcome.sets.get(which, {}).get(statistic)
    if sums is not None and metric == ERROR25:
        early = np.array(leads_of(outcome)) <= LEAD_EDGES[0]
        sums = Sums(sums.total[:, early], sums.weight[:, early])
    return None if sums is None else sums.pooled()


def _value(metric: str, sums: Sums) -> float:
    if not sums.weight > 0:
        return float("nan")
    return float((root_mean if metric.startswith("rmse") else mean)(sums))


@dataclass(frozen=True)
class Gain:
    """What a fill of the context does for a model's forecast, compared with another fill.

    improved : share of regions in which the error is smaller, with its bootstrap interval. equal : share in which it
    is the same. error : mean difference of the error, with its interval; below 0 is better.
    """

    improved: Interval
    equal: float
    error: Interval


def gain(
    found: ForecastComparison,
    model: str,
    fill: str,
    reference: str,
    metric: str = ERROR,
    *,
    cubes: Iterable[str] | None = None,
) -> Gain:
    """The gain of a fill over another one, on all cubes or on the given ones that both have."""
    mine, theirs = (found.values.get((model, name, metric), {}) for name in (fill, reference))
    wanted = set(mine if cubes is None else cubes)
    kept = [cube for cube in mine if cube in theirs and cube in wanted]
    return _gain({cube: mine[cube] for cube in kept}, theirs)


def _gain(mine: Mapping[str, float], theirs: Mapping[str, float]) -> Gain:
    better = interval([float(mine[name] < theirs[name]) for name in mine])
    equal = float(np.mean([mine[name] == theirs[name] for name in mine])) if mine else float("nan")
    return Gain(better, equal, paired_difference(mine, theirs))


def gain_by_tile(found: ForecastComparison, model: str, fill: str, reference: str, metric: str = ERROR) -> Gain | None:
    """The same with tiles as regions, each the mean of its cubes; None with less than five tiles."""
    both = [found.values.get((model, name, metric), {}) for name in (fill, reference)]
    shared = [cube for cube in both[0] if cube in both[1]]
    means = []
    for values in both:
        of_places: dict[str, list[float]] = {}
        for cube in shared:
            of_places.setdefault(found.places[cube], []).append(values[cube])
        means.append({place: float(np.mean(of)) for place, of in of_places.items() if is_tile(place)})
    mine, theirs = means
    return _gain(mine, theirs) if FEWEST_TILES <= len(mine) < len(found.cubes) else None


def cubes_by_cloudiness(found: ForecastComparison) -> dict[str, list[str]]:
    """Share of the context that was not observed, as words -> cubes; shares that no cube has are left out."""
    groups = {
        f"{100 * low:.0f}-{min(100 * high, 100):.0f} %": [c for c, share in found.cloudy.items() if low <= share < high]
        for low, high in CLOUDINESS
    }
    return {name: cubes for name, cubes in groups.items() if cubes}

"""Sums over the experiments that every compared method completed, so that pooled scores are of the same pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from clearcube.evaluation.judging import HIDDEN
from clearcube.evaluation.mask_error import MASK_ERROR
from clearcube.evaluation.pools import WHOLE, Pool
from clearcube.evaluation.records import Outcome, Record

Group = tuple[str, str, str]
"""Method, scenario, set of pixels."""
Pools = Mapping[tuple[Group, tuple[str, ...]], Pool]
"""(group, bands) -> sums."""


@dataclass
class _Part:
    """The experiments of a scenario that the same methods completed.

    seeds : cube -> its seeds. pools : (method, set of pixels, bands) -> sums. lacking : (method, why) -> experiments.
    """

    seeds: dict[str, tuple[int, ...]] = field(default_factory=dict)
    pools: dict[tuple[str, str, tuple[str, ...]], Pool] = field(default_factory=dict)
    lacking: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def experiments(self) -> int:
        return sum(map(len, self.seeds.values()))


@dataclass(frozen=True)
class Unpooled:
    """How many of the experiments of a scenario are in no pool, and (method, why) -> on how many it is lacking."""

    scenario: str
    experiments: int
    unpooled: int
    lacking: Mapping[tuple[str, str], int]


class CommonPools:
    """The sums of all cubes, by who completed what. Compared in a scenario are all that completed any of it."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[tuple[str, ...], _Part]] = {}

    def __bool__(self) -> bool:
        """Whether any method completed any experiment."""
        return bool(self._parts)

    def add(self, record: Record, methods: Sequence[str], scenarios: Sequence[str], seeds: Sequence[int]) -> None:
        """Add the outcomes of a cube."""
        for scenario in scenarios:
            for seed in sorted(seeds):
                outcomes = {method: record.outcomes.get((method, scenario, seed)) for method in methods}
                done = {method: each for method, each in outcomes.items() if each is not None and not each.problem}
                if done:
                    part = self._parts.setdefault(scenario, {}).setdefault(tuple(done), _Part())
                    part.seeds[record.cube] = (*part.seeds.get(record.cube, ()), seed)
                    part.lacking.update((m, _why(each)) for m, each in outcomes.items() if m not in done)
                    _add(part, record.bands, done)

    def pools(self) -> Pools:
        """The sums of what every compared method completed."""
        return {
            ((method, scenario, which), bands): pool
            for scenario in self._parts
            for (method, which, bands), pool in self._common(scenario).pools.items()
        }

    def seeds_of(self, scenario: str) -> Mapping[str, Sequence[int]]:
        """Cube -> seeds of the experiments of a scenario that are pooled."""
        return self._common(scenario).seeds if scenario in self._parts else {}

    def cubes_in(self, scenarios: Sequence[str]) -> int:
        """How many cubes are in the pools of these scenarios."""
        return len({cube for scenario in scenarios for cube in self.seeds_of(scenario)})

    def unpooled(self) -> Iterator[Unpooled]:
        """The scenarios of which something is in no pool."""
        for scenario, parts in self._parts.items():
            common, methods = self._common(scenario), self._compared(scenario)
            others = [part for part in parts.values() if part is not common]
            if others:
                lacking = sum((part.lacking for part in others), Counter[tuple[str, str]]())
                compared = {place: count for place, count in lacking.items() if place[0] in methods}
                count = sum(part.experiments for part in others)
                yield Unpooled(scenario, count + common.experiments, count, compared)

    def _compared(self, scenario: str) -> set[str]:
        return {method for done in self._parts[scenario] for method in done}

    def _common(self, scenario: str) -> _Part:
        """What all of them completed; nothing where there is no such experiment."""
        parts, methods = self._parts[scenario], self._compared(scenario)
        return next((part for done, part in parts.items() if set(done) == methods), _Part())


def _add(part: _Part, bands: tuple[str, ...], done: Mapping[str, Outcome]) -> None:
    for method, outcome in done.items():
        for which, tally in outcome.sets.items():
            pool = part.pools.setdefault((method, which, bands), Pool(bands))
            pool.add(tally, outcome.strata if which == HIDDEN else WHOLE)


def _why(outcome: Outcome | None) -> str:
    """Why there are no sums."""
    if outcome is None:
        return "was not run"
    return "was left out" if outcome.left_out else "failed"


def shared_scenarios(pools: Pools, scenarios: Sequence[str]) -> list[str]:
    """The scenarios that hide and that every method is in the pools of, of those methods that are in any."""
    hiding = [name for name in scenarios if name != MASK_ERROR]
    groups = {group[:2] for group, _ in pools if group[2] == HIDDEN and group[1] in hiding}
    methods = {method for method, _ in groups}
    return [name for name in hiding if methods and all((method, name) in groups for method in methods)]


def pools_of(pools: Pools, method: str, scenarios: Sequence[str], which: str = HIDDEN) -> list[Pool]:
    """The pools of a method in these scenarios, one for each set of bands and scenario."""
    return [pool for (group, _), pool in pools.items() if group[::2] == (method, which) and group[1] in scenarios]

"""Sums over cubes and seeds, whose strata differ from cube to cube."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from clearcube.evaluation.metrics import Score, by_stratum, scores
from clearcube.evaluation.statistics import Sums

Strata = tuple[tuple[str, str], ...]
WHOLE: Strata = (("all", "all"),)
"""The one stratum of what is not divided."""


@dataclass
class Pool:
    """Sums over cubes and seeds of one group, for cubes of the same bands."""

    bands: tuple[str, ...]
    tally: dict[str, Sums] = field(default_factory=dict)
    strata: Strata = WHOLE

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

    def whole(self) -> Iterator[Score]:
        """Every metric by band, over all strata."""
        first = {name: Sums(s.total[:1], s.weight[:1]) if by_stratum(name) else s for name, s in self.tally.items()}
        return scores(first, self.strata[:1], self.bands)

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

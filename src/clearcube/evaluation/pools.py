"""Sums over cubes and seeds, whose strata and bands differ from cube to cube."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from clearcube.evaluation.metrics import NDVI, Score, by_stratum, scores
from clearcube.evaluation.statistics import Sums, Tally

StratumNames = tuple[tuple[str, str], ...]
WHOLE: StratumNames = (("all", "all"),)
"""The one stratum of what is not divided."""
_OF_ALL_BANDS = ("angle", "missing", "missing_std", "untrue", "lpips")
_OF_CUBES = ("niqe_", "detections")
_OF_THESE_BANDS = ("patch_",)
"""Statistics that are not by band; beginnings of those that add up whatever the bands, and of those that do not."""


@dataclass
class Pool:
    """Sums over cubes and seeds of one group, for cubes of the same bands."""

    bands: tuple[str, ...]
    tally: dict[str, Sums] = field(default_factory=dict)
    strata: StratumNames = WHOLE

    def add(self, tally: Tally, strata: StratumNames) -> None:
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

    def together(self) -> Pool:
        """The sums of all bands as those of one, without what is of just these bands."""
        tally = {
            name: sums if name.startswith(_OF_CUBES) else _over_bands(sums)
            for name, sums in self.tally.items()
            if not name.startswith(_OF_THESE_BANDS)
        }
        return Pool((), tally, self.strata)

    def of_band(self, band: str) -> Pool:
        """The sums of one of the bands, as of a cube that has no other; without what is not by band."""
        place = [self.bands.index(band)]
        others = (*_OF_CUBES, *_OF_THESE_BANDS, f"{NDVI}_")
        tally = {
            name: Sums(*(part if part.shape[1] == 1 else part[:, place] for part in (sums.total, sums.weight)))
            for name, sums in self.tally.items()
            if name not in _OF_ALL_BANDS and not name.startswith(others)
        }
        return Pool((band,), tally, self.strata)

    def _first(self) -> Pool:
        """The sums over all strata."""
        first = {name: Sums(s.total[:1], s.weight[:1]) if by_stratum(name) else s for name, s in self.tally.items()}
        return Pool(self.bands, first, self.strata[:1])


def joined(pools: Sequence[Pool]) -> Pool:
    """All sums together; where the bands differ, those over the bands of each."""
    if len(pools) == 1:
        return pools[0]
    same = len({pool.bands for pool in pools}) == 1
    whole = Pool(pools[0].bands if same else ())
    for pool in pools:
        part = pool if same else pool.together()
        whole.add(part.tally, part.strata)
    return whole


def joined_scores(pools: Sequence[Pool]) -> Iterator[Score]:
    """Every metric by stratum and band, of the bands together over all pools, by band over those that have it."""
    if not pools:
        return
    yield from joined(pools).scores()
    if len({pool.bands for pool in pools}) > 1:
        for band in bands_of(pools):
            for score in joined([pool.of_band(band) for pool in pools if band in pool.bands]).scores():
                yield score._replace(band=band)


def bands_of(pools: Sequence[Pool]) -> tuple[str, ...]:
    """The bands of all pools, each once."""
    return tuple(dict.fromkeys(band for pool in pools for band in pool.bands))


def over_all_strata(pools: Sequence[Pool]) -> Iterator[Score]:
    """The same over all strata."""
    return joined_scores([pool._first() for pool in pools])


def _over_bands(sums: Sums) -> Sums:
    return Sums(sums.total.sum(axis=1, keepdims=True), sums.weight.sum(axis=1, keepdims=True))


def _widened(sums: Sums, strata: StratumNames, names: StratumNames) -> Sums:
    """Sums by stratum in the order of `names`, 0 where they have none."""
    if strata == names:
        return sums
    rows = [names.index(name) for name in strata]
    total = np.zeros((len(names), *sums.total.shape[1:]))
    weight = np.zeros((len(names), *sums.weight.shape[1:]))
    total[rows], weight[rows] = sums.total, sums.weight
    return Sums(total, weight)

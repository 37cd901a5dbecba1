"""Figures of what an evaluation found: the one place that knows its sums and how they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.errors import InputError
from clearcube.evaluation.calibration import PROBABILITY_BINS, coverage_curve, sparsification_curves
from clearcube.evaluation.common import CommonPools, Pools, pools_of, shared_scenarios
from clearcube.evaluation.comparison import headline
from clearcube.evaluation.folder import provenance_in, sums_path
from clearcube.evaluation.metrics import ALL_BANDS
from clearcube.evaluation.pools import Pool, joined
from clearcube.evaluation.records import load
from clearcube.gaps import STRATA
from clearcube.plots import (
    Calibration,
    MethodScores,
    PerceptualScore,
    calibration_figure,
    scores_figure,
    svg_text,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from clearcube.evaluation.comparison import Comparison

PERCEPTUAL = {
    "lpips": PerceptualScore("LPIPS", less_is_better=True),
    "frechet": PerceptualScore("Fréchet distance of patches", less_is_better=True),
    "ms_ssim": PerceptualScore("MS-SSIM", less_is_better=False),
}
"""Perceptual scores, the first that every method has is drawn."""
QUANTITIES = {"": "reflectance", "ndvi_": "NDVI"}
"""Beginning of the names of statistics -> what they are of."""
STEPS = 100
"""Points of a sparsification curve."""


@dataclass(frozen=True)
class Results:
    """What an evaluation found, and the methods and scenarios that it was asked for; how many cubes are drawn."""

    pools: Pools
    methods: tuple[str, ...]
    scenarios: tuple[str, ...]
    cubes: int

    @classmethod
    def of(cls, found: Comparison) -> Results:
        """The results that a comparison holds."""
        return _results(found.common, found.methods, found.scenarios)


def results_in(folder: Path) -> Results:
    """Read the folder that `clearcube evaluate` wrote, one cube after the other.

    Raises
    ------
    InputError : it holds no finished evaluation.
    """
    about = provenance_in(folder)
    methods, scenarios, seeds = (tuple(about[name]) for name in ("methods", "scenarios", "seeds"))
    common = CommonPools()
    for cube in about["inputs"]:
        common.add(load(sums_path(folder, cube)), methods, scenarios, seeds)
    return _results(common, methods, scenarios)


def _results(common: CommonPools, methods: Sequence[str], scenarios: Sequence[str]) -> Results:
    """What can be drawn, with the number of cubes that are."""
    pools = common.pools()
    cubes = common.cubes_in(shared_scenarios(pools, scenarios))
    return Results(pools, tuple(methods), tuple(scenarios), cubes)


def report_svgs(results: Results) -> dict[str, str]:
    """Name of a figure (`scores`, `calibration`) -> SVG element to be put into a page.

    A figure that there is nothing to draw of is not there.
    """
    svgs = {}
    for name, draw in FIGURES.items():
        try:
            svgs[name] = svg_text(draw(results))
        except InputError:
            continue
    return svgs


def figure_of_scores(results: Results) -> Figure:
    """PSNR by gap length, and against the first perceptual score that every method has.

    Raises
    ------
    InputError : there is no score.
    """
    pools = _pools(results)
    values = {method: headline(pool.scores()) for method, pool in pools.items()}
    name = next((name for name in PERCEPTUAL if all(name in each for each in values.values())), "ms_ssim")
    scores = [
        MethodScores(method, _psnr_by_gap(pool), values[method]["psnr"], values[method].get(name, np.nan))
        for method, pool in pools.items()
    ]
    return scores_figure(scores, STRATA, PERCEPTUAL[name], _note(results))


def figure_of_calibration(results: Results) -> Figure:
    """Reliability and sparsification of reflectance and, where there are the bands, NDVI.

    Raises
    ------
    InputError : no method gives a std.
    """
    pools = _pools(results)
    curves = [
        _calibration(method, quantity, pool, prefix)
        for prefix, quantity in QUANTITIES.items()
        for method, pool in pools.items()
        if f"{prefix}levels" in pool.tally
    ]
    return calibration_figure(curves, _note(results))


FIGURES = {"scores": figure_of_scores, "calibration": figure_of_calibration}
"""Name -> what draws it."""


def _pools(results: Results) -> dict[str, Pool]:
    """Method -> sums over hidden pixels, over the hiding scenarios that every method has pools of."""
    shared = shared_scenarios(results.pools, results.scenarios)
    of_methods = {name: pools_of(results.pools, name, shared) for name in results.methods}
    return {name: joined(pools) for name, pools in of_methods.items() if pools}


def _psnr_by_gap(pool: Pool) -> dict[str, float]:
    return {
        s.stratum[1]: s.value
        for s in pool.scores()
        if s.stratum[0] == "gap" and s.metric == "psnr" and s.band == ALL_BANDS
    }


def _calibration(method: str, quantity: str, pool: Pool, prefix: str) -> Calibration:
    """The curves of all hidden pixels and bands together."""

    def bins(name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.asarray(pool.tally[prefix + name].total[0].sum(axis=0))

    levels = np.arange(1, PROBABILITY_BINS) / PROBABILITY_BINS
    spread = (bins("spread_count"), bins("spread_squared"))
    oracle = (bins("oracle_count"), bins("oracle_squared"))
    by_std, by_error = sparsification_curves(spread, oracle, STEPS)
    removed = np.arange(STEPS) / STEPS
    return Calibration(method, quantity, levels, coverage_curve(bins("levels")), removed, by_std, by_error)


def _note(results: Results) -> str:
    shared = shared_scenarios(results.pools, results.scenarios)
    cubes = f"{results.cubes} cube{'s' if results.cubes > 1 else ''}"
    return f"hidden pixels of {cubes}, pooled over {', '.join(shared)}"

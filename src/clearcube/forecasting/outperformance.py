"""Whether a forecast is clearly better than another one, by cube and class of vegetation.

Reference: Benson et al. (2024), Multi-modal learning for geospatial vegetation forecasting, CVPR.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from clearcube.forecasting.greenearthnet import class_means

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.evaluation.statistics import Tally

MARGINS: Mapping[str, float] = MappingProxyType({"rmse": -0.01, "nnse": 0.05, "r2": 0.05, "bias": -0.01})
"""Score -> by how much it must differ: below for errors, above for skills. Bias is the absolute one."""
FEWEST_WINS = 3


def outperforms(mine: Tally, theirs: Tally) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of each class of a cube, (classes,) bool: whether the first forecast is better on at least three of the four
    scores by its margin, and whether the cube has the class at all.

    mine, theirs : sums over the same pixels, as `greenearthnet.class_sums` gives them.
    """
    ours, others = class_means(mine), class_means(theirs)
    wins = np.zeros(len(ours["rmse"]), np.int64)
    for name, margin in MARGINS.items():
        gain = ours[name] - others[name]
        wins += (gain < margin) if margin < 0 else (gain > margin)
    return wins >= FEWEST_WINS, np.isfinite(ours["rmse"]) & np.isfinite(others["rmse"])


def outperformance(mine: Mapping[str, Tally], theirs: Mapping[str, Tally]) -> float:
    """Share of the pairs of cube and class in which the first forecast outperforms the second; NaN without pairs.

    mine, theirs : cube -> sums; cubes that one of them lacks are left out.
    """
    found = [outperforms(mine[cube], theirs[cube]) for cube in mine if cube in theirs]
    pairs = sum(int(there.sum()) for _, there in found)
    return sum(int((better & there).sum()) for better, there in found) / pairs if pairs else float("nan")

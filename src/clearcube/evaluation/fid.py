"""FID: how far the filled pictures of all cubes lie from the true ones, as Inception-v3 sees them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from clearcube.evaluation.perceptual import distance_of_gaussians

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]
    Features = NDArray[np.float32]


@dataclass
class Moments:
    """What is kept of any number of features (F,): how many, their sum, the sum of their outer products."""

    count: int = 0
    total: Values = field(default_factory=lambda: np.zeros(0))
    products: Values = field(default_factory=lambda: np.zeros((0, 0)))

    def add(self, features: Features) -> None:
        """Add features (N, F)."""
        rows = features.astype(np.float64)
        if not self.count:
            self.total, self.products = np.zeros(rows.shape[1]), np.zeros((rows.shape[1],) * 2)
        self.count += len(rows)
        self.total += rows.sum(axis=0)
        self.products += rows.T @ rows

    def gaussian(self) -> tuple[Values, Values]:
        """Mean (F,) and covariance (F, F), that of a sample (divided by one less than their number)."""
        mean = self.total / self.count
        return mean, (self.products - self.count * np.outer(mean, mean)) / (self.count - 1)


def inception_distance(pairs: Iterable[tuple[Features, Features]]) -> float:
    """FID of all features together, (N, F) filled and true at a time; NaN with fewer than two pictures.

    Of fewer pictures than features it says little and depends on their number.

    References
    ----------
    Heusel et al. (2017), GANs trained by a two time-scale update rule.
    """
    filled, truth = Moments(), Moments()
    for mine, theirs in pairs:
        if len(mine):
            filled.add(mine)
            truth.add(theirs)
    if filled.count < 2:
        return float("nan")
    return distance_of_gaussians(filled.gaussian(), truth.gaussian())

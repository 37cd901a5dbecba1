"""What several estimates of the same gaps err on a cube, measured by hiding what was observed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import cycle, islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from clearcube.gaps import MaskBank, scored, withheld
from clearcube.network_filler.gap_kinds import gap_kinds
from clearcube.training.config import SamplingConfig
from clearcube.training.hiding import draw_hidden

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.filler import Block

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]

REPETITIONS = 12
HIDING = SamplingConfig(partial=0.4, frames_hidden=0.2, runs=0.25, ends=0.15, second_gap=0.0)
"""How often each kind of gap is made."""
LEAST_SQUARE = 1e-12
APART = 10_000
"""Added to the positions of dates from one experiment to the next."""


class Estimates(NamedTuple):
    """Estimates of a block, (E, T, B, H, W), the first being linear interpolation; std (T, B, H, W) of one of them.

    believed : (T, H, W) bool, what they were made from: what was observed and was not judged contaminated.
    """

    means: NDArray[np.float32]
    std: NDArray[np.float32]
    believed: Bools


class GapErrors(NamedTuple):
    """At N hidden pixels: errors of the estimates (E, B, N), std (B, N), kind of gap (N,), and date (N,).

    Equal dates of different experiments are different ones.
    """

    error: NDArray[np.float32]
    std: NDArray[np.float32]
    kind: NDArray[np.uint8]
    date: NDArray[np.int64]

    def of_kind(self, kind: int) -> GapErrors:
        """Those in gaps of one kind."""
        at = self.kind == kind
        return GapErrors(self.error[..., at], self.std[:, at], self.kind[at], self.date[at])

    def on_dates(self, positions: Sequence[int]) -> GapErrors | None:
        """Those on dates at these positions in the blocks; None if there are none."""
        at = np.isin(self.date % APART, positions)
        return GapErrors(self.error[..., at], self.std[:, at], self.kind[at], self.date[at]) if at.any() else None

    @property
    def dates(self) -> int:
        """How many dates they are of: errors of one date are alike."""
        return int(np.unique(self.date).size)

    @property
    def gram(self) -> Floats:
        """(E, E) mean products of the errors, in units of the mean square of the first estimate's."""
        flat = self.error.reshape(len(self.error), -1).astype(np.float64)
        products = flat @ flat.T
        return np.asarray(products / max(products[0, 0], LEAST_SQUARE))


def gap_errors(estimate: Callable[[Block], Estimates], sample: Sequence[Block], *, seed: int = 0) -> GapErrors | None:
    """Hide observations of the blocks in the ways of the training, estimate, and compare; None if nothing can be.

    The blocks, which take turns, must have the same dates and bands.
    """
    rng = np.random.default_rng(seed)
    turns = islice(cycle(sample), REPETITIONS if sample else 0)
    tried = [(block, _some_hidden(block, rng)) for block in turns]
    parts = [errors_at(estimate, block, hidden) for block, hidden in tried if scored(block.observed, hidden).any()]
    if not parts:
        return None
    apart = [part._replace(date=part.date + APART * i) for i, part in enumerate(parts)]
    return GapErrors(*(np.concatenate(each, axis=-1) for each in zip(*apart, strict=True)))


def errors_at(estimate: Callable[[Block], Estimates], block: Block, hidden: Bools) -> GapErrors:
    """Errors at the hidden pixels (T, H, W) that are still observed at another date."""
    chosen, made = scored(block.observed, hidden), estimate(withheld(block, hidden))
    error = np.moveaxis(made.means - block.reflectance, 2, 1)[:, :, chosen]
    std = np.moveaxis(made.std, 1, 0)[:, chosen]
    return GapErrors(error, std, gap_kinds(made.believed, block.dates)[chosen], np.nonzero(chosen)[0])


def _some_hidden(block: Block, rng: np.random.Generator) -> Bools:
    bank = MaskBank.of([block.observed])
    config = HIDING if bank.masks else replace(HIDING, partial=0.0)
    return draw_hidden(rng, block.observed, block.days, bank, config)

"""Gaps filled from the empirical orthogonal functions of the whole cube."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from clearcube.filler import Estimate
from clearcube.methods import check_whole
from clearcube.methods.dineof_basis import Basis, find_basis, refitted, without_bright
from clearcube.methods.dineof_kernels import reconstruct_pixels
from clearcube.methods.error_fit import fit_correlation, fit_table
from clearcube.methods.error_model import ErrorModel
from clearcube.methods.hidden_errors import HiddenErrors, collect_errors
from clearcube.methods.sampling import absolute_days, draw_pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from clearcube.filler import Block

    Floats = NDArray[np.float64]

SAMPLE_PIXELS = 2048
SAMPLE_ENTRIES = 40_000
"""Pixels times dates that the functions are found from: about two seconds of work."""
FEWEST_PIXELS = 256
REFIT_ENTRIES = 20_000
"""The same for each of the experiments that measure the errors."""
THINNED = 15
"""One in so many errors at dates hidden from all pixels counts where other pixels were seen."""


@dataclass(frozen=True)
class Dineof:
    """Data interpolating empirical orthogonal functions: what the cube's pixels have in common fills their gaps.

    `prepare` finds the mean course and the leading modes of the matrix (dates and bands) x (pixels of the sample) from
    its observed entries alone, by expectation-maximisation, whose fixed point without noise is that of the iterated
    truncated decomposition. The number of modes is the one that best predicts runs of observations hidden from it.
    `fill` gives each pixel its own amplitudes by ridge regression on its observed values. At dates with no (or hardly
    any) observations in the sample, mean and modes are interpolated in time, so their presence changes nothing.

    Made for large gaps: single clear dates in a dense series are better served by interpolation.

    modes : how many; None = by cross-validation, at most 10.

    Raises
    ------
    InputError : modes outside 1 to 50.

    References
    ----------
    Beckers and Rixen (2003), doi 10.1175/1520-0426(2003)020<1839:ECADFF>2.0.CO;2. Alvera-Azcarate et al. (2005),
    doi 10.1016/j.ocemod.2004.08.001.
    """

    modes: int | None = None

    def __post_init__(self) -> None:
        if self.modes is not None:
            check_whole("dineof: modes", self.modes, 1, 50)

    @property
    def name(self) -> str:
        """The name on the command line."""
        return "dineof"

    @property
    def halo(self) -> int:
        """0: each pixel by itself, once the functions are known."""
        return 0

    def prepare(self, sample: Sequence[Block]) -> PreparedDineof:
        """Settle mean, modes, their number and the errors."""
        basis = sampled_basis(sample, self.modes)
        predict = partial(reconstruct_refitted, basis=basis)
        errors, unseen = measure_dineof(predict, sample)
        return PreparedDineof(basis, self.modes is not None, errors, unseen)


@dataclass(frozen=True)
class PreparedDineof:
    """The cube's mean course and modes, and the errors of what is made from them.

    errors : at the dates of the basis, which other pixels of the cube observed.
    unseen : at the dates in between, where nothing but neighbouring dates is known.
    """

    basis: Basis
    given: bool
    errors: ErrorModel
    unseen: ErrorModel

    @property
    def error_correlation(self) -> Floats:
        """(B, B) correlation of the errors of the bands."""
        return self.errors.correlation

    def fill(self, block: Block) -> Estimate:
        """Mean and modes at every date, also the observed ones; NaN at pixels that are never observed."""
        std = self.errors.std(block.observed, block.dates)
        unseen = ~np.isin(absolute_days(block.dates), self.basis.days)
        if unseen.any():
            std[unseen] = self.unseen.std(block.observed, block.dates)[unseen]
        return Estimate(reconstruct_block(block, basis=self.basis), std)

    def summary(self) -> Mapping[str, object]:
        """The number of modes, how it was chosen, the noise about them in units of each band, and the errors."""
        return {
            "modes": self.basis.basis.shape[2] - 1,
            "modes_from": "given" if self.given else "cross-validation",
            "noise": (np.sqrt(self.basis.variance) * self.basis.scale).tolist(),
            **self.errors.summary(),
            "unseen_dates": dict(self.unseen.summary()),
        }


def sampled_basis(sample: Sequence[Block], modes: int | None = None) -> Basis:
    """Mean and modes of a sample of a cube; their number by cross-validation if None."""
    days = absolute_days(sample[0].dates)
    acquired = np.array([any(block.observed[t].any() for block in sample) for t in range(len(days))])
    most = min(SAMPLE_PIXELS, max(FEWEST_PIXELS, SAMPLE_ENTRIES // max(int(acquired.sum()), 1)))
    reflectance, observed = draw_pixels(sample, most)
    return find_basis(reflectance, without_bright(reflectance, observed, days), days, modes)


def reconstruct_block(block: Block, *, basis: Basis) -> NDArray[np.float32]:
    """Mean and modes with each pixel's amplitudes, (T, B, H, W)."""
    reflectance, observed = block.as_pixels()
    out = np.empty_like(reflectance)
    at_dates = basis.at(absolute_days(block.dates))
    reconstruct_pixels(reflectance, observed, basis.centre, basis.scale, at_dates, basis.variance, out)
    return out.reshape(block.reflectance.shape)


def reconstruct_refitted(block: Block, *, basis: Basis) -> NDArray[np.float32]:
    """`reconstruct_block` with mean and modes that know nothing of what is not observed in this block."""
    reflectance, observed = draw_pixels([block], REFIT_ENTRIES // max(len(block.dates), 1))
    days = absolute_days(block.dates)
    known = without_bright(reflectance, observed, days)
    return reconstruct_block(block, basis=refitted(basis, reflectance, known, days))


def measure_dineof(predict: Callable[[Block], NDArray[np.float32]], sample: Sequence[Block]) -> tuple[ErrorModel, ...]:
    """The errors at dates that other pixels observed, and those at dates hidden from all pixels.

    The first rest on both kinds of experiment, mostly on pixels hidden one by one: under a cloud, the pixels that are
    most alike are hidden together, so that somewhat less is known of a date than these tell.
    """
    alone = collect_errors(predict, sample, seed=0, per_pixel_runs=True)
    together = collect_errors(predict, sample, seed=1, per_pixel_runs=True, whole_dates=True)
    few = slice(None, None, THINNED)
    both = HiddenErrors(
        np.concatenate([alone.error, together.error[:, few]], axis=1),
        np.concatenate([alone.cell, together.cell[few]]),
        np.concatenate([alone.date, together.date[few]]),
    )
    return tuple(
        ErrorModel(fit_table(errors, sample), fit_correlation(errors.error), errors.cell.size)
        for errors in (both, together)
    )

"""Contexts filled by any filler, as `clearcube fill` would."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from clearcube.filler import Estimate, checkpoint_of
from clearcube.forecasting.episode import unfilled
from clearcube.methods.temporal import fill_block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clearcube.filler import Block, Filler, PreparedFiller


@dataclass(frozen=True)
class Denoising:
    """A filler whose judgement of observations counts, as with `clearcube fill --denoise`: values that it takes for
    cloud, haze or shadow are replaced by its estimate, and no longer count as observed.
    """

    filler: Filler

    @property
    def name(self) -> str:
        """Name of the method."""
        return self.filler.name

    @property
    def halo(self) -> int:
        """See `Filler`."""
        return self.filler.halo

    @property
    def path(self) -> str | None:
        """Of the checkpoint, where it has one."""
        return checkpoint_of(self.filler)

    def prepare(self, sample: Sequence[Block]) -> PreparedFiller:
        """See `Filler`."""
        return self.filler.prepare(sample)


def filled_context(context: Block, filler: Filler | None) -> Block:
    """The context with the filler's estimate wherever nothing was observed; NaN there without a filler.

    Observed values are kept bit for bit, but for those that a `Denoising` filler does not believe; `observed` of the
    result tells which were kept. Pixels that are never observed stay NaN where the filler has nothing to say. The
    filler sees the context alone.

    Raises
    ------
    InputError : the filler cannot fill this context.
    """
    bare = unfilled(context)
    if filler is None:
        return bare
    usable = context.observed & np.isfinite(context.reflectance).all(axis=1)
    estimate = _estimate(filler, replace(bare, observed=usable))
    if isinstance(filler, Denoising):
        usable = estimate.which_believed(usable)
    filled = np.where(usable[:, None], bare.reflectance, estimate.mean).astype(np.float32)
    return replace(context, reflectance=filled, observed=usable)


def _estimate(filler: Filler, context: Block) -> Estimate:
    rule = getattr(filler, "rule", None)
    if isinstance(rule, int):  # these prepare nothing but their errors, which nobody asks for here
        return Estimate(fill_block(context, rule=rule), None)
    return filler.prepare([context]).fill(context)

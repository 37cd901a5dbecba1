"""Contexts filled by any filler, as `clearcube fill` would: what was observed keeps its value."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from clearcube.forecasting.episode import unfilled
from clearcube.methods.temporal import fill_block

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.filler import Block, Filler


def filled_context(context: Block, filler: Filler | None) -> Block:
    """The context with the filler's estimate wherever nothing was observed; NaN there without a filler.

    Pixels that are never observed stay NaN where the filler has nothing to say. The filler sees the context alone.

    Raises
    ------
    InputError : the filler cannot fill this context.
    """
    bare = unfilled(context)
    if filler is None:
        return bare
    usable = context.observed & np.isfinite(context.reflectance).all(axis=1)
    mean = _mean(filler, replace(bare, observed=usable))
    filled = np.where(usable[:, None], bare.reflectance, mean).astype(np.float32)
    return replace(context, reflectance=filled)


def _mean(filler: Filler, context: Block) -> NDArray[np.float32]:
    """The filler's mean, (T, B, H, W)."""
    rule = getattr(filler, "rule", None)
    if isinstance(rule, int):  # these prepare nothing but their errors, which nobody asks for here
        return fill_block(context, rule=rule)
    return filler.prepare([context]).fill(context).mean

"""The fills of a context, by name: those of `clearcube fill`, with and without what a network says of observations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from clearcube.errors import InputError
from clearcube.forecasting.contexts import Denoising
from clearcube.forecasting.run import NONE
from clearcube.methods import METHODS
from clearcube.workflows.choosing import AUTO, filler_named

if TYPE_CHECKING:
    from clearcube.filler import Filler

KEPT = "-kept"
"""Behind a network's name: observed values stay, even those that it takes for contaminated."""


def context_filler(name: str, options: Mapping[str, Any]) -> Filler | None:
    """The filler of a context; None for `none`. Networks that judge observations replace those that they disbelieve
    (`clearcube fill --denoise`); with `-kept` behind their name they do not.

    Raises
    ------
    InputError : no such fill, or an option or checkpoint that it cannot use.
    """
    if name == NONE:
        return None
    from clearcube.network_filler import NETWORKS

    kept = [network + KEPT for network, info in NETWORKS.items() if info.judges]
    if name not in (AUTO, *METHODS, *NETWORKS, *kept):
        raise InputError(f"unknown fill '{name}'; choose one of {', '.join((NONE, *METHODS, *NETWORKS, *kept))}")
    filler = filler_named(name.removesuffix(KEPT), options)
    judges = filler.name in NETWORKS and NETWORKS[filler.name].judges
    return Denoising(filler) if judges and name not in kept else filler


def quick_context_filler(name: str) -> Filler | None:
    """The same for contexts to learn from: a network does not measure its errors on each of them.

    Raises
    ------
    InputError : no such fill.
    """
    from clearcube.forecasting.unmeasured import Unmeasured
    from clearcube.network_filler.seq2seq import NetworkFiller

    filler = context_filler(name, {})
    if isinstance(filler, NetworkFiller):
        return Unmeasured(filler)
    if isinstance(filler, Denoising) and isinstance(filler.filler, NetworkFiller):
        return Denoising(Unmeasured(filler.filler))
    return filler


def takes_weights(name: str) -> bool:
    """Whether a checkpoint given for the fill is for this one."""
    return name.removesuffix(KEPT) == "seq2seq"

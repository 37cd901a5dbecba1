"""Networks by name, as `clearcube.methods` has the classical methods."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from clearcube.errors import InputError
from clearcube.methods import MethodInfo, made
from clearcube.network_filler.adapted import STEPS
from clearcube.network_filler.cells import CELL
from clearcube.network_filler.checkpoints import default_weights, network_at
from clearcube.network_filler.published import PublishedFiller
from clearcube.network_filler.seq2seq import NetworkFiller
from clearcube.networks.shipped import embedded, located
from clearcube.training.kinds import NetworkConfig, kind_of

if TYPE_CHECKING:
    from clearcube.filler import Filler


def make_network_filler(name: str, **options: Any) -> Filler:
    """The filler of a network by name.

    `weights` is the checkpoint to use instead of the embedded one: a file of clearcube's or of the authors, or the
    name of an embedded one. `adapt` (seq2seq) trains the network on the cube first: True, or a number of steps.

    Raises
    ------
    InputError : no such network, an unknown option, no weights, or weights of another network.
    """
    return made(NETWORKS, "network", name, options)


def filler_of(weights: str, **options: Any) -> Filler:
    """The filler of the network that a checkpoint holds.

    Raises
    ------
    InputError : as `make_network_filler`; the network does not fill.
    """
    config: Any = network_at(located(weights)).config
    if not isinstance(config, get_args(NetworkConfig)):
        raise InputError(f"{weights} holds a network that forecasts and fills nothing; give a checkpoint of a filler")
    return make_network_filler(kind_of(config), weights=weights, **options)


def shipped() -> list[Path]:
    """The checkpoints of networks that fill which ship with the package, by name."""
    return [path for path in embedded() if isinstance(network_at(str(path)).config, get_args(NetworkConfig))]


def _published(name: str, summary: str) -> MethodInfo:
    return MethodInfo(
        name,
        summary,
        "blue, green, red, nir",
        "its own errors on hidden observations",
        CELL,
        partial(_make_published, name),
        ("weights",),
    )


def _make_published(name: str, weights: str | None = None) -> Filler:
    return PublishedFiller(_path_of(name, weights), name)


def _make_seq2seq(weights: str | None = None, adapt: bool | int | np.integer = False) -> Filler:
    if not isinstance(adapt, int | np.integer):
        raise InputError(f"adapt is {adapt!r:.40}; it is True, or a number of steps")
    path = _path_of("seq2seq", weights)
    return NetworkFiller(path, "seq2seq", adapt=STEPS if adapt is True else int(adapt))


def _path_of(name: str, weights: str | None) -> str:
    """The checkpoint to use: the one that is given, else the one that ships."""
    path = default_weights(name) if weights is None else weights
    if path is None:
        raise InputError(f"no weights of '{name}' ship with this version: give a checkpoint with --weights FILE")
    return located(path)


NETWORKS: Mapping[str, MethodInfo] = MappingProxyType(
    {
        info.name: info
        for info in (
            MethodInfo(
                "seq2seq",
                "a network that corrects the straight line by what neighbouring pixels and dates tell",
                "optical bands of known wavelength",
                "its own, scaled by its errors on hidden observations",
                32,
                _make_seq2seq,
                ("weights", "adapt"),
                judges=True,
            ),
            _published("ganfilling", "GANFilling; without --weights a small retrained copy, for comparison"),
            _published("frame2frame", "GANFilling without memory, each date by itself; needs --weights"),
            _published("utilise", "U-TILISE, attention in time; without --weights a retrained one, for comparison"),
        )
    }
)
"""Name -> network, beside `clearcube.methods.METHODS`."""

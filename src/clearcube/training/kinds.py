"""The networks that a configuration can ask for: `[network] kind = "..."`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from clearcube.errors import InputError
from clearcube.networks.adapters import wrapped
from clearcube.networks.discriminator import DiscriminatorConfig, PatchDiscriminator
from clearcube.networks.ganfilling import Discriminator, GanFillingConfig, Generator, initialise
from clearcube.networks.seq2seq import Seq2Seq, Seq2SeqConfig
from clearcube.networks.utilise import Utilise, UtiliseConfig

NetworkConfig = Seq2SeqConfig | GanFillingConfig | UtiliseConfig

KINDS: Mapping[str, NetworkConfig] = MappingProxyType(
    {
        "seq2seq": Seq2SeqConfig(),
        "ganfilling": GanFillingConfig(),
        "frame2frame": GanFillingConfig(recurrent=False),
        "utilise": UtiliseConfig(),
    }
)
"""Kind of network -> its configuration where nothing else is said."""


def kind_of(config: NetworkConfig) -> str:
    """The kind that a configuration belongs to."""
    if isinstance(config, GanFillingConfig):
        return "ganfilling" if config.recurrent else "frame2frame"
    return "utilise" if isinstance(config, UtiliseConfig) else "seq2seq"


def kind_named(name: Any) -> NetworkConfig:
    """The usual configuration of a kind.

    Raises
    ------
    InputError : there is no such kind.
    """
    if not isinstance(name, str) or name not in KINDS:
        raise InputError(f"there is no network of the kind {name!r:.40}; there are {', '.join(KINDS)}")
    return KINDS[name]


def new_generator(config: NetworkConfig) -> nn.Module:
    """A network before any training, with the call of `Seq2Seq`; torch's seed decides its weights."""
    if isinstance(config, Seq2SeqConfig):
        return Seq2Seq(config)
    if isinstance(config, UtiliseConfig):
        return wrapped(Utilise(config))
    network = Generator(config)
    initialise(network)
    return wrapped(network)


def new_discriminator(config: NetworkConfig, rate: float) -> tuple[nn.Module, torch.optim.Optimizer]:
    """The discriminator that judges this network, and its optimiser: the published one for the published generator."""
    if not isinstance(config, GanFillingConfig):
        judge: nn.Module = PatchDiscriminator(DiscriminatorConfig())
        return judge, torch.optim.AdamW(judge.parameters(), rate, betas=(0.5, 0.99))
    judge = Discriminator(config)
    initialise(judge)
    return judge, torch.optim.Adam(judge.parameters(), rate, betas=(0.5, 0.999))

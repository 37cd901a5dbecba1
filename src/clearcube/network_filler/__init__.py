"""Checkpoints as fillers: what `methods` are for the classical ones, this is for networks."""

from clearcube.network_filler.catalogue import NETWORKS, filler_of, make_network_filler, shipped
from clearcube.network_filler.checkpoints import sha256_of
from clearcube.network_filler.published import PublishedFiller
from clearcube.network_filler.seq2seq import NetworkFiller, unfit_bands
from clearcube.networks.shipped import embedded_weights

__all__ = [
    "NETWORKS",
    "NetworkFiller",
    "PublishedFiller",
    "embedded_weights",
    "filler_of",
    "make_network_filler",
    "sha256_of",
    "shipped",
    "unfit_bands",
]

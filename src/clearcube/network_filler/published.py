"""The published networks as fillers: ganfilling, frame2frame and utilise, given cubes as their authors gave them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.errors import InputError
from clearcube.filler import Block, Estimate, at_dates, middle
from clearcube.methods.error_model import ErrorModel, measure_errors
from clearcube.methods.hidden_errors import without_empty_dates
from clearcube.network_filler.cells import CELL, STEP, by_cells
from clearcube.network_filler.checkpoints import network_at, sha256_of
from clearcube.networks.adapters import wrapped
from clearcube.networks.checkpoint import architecture_of
from clearcube.networks.ganfilling import Generator
from clearcube.networks.inference import applied
from clearcube.networks.published import BANDS
from clearcube.networks.threads import torch_threads
from clearcube.training.kinds import NetworkConfig, kind_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from clearcube.cube import Band

SAMPLE_PIXELS = 64
"""Side of the square that errors are measured on: these networks are slow."""
SAMPLE_DATES = 20
"""Dates of it."""


@dataclass(frozen=True)
class PublishedFiller:
    """Fills with a published network; works in cells of 128 x 128 pixels, as it was trained.

    ganfilling and frame2frame are given clouds as they are and see no mask; what is NaN is white. utilise is given
    white where nothing was observed. Values of the estimate lie in [0, 1].

    path : of the checkpoint. name : of the network. threads : of torch, in each call.

    Raises
    ------
    InputError : the checkpoint cannot be used, or is that of another network.
    """

    path: str
    name: str
    threads: int = 1
    halo: int = CELL
    multiple: int = STEP

    def __post_init__(self) -> None:
        network = network_at(self.path)
        config: Any = network.config
        kind = kind_of(config) if isinstance(config, NetworkConfig) else architecture_of(network)
        if kind != self.name and (kind, self.name) != ("ganfilling", "frame2frame"):
            raise InputError(
                f"{self.path} holds {kind}, not {self.name}; choose the method {kind}, or give other weights"
            )

    @property
    def digest(self) -> str:
        """Sha256 of the checkpoint."""
        return sha256_of(self.path)

    def check(self, bands: Sequence[Band], dates: NDArray[np.datetime64]) -> None:
        """Refuse cubes that the network cannot fill, whatever their dates.

        Raises
        ------
        InputError : the cube has other bands than the network takes.
        """
        band_order(bands, self.name, _bands(self.path))

    def prepare(self, sample: Sequence[Block]) -> PreparedPublished:
        """Measure the network's errors by hiding, for it gives no std.

        Raises
        ------
        InputError : the cube has other bands than the network takes.
        """
        order = band_order(sample[0].bands, self.name, _bands(self.path))
        digest = self.digest
        predict = partial(_filled, self, digest, order)
        return PreparedPublished(self, digest, order, measure_errors(predict, small(sample), per_pixel_runs=False))


@dataclass(frozen=True)
class PreparedPublished:
    """A published network that knows its errors on this cube.

    digest : sha256 of the checkpoint. order : positions of the network's bands among the cube's.
    """

    filler: PublishedFiller
    digest: str
    order: tuple[int, ...]
    errors: ErrorModel = field(repr=False)

    @property
    def error_correlation(self) -> NDArray[np.float64]:
        """(B, B) correlation of the errors of the bands."""
        return self.errors.correlation

    def fill(self, block: Block) -> Estimate:
        """Mean and std; NaN at pixels that are never observed."""
        mean = by_cells(block, partial(_cell, self.filler, self.digest, self.order))
        mean[..., ~block.observed.any(axis=0)] = np.nan
        return Estimate(mean, self.errors.std(block.observed, block.dates))

    def summary(self) -> Mapping[str, object]:
        """The checkpoint and what was measured."""
        return {"network": self.filler.name, "network_sha256": self.digest, **self.errors.summary()}


def band_order(bands: Sequence[Band], name: str, count: int = len(BANDS)) -> tuple[int, ...]:
    """Positions of blue, green, red and near infrared among the cube's bands.

    A network that was retrained for another number of bands takes these in the order of the cube.

    Raises
    ------
    InputError : the cube has other bands.
    """
    names = [band.name for band in bands]
    if count != len(BANDS) and len(names) == count:
        return tuple(range(count))
    wanted = [("nir" if "nir" in names else "nir08") if each == "nir" else each for each in BANDS]
    if count == len(BANDS) and sorted(names) == sorted(wanted):
        return tuple(names.index(each) for each in wanted)
    listed = "blue, green, red and nir (or nir08)" if count == len(BANDS) else f"{count} bands"
    raise InputError(
        f"{name} takes {listed}, the cube has {', '.join(names)}: give --bands blue,green,red,nir, or use seq2seq"
    )


def small(sample: Sequence[Block]) -> list[Block]:
    """The middle of the block that saw most, over a stretch of its dates that somebody observed."""
    best = max(without_empty_dates(sample), key=lambda block: int(block.observed.sum()))
    part = middle(best, SAMPLE_PIXELS)
    first = max(len(part.dates) - SAMPLE_DATES, 0) // 2
    return [at_dates(part, slice(first, first + SAMPLE_DATES))]


def _cell(filler: PublishedFiller, digest: str, order: tuple[int, ...], block: Block) -> NDArray[np.float32]:
    """The mean (T, B, h, w) of a cell.

    As published, a date on which nothing was observed is shown like any other. Dates that were only asked for are
    filled among all; those of the input without them, so that it does not matter to them what else was asked for.
    """
    mean = _filled(filler, digest, order, block)
    own = block.acquired
    if own is not None and not own.all():
        mean[own] = _filled(filler, digest, order, at_dates(block, own))
    return mean


def _filled(filler: PublishedFiller, digest: str, order: tuple[int, ...], block: Block) -> NDArray[np.float32]:
    """The network's mean (T, B, h, w) of a block, bands in the block's order."""
    ordered = Block(
        block.reflectance[:, list(order)], block.observed, block.dates, tuple(block.bands[i] for i in order)
    )
    with torch_threads(filler.threads):
        output = applied(_network(filler.path, filler.name, digest), ordered, "float32")
    mean = np.empty_like(block.reflectance)
    mean[:, list(order)] = output.estimate[0].float().numpy()
    return mean


@lru_cache(maxsize=2)
def _network(path: str, name: str, digest: str) -> nn.Module:
    """The network with the call of `Seq2Seq`; as frame2frame without memory."""
    network = network_at(path, digest)
    if isinstance(network, Generator) and name == "frame2frame" and network.config.recurrent:
        alone = copy.copy(network)  # the same tensors
        alone.config = replace(network.config, recurrent=False)
        network = alone
    return wrapped(network)


def _bands(path: str) -> int:
    config: Any = network_at(path).config
    return int(config.bands)

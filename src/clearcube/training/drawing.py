"""Which samples a run draws: ours or those of the published ways, with the bands of its real cubes."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from clearcube.cube import Band
from clearcube.errors import InputError
from clearcube.networks.published import BANDS
from clearcube.networks.seq2seq import Seq2SeqConfig
from clearcube.simulation.config import EARTHNET_FOUR, SENTINEL2_FOUR
from clearcube.training.kinds import kind_of
from clearcube.training.published_samples import PublishedSampler
from clearcube.training.ranges import FEWEST_DATES
from clearcube.training.samples import Batch, Sampler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from clearcube.filler import Block
    from clearcube.training.config import TrainingConfig
    from clearcube.training.packing import TrainingData
    from clearcube.training.validation import NamedBlock

USUAL_BANDS = tuple({band.name for band in bands} for bands in (SENTINEL2_FOUR, EARTHNET_FOUR))
CLEAN_DATES, CLEAN_SIZE = 4, 64
"""Dates and pixels along a side of what the published discriminator looks at."""
CLEAN_SEED = 1_000_003
"""Added to the seed, so that the clean series are others than those to be filled."""


class OwnBandsSampler(Sampler):
    """As `Sampler`, for real cubes of other bands than the usual four: patterns and scenes have these too."""

    def _usual(self, rng: Generator) -> tuple[Band, ...]:
        return self.blocks[0].bands


class BlankedSampler:
    """Our samples for a network that would look at what is not observed: NaN there."""

    def __init__(self, inner: Sampler) -> None:
        self._inner = inner

    def batch(self, step: int, part: int = 0) -> Batch:
        """As `Sampler.batch`."""
        batch = self._inner.batch(step, part)
        return batch._replace(given=batch.given.masked_fill(~batch.observed.unsqueeze(2), float("nan")))


def sampler_of(config: TrainingConfig, data: TrainingData) -> Sampler | BlankedSampler:
    """What draws the batches of a run.

    Raises
    ------
    InputError : the cubes do not have the bands that the network takes, differ in their number of bands, or have too
        few dates.
    """
    data = in_order(config, data)
    check_dates(config, data)
    blocks = [cube.block for cube in data.train]
    if config.sampling.way != "hidden":
        return PublishedSampler(config.sampling, blocks, config.seed)
    usual = not blocks or {band.name for band in blocks[0].bands} in USUAL_BANDS
    sampler = (Sampler if usual else OwnBandsSampler)(config.sampling, blocks, config.seed)
    return sampler if kind_of(config.network) == "seq2seq" else BlankedSampler(sampler)


def clean_sampler_of(config: TrainingConfig, data: TrainingData) -> Sampler | None:
    """What draws series without gaps for the published discriminator; None where another one judges, or none."""
    if kind_of(config.network) not in ("ganfilling", "frame2frame") or not config.loss.adversarial:
        return None
    count = max(config.sampling.frames // max(config.sampling.dates), 1)
    clean = replace(config.sampling, way="masked", size=CLEAN_SIZE, dates=(CLEAN_DATES,), frames=CLEAN_DATES * count)
    cubes = in_order(config, data).train
    return PublishedSampler(clean, [cube.block for cube in cubes], config.seed + CLEAN_SEED)


def in_order(config: TrainingConfig, data: TrainingData) -> TrainingData:
    """The cubes with their bands in the order in which a network of fixed bands takes them; others as they are.

    Four bands are those that the published networks were made for. Any other number is taken in the order of the
    first cube.

    Raises
    ------
    InputError : cubes do not fit the network or each other; says which.
    """
    for cube in data.train[1:]:
        if len(cube.block.bands) != len(data.train[0].block.bands):
            raise InputError(f"{_differ(data.train[0], cube)}; choose the same bands with the option 'bands'")
    if isinstance(config.network, Seq2SeqConfig):
        return data
    kind, count = kind_of(config.network), config.network.bands
    for cube in (*data.train, *data.validation):
        if len(cube.block.bands) != count:
            raise InputError(
                f"{cube.name} has {_names(cube.block)}; a {kind} of {count} bands trains on cubes "
                "of so many: choose them with the option 'bands' of its entry, or set network.bands"
            )
    if count != len(BANDS) and not data.train:
        raise InputError(f"a {kind} of {count} bands needs cubes to train on; without, scenes have {len(BANDS)}")
    wanted = BANDS if count == len(BANDS) else _common(data.train[0].block)
    train, validation = (tuple(_ordered(cube, wanted, kind) for cube in part) for part in (data.train, data.validation))
    return replace(data, train=train, validation=validation)


def _ordered(cube: NamedBlock, wanted: Sequence[str], kind: str) -> NamedBlock:
    """The cube with its bands in this order."""
    names = _common(cube.block)
    if names == tuple(wanted):
        return cube
    if sorted(names) != sorted(wanted):
        raise InputError(
            f"{cube.name} has {_names(cube.block)}; this {kind} takes {', '.join(wanted)} (nir08 may stand for nir): "
            "choose them with the option 'bands' of its entry"
        )
    order, block = [names.index(name) for name in wanted], cube.block
    bands = tuple(block.bands[i] for i in order)
    return replace(cube, block=replace(block, reflectance=block.reflectance[:, order], bands=bands))


def _common(block: Block) -> tuple[str, ...]:
    """The names of the bands, with nir for nir08 where it is the only near infrared."""
    names = [band.name for band in block.bands]
    return tuple("nir" if name == "nir08" and "nir" not in names else name for name in names)


def check_dates(config: TrainingConfig, data: TrainingData) -> None:
    """Whether there are dates enough; warns of samples of cubes that no cube is long enough for.

    Raises
    ------
    InputError : every cube to train on has fewer than the shortest samples.
    """
    fewest, counts = min(config.sampling.dates), [len(cube.block.dates) for cube in data.train]
    if counts and max(counts) < fewest:
        raise InputError(
            f"the cubes to train on have at most {max(counts)} dates, samples at least {fewest}; give longer cubes, or "
            f"set sampling.dates to smaller numbers (from {FEWEST_DATES})"
        )
    if counts and not config.sampling.simulated and max(counts) < max(config.sampling.dates):
        warnings.warn(
            f"sampling.simulated is 0, but no cube has the {max(config.sampling.dates)} dates of the longest samples, "
            f"which hold simulated scenes; for none set sampling.dates to numbers up to {max(counts)}",
            UserWarning,
            stacklevel=3,
        )


def _differ(first: NamedBlock, other: NamedBlock) -> str:
    both = (f"{cube.name} has {_names(cube.block)}" for cube in (first, other))
    return "the cubes to train on differ in their number of bands: " + " and ".join(both)


def _names(block: Block) -> str:
    return f"{len(block.bands)} bands ({', '.join(band.name for band in block.bands)})"

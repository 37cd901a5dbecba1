"""Samples in the ways of the published networks, from the same scenes and cubes as ours.

`delivered`: series as they came, clouds left in; what is clear is to be reconstructed, and nothing is hidden.
`masked`: series without any gap, with masks of clouds and of whole dates laid over them; every pixel counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from clearcube.cube import day_of_year
from clearcube.filler import Block
from clearcube.simulation import random_config, simulate
from clearcube.simulation.config import SENTINEL2_FOUR
from clearcube.training.patterns import draw_pattern
from clearcube.training.samples import Sample, Sampler, cropped, uncovered

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from clearcube.cube import Band
    from clearcube.training.config import SamplingConfig


class PublishedSampler(Sampler):
    """Draws batches in the way that `config.way` names; the same seed and step give the same batch.

    `given` is NaN where nothing came or a mask lies; elsewhere it holds clouds too.
    """

    def __init__(self, config: SamplingConfig, blocks: Sequence[Block], seed: int) -> None:
        super().__init__(config, blocks, seed)
        self._own = blocks[0].bands if blocks else ()  # also where all of them are too short to draw from

    def _drawn(self, rng: Generator, n_dates: int, bands: tuple[Band, ...] | None) -> Sample:
        real = bands is None
        bands = bands or self._usual(rng)
        if self.config.way == "delivered":
            return _to_reconstruct(self._delivered(rng, n_dates, bands, real=real))
        return self._to_complete(rng, self._gap_free(rng, n_dates, bands, real=real))

    def _delivered(self, rng: Generator, n_dates: int, bands: tuple[Band, ...], *, real: bool) -> Block:
        """A series as it came. real : it may be of a real cube, which has its own bands."""
        size = self.config.size
        if rng.random() < self.config.patterns:
            truth, dates = draw_pattern(rng, n_dates, size, bands)
            observed = self._masks(rng, n_dates)
            return Block(np.where(observed[:, None], truth, np.float32(np.nan)), observed, dates, bands)
        block = self._block(rng, n_dates) if rng.random() >= self.config.simulated and real else None
        if block is not None:
            part = cropped(rng, block, n_dates, size)
            seen = part.observed & np.isfinite(part.reflectance).all(axis=1)
            return Block(part.reflectance, seen, part.dates, part.bands)
        config = random_config(rng, height=size, width=size, n_dates=n_dates, bands=bands)
        scene = simulate(config, int(rng.integers(2**31)))
        given, observed, _ = uncovered(rng, scene, self.config.uncovered)
        return Block(given, observed, scene.dates, bands)

    def _gap_free(self, rng: Generator, n_dates: int, bands: tuple[Band, ...], *, real: bool) -> Block:
        """A series of which everything is known. real : it may be of a real cube, which has its own bands."""
        size = self.config.size
        everything = np.ones((n_dates, size, size), bool)
        if rng.random() < self.config.patterns:
            truth, dates = draw_pattern(rng, n_dates, size, bands)
            return Block(truth, everything, dates, bands)
        block = self._block(rng, n_dates) if rng.random() >= self.config.simulated and real else None
        part = clear_part(rng, block, n_dates, size) if block is not None else None
        if part is not None:
            return Block(part.reflectance, everything, part.dates, part.bands)
        config = random_config(rng, height=size, width=size, n_dates=n_dates, bands=bands)
        scene = simulate(config, int(rng.integers(2**31)))
        return Block(scene.clear, everything, scene.dates, bands)

    def _to_complete(self, rng: Generator, series: Block) -> Sample:
        left = self._masks(rng, len(series.dates))
        given = np.where(left[:, None], series.reflectance, np.float32(np.nan))
        return _sample(series, given, left, np.ones(left.shape, np.float32))

    def _usual(self, rng: Generator) -> tuple[Band, ...]:
        """The bands of the real cubes, or four with the wider or the narrower near infrared."""
        if self._own and len(self._own) != len(SENTINEL2_FOUR):
            return self._own
        return super()._usual(rng)


def _to_reconstruct(series: Block) -> Sample:
    return _sample(series, series.reflectance, series.observed, series.observed.astype(np.float32))


def _sample(
    series: Block, given: NDArray[np.float32], observed: NDArray[np.bool_], weight: NDArray[np.float32]
) -> Sample:
    return Sample(
        given=given,
        observed=observed,
        target=np.nan_to_num(series.reflectance),
        weight=weight,
        known=observed,
        contaminated=np.full(observed.shape, np.nan, np.float32),
        days=(series.dates - series.dates[0]).astype(np.float32),
        day_of_year=day_of_year(series.dates).astype(np.float32),
        wavelengths=np.array([band.wavelength for band in series.bands], np.float32),
    )


def clear_part(rng: Generator, block: Block, n_dates: int, size: int) -> Block | None:
    """A part of a block and n of the dates on which all of it is clear; None where there are too few of them."""
    top, left = (int(rng.integers(max(n - size, 0) + 1)) for n in block.observed.shape[1:])
    place = (..., slice(top, top + size), slice(left, left + size))
    reflectance, observed = block.reflectance[place], block.observed[place]
    clear = np.flatnonzero((observed & np.isfinite(reflectance).all(axis=1)).all(axis=(1, 2)))
    if clear.size < n_dates:
        return None
    part = Block(reflectance[clear], observed[clear], block.dates[clear], block.bands)
    return cropped(rng, part, n_dates, size)

"""Samples: what the network is given, what it should say, and where that counts. Simulated scenes and real cubes."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from clearcube.cube import day_of_year
from clearcube.filler import Block
from clearcube.gaps import MaskBank
from clearcube.simulation import random_config, simulate
from clearcube.simulation.config import SENTINEL2_FOUR, random_bands, usual_four
from clearcube.simulation.scene import CLEAN
from clearcube.training.hiding import draw_hidden
from clearcube.training.patterns import draw_pattern, hazed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from clearcube.cube import Band
    from clearcube.simulation import Scene
    from clearcube.training.config import SamplingConfig

CONTAMINATED = 0.12
"""True contamination from which an observed pixel counts as contaminated; what lies between this and `CLEAN` is not
judged."""
WHOLE_DATE_WEIGHT = 0.5
"""Weight of pixels on dates of which nothing is observed; little can be known there."""
PATTERN_CLOUDS, PATTERN_LOST = 0.6, 0.1
"""Shares of the dates of a pattern under clouds, and without anything seen."""
BANK_SCENES = 24
APART = (1.5, 4.0)
"""How many times as far apart the dates of a sparse sample lie."""
TRIES = 12


@dataclass(frozen=True)
class Sample:
    """A series of T dates, B bands, H x W pixels, as NumPy arrays.

    given : (T, B, H, W) float32 reflectance, 0 where not observed, or as the network wants it (clouds, NaN).
    observed : (T, H, W) bool, after hiding.
    target : (T, B, H, W) float32 true reflectance, finite; 0 where unknown.
    weight : (T, H, W) float32, how much the estimate counts; 0 where the truth is not known, and for our
        networks where observed.
    known : (T, H, W) bool, observed pixels whose truth is known.
    contaminated : (T, H, W) float32, 1 contaminated, 0 clean, NaN not to be judged.
    days, day_of_year : (T,) float32. wavelengths : (B,) float32, nm.
    """

    given: NDArray[np.float32]
    observed: NDArray[np.bool_]
    target: NDArray[np.float32]
    weight: NDArray[np.float32]
    known: NDArray[np.bool_]
    contaminated: NDArray[np.float32]
    days: NDArray[np.float32]
    day_of_year: NDArray[np.float32]
    wavelengths: NDArray[np.float32]


class Batch(NamedTuple):
    """Samples side by side, as tensors: the fields of `Sample` with a first axis N."""

    given: Tensor
    observed: Tensor
    target: Tensor
    weight: Tensor
    known: Tensor
    contaminated: Tensor
    days: Tensor
    day_of_year: Tensor
    wavelengths: Tensor

    def to(self, device: Any) -> Batch:
        """The batch on a device."""
        return Batch(*(part.to(device, non_blocking=True) for part in self))


class Sampler:
    """Draws batches; the same seed and step give the same batch, whatever was drawn before."""

    def __init__(self, config: SamplingConfig, blocks: Sequence[Block], seed: int) -> None:
        self.config = config
        self.seed = seed
        self.blocks = [block for block in blocks if len(block.dates) >= min(config.dates)]
        self._bank = mask_bank(self.blocks, config.size)

    def batch(self, step: int, part: int = 0) -> Batch:
        """The batch of a step (and of a part of it, where several are accumulated or devices share it)."""
        rng = np.random.default_rng([self.seed, step, part])
        n_dates = int(rng.choice(self.config.dates))
        count = max(self.config.frames // n_dates, 1)
        free = rng.random() < self.config.free_bands
        bands = random_bands(rng) if free else None
        return collated([self._sample(rng, n_dates, bands) for _ in range(count)])

    def _sample(self, rng: Generator, n_dates: int, bands: tuple[Band, ...] | None) -> Sample:
        """A sample with something to score; `bands` None: the usual four, simulated or real."""
        for _ in range(TRIES):
            sample = self._drawn(rng, n_dates, bands)
            if (sample.weight > 0).any():
                break
        return shifted(rng, sample) if rng.random() < self.config.shifted else sample

    def _drawn(self, rng: Generator, n_dates: int, bands: tuple[Band, ...] | None) -> Sample:
        """A pattern, a simulated scene or a part of a real cube."""
        if rng.random() < self.config.patterns:
            return self._pattern(rng, n_dates, bands or self._usual(rng))
        real = bands is None and self.blocks and rng.random() >= self.config.simulated
        block = self._block(rng, n_dates) if real else None
        if block is None:
            return self._simulated(rng, n_dates, bands or self._usual(rng))
        return self._real(rng, block, n_dates)

    def _usual(self, rng: Generator) -> tuple[Band, ...]:
        """Four bands, with the wider or the narrower near infrared."""
        return usual_four(rng)

    def _pattern(self, rng: Generator, n_dates: int, bands: tuple[Band, ...]) -> Sample:
        size = self.config.size
        truth, dates = draw_pattern(rng, n_dates, size, bands)
        left = self._masks(rng, n_dates)
        judged = np.zeros(left.shape, np.float32)
        return _sample(given=truth, observed=left, truth=truth, judged=judged, dates=dates, wavelengths=_nm(bands))

    def _masks(self, rng: Generator, n_dates: int) -> NDArray[np.bool_]:
        """What clouds leave to see of a series without gaps, (T, H, W)."""
        size = self.config.size
        left = np.ones((n_dates, size, size), bool)
        for date, draw in enumerate(rng.random(n_dates)):
            if draw < PATTERN_CLOUDS:
                left[date] = draw > PATTERN_LOST and self._bank.draw(rng, (size, size))
        return left

    def _apart(self, rng: Generator) -> float:
        """Factor of the days between the dates of a sample."""
        return float(rng.uniform(*APART)) if rng.random() < self.config.sparse else 1.0

    def _block(self, rng: Generator, n_dates: int) -> Block | None:
        """A real cube with so many dates, those that see more ground more often; None where there is none."""
        long = [block for block in self.blocks if len(block.dates) >= n_dates]
        if not long:
            return None
        seen = np.sqrt([float(block.observed.sum()) for block in long])
        return long[rng.choice(len(long), p=seen / seen.sum())]

    def _simulated(self, rng: Generator, n_dates: int, bands: tuple[Band, ...]) -> Sample:
        size = self.config.size
        config = random_config(rng, height=size, width=size, n_dates=n_dates, bands=bands)
        apart = self._apart(rng)
        config = replace(config, days=tuple(round(day * apart) for day in config.days))
        scene = simulate(config, int(rng.integers(2**31)))
        days = (scene.dates - scene.dates[0]).astype(np.int64)
        given, observed, contamination = uncovered(rng, scene, self.config.uncovered)
        left = observed & ~draw_hidden(rng, observed, days, self._bank, self.config)
        judged = np.full(left.shape, np.nan, np.float32)
        judged[contamination <= CLEAN] = 0
        judged[contamination >= CONTAMINATED] = 1
        given, truth = disturbed(rng, given, scene.clear, _nm(bands), self.config.disturbed)
        return _sample(
            given=given, observed=left, truth=truth, judged=judged, dates=scene.dates, wavelengths=_nm(bands)
        )

    def _real(self, rng: Generator, whole: Block, n_dates: int) -> Sample:
        block = cropped(rng, whole, n_dates, self.config.size, self._apart(rng))
        observed = block.observed & np.isfinite(block.reflectance).all(axis=1)
        left = observed & ~draw_hidden(rng, observed, block.days, self._bank, self.config)
        given, judged = block.reflectance, np.full(left.shape, np.nan, np.float32)
        hidden = observed & ~left
        if rng.random() < self.config.pasted:
            given, left, judged = pasted(rng, block.reflectance, observed, left)
        known = left & observed & np.isfinite(judged)
        nm = _nm(block.bands)
        given, truth = disturbed(rng, given, block.reflectance, nm, self.config.disturbed)
        return _sample(
            given=given,
            observed=left,
            truth=truth,
            scored=hidden & ~left,
            known=known,
            judged=judged,
            dates=block.dates,
            wavelengths=nm,
        )


def _sample(
    *,
    given: NDArray[np.float32],
    observed: NDArray[np.bool_],
    truth: NDArray[np.float32],
    judged: NDArray[np.float32],
    dates: NDArray[np.datetime64],
    wavelengths: NDArray[np.float32],
    scored: NDArray[np.bool_] | None = None,
    known: NDArray[np.bool_] | None = None,
) -> Sample:
    """A sample from its parts; what is not finite is 0 and does not count.

    given, truth : (T, B, H, W). observed : (T, H, W), what is left to see. judged : (T, H, W), 1 = contaminated, 0 =
    clean, NaN = unknown. scored : (T, H, W); None: all that is not observed. known : (T, H, W); None: all that is.
    """
    scored = ~observed if scored is None else scored
    scored = scored & observed.any(axis=0) & np.isfinite(truth).all(axis=1)
    whole = ~observed.any(axis=(1, 2))
    weight = scored * np.where(whole, np.float32(WHOLE_DATE_WEIGHT), np.float32(1))[:, None, None]
    return Sample(
        given=np.where(observed[:, None], np.nan_to_num(given), np.float32(0)),
        observed=observed,
        target=np.nan_to_num(truth),
        weight=weight.astype(np.float32),
        known=observed if known is None else known,
        contaminated=np.where(observed, judged, np.float32(np.nan)),
        days=(dates - dates[0]).astype(np.float32),
        day_of_year=day_of_year(dates).astype(np.float32),
        wavelengths=wavelengths,
    )


def collated(samples: Sequence[Sample]) -> Batch:
    """Samples of the same shape, side by side."""
    return Batch(*(torch.from_numpy(np.stack([getattr(s, f.name) for s in samples])) for f in fields(Sample)))


def shifted(rng: Generator, sample: Sample) -> Sample:
    """The sample at any time of the year: what seasons do differs from place to place."""
    return replace(sample, day_of_year=(sample.day_of_year + int(rng.integers(365))) % 365 + 1)


def uncovered(
    rng: Generator, scene: Scene, probability: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
    """What a scene delivers, with this probability under a clear sky on a share of its dates.

    Returns reflectance (T, B, H, W), observed and true contamination (T, H, W).
    """
    clear = rng.random(len(scene.dates)) < (rng.uniform(0.4, 1.0) if rng.random() < probability else 0.0)
    at = clear[:, None, None]
    reflectance = np.where(at[:, None], scene.clear, scene.reflectance)
    return reflectance, scene.observed | at, np.where(at, np.float32(0), scene.contamination)


def disturbed(
    rng: Generator,
    given: NDArray[np.float32],
    truth: NDArray[np.float32],
    wavelengths: NDArray[np.float32],
    probability: float,
) -> tuple[NDArray[np.float32], ...]:
    """Given and true series (T, B, H, W), with this probability both under one further haze or gain of each date."""
    return hazed(rng, wavelengths, given, truth) if rng.random() < probability else (given, truth)


def cropped(rng: Generator, block: Block, n_dates: int, size: int, apart: float = 1.0) -> Block:
    """A part of a block, turned and flipped at random: size x size pixels, n dates among up to twice as many.

    apart : how much farther apart than that they lie, as far as the block has dates.
    A block that is smaller is mirrored at its edges. Dates without observation are left out half of the time.
    """
    seen = block.observed.any(axis=(1, 2)) | (rng.random(len(block.dates)) < 0.5)
    candidates = np.flatnonzero(seen)
    if candidates.size < n_dates:
        candidates = np.arange(len(block.dates))
    span = min(candidates.size, int(apart * rng.integers(n_dates, 2 * n_dates + 1)))
    start = int(rng.integers(candidates.size - span + 1))
    dates = np.sort(rng.choice(candidates[start : start + span], min(n_dates, span), replace=False))
    reflectance, observed = _grown(block.reflectance[dates], size), _grown(block.observed[dates], size)
    top, left = (int(rng.integers(n - size + 1)) for n in observed.shape[1:])
    turns, flip = int(rng.integers(4)), rng.random() < 0.5
    reflectance, observed = (
        _turned(x[..., top : top + size, left : left + size], turns, flip) for x in (reflectance, observed)
    )
    gain = np.float32(rng.uniform(0.85, 1.18))
    return Block(reflectance * gain, observed, block.dates[dates], block.bands)


def pasted(
    rng: Generator, reflectance: NDArray[np.float32], observed: NDArray[np.bool_], left: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
    """Cloud of one date laid over a piece of another and reported as observed.

    Returns reflectance (T, B, H, W), what is observed then (T, H, W), and (T, H, W) 1 where pasted, 0 where observed
    before. Nothing is pasted where no date is cloudy.
    """
    finite = np.asarray(np.isfinite(reflectance).all(axis=1))
    cloudy = np.flatnonzero((~observed & finite).mean(axis=(1, 2)) > 0.2)
    clear = np.flatnonzero(left.mean(axis=(1, 2)) > 0.5)
    judged = np.where(left, np.float32(0), np.float32(np.nan))
    if not cloudy.size or clear.size < 3:
        return reflectance, left, judged
    reflectance, left = reflectance.copy(), left.copy()
    for date in map(int, rng.choice(clear, int(rng.integers(1, 3)), replace=False)):
        source = int(rng.choice(cloudy))
        piece = _piece(rng, observed.shape[1:]) & ~observed[source] & finite[source] & observed[date]
        opacity = np.float32(rng.uniform(0.3, 1.0))
        mixed = (1 - opacity) * reflectance[date] + opacity * reflectance[source]
        reflectance[date] = np.where(piece, mixed, reflectance[date])
        left[date] = left[date] | piece
        judged[date] = np.where(piece, np.float32(1), judged[date])
    return reflectance, left, judged


def _piece(rng: Generator, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """An ellipse somewhere in the frame."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    centre = rng.uniform(0, shape)
    radii = rng.uniform(0.08, 0.4, 2) * min(shape)
    return np.asarray(((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 < 1)


def mask_bank(blocks: Sequence[Block], size: int) -> MaskBank:
    """Shapes of clouds: the real ones of the cubes, and simulated ones."""
    rng = np.random.default_rng(0)
    configs = [
        random_config(rng, height=size, width=size, n_dates=12, bands=SENTINEL2_FOUR) for _ in range(BANK_SCENES)
    ]
    simulated = [simulate(config, seed).observed for seed, config in enumerate(configs)]
    return MaskBank.of([*(block.observed for block in blocks), *simulated])


def _grown(x: NDArray[Any], size: int) -> NDArray[Any]:
    """Mirrored below and to the right until height and width are at least `size`."""
    while min(x.shape[-2:]) < size:
        pads = [(0, 0)] * (x.ndim - 2) + [(0, min(max(size - n, 0), n)) for n in x.shape[-2:]]
        x = np.pad(x, pads, mode="symmetric")
    return x


def _turned(x: NDArray[Any], turns: int, flip: bool) -> NDArray[Any]:
    x = np.rot90(x, turns, axes=(-2, -1))
    return np.ascontiguousarray(x[..., ::-1] if flip else x)


def _nm(bands: Sequence[Band]) -> NDArray[np.float32]:
    return np.array([band.wavelength for band in bands], np.float32)

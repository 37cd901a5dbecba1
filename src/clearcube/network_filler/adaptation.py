"""Adaptation: a short training of the network on the user's own cube, by hiding what was observed there.

A quarter of the dates that see much ground is held out: the training never sees them, and they decide whether the
adapted network is kept. So what is measured on them is what it does on dates that nobody saw.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from clearcube.cores import usable_cores
from clearcube.filler import Block, at_dates
from clearcube.gaps import MaskBank
from clearcube.network_filler.adapted import Adapted, tensors_as_bytes
from clearcube.network_filler.hidden_gaps import Estimates, errors_at
from clearcube.networks.inference import applied
from clearcube.networks.seq2seq import Seq2Seq
from clearcube.networks.threads import torch_threads
from clearcube.training.config import OptimisationConfig, SamplingConfig, TrainingConfig
from clearcube.training.drawing import OwnBandsSampler
from clearcube.training.step import learner_of, train_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]

SEEN_SHARE = 0.3
"""Share of the sample that a date must see to be held out or to count as one to learn from."""
EVERY = 4
"""One of so many of these dates is held out."""
FEWEST_LEFT = 4
"""Dates that must be left to learn from."""
LEAST_GAIN = 0.05
"""Gain in PSNR on the held-out dates, dB, from which the adapted network is kept."""
LEARNING_RATE = 3e-4
AVERAGE = 0.98
DATES = (6, 8, 10, 14)
SIZE, FRAMES = 48, 48


def adapt(
    model: Seq2Seq,
    blocks: Sequence[Block],
    steps: int,
    *,
    judged_on: Sequence[Block] | None = None,
    seed: int = 0,
) -> Adapted:
    """Train a copy of the network on the blocks; it is kept if it errs less on dates that it did not see.

    judged_on : parts of the blocks on which this is measured; None = all of them.

    The same seed, steps and blocks give the same network on the same processor. The blocks, which have the same
    dates and bands, should hold no dates that nobody observed.

    Raises
    ------
    InputError : the training came to numbers that are not finite.
    """
    held_out = held_out_dates(blocks)
    if not held_out:
        return Adapted(steps, None, (), float("nan"))
    with torch_threads(usable_cores()):
        trained = _trained(model, [_without(block, held_out) for block in blocks], steps, seed)
        gain = _gain(model, trained, judged_on or blocks, held_out)
    better = gain >= LEAST_GAIN
    return Adapted(steps, tensors_as_bytes(trained) if better else None, held_out, gain)


def held_out_dates(blocks: Sequence[Block]) -> tuple[int, ...]:
    """Positions of dates to hold out, spread over the series; none where too few would be left."""
    seen = np.mean([block.observed.mean(axis=(1, 2)) for block in blocks], axis=0)
    good = np.flatnonzero(seen > SEEN_SHARE)
    chosen = good[EVERY // 2 :: EVERY]
    return tuple(chosen.tolist()) if good.size - chosen.size >= FEWEST_LEFT else ()


def _without(block: Block, dates: Sequence[int]) -> Block:
    """The block without these dates."""
    return at_dates(block, np.setdiff1d(np.arange(len(block.dates)), dates))


def _trained(model: Seq2Seq, blocks: Sequence[Block], steps: int, seed: int) -> Seq2Seq:
    """The moving average of a copy's weights after so many steps."""
    times = len(blocks[0].dates)
    sampling = SamplingConfig(
        patterns=0.0, simulated=0.0, free_bands=0.0, size=SIZE, frames=FRAMES, dates=tuple(min(n, times) for n in DATES)
    )
    rates = OptimisationConfig(steps=steps, learning_rate=LEARNING_RATE, average=AVERAGE)
    config = TrainingConfig(seed=seed, network=model.config, sampling=sampling, optimisation=rates)
    learner = learner_of(copy.deepcopy(model).train(), config)
    sampler = OwnBandsSampler(sampling, blocks, seed)
    for step in range(steps):
        train_step(learner, [sampler.batch(step)], config, step, step / steps)
    average = learner.average
    assert isinstance(average, Seq2Seq)
    return average


def _gain(model: Seq2Seq, trained: Seq2Seq, blocks: Sequence[Block], held_out: Sequence[int]) -> float:
    """Mean gain in PSNR, dB, over the held-out dates hidden as a whole and under clouds; NaN if nothing was hidden."""
    estimate = partial(_both, model, trained)
    gains = []
    for kind in (_whole, _clouded):
        parts = [errors_at(estimate, block, kind(block, held_out)) for block in blocks]
        squares = np.concatenate([np.square(part.error, dtype=np.float64).mean(axis=1) for part in parts], axis=1)
        if squares.size:
            before, after = squares.mean(axis=1)
            gains.append(10 * np.log10(max(before, 1e-12) / max(after, 1e-12)))
    return float(np.mean(gains)) if gains else float("nan")


def _both(model: Seq2Seq, trained: Seq2Seq, block: Block) -> Estimates:
    """What both networks make of a block."""
    made = [applied(each, block) for each in (model, trained)]
    means = np.stack([output.estimate[0].float().numpy() for output in made])
    return Estimates(means, made[0].std[0].float().numpy(), made[0].believed[0].numpy())


def _whole(block: Block, dates: Sequence[int]) -> Bools:
    """All that these dates observed, (T, H, W)."""
    hidden = np.zeros_like(block.observed)
    hidden[list(dates)] = block.observed[list(dates)]
    return hidden


def _clouded(block: Block, dates: Sequence[int]) -> Bools:
    """What clouds of other dates would hide of these, (T, H, W); nothing where the block has no clouds."""
    bank = MaskBank.of([block.observed])
    hidden = np.zeros_like(block.observed)
    rng = np.random.default_rng(0)
    for date in dates if bank.masks else ():
        shape = (block.observed.shape[1], block.observed.shape[2])
        hidden[date] = block.observed[date] & ~bank.draw(rng, shape)
    return hidden

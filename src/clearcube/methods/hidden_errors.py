"""Hiding observations of a sample in runs, and what a method makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clearcube.filler import Block, at_dates
from clearcube.gaps import scored, withheld
from clearcube.methods.error_kernels import OBSERVED, cells_of
from clearcube.methods.noise import noise_about
from clearcube.methods.sampling import draw_pixels
from clearcube.methods.whittaker_kernels import DEFAULT_SMOOTHNESS, residual_pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Predict = Callable[[Block], NDArray[np.float32]]
    Bools = NDArray[np.bool_]

LONGEST_RUN = 90
"""Longest run that is hidden, days: that of the protocol's longest scenario."""
PIXEL_DATES = 100_000
"""Pixels times dates of the sample that each repetition predicts."""
KINDS = ("inner", "leading", "inner", "trailing") * 4
"""What each repetition hides; inner runs may reach the ends too."""
SPATIAL_KINDS = ("inner", "leading", "inner", "trailing", "inner", "inner", "leading", "trailing")
SQUARE = 8
"""Pixels along the side of the squares that are hidden together."""
BELIEVED = 3.0
"""Distance from the pixel's smooth series, mean over the bands in units of their noise, up to which an observation
is taken for clear and so for a truth. Lower values cut off real changes, higher ones let clouds widen the intervals."""


@dataclass(frozen=True)
class HiddenErrors:
    """Errors at the N hidden observations: prediction less observation.

    error : (B, N) float32. cell : (N,) cell of the error model, after hiding. date : (N,) index of the date.
    """

    error: NDArray[np.float32]
    cell: NDArray[np.uint8]
    date: NDArray[np.int64]


def without_empty_dates(sample: Sequence[Block]) -> list[Block]:
    """The blocks without the dates that no pixel of the sample observed; all dates stay where nothing is observed.

    What is measured on the rest cannot depend on dates that somebody inserted.
    """
    kept = np.any([block.observed.any(axis=(1, 2)) for block in sample], axis=0)
    if not kept.any() or kept.all():
        return list(sample)
    return [at_dates(block, kept) for block in sample]


def collect_errors(
    predict: Predict, sample: Sequence[Block], *, seed: int, per_pixel_runs: bool, whole_dates: bool = False
) -> HiddenErrors:
    """Hide, predict and compare, several times over; see `measure_errors`.

    Hidden observations that look like missed clouds or shadows are no truth to compare with; as neighbours they stay.
    `whole_dates` hides the same runs of dates at all of the drawn pixels, so that nothing is known of these dates.
    """
    generator = np.random.default_rng(seed)
    blocks = without_empty_dates(sample)
    if per_pixel_runs or whole_dates:
        blocks = [_as_one_row(blocks)]
    parts = [
        _errors(predict, block, hidden, believed)
        for block in blocks
        for believed in (_believed(block),)
        for hidden in _experiments(block, generator, per_pixel_runs, whole_dates)
        if hidden.any()
    ]
    if not parts:
        return HiddenErrors(np.empty((len(sample[0].bands), 0), np.float32), np.empty(0, np.uint8), np.empty(0, int))
    return HiddenErrors(*(np.concatenate(values, axis=-1) for values in zip(*parts, strict=True)))


def _as_one_row(blocks: Sequence[Block]) -> Block:
    """Pixels drawn from the blocks, as a block of one row."""
    first = blocks[0]
    reflectance, observed = draw_pixels(blocks, max(PIXEL_DATES // len(first.dates), 64))
    return Block(reflectance[:, :, None], observed[:, None], first.dates, first.bands)


def _believed(block: Block) -> Bools:
    """Observations that do not stand out from their pixel's series in all bands together, (T, H, W)."""
    reflectance, observed = block.as_pixels()
    values = np.where(observed[:, None], reflectance, np.float32(0))
    residuals = np.empty_like(values)
    residual_pixels(values, observed, block.days.astype(np.float64), DEFAULT_SMOOTHNESS, residuals)
    known = np.isfinite(residuals[:, 0])
    if not known.any():
        return block.observed
    noise = noise_about(residuals, known, np.float32)
    excess = np.abs((residuals / noise[:, None]).mean(axis=1))
    believed: Bools = observed & ~(excess > BELIEVED)
    return believed.reshape(block.observed.shape)


def _experiments(block: Block, generator: np.random.Generator, per_pixel: bool, whole_dates: bool) -> Iterator[Bools]:
    """Sets of observations to hide, (T, H, W) each."""
    if whole_dates:
        acquired: Bools = np.any(block.observed, axis=(1, 2))[:, None, None]
        yield from (block.observed & _runs(acquired, block.days, kind, generator) for kind in KINDS)
        return
    if per_pixel:
        yield from (_runs(block.observed, block.days, kind, generator) for kind in KINDS)
        return
    shape = block.observed.shape
    for i, kind in enumerate(SPATIAL_KINDS):
        side = SQUARE if i % 2 else max(shape[1:])
        runs = _runs(_by_square(block.observed, side), block.days, kind, generator)
        yield block.observed & _enlarged(runs, side, shape)


def _errors(
    predict: Predict, block: Block, hidden: Bools, believed: Bools
) -> tuple[NDArray[np.float32], NDArray[np.uint8], object]:
    """Errors (B, N), cells (N,) and dates (N,) at the hidden, believed pixels still observed at another date."""
    left = withheld(block, hidden)
    chosen = believed & scored(block.observed, hidden)
    mean = predict(left)
    error = np.moveaxis(mean - block.reflectance, 1, 0)[:, chosen]
    finite = np.isfinite(error).all(axis=0)
    cell = cells_of(left.observed, block.days)[chosen]
    assert not (cell == OBSERVED).any()
    return error[:, finite], cell[finite], np.nonzero(chosen)[0][finite]


def _runs(observed: Bools, days: NDArray[np.int64], kind: str, generator: np.random.Generator) -> Bools:
    """The observations in one run of days at each pixel; at least one observation of a pixel is left.

    Half of the inner runs hide a single observation, the lengths of the others are uniform. observed (T, H, W).
    """
    count = observed.sum(axis=0)
    length = generator.uniform(0, LONGEST_RUN, count.shape)
    pick = generator.uniform(size=count.shape)
    rank = np.cumsum(observed, axis=0) - 1
    if kind == "inner":
        length = np.where(generator.uniform(size=count.shape) < 0.5, 0, length)
        chosen = (pick * count).astype(np.int64)
        start = _day_of_rank(observed, rank, days, chosen)
    elif kind == "leading":
        start = _day_of_rank(observed, rank, days, np.zeros_like(count))
    else:
        start = _day_of_rank(observed, rank, days, count - 1) - length
    day = days[:, None, None]
    hidden: Bools = observed & np.greater_equal(day, start) & np.less_equal(day, start + length)
    if kind == "trailing":
        hidden &= rank > 0
    else:
        hidden &= (hidden.sum(axis=0) < count) | (rank < count - 1)
    return hidden


def _day_of_rank(
    observed: Bools, rank: NDArray[np.int64], days: NDArray[np.int64], chosen: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The day of the chosen-th observation of each pixel, (H, W)."""
    position: NDArray[np.int64] = np.argmax(observed & np.equal(rank, chosen), axis=0)
    return np.take(days, position)


def _by_square(observed: Bools, side: int) -> Bools:
    """Whether anything is observed in squares of side x side pixels: (T, H, W) -> (T, squares down, across)."""
    times, height, width = observed.shape
    padded = np.pad(observed, ((0, 0), (0, -height % side), (0, -width % side)))
    down, across = padded.shape[1] // side, padded.shape[2] // side
    squares: Bools = np.any(padded.reshape(times, down, side, across, side), axis=(2, 4))
    return squares


def _enlarged(squares: Bools, side: int, shape: tuple[int, ...]) -> Bools:
    """The value of its square at each pixel of a frame."""
    return squares.repeat(side, axis=1).repeat(side, axis=2)[:, : shape[1], : shape[2]]

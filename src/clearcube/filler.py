"""The contract of a filler: what it is given, what it gives back. Classical methods and networks meet the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.cube import Band

NORMAL_90 = 1.6448536269514722
"""Half width of the central 90 % of a Gaussian, in standard deviations."""


@dataclass(frozen=True)
class Block:
    """A part of a cube in memory: all dates, all bands, a rectangle of pixels.

    reflectance : (T, B, H, W) float32, unit 1, NaN = no value. Values where `observed` is False are what the sensor
        delivered (cloud, for instance); a filler that uses them says so.
    observed : (T, H, W) bool.
    dates : (T,) datetime64[D], ascending, unique; spacing is free.
    bands : the B bands.
    acquired : (T,) bool, False at dates that the input does not have and that are only to be filled; None: it has all.
    """

    reflectance: NDArray[np.float32]
    observed: NDArray[np.bool_]
    dates: NDArray[np.datetime64]
    bands: tuple[Band, ...]
    acquired: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        times, bands, height, width = self.reflectance.shape
        assert self.reflectance.dtype == np.float32, self.reflectance.dtype
        assert self.observed.shape == (times, height, width), (self.observed.shape, self.reflectance.shape)
        assert self.observed.dtype == np.bool_, self.observed.dtype
        assert self.dates.shape == (times,), self.dates.shape
        assert self.dates.dtype == np.dtype("datetime64[D]"), self.dates.dtype
        assert len(self.bands) == bands, (len(self.bands), bands)
        assert self.acquired is None or self.acquired.shape == (times,), self.acquired

    @property
    def days(self) -> NDArray[np.int64]:
        """(T,) whole days since the first date."""
        days: NDArray[np.int64] = (self.dates - self.dates[0]).astype(np.int64)
        return days

    def as_pixels(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Reflectance (T, B, P) and observed (T, P), contiguous, with the H x W pixels in one row."""
        times, bands, height, width = self.reflectance.shape
        reflectance = np.ascontiguousarray(self.reflectance).reshape(times, bands, height * width)
        return reflectance, np.ascontiguousarray(self.observed).reshape(times, height * width)


def cut(block: Block, place: tuple[slice, slice]) -> Block:
    """The part of a block in these rows and columns."""
    return replace(block, reflectance=block.reflectance[(..., *place)], observed=block.observed[(..., *place)])


def at_dates(block: Block, which: slice | NDArray[np.intp] | NDArray[np.bool_]) -> Block:
    """The block at some of its dates: a slice, positions, or (T,) bool."""
    acquired = None if block.acquired is None else block.acquired[which]
    return Block(block.reflectance[which], block.observed[which], block.dates[which], block.bands, acquired)


def everywhere(block: Block) -> tuple[slice, slice]:
    """All rows and columns of a block."""
    return slice(0, block.observed.shape[1]), slice(0, block.observed.shape[2])


def middle(block: Block, side: int) -> Block:
    """At most side x side pixels in the middle of a block."""
    starts = [max(size - side, 0) // 2 for size in block.observed.shape[1:]]
    return cut(block, (slice(starts[0], starts[0] + side), slice(starts[1], starts[1] + side)))


DISBELIEF = 0.5
"""Probability of contamination from which an observed pixel is not believed, where a filler does not say itself."""


@dataclass(frozen=True)
class Estimate:
    """What a filler makes of a block.

    mean : (T, B, H, W) float32 reflectance, the filler's estimate at every pixel and date; NaN at pixels that are
        never observed in the block and that the filler cannot fill. Whoever called decides whether observed pixels
        keep their own values.
    std : (T, B, H, W) float32, one standard deviation of the error against a clear observation; where the pixel is
        observed and believed, the noise of an observation (never 0); NaN where the mean is NaN. None only from a
        filler that offers no uncertainty.
    contamination : (T, H, W) float32 probability in [0, 1] that an observed pixel is cloud, haze or shadow all the
        same; None from fillers that do not judge.
    believed : (T, H, W) bool, what the estimate rests on: observed and not judged contaminated (or the pixel would
        have nothing left). Mean and std of other pixels are those of a gap. None: see `which_believed`.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32] | None
    contamination: NDArray[np.float32] | None = None
    believed: NDArray[np.bool_] | None = None

    @property
    def judges(self) -> bool:
        """Whether the filler says which observations it believes."""
        return self.believed is not None or self.contamination is not None

    def which_believed(self, observed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(T, H, W) bool, which of the observed pixels (T, H, W) the filler believes.

        Where it does not say, those that are more likely clear than contaminated, and all of a pixel that would have
        nothing left; all, if it does not judge.
        """
        if self.believed is not None:
            return observed & self.believed
        if self.contamination is None:
            return observed
        clear = observed & (self.contamination < DISBELIEF)
        return np.asarray(np.where(clear.any(axis=0), clear, observed))

    def cut(self, place: tuple[slice, slice]) -> Estimate:
        """The part in these rows and columns."""
        return Estimate(
            self.mean[(..., *place)],
            None if self.std is None else self.std[(..., *place)],
            None if self.contamination is None else self.contamination[(..., *place)],
            None if self.believed is None else self.believed[(..., *place)],
        )


@runtime_checkable
class PreparedFiller(Protocol):
    """A filler that knows its cube: small, can be pickled, the same for every window, worker and resumed run."""

    @property
    def error_correlation(self) -> NDArray[np.float64]:
        """(B, B) correlation of the errors of the bands, measured in `prepare`; the identity where not measured."""
        ...

    def fill(self, block: Block) -> Estimate:
        """Estimate every pixel and date of the block. Does not change the block."""
        ...

    def summary(self) -> Mapping[str, object]:
        """What `prepare` settled, as plain values (str, int, float, lists of them) for the output's metadata."""
        ...


@runtime_checkable
class Filler(Protocol):
    """Anything that estimates the reflectance of every pixel and date from the observed ones.

    One whose estimate depends on where a window begins also says at multiples of how many pixels (`multiple`). One
    that works in cells on a grid of the frame gives their side (`cell`), so that windows are made of whole ones; what
    it prepares then has `fill_centre` (see there).
    """

    @property
    def name(self) -> str:
        """Name of the method, for metadata."""
        ...

    @property
    def halo(self) -> int:
        """Pixels around a window that the filler must see so that the window's own values are right; 0 = per pixel."""
        ...

    def prepare(self, sample: Sequence[Block]) -> PreparedFiller:
        """Settle what belongs to the whole cube, from blocks spread over it (all of its dates and bands)."""
        ...


@runtime_checkable
class FillsCentre(Protocol):
    """A prepared filler that can leave out what lies around a window."""

    def fill_centre(self, block: Block, centre: tuple[slice, slice]) -> Estimate:
        """As `fill`, for the rows and columns of the centre alone, which begins with a cell; NaN elsewhere."""
        ...


@runtime_checkable
class ChecksCube(Protocol):
    """A filler that can tell of some cubes beforehand that it cannot fill them."""

    def check(self, bands: Sequence[Band], dates: NDArray[np.datetime64]) -> None:
        """Whether it can fill a cube of these B bands and T dates.

        Raises
        ------
        InputError : it cannot.
        """
        ...


@runtime_checkable
class KeepsLearnt(Protocol):
    """A filler that learns from a cube and can keep what it learnt in a file."""

    def keeping(self, path: str) -> Filler:
        """The filler that writes what it learnt to the file, and reads it from there if it is there."""
        ...


@runtime_checkable
class FromCheckpoint(Protocol):
    """A filler or forecaster that is a network, or holds one."""

    @property
    def path(self) -> str | None:
        """Of the network's checkpoint; None where it holds no network after all."""
        ...


def checkpoint_of(model: object) -> str | None:
    """Path of the checkpoint that a filler or forecaster rests on; None where it rests on none."""
    return model.path if isinstance(model, FromCheckpoint) else None


def estimate(prepared: PreparedFiller, block: Block, centre: tuple[slice, slice]) -> Estimate:
    """The filler's estimate of a block, of which these rows and columns are wanted."""
    return prepared.fill_centre(block, centre) if isinstance(prepared, FillsCentre) else prepared.fill(block)


def cell_of(filler: Filler) -> int:
    """Rows and columns of the frame at multiples of which the filler's windows, without halo, must begin."""
    return int(getattr(filler, "cell", 1))


def multiple_of(filler: Filler) -> int:
    """Rows and columns of the frame at multiples of which the filler's windows, halo included, must begin."""
    return int(getattr(filler, "multiple", 1))

"""Random fields on a torus: any window of them, shifted by any amount, is a fair sample."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray


def stream(seed: int, *names: str | float) -> Generator:
    """Random numbers that depend on the seed and the names alone, not on what else was drawn before."""
    return np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(repr(names).encode())]))


def canvas_size(height: int, width: int) -> int:
    """Side of the square torus that windows of height x width pixels are cut from; a length that FFTs like."""
    return int(fft.next_fast_len(max(96, int(1.5 * max(height, width))), real=True))


def fractal_fields(
    rng: Generator, count: int, size: int, *, slope: float, stretch: float = 1.0, cutoff: float = 0.0
) -> NDArray[np.float32]:
    """Gaussian fields (count, size, size) of zero mean and unit variance with a power-law spectrum.

    slope : the power falls with the wave number to this power (2: rough, 4: smooth).
    stretch : > 1 draws the field out along a random direction, as wind does with cirrus.
    cutoff : standard deviation, pixels, of a Gaussian that is applied on top; 0 = none.
    """
    power = _power(rng, size, slope=slope, stretch=stretch, cutoff=cutoff)
    shape = (count, size, size // 2 + 1)
    waves = np.empty(shape, dtype=np.complex64)
    waves.real, waves.imag = rng.standard_normal((2, *shape), dtype=np.float32)
    waves *= power
    fields = fft.irfft2(waves, s=(size, size), overwrite_x=True)
    fields -= fields.mean(axis=(1, 2), keepdims=True)
    return np.asarray(fields / fields.std(axis=(1, 2), keepdims=True), dtype=np.float32)


def _power(rng: Generator, size: int, *, slope: float, stretch: float, cutoff: float) -> NDArray[np.float32]:
    """Amplitude of each wave, (size, size // 2 + 1); 0 for the mean."""
    along_y, along_x = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    angle = rng.uniform(0, np.pi)
    turned_y = np.cos(angle) * along_y + np.sin(angle) * along_x
    turned_x = np.cos(angle) * along_x - np.sin(angle) * along_y
    square = turned_y**2 * stretch + turned_x**2 / stretch
    amplitude = np.zeros(square.shape, dtype=np.float32)
    positive = square > 0
    waves = square[positive]
    falling = waves ** (-slope / 4)
    amplitude[positive] = falling * np.exp(-2 * (np.pi * cutoff) ** 2 * waves) if cutoff > 0 else falling
    return amplitude


def cut(field: NDArray[np.float32], y: int, x: int, height: int, width: int) -> NDArray[np.float32]:
    """Window (height, width), no larger than the field, of a field on a torus; its first pixel (y, x) may lie anywhere.

    Copies the up to four rectangles that the seams of the torus cut the window into.
    """
    size = field.shape[0]
    y, x = int(y) % size, int(x) % size
    above, left = min(height, size - y), min(width, size - x)
    window = np.empty((height, width), dtype=field.dtype)
    window[:above, :left] = field[y : y + above, x : x + left]
    window[above:, :left] = field[: height - above, x : x + left]
    window[:above, left:] = field[y : y + above, : width - left]
    window[above:, left:] = field[: height - above, : width - left]
    return window


def sample(rng: Generator, fields: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """A new field (height, width): two windows of the bank of fields in a random mixture of unit variance."""
    size = fields.shape[-1]
    first, second = rng.integers(0, len(fields), 2)
    offsets = rng.integers(0, size, 4)
    angle = rng.uniform(0, 2 * np.pi)
    mixture = np.float32(np.cos(angle)) * cut(fields[first], offsets[0], offsets[1], height, width)
    mixture += np.float32(np.sin(angle)) * cut(fields[second], offsets[2], offsets[3], height, width)
    return mixture

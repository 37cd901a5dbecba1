"""Pictures of samples: what was given, what was filled, what was true."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.training.validation import Experiment

DATES = 4
"""Dates in a picture, those with most hidden pixels."""


def picture(test: Experiment, mean: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Rows are dates; columns given, filled, true: (DATES x H, 3 x W, 3) uint8, red, green, blue where there are three.

    mean : the fill, (T, B, H, W).
    """
    dates = np.sort(np.argsort(-test.scored.sum(axis=(1, 2)), kind="stable")[:DATES])
    columns = [values[dates] for values in (test.left.reflectance, mean, test.cube.block.reflectance)]
    channels = _channels([band.wavelength for band in test.left.bands])
    top = np.nanpercentile(columns[2][:, channels], 98) or 1.0
    rows = np.concatenate([np.concatenate(list(column[:, channels]), axis=1) for column in columns], axis=2)
    scaled = np.clip(np.nan_to_num(rows) / top * 255, 0, 255)
    return np.ascontiguousarray(np.moveaxis(scaled, 0, -1).astype(np.uint8))


def _channels(wavelengths: list[float]) -> list[int]:
    """Bands to show as red, green, blue: those nearest to these colours."""
    return [int(np.argmin(np.abs(np.array(wavelengths) - colour))) for colour in (665, 560, 490)]


def write_png(path: Path, image: NDArray[np.uint8]) -> None:
    """Write an image (H, W, 3) uint8 as PNG."""
    height, width, _ = image.shape
    lines = np.concatenate([np.zeros((height, 1), np.uint8), image.reshape(height, -1)], axis=1)
    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

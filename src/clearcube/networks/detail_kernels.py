"""Sharpening as a loop over rows; see `feature_kernels` for how such loops are built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clearcube.compilation import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_TWO, _SIXTEENTH = np.float32(2), np.float32(1 / 16)


@compiled()
def sharpen_kernel(images: Floats, share: Floats, sharp: Floats, start: int, stop: int) -> None:
    """Fill the images from start to stop as `detail.sharper` defines; images (P, H, W), share (P,)."""
    height = images.shape[1]
    for p in range(start, stop):
        image = images[p]
        sharp[p, 0], sharp[p, height - 1] = image[0], image[height - 1]
        for y in range(1, height - 1):
            _sharpen_row(image[y - 1], image[y], image[y + 1], share[p], sharp[p, y])


@compiled()
def _sharpen_row(above: Floats, row: Floats, below: Floats, share: np.float32, sharp: Floats) -> None:
    width = len(row)
    sharp[0], sharp[width - 1] = row[0], row[width - 1]
    inner = sharp[1 : width - 1]
    for i in range(len(inner)):
        left = above[i] + _TWO * row[i] + below[i]
        here = above[i + 1] + _TWO * row[i + 1] + below[i + 1]
        right = above[i + 2] + _TWO * row[i + 2] + below[i + 2]
        around = (left + _TWO * here + right) * _SIXTEENTH
        inner[i] = row[i + 1] + share * (row[i + 1] - around)

"""Small symmetric systems inside pixel kernels, where a call to LAPACK would cost more than the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clearcube.compilation import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@compiled()
def factor_in_place(matrix: Floats) -> None:
    """Replace the lower triangle of a positive definite matrix (k, k) by its Cholesky factor."""
    for i in range(matrix.shape[0]):
        for j in range(i + 1):
            total = matrix[i, j]
            for m in range(j):
                total -= matrix[i, m] * matrix[j, m]
            matrix[i, j] = np.sqrt(total) if i == j else total / matrix[j, j]


@compiled()
def solve_in_place(factor: Floats, right: Floats) -> None:
    """Replace `right` (k,) by the solution of the system whose Cholesky factor (k, k) is given."""
    k = right.size
    for i in range(k):
        for m in range(i):
            right[i] -= factor[i, m] * right[m]
        right[i] /= factor[i, i]
    for i in range(k - 1, -1, -1):
        for m in range(i + 1, k):
            right[i] -= factor[m, i] * right[m]
        right[i] /= factor[i, i]

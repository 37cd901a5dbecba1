"""How far a method errs on this cube: measured on hidden observations, told by days to the observations around."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clearcube.methods.error_fit import fit_correlation, fit_table
from clearcube.methods.error_kernels import (
    EDGES,
    LEADING,
    OBSERVED,
    SIDES,
    TRAILING,
    binned_steps,
    look_up,
    look_up_parallel,
)
from clearcube.methods.hidden_errors import collect_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from clearcube.filler import Block

    Predict = Callable[[Block], NDArray[np.float32]]


@dataclass(frozen=True)
class ErrorModel:
    """Standard deviation of a method's error, by band and cell.

    A cell is a bin of days to the observation before and to the one after, or, where there is one on one side alone
    (leading, trailing gaps), a bin of the days to that; one cell is for observed pixels, one for never observed ones.

    table : (B, cells) float32 reflectance, > 0; NaN in the cell of pixels that are never observed.
    correlation : (B, B) correlation of the errors of the bands.
    hidden : how many hidden observations were measured.
    """

    table: NDArray[np.float32]
    correlation: NDArray[np.float64]
    hidden: int

    def std(
        self,
        observed: NDArray[np.bool_],
        dates: NDArray[np.datetime64],
        *,
        parallel: bool = False,
        out: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """One standard deviation of the error at every pixel and date, (T, B, H, W); NaN where never observed.

        observed (T, H, W) bool, dates (T,) datetime64[D]. At observed pixels, the noise of an observation. Depends on
        the days to the nearest observations alone, so dates that nobody observed change nothing.
        `parallel` is for calls on arrays in memory from one thread; `out` (contiguous) is written into if given.
        """
        shape = (len(dates), len(self.table), *observed.shape[1:])
        std = np.empty(shape, np.float32) if out is None else out
        steps = binned_steps((dates - dates[0]).astype(np.int64))
        seen = np.ascontiguousarray(observed).reshape(len(dates), -1)
        (look_up_parallel if parallel else look_up)(seen, steps, self.table, std.reshape(*shape[:2], -1))
        return std

    def summary(self) -> Mapping[str, object]:
        """Plain values for metadata: bin edges in days, std of each cell by band, correlation."""
        interior = self.table[:, :LEADING].reshape(-1, SIDES, SIDES)
        return {
            "error_hidden_observations": self.hidden,
            "error_day_edges": list(EDGES),
            "error_std_observed": _rounded(self.table[:, OBSERVED]),
            "error_std_interior": _rounded(interior),
            "error_std_leading": _rounded(self.table[:, LEADING:TRAILING]),
            "error_std_trailing": _rounded(self.table[:, TRAILING:OBSERVED]),
            "error_correlation": _rounded(self.correlation),
        }


def measure_errors(
    predict: Predict, sample: Sequence[Block], *, seed: int = 0, per_pixel_runs: bool = True
) -> ErrorModel:
    """Hide observations of the sample in runs of 0 to 90 days, predict them from the rest, and learn from the errors.

    The std of a cell is the 90 % quantile of the absolute errors over 1.645, so a Gaussian 90 % interval covers 90 %
    of the hidden observations whatever the shape of the errors, and missed clouds (a few per cent) hardly count.
    Cells with few dates lean on what the cube's own variation over time (differences of observations so many days
    apart) and the well-measured cells let expect, and are no smaller than the cells of shorter gaps. A sample with
    one observation a pixel tells nothing about time: there the std is the spread over the sample, at least 0.05.

    Parameters
    ----------
    predict : the method: a block with some observations taken away -> (T, B, H, W) mean.
    sample : blocks over the cube, all of its dates and bands. Dates without any observation in it do not count.
    seed : of the runs.
    per_pixel_runs : hide a run of its own at each pixel; False for methods that look at neighbouring pixels:
        runs of squares of 8 x 8 pixels and of whole frames, predicted block by block.
    """
    errors = collect_errors(predict, sample, seed=seed, per_pixel_runs=per_pixel_runs)
    table = fit_table(errors, sample)
    return ErrorModel(table, fit_correlation(errors.error), errors.cell.size)


def _rounded(values: NDArray[np.floating]) -> list[object]:
    """Nested lists of plain numbers with six decimals."""
    nested: list[object] = np.round(values.astype(np.float64), 6).tolist()
    return nested

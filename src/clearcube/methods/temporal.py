"""Methods that take the value of a pixel from its observations just before and just after a date."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from clearcube.filler import Estimate
from clearcube.methods.error_model import ErrorModel, measure_errors
from clearcube.methods.temporal_kernels import LAST, LINEAR, NEAREST, NEXT, fill_parallel, fill_serial

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from clearcube.filler import Block


@dataclass(frozen=True)
class _Temporal:
    """What the four share: each pixel by itself, nothing to settle but the errors.

    parallel : use all cores in each call; for calls from one thread on arrays in memory, not under dask.
    """

    parallel: bool = field(default=False, kw_only=True)
    rule: ClassVar[int]

    @property
    def name(self) -> str:
        """The name on the command line."""
        return type(self).__name__.lower()

    @property
    def halo(self) -> int:
        """0: each pixel by itself."""
        return 0

    def prepare(self, sample: Sequence[Block]) -> PreparedTemporal:
        """Measure the errors of the method on the sample."""
        errors = measure_errors(partial(fill_block, rule=self.rule), sample)
        return PreparedTemporal(self.rule, errors, self.parallel)


class Last(_Temporal):
    """The last observation before a date; before the first one, the first."""

    rule = LAST


class Next(_Temporal):
    """The first observation after a date; after the last one, the last."""

    rule = NEXT


class Nearest(_Temporal):
    """The observation nearest in time; of two equally near, the earlier."""

    rule = NEAREST


class Linear(_Temporal):
    """The straight line, by date, between the observations before and after; level beyond the first and the last."""

    rule = LINEAR


@dataclass(frozen=True)
class PreparedTemporal:
    """A temporal method and its errors on this cube."""

    rule: int
    errors: ErrorModel
    parallel: bool = False

    @property
    def error_correlation(self) -> NDArray[np.float64]:
        """(B, B) correlation of the errors of the bands."""
        return self.errors.correlation

    def fill(self, block: Block) -> Estimate:
        """Mean and std of every pixel and date; observed pixels keep their bits, never observed ones are NaN."""
        mean = fill_block(block, rule=self.rule, parallel=self.parallel)
        return Estimate(mean, self.errors.std(block.observed, block.dates, parallel=self.parallel))

    def summary(self) -> Mapping[str, object]:
        """The errors."""
        return self.errors.summary()


def fill_block(
    block: Block, *, rule: int, parallel: bool = False, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """The mean of every pixel and date by the rule, (T, B, H, W); written into `out`, contiguous, if given."""
    mean = np.empty(block.reflectance.shape, np.float32) if out is None else out
    fill = fill_parallel if parallel else fill_serial
    reflectance, observed = block.as_pixels()
    fill(reflectance, observed, block.days.astype(np.float32), rule, mean.reshape(reflectance.shape))
    return mean

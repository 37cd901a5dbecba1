"""One experiment: a cube from which a scenario hides pixels, a fill of what is left, and the sums of its scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from clearcube.cube import Band, bands_of, dates_of
from clearcube.evaluation.calibration import calibration_sums
from clearcube.evaluation.distortion import distortion_sums
from clearcube.evaluation.mask_error import MASK_ERROR, CloudyFrame, Pasted, detection_sums, paste_clouds
from clearcube.evaluation.metrics import by_stratum
from clearcube.evaluation.perceptual import perceptual_sums
from clearcube.evaluation.quality import quality_sums
from clearcube.evaluation.ssim import ssim_sums
from clearcube.evaluation.strata import Strata, strata_of
from clearcube.filler import Block, Estimate
from clearcube.gaps import MaskBank, hide, scored, without
from clearcube.tiling import sample_windows

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from clearcube.evaluation.statistics import Sums
    from clearcube.filler import Filler

SAMPLE_SIDE, SAMPLE_PER_SIDE = 64, 4
"""Rectangles of the sample that a filler prepares on: side in pixels, and how many along each side of the frame."""
HIDDEN, OBSERVED, ALL = "hidden", "observed", "all"
"""The three sets of pixels that scores are given for."""


@dataclass(frozen=True)
class NamedCube:
    """A cube in memory.

    key : its name, by which pixels to hide are drawn. block : observed only where every band has a value.
    landcover : (H, W) codes, None = not known.
    """

    key: str
    block: Block
    landcover: NDArray[np.integer] | None = None

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of its bands."""
        return tuple(band.name for band in self.block.bands)


def named_cube(key: str, cube: xr.Dataset) -> NamedCube:
    """Read a cube into memory."""
    reflectance = np.ascontiguousarray(cube["reflectance"].values, np.float32)
    observed = cube["observed"].values & np.isfinite(reflectance).all(axis=1)
    bands: tuple[Band, ...] = bands_of(cube)
    landcover = cube["landcover"].values if "landcover" in cube else None
    return NamedCube(key, Block(reflectance, observed, dates_of(cube), bands), landcover)


@dataclass(frozen=True)
class Experiment:
    """What a filler is given, and what it is judged by.

    given : the cube without its hidden pixels. hidden : (T, H, W) bool, the pixels that count.
    truth : (T, B, H, W) reflectance. pasted : the clouds of the scenario `mask-error`.
    """

    given: Block
    hidden: NDArray[np.bool_]
    truth: NDArray[np.float32]
    strata: Strata
    pasted: Pasted | None = None


def experiment(
    cube: NamedCube, scenario: str, seed: int, bank: MaskBank | None, clouds: Sequence[CloudyFrame] = ()
) -> Experiment:
    """The experiment of a scenario; hidden values are gone from what is given.

    bank : for `partial`. clouds : for `mask-error`.

    Raises
    ------
    ScenarioUnavailable : the cube cannot offer it.
    """
    block = cube.block
    if scenario == MASK_ERROR:
        pasted = paste_clouds(block, clouds, seed, cube.key)
        left = pasted.block.observed
        strata = strata_of(left, block.dates, cube.landcover, float(block.observed.mean()))
        pixels = pasted.hidden & (left & ~pasted.missed).any(axis=0)
        return Experiment(pasted.block, pixels, block.reflectance, strata, pasted)
    hidden = hide(block, scenario, seed, bank=bank, key=cube.key)
    left = without(block.observed, hidden)
    given = np.where(hidden[:, None], np.float32(np.nan), block.reflectance)
    strata = strata_of(left, block.dates, cube.landcover, float(block.observed.mean()))
    kept = replace(block, reflectance=given, observed=left)
    return Experiment(kept, scored(block.observed, hidden), block.reflectance, strata)


def filled_by(filler: Filler, block: Block) -> tuple[Estimate, NDArray[np.float64]]:
    """The complete block, observed pixels as they are, and the (B, B) correlation of the errors of its bands."""
    frame = (block.observed.shape[1], block.observed.shape[2])
    sample = [_part(block, window.slices) for window in sample_windows(frame, SAMPLE_SIDE, SAMPLE_PER_SIDE)]
    prepared = filler.prepare(sample)
    estimate = prepared.fill(block)
    mean = np.where(block.observed[:, None], block.reflectance, estimate.mean)
    return replace(estimate, mean=mean), np.asarray(prepared.error_correlation)


def _part(block: Block, place: tuple[slice, slice]) -> Block:
    return replace(block, reflectance=block.reflectance[(..., *place)], observed=block.observed[(..., *place)])


def sums_of(
    test: Experiment, estimate: Estimate, correlation: NDArray[np.float64], bands: Sequence[str]
) -> dict[str, dict[str, Sums]]:
    """Set of pixels -> statistic -> sums, by stratum (the first is all); those of whole dates and of std are of all.

    Pixels that are hidden have every statistic; observed and all pixels have those of distortion, unstratified.
    """
    filled, truth, hidden, strata = estimate.mean, test.truth, test.hidden, test.strata
    cell = (strata.cell, strata.cells)
    found = distortion_sums(filled, truth, hidden, bands, *cell)
    found["ssim"] = ssim_sums(filled, truth, hidden, *cell)
    if estimate.std is not None:
        found |= calibration_sums(estimate, truth, hidden, bands, correlation, *cell)
    sums_by = {name: strata.of(sums) if by_stratum(name) else sums for name, sums in found.items()}
    sums_by |= perceptual_sums(filled, truth, hidden)
    sums_by |= quality_sums(filled, test.given.observed, hidden, test.given.dates)
    if test.pasted is not None:
        sums_by |= detection_sums(test.pasted, truth, bands, estimate.contamination)
    observed = distortion_sums(filled, truth, test.given.observed, bands)
    whole = {name: sums + _first(sums_by[name]) for name, sums in observed.items()}
    return {HIDDEN: sums_by, OBSERVED: observed, ALL: whole}


def _first(sums: Sums) -> Sums:
    """The sums of the first stratum."""
    return replace(sums, total=sums.total[:1], weight=sums.weight[:1])

"""One experiment: a cube from which a scenario hides pixels, and a fill of what is left."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from clearcube.cube import Band, bands_of, dates_of
from clearcube.evaluation.mask_error import MASK_ERROR, CloudyFrame, Pasted, paste_clouds
from clearcube.evaluation.strata import Strata, strata_of
from clearcube.filler import Block, Estimate, cut
from clearcube.gaps import MaskBank, ScenarioUnavailable, hide, scored, withheld
from clearcube.landcover import flag_names
from clearcube.tiling import sample_windows, windows_that_saw_most

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from clearcube.filler import Filler

MISSED_MASK, CLOUD_MASK = "_missed", "_cloud"
"""Endings of the names of masks of pasted pixels."""


@dataclass(frozen=True)
class NamedCube:
    """A cube in memory.

    key : its name, by which pixels to hide are drawn. block : observed only where every band has a value.
    landcover : (H, W) codes, None = not known. classes : names of its codes, where the cube tells them.
    """

    key: str
    block: Block
    landcover: NDArray[np.integer] | None = None
    classes: Mapping[int, str] = field(default_factory=dict)

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of its bands."""
        return tuple(band.name for band in self.block.bands)

    def fingerprint(self) -> str:
        """Checksum of what it holds: reflectance, bands, observed pixels, dates and land cover, from whatever file."""
        digest = hashlib.sha256(repr((self.block.bands, self.block.reflectance.shape)).encode())
        for frame in self.block.reflectance:
            digest.update(np.where(np.isnan(frame), np.float32(np.nan), frame).tobytes())
        digest.update(np.packbits(self.block.observed).tobytes())
        digest.update(self.block.dates.astype("datetime64[D]").astype(np.int64).tobytes())
        if self.landcover is not None:
            digest.update(repr(sorted(self.classes.items())).encode() + self.landcover.astype(np.float64).tobytes())
        return digest.hexdigest()


def named_cube(key: str, cube: xr.Dataset) -> NamedCube:
    """Read a cube into memory."""
    reflectance = np.ascontiguousarray(cube["reflectance"].values, np.float32)
    observed = cube["observed"].values & np.isfinite(reflectance).all(axis=1)
    bands: tuple[Band, ...] = bands_of(cube)
    block = Block(reflectance, observed, dates_of(cube), bands)
    if "landcover" not in cube:
        return NamedCube(key, block)
    return NamedCube(key, block, cube["landcover"].values, flag_names(cube["landcover"].attrs))


@dataclass(frozen=True)
class Experiment:
    """What a filler is given, and what it is judged by.

    given : the cube without its hidden pixels. hidden : (T, H, W) bool, the hidden pixels that count.
    truth : (T, B, H, W) reflectance. known : (T, H, W) bool, where the truth is one.
    pasted : the clouds of the scenario `mask-error`.
    masks : what others need to do the same, (T, H, W) bool each: all hidden pixels, of the name ""; of `mask-error`
        also the pasted pixels, `MISSED_MASK` where they are reported as observed and `CLOUD_MASK` where they are not.
    """

    given: Block
    hidden: NDArray[np.bool_]
    truth: NDArray[np.float32]
    known: NDArray[np.bool_]
    strata: Strata
    pasted: Pasted | None = None
    masks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)


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
        given = pasted.block
        cloud = block.observed & ~given.observed & ~pasted.hidden
        masks = {"": pasted.hidden, MISSED_MASK: pasted.missed, CLOUD_MASK: cloud}
    else:
        pasted, all_hidden = None, hide(block, scenario, seed, bank=bank, key=cube.key)
        given, masks = withheld(block, all_hidden), {"": all_hidden}
    hidden = counted_in(block.observed, masks)
    if not hidden.any():
        raise ScenarioUnavailable(f"{scenario} hides no pixel of '{cube.key}' that counts; leave it out")
    share = float(block.observed.mean())
    strata = strata_of(given.observed, block.dates, cube.landcover, share, cube.classes)
    return Experiment(given, hidden, block.reflectance, block.observed, strata, pasted, masks)


def counted_in(observed: NDArray[np.bool_], masks: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """The hidden pixels that count, (T, H, W) bool: those still observed at another date, free of pasted cloud there.

    observed : (T, H, W) bool, before anything was hidden. masks : as of an experiment.
    """
    pasted = [mask for name, mask in masks.items() if name]
    return scored(np.logical_and.reduce([observed, *(~mask for mask in pasted)]), masks[""])


@dataclass(frozen=True)
class Fill:
    """What a filler made of a block.

    estimate : with the observed values as they are. correlation : (B, B) of the errors of its bands.
    denoised : (T, B, H, W), where the filler's own values stand at observed pixels that it does not believe.
    """

    estimate: Estimate
    correlation: NDArray[np.float64]
    denoised: NDArray[np.float32]


def _sample(block: Block) -> list[Block]:
    """The parts of a block that a fill of it prepares on."""
    frame = (block.observed.shape[1], block.observed.shape[2])
    usual = [cut(block, place.slices) for place in sample_windows(frame)]
    if not any(part.observed.any() for part in usual):
        usual = [cut(block, place.slices) for place in windows_that_saw_most(block.observed.sum(axis=0))]
    return [part for part in usual if part.observed.any()] or usual


def filled_by(filler: Filler, block: Block) -> Fill:
    """The complete block."""
    prepared = filler.prepare(_sample(block))
    estimate = prepared.fill(block)
    mean = np.where(block.observed[:, None], block.reflectance, estimate.mean)
    believed = estimate.which_believed(block.observed)
    denoised = np.where(believed[:, None], block.reflectance, estimate.mean)
    return Fill(replace(estimate, mean=mean), np.asarray(prepared.error_correlation), denoised)

"""Everything that is measured of one experiment: the sums of all statistics, by set of pixels and stratum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from clearcube.evaluation.calibration import calibration_sums
from clearcube.evaluation.distortion import distortion_sums
from clearcube.evaluation.mask_error import detection_sums
from clearcube.evaluation.metrics import DATE_STATISTICS, by_stratum
from clearcube.evaluation.perceptual import perceptual_sums
from clearcube.evaluation.pictures import picture_pairs
from clearcube.evaluation.quality import quality_sums
from clearcube.evaluation.ssim import ssim_sums
from clearcube.evaluation.statistics import Sums, Tally
from clearcube.evaluation.strata import shared_out

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.evaluation.experiments import Experiment, Fill
    from clearcube.evaluation.inception import Inception
    from clearcube.evaluation.lpips import Lpips

HIDDEN, OBSERVED, ALL = "hidden", "observed", "all"
"""The three sets of pixels that scores are given for: hidden ones, those that were left alone, and both."""
MISSED = "missed"
"""Pasted pixels that the mask of `mask-error` reports as observed, scored as `--denoise` leaves them."""


@dataclass(frozen=True)
class Networks:
    """Networks that judge pictures, where the user gave weights."""

    lpips: Lpips | None = None
    inception: Inception | None = None

    @property
    def some(self) -> bool:
        """Whether there is any."""
        return self.lpips is not None or self.inception is not None


@dataclass(frozen=True)
class Judged:
    """What was measured.

    sets : set of pixels -> statistic -> sums. Hidden pixels have every statistic, by stratum (the first is all) or, of
        patches, levels and detection, of all; the other sets have those of distortion, of all.
    features : `filled` and `truth`, (N, F) of the dates with hidden pixels, where FID is asked for.
    """

    sets: Mapping[str, Tally]
    features: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


def judge(test: Experiment, fill: Fill, bands: Sequence[str], networks: Networks | None = None) -> Judged:
    """Measure a fill by its experiment.

    Raises
    ------
    InputError : pictures are to be judged, and the bands are no colours.
    """
    mean, truth, seen = fill.estimate.mean, test.truth, test.given.observed
    if test.pasted is not None:
        seen = seen & ~test.pasted.missed
    cells, dates = _of_pixels(test, fill, bands), _of_dates(test, mean, seen, bands)
    of_pictures, features = _of_pictures(test, mean, bands, networks or Networks())
    dates |= of_pictures
    members = test.strata.dates_with(test.hidden)
    hidden = {name: test.strata.of(sums) for name, sums in cells.items() if by_stratum(name)}
    everywhere = np.ones_like(members)
    for name, sums in dates.items():
        belongs = everywhere if name == "rough_clear" else members  # what any stratum is compared with
        hidden[name] = shared_out(sums, belongs) if name in DATE_STATISTICS else sums.joined()
    if test.pasted is not None:
        hidden |= detection_sums(test.pasted, truth, bands, fill.estimate.contamination)
    observed = distortion_sums(mean, truth, seen, bands)
    whole = {name: sums + _first(hidden[name]) for name, sums in observed.items()}
    sets = {HIDDEN: hidden, OBSERVED: observed, ALL: whole}
    observed["ssim"], whole["ssim"] = (ssim_sums(mean, truth, pixels) for pixels in (seen, seen | test.hidden))
    if test.pasted is not None:
        missed = test.pasted.missed
        sets[MISSED] = distortion_sums(fill.denoised, truth, missed, bands)
        sets[MISSED]["ssim"] = ssim_sums(fill.denoised, truth, missed)
    return Judged(sets, features)


def _of_pixels(test: Experiment, fill: Fill, bands: Sequence[str]) -> dict[str, Sums]:
    """Sums by cell of the strata, over hidden pixels."""
    cell = (test.strata.cell, test.strata.cells)
    sums = distortion_sums(fill.estimate.mean, test.truth, test.hidden, bands, *cell)
    sums["ssim"] = ssim_sums(fill.estimate.mean, test.truth, test.hidden, *cell)
    if fill.estimate.std is not None:
        sums |= calibration_sums(fill.estimate, test.truth, test.hidden, bands, fill.correlation, *cell)
    return sums


def _of_dates(
    test: Experiment, mean: NDArray[np.float32], seen: NDArray[np.bool_], bands: Sequence[str]
) -> dict[str, Sums]:
    """Sums by date, over hidden pixels.

    seen : (T, H, W) bool, what was left alone.
    """
    sums = perceptual_sums(mean, test.truth, test.hidden)
    return sums | quality_sums(mean, seen, test.hidden, test.given.dates, bands)


def _of_pictures(
    test: Experiment, mean: NDArray[np.float32], bands: Sequence[str], networks: Networks
) -> tuple[dict[str, Sums], dict[str, NDArray[np.float32]]]:
    """What networks make of the pictures: sums by date, and features as `Judged` has them; nothing without networks."""
    sums: dict[str, Sums] = {}
    features: dict[str, NDArray[np.float32]] = {}
    if networks.some:
        pictures = picture_pairs(mean, test.truth, test.hidden, test.known, bands)
        if networks.lpips is not None:
            sums["lpips"] = networks.lpips.sums(*pictures, test.hidden)
        if networks.inception is not None:
            named = zip(("filled", "truth"), pictures, strict=True)
            features = {which: networks.inception.features(each) for which, each in named}
    return sums, features


def _first(sums: Sums) -> Sums:
    """The sums of the first stratum."""
    return Sums(sums.total[:1], sums.weight[:1])

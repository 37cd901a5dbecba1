"""When the mask lies: real clouds pasted into clear dates, a part of them reported as observed, and who notices."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import logit

from clearcube.evaluation.statistics import Sums
from clearcube.gaps import ScenarioUnavailable, covers, generator_of, half_of_inner, laid_over

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.filler import Block

MASK_ERROR = "mask-error"
"""Name of the scenario."""
MISSED_SHARE = 0.2
"""Share of the pasted pixels that are reported as observed."""
HIDDEN_SHARE = 0.3
"""Share of the clear pixels of these dates and the dates next to them that are hidden."""
PIECE = 3.0
"""Size of connected pieces: standard deviation in pixels of the field that they are cut from."""
FRAMES = 256
"""Cloudy frames in a bank, at most; of more, those whose checksums come first."""
THIN = 0.1
"""Rise of blue reflectance up to which cloud is thin."""
KINDS = ("bright", "thin", "shadow")
"""Kinds of contamination, by the change of the blue band (of the first, where there is none)."""
BINS = 1000
SMALLEST_SCORE = 1e-6
"""Bins of a detection score between 0 and 1: equal steps of its log odds, which go from those of the smallest score to
those of 1 less it. So scores that differ by more than 3 % of their distance to 0 or 1 are told apart."""
FALSE_ALARMS = 0.01
OTHER_NIR = {"nir": "nir08", "nir08": "nir"}


@dataclass(frozen=True)
class CloudyFrame:
    """A date with cloud: (B, H, W) reflectance, names of the bands, (H, W) bool where it is cloud and has values."""

    key: str
    reflectance: NDArray[np.float32]
    bands: tuple[str, ...]
    cloud: NDArray[np.bool_]

    def positions(self, names: Sequence[str]) -> list[int]:
        """Where these bands are among its own, either near infrared standing in for the other; empty if one is not."""
        own = {OTHER_NIR.get(name, name): i for i, name in enumerate(self.bands)}
        own |= {name: i for i, name in enumerate(self.bands)}
        return [own[name] for name in names] if own.keys() >= set(names) else []

    def stack(self, positions: Sequence[int]) -> NDArray[np.float32]:
        """(1 + bands, H, W): where the cloud is, and the reflectance of the bands at these positions."""
        return np.concatenate([self.cloud[None].astype(np.float32), self.reflectance[list(positions)]])


def with_frames(kept: Mapping[str, CloudyFrame], key: str, block: Block) -> dict[str, CloudyFrame]:
    """What is kept of cloudy frames, checksum -> frame, with those of one more cube."""
    cloud = ~block.observed & np.isfinite(block.reflectance).all(axis=1)
    names = tuple(band.name for band in block.bands)
    added = {
        hashlib.sha256(f"{key}\n{t}".encode()).hexdigest(): CloudyFrame(
            key, block.reflectance[t].copy(), names, cloud[t].copy()
        )
        for t in range(len(cloud))
        if covers(~cloud[t])
    }
    return dict(sorted({**kept, **added}.items())[:FRAMES])


@dataclass(frozen=True)
class Pasted:
    """A cube into which clouds were pasted.

    block : what a filler is given. hidden : (T, H, W) bool, clear pixels that were hidden. missed : (T, H, W) bool,
    pasted pixels that are reported as observed.
    """

    block: Block
    hidden: NDArray[np.bool_]
    missed: NDArray[np.bool_]


def paste_clouds(block: Block, frames: Sequence[CloudyFrame], seed: int, key: str = "") -> Pasted:
    """Paste clouds of other cubes into half of the inner clear dates, and report a fifth of them as observed.

    Raises
    ------
    ScenarioUnavailable : no clear date between two others, or no cloudy frame of another cube that has these bands.
    """
    names = [band.name for band in block.bands]
    usable = [(f, positions) for f in frames if f.key != key and (positions := f.positions(names))]
    generator = generator_of(seed, MASK_ERROR, key)
    dates = np.flatnonzero(half_of_inner(block.observed, generator))
    if not usable:
        raise ScenarioUnavailable("mask-error pastes clouds of other cubes, and none has cloudy dates with values")
    values, observed = block.reflectance.copy(), block.observed.copy()
    missed, hidden = np.zeros_like(observed), np.zeros_like(observed)
    frame = (observed.shape[1], observed.shape[2])
    for t in dates:
        source, positions = usable[generator.integers(len(usable))]
        drawn = laid_over(source.stack(positions), generator, frame)
        cloud, reflectance = (drawn[0] > 0) & block.observed[t], drawn[1:]
        values[t] = np.where(cloud, reflectance, values[t])
        missed[t] = pieces(cloud, MISSED_SHARE, generator)
        observed[t] &= ~cloud | missed[t]
    near = np.unique(np.clip(dates[:, None] + np.array([-1, 0, 1]), 0, len(observed) - 1))
    for t in near:
        hidden[t] = pieces(observed[t] & ~missed[t], HIDDEN_SHARE, generator)
    values[np.broadcast_to(hidden[:, None], values.shape)] = np.nan
    return Pasted(replace(block, reflectance=values, observed=observed & ~hidden), hidden, missed)


def pieces(among: NDArray[np.bool_], share: float, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Connected pieces that make up this share of the given pixels, (H, W) bool."""
    field = gaussian_filter(generator.normal(size=among.shape), PIECE)
    chosen = np.zeros(among.shape, bool)  # in C order, whatever that of the mask is
    order = np.flatnonzero(among)[np.argsort(field[among])]
    chosen.ravel()[order[: round(share * order.size)]] = True
    return chosen


def detection_sums(
    pasted: Pasted, truth: NDArray[np.float32], bands: Sequence[str], contamination: NDArray[np.float32] | None
) -> dict[str, Sums]:
    """Counts of detection scores, (4, 1000): of clear pixels, then of missed bright cloud, thin cloud and shadow.

    `detections_blue` is of a plain threshold on the anomaly of blue (distance from the pixel's median over its observed
    dates); `detections` of the method's own probability, where it has one.
    """
    blue = list(bands).index("blue") if "blue" in bands else 0
    values, observed = pasted.block.reflectance[:, blue], pasted.block.observed
    seen = np.where(observed, values, np.nan)
    middle = np.full(values.shape[1:], np.nan)
    some = observed.any(axis=0)
    middle[some] = np.nanmedian(seen[:, some], axis=0)
    change = values - truth[:, blue]
    kinds = (change > THIN, (change > 0) & (change <= THIN), change <= 0)
    groups = [observed & ~pasted.missed, *(pasted.missed & kind for kind in kinds)]
    sums = {"detections_blue": _counts(np.abs(values - middle), groups)}
    return sums if contamination is None else sums | {"detections": _counts(contamination, groups)}


def _counts(score: NDArray[np.floating], groups: Sequence[NDArray[np.bool_]]) -> Sums:
    counts = np.stack([np.bincount(_bin(score[group]), minlength=BINS) for group in groups]).astype(np.float64)
    return Sums(counts, np.ones((1, 1)))


def _bin(score: NDArray[np.floating]) -> NDArray[np.intp]:
    odds = logit(np.clip(score.astype(np.float64), SMALLEST_SCORE, 1 - SMALLEST_SCORE))
    share = 0.5 + odds / (2 * logit(1 - SMALLEST_SCORE))
    return np.minimum((share * BINS).astype(np.intp), BINS - 1)


def detection_scores(clear: NDArray[np.float64], found: NDArray[np.float64]) -> dict[str, float]:
    """ROC-AUC, average precision and recall at 1 % false alarms from counts by ascending score, (bins,) each.

    Scores of one bin are ties: half of them count for the AUC. NaN without pixels of one of the two sorts.
    """
    if not clear.sum() or not found.sum():
        return dict.fromkeys(("auc", "average_precision", "recall1"), float("nan"))
    false, true = np.cumsum(clear[::-1]) / clear.sum(), np.cumsum(found[::-1]) / found.sum()
    before = np.concatenate([[0.0], true[:-1]])
    area = float(((true + before) / 2 * np.diff(false, prepend=0.0)).sum())
    alarms = np.cumsum(clear[::-1]) + np.cumsum(found[::-1])
    precision = np.divide(np.cumsum(found[::-1]), alarms, out=np.zeros_like(alarms), where=alarms > 0)
    allowed = true[false <= FALSE_ALARMS]
    return {
        "auc": area,
        "average_precision": float((precision * (true - before)).sum()),
        "recall1": float(allowed[-1]) if allowed.size else 0.0,
    }

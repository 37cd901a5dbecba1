"""Scoring what any program filled, on the pixels that the user names."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.cube import SAME_PLACE, Source, bands_of, crs_of, dates_of, order_along, steps_of
from clearcube.errors import InputError
from clearcube.evaluation.experiments import CLOUD_MASK, MISSED_MASK, Experiment, Fill, counted_in
from clearcube.evaluation.judging import ALL, HIDDEN, OBSERVED, Judged, judge
from clearcube.evaluation.metrics import Score, scores
from clearcube.evaluation.pairs import paired
from clearcube.evaluation.run import read_masks
from clearcube.evaluation.strata import strata_of
from clearcube.filler import Block, Estimate
from clearcube.gaps import read_mask
from clearcube.readers.crs import same_crs

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

SETS = (HIDDEN, OBSERVED, ALL)
"""The sets of pixels that can be scored."""


def score_files(
    filled: str,
    truth: str | list[str],
    on: str,
    hidden: str | None = None,
    *,
    opening: Mapping[str, Any] | None = None,
    filled_opening: Mapping[str, Any] | None = None,
) -> list[Score]:
    """Every metric of a fill over a set of pixels, by band and together, as an evaluation scores its fills.

    Of other sets than hidden pixels those are measured that say something of copies too: of distortion, and SSIM.

    Parameters
    ----------
    filled : a filled cube, opened with `filled_opening`. truth : the input from which pixels were hidden, opened with
        `opening`.
    on : "hidden", "observed" or "all"; only pixels that are observed in the truth count.
    hidden : (T, H, W) bool in a .npy file, or FILE.npz:NAME of an evaluation, partial_0 for instance. Without it,
        pixels count as hidden that are observed in the truth and not in what was filled, by its `source`. Of these
        count those that are observed at another date; of `mask-error`, free of pasted cloud there.

    Raises
    ------
    InputError : a file cannot be used; grids, dates or bands differ; values are not reflectance; no pixel is in the
        set.
    """
    from clearcube.fill_cube.survey import check_reflectance
    from clearcube.readers.open import open_cube

    if on not in SETS:
        raise InputError(f"--on is '{on}'; choose one of {', '.join(SETS)}")
    mine, theirs = open_cube(filled, **(filled_opening or {})), open_cube(truth, **(opening or {}))
    name = truth if isinstance(truth, str) else ", ".join(truth)
    turn = _turn(mine, theirs)
    theirs = theirs.isel(turn)
    pair = paired(mine, theirs["reflectance"], theirs["observed"].values)
    counted, withheld = _pixels(on, hidden, filled, theirs, turn, name)
    values, test = np.asarray(pair.filled), _experiment(theirs, np.asarray(pair.truth), counted, withheld)
    check_reflectance(test.truth, counted, name)
    check_reflectance(values, counted, filled, "--filled-{} {}")
    std, correlation = _uncertainty(filled, mine)
    judged = judge(test, Fill(Estimate(values, std), correlation, values), pair.bands)
    return _scores(judged, on, test, pair.bands, filled)


def _pixels(
    on: str, hidden: str | None, filled: str, theirs: xr.Dataset, turn: dict[str, slice], name: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The pixels that count, and those that were withheld from the filler as far as is known, (T, H, W) bool each."""
    masks = _hidden(hidden, filled, theirs, turn) if on != ALL or hidden else {}
    counted = _chosen(theirs, on, masks)
    if hidden is not None and on == HIDDEN:
        _warn_of_copies(filled, counted)
    if not counted.any():
        raise InputError(
            f"nothing to score: no pixel of {name} is in the set '{on}'; say which were hidden with --hidden, or score "
            "other ones with --on"
        )
    return counted, np.logical_or.reduce([counted, *(masks.values() if on == HIDDEN else ())])


def _scores(judged: Judged, on: str, test: Experiment, bands: Sequence[str], filled: str) -> list[Score]:
    """Scores over all pixels that count; of other sets than hidden pixels those that say something of copies too."""
    measured = judged.sets[HIDDEN]
    sums = {name: measured[name] for name in judged.sets[HIDDEN if on == HIDDEN else OBSERVED]}
    pixels = test.hidden.sum()
    if sums["missing"].total[0, 0] == pixels:
        raise InputError(f"nothing to score: {filled} has no value at any of the {pixels} pixels")
    whole = test.strata.names[0]
    return [each for each in scores(sums, test.strata.names, bands) if each.stratum == whole]


def _experiment(
    theirs: xr.Dataset, truth: NDArray[np.float32], counted: NDArray[np.bool_], withheld: NDArray[np.bool_]
) -> Experiment:
    """The pixels that count as hidden ones; not given were the withheld ones, (T, H, W) bool."""
    observed = theirs["observed"].values
    left = observed & ~withheld
    given = Block(np.where(withheld[:, None], np.float32(np.nan), truth), left, dates_of(theirs), bands_of(theirs))
    return Experiment(given, counted, truth, observed, strata_of(left, given.dates))


def _uncertainty(filled: str, mine: xr.Dataset) -> tuple[NDArray[np.float32] | None, NDArray[np.float64]]:
    """What was written beside the filled reflectance of these bands: its std (T, B, H, W), None where there is none,
    and the correlation of the errors of the bands (B, B), where it is not told the identity.
    """
    from clearcube.readers.filled_std import error_correlation, std_within
    from clearcube.readers.open import open_cube

    try:
        whole = open_cube(filled)
    except InputError:  # nothing in it tells its bands, so it holds no std that belongs to them
        return None, np.eye(mine.sizes["band"])
    stored, bands = ([str(name) for name in cube["band"].values] for cube in (whole, mine))
    found = std_within(filled, whole, slice(0, whole.sizes["y"]), slice(0, whole.sizes["x"]))
    there = {name: std for name, std in found.items() if name in stored}
    fits = all(band in there and there[band].shape == mine["observed"].shape for band in bands)
    if there and not fits:
        warnings.warn(
            f"the std in {filled} does not fit its reflectance in the bands {', '.join(bands)}; uncertainty is not "
            "scored",
            UserWarning,
            stacklevel=3,
        )
    std = np.stack([there[band] for band in bands], axis=1) if fits else None
    return std, error_correlation(filled, bands)


def _turn(mine: xr.Dataset, theirs: xr.Dataset) -> dict[str, slice]:
    """What brings the rows and columns of the truth in the order of the filled cube: rasters are written north up.

    Raises
    ------
    InputError : the pixels are not the same places.
    """
    systems = [crs_of(each) for each in (mine, theirs)]
    if None not in systems and not same_crs(*systems):
        raise InputError(f"filled and truth are on different grids: {systems[0]} and {systems[1]}; resample one")
    turn = {}
    for axis, step in zip(("y", "x"), steps_of(theirs), strict=True):
        a, b = mine[axis].values, theirs[axis].values
        order = order_along(b, a, SAME_PLACE * abs(step))
        if order is None and a.size == b.size:
            raise InputError(
                f"filled and truth are on different grids: {axis} begins at {a[0]:.10g} and {b[0]:.10g}; resample one"
            )
        turn[axis] = order or slice(None)
    return turn


def _hidden(given: str | None, filled: str, truth: xr.Dataset, turn: dict[str, slice]) -> dict[str, NDArray[np.bool_]]:
    """The hidden pixels, and those under pasted cloud, as the masks of an experiment; files have them as the truth's
    rows and columns were before the turn.
    """
    shape = truth["observed"].shape
    masks = {"": _from_source(filled, truth)} if given is None else _from_file(given)
    for mask in masks.values():
        if mask.shape != shape:
            raise InputError(f"the hidden pixels have the shape {mask.shape}, the truth {shape} (time, y, x)")
    return masks if given is None else {name: mask[:, turn["y"], turn["x"]] for name, mask in masks.items()}


def _warn_of_copies(filled: str, counted: NDArray[np.bool_]) -> None:
    """Warn where the fill says that pixels to score were observed when it was made."""
    from clearcube.readers.filled import open_filled

    try:
        source = open_filled(filled)["source"].values
    except InputError:
        return  # of another program, which does not tell
    copied = counted & (source == Source.OBSERVED) if source.shape == counted.shape else np.zeros_like(counted)
    if copied.any():
        warnings.warn(
            f"{filled} was made from {copied.sum()} of the {counted.sum()} pixels that count as hidden: it only shows "
            "them again; hide them before you fill",
            UserWarning,
            stacklevel=4,
        )


def _from_source(filled: str, truth: xr.Dataset) -> NDArray[np.bool_]:
    """Pixels that were observed, but not when the cube was filled."""
    from clearcube.readers.filled import open_filled

    try:
        source = open_filled(filled)["source"].values
    except InputError as error:
        raise InputError(f"{filled} does not tell which pixels were hidden: give them with --hidden MASK") from error
    if source.shape != truth["observed"].shape:
        return np.zeros(source.shape, bool)
    kept = (Source.OBSERVED, Source.REPLACED, Source.SMOOTHED)
    return np.asarray(truth["observed"].values & ~np.isin(source, kept))


def _from_file(given: str) -> dict[str, NDArray[np.bool_]]:
    stem, _, name = given.removesuffix(".npz").partition(".npz:")
    if name or given.endswith(".npz"):
        path = f"{stem}.npz"
        masks = read_masks(Path(path))
        if name not in masks:
            raise InputError(f"{path} holds {', '.join(masks)}; name one of them: {path}:{next(iter(masks))}")
        endings = ("", MISSED_MASK, CLOUD_MASK)
        return {ending: masks[name + ending] for ending in endings if name + ending in masks}
    if not os.path.isfile(given):
        raise InputError(f"the hidden pixels {given} do not exist; check --hidden")
    return {"": read_mask(given)}


def _chosen(truth: xr.Dataset, on: str, masks: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """The pixels of the set: observed in the truth, with a value in every band."""
    observed = truth["observed"].values
    if on == HIDDEN:
        return np.asarray(observed & counted_in(observed, masks))
    left = observed & ~np.logical_or.reduce([np.zeros_like(observed), *masks.values()])
    return np.asarray(left | observed & counted_in(observed, masks) if on == ALL and masks else left)

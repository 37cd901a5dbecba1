"""Which filler fills a cube, and why that one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.cube import bands_of, dates_of
from clearcube.errors import InputError
from clearcube.fill_cube.flags import usable_pixels
from clearcube.filler import ChecksCube, KeepsLearnt
from clearcube.methods import METHODS, MethodInfo, make_filler

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from clearcube.fill_cube import FillSettings
    from clearcube.filler import Filler

AUTO = "auto"
"""The network where it can work, else `LAST_RESORT`; with weights, the network that they belong to."""
BEST, LAST_RESORT = "seq2seq", "linear"
FEWEST_DATES = 3
"""Dates with observations from which on `auto` takes the network: with two there is nothing to correct a line by."""


@dataclass(frozen=True)
class Choice:
    """A filler, and in words why it was taken."""

    filler: Filler
    reason: str

    @property
    def attrs(self) -> dict[str, str]:
        """What an output says of the choice, beside the method's name."""
        return {"method_reason": self.reason}


def choice_without_cube(method: str, options: Mapping[str, Any], settings: FillSettings) -> Choice | None:
    """The filler, if method and options alone decide; None where the cube must be looked at.

    Raises
    ------
    InputError : no such method, or an option, checkpoint or setting that it cannot use.
    """
    if method != AUTO:
        return checked(Choice(filler_named(method, options), "asked for"), settings)
    if options.get("weights"):
        return checked(Choice(filler_named(method, options), "the network that the weights belong to"), settings)
    _refuse_options_of_others(options)
    return None


def choice_of(
    method: str, options: Mapping[str, Any], settings: FillSettings, cube: Callable[[], xr.Dataset]
) -> tuple[Choice, xr.Dataset]:
    """The filler and the cube, which is opened once method and options are known to be good.

    Raises
    ------
    InputError : as `choice_without_cube` and `choice_for`; the cube cannot be opened, or not be filled by the method.
    """
    known = choice_without_cube(method, options, settings)
    opened = cube()
    choice = known or choice_for(opened, options, settings)
    if isinstance(choice.filler, ChecksCube):
        choice.filler.check(bands_of(opened), dates_of(opened))
    return choice, opened


def choice_for(cube: xr.Dataset, options: Mapping[str, Any], settings: FillSettings) -> Choice:
    """The network where all bands are optical with a known wavelength and enough dates have observations, else linear.

    Reads masks of the cube until enough such dates are found, those of a few chunks as a rule.

    Raises
    ------
    InputError : a setting that the chosen method cannot meet.
    """
    from clearcube.network_filler import embedded_weights, unfit_bands

    against = unfit_bands(bands_of(cube))
    if not against and embedded_weights(BEST) is None:
        against = f"no weights of {BEST} ship with this version"
    if not against and (seen := _observed_dates(cube, FEWEST_DATES)) < FEWEST_DATES:
        against = f"only {seen} of the dates have observations, {BEST} needs {FEWEST_DATES}"
    if against and options.get("adapt"):
        raise InputError(f"adapt trains {BEST}, which cannot fill this cube: {against}; leave it out")
    if against:
        return checked(Choice(filler_named(LAST_RESORT, {}), f"auto: {against}"), settings)
    reason = f"auto: every band is optical with a known wavelength, and at least {FEWEST_DATES} dates have observations"
    return checked(Choice(filler_named(BEST, options), reason), settings)


def checked(choice: Choice, settings: FillSettings) -> Choice:
    """The choice, if it can do what the settings ask.

    Raises
    ------
    InputError : it has no smooth series, or does not judge observations.
    """
    name, described = choice.filler.name, f"'{choice.filler.name}' ({choice.reason})"
    info = _info(name)
    if settings.smooth and not info.smooths:
        able = ", ".join(name for name, each in METHODS.items() if each.smooths)
        raise InputError(f"{described} has no smooth series; --smooth goes with {able}")
    if settings.denoise and not info.judges:
        raise InputError(
            f"{described} does not judge observations, so --denoise could replace none; it goes with {BEST}"
        )
    if settings.contamination and not info.judges:
        raise InputError(f"{described} judges no observations, so it tells no contamination; {BEST} does")
    if settings.denoise and settings.smooth:
        raise InputError("--smooth and --denoise both replace observed values; give one of them")
    return choice


def filler_named(method: str, options: Mapping[str, Any]) -> Filler:
    """The filler of a classical method or network; `auto` with weights is the network that they belong to.

    Raises
    ------
    InputError : no such method, or an option or checkpoint that it cannot use.
    """
    if method in METHODS:
        return make_filler(method, **options)
    from clearcube.network_filler import NETWORKS, filler_of, make_network_filler

    if method == AUTO and options.get("weights"):
        return filler_of(**options)
    if method == AUTO:
        raise InputError(f"'{AUTO}' takes a method by what the cube holds; name one, {BEST} for instance")
    if method not in NETWORKS:
        raise InputError(f"unknown method '{method}'; choose one of {', '.join([AUTO, *METHODS, *NETWORKS])}")
    return make_network_filler(method, **options)


def kept_beside(filler: Filler, folder: Path) -> Filler:
    """The filler, with what it learns kept in the folder, so that a resumed run does not learn it anew."""
    return filler.keeping(str(folder / "adapted.safetensors")) if isinstance(filler, KeepsLearnt) else filler


def _info(name: str) -> MethodInfo:
    """What is known of a method or network."""
    if name in METHODS:
        return METHODS[name]
    from clearcube.network_filler import NETWORKS

    return NETWORKS[name]


def _refuse_options_of_others(options: Mapping[str, Any]) -> None:
    """Raise where an option belongs to a method that must be named for it."""
    from clearcube.network_filler import NETWORKS

    foreign = sorted(set(options) - set(NETWORKS[BEST].options))
    if foreign:
        owners = ", ".join(name for name, info in METHODS.items() if foreign[0] in info.options)
        raise InputError(
            f"method '{AUTO}' has no option '{foreign[0]}'" + (f"; it goes with --method {owners}" if owners else "")
        )


def _observed_dates(cube: xr.Dataset, enough: int) -> int:
    """How many dates have an observation; counting ends at `enough`."""
    seen = np.zeros(cube.sizes["time"], dtype=bool)
    mask, values = cube["observed"].data, cube["reflectance"].data
    if isinstance(mask, np.ndarray) and isinstance(values, np.ndarray):  # what readers give is False without a value
        mask = usable_pixels(values, mask)
    for first, part in _parts(mask):
        found = np.any(part, axis=(1, 2))
        seen[first : first + len(found)] |= found
        if seen.sum() >= enough:
            break
    return int(seen.sum())


def _parts(observed: Any) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """The mask (T, H, W) in memory, chunk by chunk, with the first date of each; all dates of a place in turn."""
    if isinstance(observed, np.ndarray):
        yield 0, observed
        return
    times, down, across = observed.numblocks
    starts = np.concatenate([[0], np.cumsum(observed.chunks[0])])
    for row, column, time in np.ndindex(down, across, times):
        yield int(starts[time]), observed.blocks[time, row, column].compute()

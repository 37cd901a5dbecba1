"""The network `seq2seq` as a filler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from clearcube.cube import OPTICAL_NM
from clearcube.errors import InputError
from clearcube.filler import Block, Estimate, cut, everywhere, middle
from clearcube.methods.error_fit import noise_of_bands
from clearcube.methods.hidden_errors import without_empty_dates
from clearcube.network_filler.adapted import Adapted, store, stored
from clearcube.network_filler.checkpoints import metadata_at, sha256_of
from clearcube.network_filler.gap_kinds import GAP_KINDS, gap_kinds
from clearcube.network_filler.hidden_gaps import REPETITIONS, gap_errors
from clearcube.network_filler.looks import LARGEST_CELL, cell_size, estimates_of, network_of, said_of
from clearcube.network_filler.mixture import CAUTION_AT_ENDS, ESTIMATES, Mixture, Prior, mixture
from clearcube.tiling import windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.cube import Band

FEWEST_DATES = 2
LARGEST_STD = 0.5
"""No quantity that lies in [0, 1], as reflectance does, has a larger standard deviation (Popoviciu's inequality)."""
PRIOR = "mixture_prior"
"""Where a checkpoint's metadata say what is to be believed of its errors before anything is measured."""
SAMPLE_PIXEL_DATES = 250_000
"""Pixels times dates that errors are measured on at each repetition, at most, but for series of more than 100 dates."""
JUDGED_BLOCKS = 4
"""Blocks of the sample that decide whether an adapted network is kept."""


@dataclass(frozen=True)
class NetworkFiller:
    """Fills with the network of a checkpoint.

    path : of the checkpoint. threads : of torch, in each call.
    adapt : steps of training on the cube's sample, 0 = none; this alone looks at values that were not observed, to know
    the cube's own clouds. keep : file in which the outcome of that is kept, and
    from which it is taken where it is there already.
    alone : the network's estimate is not mixed with interpolation.
    caution_at_ends : see `mixture`. precision : see `networks.precision`. The same for all fills, so no fields.

    Raises
    ------
    InputError : the checkpoint cannot be used to fill, or the number of steps is negative.
    """

    path: str
    name: str = "network"
    threads: int = 1
    adapt: int = 0
    keep: str | None = None
    alone: bool = False
    caution_at_ends: ClassVar[float] = CAUTION_AT_ENDS
    precision: ClassVar[str] = "auto"

    def __post_init__(self) -> None:
        network_of(self.path)
        prior_of(self.path)
        if self.adapt < 0:
            raise InputError(f"adapt is {self.adapt} steps; it cannot be negative")

    @property
    def halo(self) -> int:
        """Pixels around a window that count."""
        return int(network_of(self.path).config.halo)

    @property
    def multiple(self) -> int:
        """What the network is shown begins at multiples of this."""
        return int(network_of(self.path).config.multiple)

    @property
    def cell(self) -> int:
        """Windows that begin at multiples of this agree."""
        return LARGEST_CELL

    @property
    def digest(self) -> str:
        """Sha256 of the checkpoint."""
        return sha256_of(self.path)

    def keeping(self, path: str) -> NetworkFiller:
        """See `KeepsLearnt`; without adaptation it learns nothing."""
        return replace(self, keep=path) if self.adapt else self

    def check(self, bands: Sequence[Band], dates: NDArray[np.datetime64]) -> None:
        """Refuse cubes that the network cannot fill.

        Raises
        ------
        InputError : fewer than two dates, or a band whose wavelength is unknown or not optical.
        """
        if len(dates) < FEWEST_DATES:
            raise InputError(f"the network needs at least {FEWEST_DATES} dates, the cube has {len(dates)}")
        against = unfit_bands(bands)
        if against:
            raise InputError(
                f"the network needs the centre wavelength of every band, but {against}: name the bands by their "
                "common names, or use linear"
            )

    def prepare(self, sample: Sequence[Block]) -> PreparedNetwork:
        """Measure the network's errors on the sample by hiding, to know its std and how far to trust it.

        An adapted network is measured on the dates that it was not adapted to.

        Raises
        ------
        InputError : fewer than two dates, or a band whose wavelength is unknown or not optical.
        """
        self.check(sample[0].bands, sample[0].dates)
        blocks = without_empty_dates(sample)
        noise = noise_of_bands(blocks)
        prior = prior_of(self.path)
        adapted = self._adapted(blocks) if self.adapt else None
        network = network_of(self.path, weights=adapted.weights if adapted else None)
        estimate = partial(estimates_of, network, self.threads, precision=self.precision)
        errors = gap_errors(estimate, to_measure_on(blocks))
        if adapted and adapted.weights and errors:
            errors = errors.on_dates(adapted.held_out)
        settled = mixture(errors, prior, len(noise), alone=self.alone, caution_at_ends=self.caution_at_ends)
        return PreparedNetwork(self, self.digest, settled, noise, len(blocks[0].dates), adapted)

    def _adapted(self, blocks: Sequence[Block]) -> Adapted:
        """The outcome of the adaptation: the one that was kept, else a new one."""
        network, digest = network_of(self.path), self.digest
        if self.keep and Path(self.keep).is_file():
            return stored(Path(self.keep), digest)
        from clearcube.network_filler.adaptation import adapt  # no other fill needs what trains

        alike = [_by_wavelength(block) for block in blocks]  # what is drawn must not hang on the order of bands
        adapted = adapt(network, alike, self.adapt, judged_on=to_measure_on(alike, JUDGED_BLOCKS))
        if self.keep:
            store(Path(self.keep), adapted, network, digest)
        return adapted


@dataclass(frozen=True)
class PreparedNetwork:
    """A network that knows its errors on this cube.

    digest : sha256 of the checkpoint. mixture : how far network and interpolation are trusted. noise : (B,) std of an
    observation. seen : dates of the sample on which something was observed. adapted : what training on the cube came
    to, where it was asked for.
    """

    filler: NetworkFiller
    digest: str
    mixture: Mixture
    noise: NDArray[np.float32] = field(repr=False)
    seen: int
    adapted: Adapted | None = field(default=None, repr=False)

    @property
    def error_correlation(self) -> NDArray[np.float64]:
        """(B, B) correlation of the errors of the bands."""
        return self.mixture.correlation

    def fill(self, block: Block) -> Estimate:
        """Mean, std and probability of contamination; NaN at pixels that are never observed."""
        return self.fill_centre(block, everywhere(block))

    def fill_centre(self, block: Block, centre: tuple[slice, slice]) -> Estimate:
        """The same in these rows and columns, which begin with a cell; NaN elsewhere."""
        rows, columns = centre
        size = cell_size(self.seen, self.filler.halo, len(block.bands))
        mean, std = (np.full_like(block.reflectance, np.nan) for _ in range(2))
        contamination = np.full(block.observed.shape, np.nan, np.float32)
        believed = np.zeros_like(block.observed)
        frame = (block.observed.shape[1], block.observed.shape[2])
        for cell in windows((rows.stop - rows.start, columns.stop - columns.start), size):
            window = cell.moved(rows.start, columns.start)
            outer = window.grown(self.filler.halo, frame, self.filler.multiple)
            part = self._fill(cut(block, outer.slices)).cut(window.within(outer))
            place = (..., *window.slices)
            mean[place], std[place] = part.mean, part.std
            contamination[place], believed[place] = part.contamination, part.believed
        return Estimate(mean, std, contamination, believed)

    def summary(self) -> Mapping[str, object]:
        """The checkpoint and what was measured."""
        return {
            "network": self.filler.name,
            "network_sha256": self.digest,
            "estimates": list(ESTIMATES),
            "estimate_shares": np.round(self.mixture.shares.astype(float), 4).tolist(),
            "network_spread": np.round(self.mixture.spread.astype(float), 4).tolist(),
            "error_hidden_observations": self.mixture.hidden,
            "error_std_observed": np.round(self.noise.astype(float), 6).tolist(),
            "error_correlation": np.round(self.mixture.correlation, 6).tolist(),
        } | (self.adapted.summary() if self.adapted else {})

    def _fill(self, block: Block) -> Estimate:
        """A part that is small enough. A pixel that is not believed counts as a gap between those that are."""
        network = network_of(self.filler.path, self.digest, self.adapted.weights if self.adapted else None)
        said = said_of(network, block, self.filler.threads, self.filler.precision)
        kind, believed = gap_kinds(said.made.believed, block.dates), said.made.believed[:, None]
        mean = np.where(believed, said.mean, self.mixture.mean(said.made.means, kind))
        std = np.where(believed, self.noise[:, None, None], self.mixture.std(said.made.std, kind))
        std = np.minimum(std, LARGEST_STD)
        never = ~block.observed.any(axis=0)
        mean[..., never] = std[..., never] = np.nan
        return Estimate(mean.astype(np.float32), std.astype(np.float32), said.contamination, said.made.believed)


def prior_of(path: str) -> Prior:
    """What a checkpoint says of its errors, or what is believed where it says nothing.

    Raises
    ------
    InputError : it says something else than it should.
    """
    count = len(ESTIMATES)
    try:
        prior = Prior.of(metadata_at(path).get(PRIOR))
        shapes = prior.gram.shape, prior.spread.shape
        if shapes != ((GAP_KINDS, count, count), (GAP_KINDS,)):
            raise ValueError(f"shapes {shapes}")
        if not _is_gram(prior.gram) or not np.isfinite(prior.spread).all() or prior.spread.min() <= 0:
            raise ValueError("no mean products of errors, or no factors of a std")
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: '{PRIOR}' in the checkpoint's metadata cannot be used ({error})") from error
    return prior


def _by_wavelength(block: Block) -> Block:
    """The block with its bands from short to long wavelengths."""
    order = sorted(range(len(block.bands)), key=lambda i: (block.bands[i].wavelength, block.bands[i].name))
    return replace(block, reflectance=block.reflectance[:, order], bands=tuple(block.bands[i] for i in order))


def _is_gram(gram: NDArray[np.float64]) -> bool:
    """Whether these (..., E, E) can be mean products of errors: finite, symmetric, squares above 0."""
    squares = np.diagonal(gram, axis1=-2, axis2=-1)
    symmetric = np.allclose(gram, gram.swapaxes(-1, -2))
    return bool(np.isfinite(gram).all() and symmetric and (squares > 0).all())


def to_measure_on(blocks: Sequence[Block], count: int = REPETITIONS) -> list[Block]:
    """The blocks that saw most, so many at most and in their order, or the middles of large ones."""
    best = np.argsort([-int(block.observed.sum()) for block in blocks], kind="stable")[:count]
    side = max(int((SAMPLE_PIXEL_DATES / len(blocks[0].dates)) ** 0.5) // 16 * 16, 48)
    return [middle(blocks[i], side) for i in np.sort(best)]


def unfit_bands(bands: Sequence[Band]) -> str:
    """Why the network cannot take these bands, in words; nothing where it can."""
    low, high = OPTICAL_NM
    for band in bands:
        if not band.optical:
            known = band.wavelength == band.wavelength
            found = f"is {band.wavelength:g} nm, not {low:.0f} to {high:.0f} nm" if known else "is not known"
            return f"the wavelength of band '{band.name}' {found}"
    return ""

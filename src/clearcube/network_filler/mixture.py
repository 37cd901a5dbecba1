"""How estimates of the same gaps are mixed, and how far the mixture errs: by kind of gap, settled once for a cube."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from clearcube.filler import NORMAL_90
from clearcube.network_filler.gap_kinds import AT_END, GAP_KINDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.network_filler.hidden_gaps import GapErrors

    Floats = NDArray[np.float64]

ESTIMATES = ("linear", "network")
"""What is mixed: interpolation by date and the network."""
PRIOR_DATES, PRIOR_DATES_OF_SPREAD = 6.0, 12.0
"""Hidden dates that a prior weighs as much as, in mixing and in the spread: errors of one date are alike, and how far
the largest go takes more of them to know."""
CAUTION, CAUTION_AT_ENDS = 0.85, 0.6
"""Share of the best mixture that is taken where nothing of a date was seen, and where nothing beyond it was; the rest
is interpolation. There a cube can differ from all that was measured, and the optimum is flat. At ends no observation
beyond tells what the season did: `benchmarks/choose_caution.py` says what the second one costs and saves."""
DOUBT = 2.0
"""Variances grow by this over the number of dates that a spread was measured on, those of the prior included, as in
`methods.error_fit`: errors of few dates do not show how far the next one can go."""
LEAST_FACTOR = 0.05
FEWEST_FOR_CORRELATION = 30


@dataclass(frozen=True)
class Prior:
    """What is believed of the errors before anything is measured on a cube.

    gram : (GAP_KINDS, E, E) mean products of the errors, in units of the mean square of the first estimate's.
    spread : (GAP_KINDS,) factor of the network's std.
    """

    gram: Floats
    spread: Floats

    def plain(self) -> dict[str, object]:
        """As lists of numbers."""
        return {"gram": np.round(self.gram, 4).tolist(), "spread": np.round(self.spread, 4).tolist()}

    @classmethod
    def of(cls, plain: Mapping[str, object] | None) -> Prior:
        """From lists of numbers; None: errors that have nothing in common, the network's half those of the others."""
        if plain is not None:
            return cls(np.array(plain["gram"], float), np.array(plain["spread"], float))
        gram = np.diag([1.0, 0.5])
        return cls(np.tile(gram, (GAP_KINDS, 1, 1)), np.ones(GAP_KINDS))


@dataclass(frozen=True)
class Mixture:
    """Shares of the estimates, and errors of what they make together.

    shares : (GAP_KINDS, E) at least 0, sum 1. spread : (GAP_KINDS, B) factor of the network's std.
    correlation : (B, B) correlation of the errors of the bands. hidden : how many hidden pixels were measured.
    """

    shares: NDArray[np.float32]
    spread: NDArray[np.float32]
    correlation: Floats
    hidden: int

    def mean(self, means: NDArray[np.float32], kind: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The mixture (T, B, H, W) of estimates (E, T, B, H, W), in gaps of these kinds (T, H, W)."""
        total: NDArray[np.float32] = np.zeros_like(means[0])
        for share, mean in zip(self.shares.T, means, strict=True):
            total += share[kind][:, None] * mean
        return total

    def std(self, std: NDArray[np.float32], kind: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Its std (T, B, H, W) from the network's."""
        return np.asarray(std * np.moveaxis(self.spread[kind], -1, 1))


def mixture(
    errors: GapErrors | None,
    prior: Prior,
    bands: int,
    *,
    alone: bool = False,
    caution_at_ends: float = CAUTION_AT_ENDS,
) -> Mixture:
    """The mixture with the least expected square of errors in each kind of gap.

    The fewer hidden dates a kind has (or none: `errors` None), the more it follows the prior.
    alone : the network is all there is of the mixture. caution_at_ends : see `CAUTION_AT_ENDS`.
    """

    def chosen(gram: Floats, kind: int) -> Floats:
        return np.eye(len(gram))[-1] if alone else _careful(best_shares(gram), kind, caution_at_ends)

    shares = np.zeros(prior.gram.shape[:2], np.float32)
    factor, dates = np.zeros((GAP_KINDS, bands)), np.zeros(GAP_KINDS)
    left = np.zeros((bands, 0 if errors is None else errors.kind.size), np.float32)
    for kind in range(GAP_KINDS):
        own = None if errors is None else errors.of_kind(kind)
        if errors is None or own is None or not own.kind.size:
            shares[kind] = chosen(prior.gram[kind], kind)
            continue
        dates[kind] = own.dates
        weight = own.dates / (own.dates + PRIOR_DATES)
        shares[kind] = chosen(weight * own.gram + (1 - weight) * prior.gram[kind], kind)
        mixed = np.einsum("e,ebn->bn", shares[kind], own.error)
        left[:, errors.kind == kind] = mixed
        factor[kind] = np.log(np.maximum(spread_of(mixed, own.std), LEAST_FACTOR))
    spread = np.exp(_log_spread(factor, dates, np.log(prior.spread))).astype(np.float32)
    return Mixture(shares, spread, _correlation(left), left.shape[1])


def _log_spread(measured: Floats, dates: Floats, prior: Floats) -> Floats:
    """Logarithms (GAP_KINDS, B) of the factors of the std, from those measured on so many dates of each kind and the
    prior's (GAP_KINDS,), which knows no bands: how the bands differ is taken from all kinds of gaps together.
    """
    of_band = dates @ (measured - measured.mean(axis=1, keepdims=True)) / (dates.sum() + PRIOR_DATES_OF_SPREAD)
    weight = (dates / (dates + PRIOR_DATES_OF_SPREAD))[:, None]
    doubt = np.where(dates > 0, 0.5 * np.log1p(DOUBT / (dates + PRIOR_DATES_OF_SPREAD)), 0)[:, None]
    return np.asarray(weight * measured + (1 - weight) * (prior[:, None] + of_band) + doubt)


def _careful(shares: Floats, kind: int, caution_at_ends: float) -> Floats:
    """The shares, or, in the kinds of gaps in which least is known, less of all but interpolation."""
    if kind < AT_END:
        return shares
    kept = caution_at_ends if kind % (GAP_KINDS // 2) == AT_END else CAUTION
    return np.asarray(kept * shares + (1 - kept) * np.eye(len(shares))[0])


def best_shares(gram: Floats) -> Floats:
    """Shares (E,), at least 0 and of sum 1, of the mixture with the least mean square; gram (E, E) of the errors.

    Tries every set of estimates that could take part.
    """
    count = len(gram)
    best, least = np.eye(count)[0], float(gram[0, 0])
    for chosen in (list(c) for size in range(1, count + 1) for c in combinations(range(count), size)):
        part = np.linalg.lstsq(gram[np.ix_(chosen, chosen)], np.ones(len(chosen)), rcond=None)[0]
        if part.min() < 0 or part.sum() <= 0:
            continue
        shares = np.zeros(count)
        shares[chosen] = part / part.sum()
        if (square := float(shares @ gram @ shares)) < least:
            best, least = shares, square
    return np.asarray(best)


def spread_of(error: NDArray[np.float32], std: NDArray[np.float32]) -> Floats:
    """The factor of std (B, N) with which Gaussian 90 % intervals hold 90 % of the errors (B, N); (B,)."""
    return np.asarray(np.quantile(np.abs(error) / std, 0.9, axis=1) / NORMAL_90)


def _correlation(error: NDArray[np.float32]) -> Floats:
    """(B, B) of errors (B, N); the identity where there are too few."""
    if error.shape[1] < FEWEST_FOR_CORRELATION or not (error.std(axis=1) > 0).all():
        return np.eye(len(error))
    return np.atleast_2d(np.corrcoef(error.astype(np.float64)))

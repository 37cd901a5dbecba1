"""How much a fill of the context could do for the forecast: what a perfect one does, on simulated places.

    python -m benchmarks.forecast_ceiling [--weights FILE] [--cubes 60] [--size 96] [--seed 7000000]

Places of the kind that training draws, by seeds that it does not use. `perfect gaps` is the truth wherever nothing was
observed; `no clouds` is the truth everywhere, and counts as observed. Shares are of cubes whose RMSE over clear target
values is smaller than from the unfilled context, over 100 days and over the first 25; behind them the RMSE.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from clearcube.errors import InputError
from clearcube.filler import Block
from clearcube.forecasting.contexts import filled_context
from clearcube.forecasting.episode import Forecaster
from clearcube.forecasting.registry import make_forecaster
from clearcube.forecasting.run import NONE
from clearcube.forecasting.simulated import SimulatedEpisode, simulate_with_truth
from clearcube.workflows.context_fills import context_filler

FILLS = (NONE, "last", "linear", "seq2seq-kept", "seq2seq")
EARLY = 5
"""Target dates of the first 25 days."""


def contexts(made: SimulatedEpisode) -> dict[str, Block]:
    """The fills, and the truth."""
    context = made.episode.context
    gaps = np.where(context.observed[:, None], context.reflectance, made.clear_context)
    return {
        **{name: filled_context(context, context_filler(name, {})) for name in FILLS},
        "perfect gaps": replace(context, reflectance=gaps),
        "no clouds": replace(context, reflectance=made.clear_context, observed=np.ones_like(context.observed)),
    }


def errors(model: Forecaster, made: SimulatedEpisode) -> dict[str, tuple[float, float]]:
    """RMSE of a place by fill, over all target dates and over the first."""
    episode = made.episode
    found = {}
    for name, context in contexts(made).items():
        mean = model.forecast(context, episode.target_dates).mean
        square = (mean - episode.target_ndvi) ** 2
        found[name] = (float(np.nanmean(square) ** 0.5), float(np.nanmean(square[:EARLY]) ** 0.5))
    return found


def table(places: Sequence[Mapping[str, tuple[float, float]]]) -> list[str]:
    """A line for each fill."""
    lines = ["| fill | better than none | in the first 25 days | RMSE | of 25 days |", "|---|---|---|---|---|"]
    bare = values(places, NONE)
    for name in places[0]:
        own = values(places, name)
        better = [f"{share:.0%}" for share in (own < bare).mean(axis=0)] if name != NONE else ["-", "-"]
        lines.append(f"| {name} | {' | '.join(better)} | {' | '.join(f'{each:.4f}' for each in rms(own))} |")
    return lines


def values(places: Sequence[Mapping[str, tuple[float, float]]], name: str) -> NDArray[np.float64]:
    """RMSE of every place, (places, 2)."""
    return np.array([place[name] for place in places])


def rms(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over places."""
    return np.asarray(np.sqrt((errors**2).mean(axis=0)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights")
    parser.add_argument("--cubes", type=int, default=60)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--seed", type=int, default=7_000_000)
    given = parser.parse_args()
    model = make_forecaster("convlstm", weights=given.weights)
    places = []
    for seed in range(given.seed, given.seed + given.cubes):
        try:
            places.append(errors(model, simulate_with_truth(seed, size=given.size)))
        except InputError:  # a context without any clear value
            continue
    print(f"{len(places)} places of {given.size} x {given.size} pixels\n")
    print("\n".join(table(places)))


if __name__ == "__main__":
    main()

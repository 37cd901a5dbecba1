"""Seconds of a forecast of 128 x 128 pixels, ten dates of context, up to 100 days: the network, and what fills first.

    python -m benchmarks.bench_forecast [--weights FILE] [--runs 7] [--size 128]

The forecast is of a context that is filled already; filling it is timed apart, with what the filler measures on the
cube. Reading, writing and starting the program are in neither.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial

from clearcube.forecasting.contexts import filled_context
from clearcube.forecasting.registry import make_forecaster
from clearcube.forecasting.simulated import simulate_with_truth
from clearcube.workflows.context_fills import context_filler

LIMIT = 2.0
"""Seconds that the forecast itself may take on two cores."""
FILLS = ("linear", "whittaker", "seq2seq")
BASELINES = ("persistence", "climatology", "harmonic")


def median_seconds(work: Callable[[], object], runs: int) -> float:
    """Median over the runs after one to warm up."""
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--size", type=int, default=128)
    given = parser.parse_args()
    episode = simulate_with_truth(0, size=given.size, evaluation=True).episode
    models = {name: make_forecaster(name) for name in BASELINES}
    models["convlstm"] = make_forecaster("convlstm", weights=given.weights)
    fillers = {name: context_filler(name, {}) for name in FILLS}
    context = filled_context(episode.context, fillers["seq2seq"])
    print("| what | seconds | limit |\n|---|---|---|")
    for name, filler in fillers.items():
        seconds = median_seconds(partial(filled_context, episode.context, filler), given.runs)
        print(f"| fill by {name} | {seconds:.3f} | |")
    for name, model in models.items():
        forecast = median_seconds(partial(model.forecast, context, episode.target_dates), given.runs)
        print(f"| forecast by {name} | {forecast:.3f} | {LIMIT if name == 'convlstm' else ''} |")
    print(f"\nload average: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

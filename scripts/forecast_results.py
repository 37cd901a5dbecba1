"""Measure forecasts on simulated places and on the real test cubes, and write the tables into docs/forecasting.md.

python scripts/forecast_results.py [--quick] [--simulated N] [--size PIXELS] [--weights FILE] [--out FOLDER]
    [--data FOLDER] [--doc FILE] [--workers N]

A run that was stopped goes on where it was. --quick: four small simulated cubes, to see that everything works.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from page_pictures import put_picture

from clearcube.errors import InputError
from clearcube.evaluation.report import markdown, table
from clearcube.forecasting.comparison import ERROR, ERROR_COUNTED, ForecastComparison, gain
from clearcube.forecasting.registry import make_forecaster
from clearcube.forecasting.report import Chosen, introduction, sections
from clearcube.forecasting.report_question import question, share
from clearcube.forecasting.run import NONE
from clearcube.forecasting.simulated import simulate_with_truth
from clearcube.network_filler import embedded_weights
from clearcube.workflows.evaluate_forecast import FIGURE, ForecastEvaluationRequest, evaluate_forecasts

ROOT = Path(__file__).parents[1]
MODEL, FILL = "convlstm", "seq2seq"
"""The model and the fill that goals are about."""
BASELINES = ("persistence", "climatology", "harmonic")
FILLS = (NONE, "last", "linear", "whittaker")
KEPT = "seq2seq-kept"
BRIEFLY = (NONE, "linear", FILL)
"""Fills whose scores the page shows."""
GUIDED = ("convlstm-guided", "climatology")
"""Models of the part about known weather."""
SKILLS = (("r2", 1), ("rmse", -1), ("nse", 1))
"""GreenEarthNet's score, and whether more or less of it is better."""


@dataclass(frozen=True)
class Goal:
    """What is to be reached, what was measured, whether it is reached."""

    words: str
    measured: str
    reached: bool


def models(weights: str | None) -> tuple[str, ...]:
    """The network first, where its weights are here."""
    try:
        make_forecaster(MODEL, weights=weights)
    except InputError as error:
        say(f"without {MODEL}: {error}")
        return BASELINES
    return (MODEL, *BASELINES)


def fills() -> tuple[str, ...]:
    """The network last, where its weights are here."""
    return (*FILLS, KEPT, FILL) if embedded_weights(FILL) else FILLS


def measured(request: ForecastEvaluationRequest, name: str) -> ForecastComparison:
    """Evaluate into a folder of its own."""
    say(f"{name}: {request.simulated or len(request.inputs)} {'simulated cubes' if request.simulated else 'inputs'}")
    return evaluate_forecasts(
        replace(request, out=request.out / name),
        lambda phase, done, total: say(f"{name}: {done} of {total}"),
    )


def goals(simulated: ForecastComparison, real: ForecastComparison | None, weights: str | None) -> list[Goal]:
    """What the project set out to reach, for the network on contexts filled by the network."""
    found = []
    for reference, least in ((NONE, 0.8), ("linear", 0.6)):
        for metric, words in ((ERROR_COUNTED, "GreenEarthNet's RMSE"), (ERROR, "RMSE over every clear target value")):
            improved = gain(simulated, MODEL, FILL, reference, metric).improved
            told = f"simulated: {FILL} better than {reference} in {least:.0%} of cubes, {words}"
            found.append(Goal(told, share(improved, 1), improved.cubes > 0 and improved.mean >= least))
    mine = simulated.scores(MODEL, FILL)
    for model in BASELINES[:2]:
        theirs = simulated.scores(model, FILL)
        for name, sign in SKILLS:
            told = f"simulated: {MODEL} better than {model} in {name}"
            found.append(Goal(told, f"{mine[name]:.3f} / {theirs[name]:.3f}", sign * (mine[name] - theirs[name]) > 0))
    if real is not None:
        ours, last = real.scores(MODEL, FILL), real.scores("persistence", FILL)
        for name, words in (("rmse25", "no worse than persistence in RMSE25"), ("rmse", "better over 100 days (RMSE)")):
            reached = ours[name] <= last[name] if name == "rmse25" else ours[name] < last[name]
            found.append(Goal(f"real: {MODEL} {words}", f"{ours[name]:.3f} / {last[name]:.3f}", reached))
    seconds = seconds_of_a_forecast(weights)
    found.append(Goal("a forecast of 128 x 128 pixels in under 2 s on two cores", f"{seconds:.2f} s", seconds < 2))
    return found


def seconds_of_a_forecast(weights: str | None) -> float:
    """Seconds that the network takes for a context that is filled already, the second time."""
    episode, model = simulate_with_truth(0, evaluation=True).episode, make_forecaster(MODEL, weights=weights)
    for _ in range(2):
        start = time.perf_counter()
        model.forecast(episode.context, episode.target_dates)
        seconds = time.perf_counter() - start
    return seconds


def goal_table(found: Sequence[Goal]) -> list[str]:
    """The goals as a table."""
    rows = [[goal.words, goal.measured, "yes" if goal.reached else "no"] for goal in found]
    return table(["goal", "measured", "reached"], rows)


def page_of(found: ForecastComparison, request: ForecastEvaluationRequest) -> list[str]:
    """The tables that matter most, one level below the page's own headings; the reports have all of them.

    What filling is good for, for the first model; scores of all models from some of the fills.
    """
    brief = Chosen(request.models, tuple(name for name in BRIEFLY if name in request.fills))
    lines = [introduction(found, request.chosen)]
    for section in (question(found, request.models[:1], request.fills), *sections(found, brief)[1:]):
        lines += ["#" + line if line.startswith("#") else line for line in markdown(section)]
    return lines


def put(text: str, name: str, lines: Sequence[str]) -> str:
    """The page with other lines between the marks of a part."""
    marks = f"<!-- {name} -->", f"<!-- end of {name} -->"
    found = re.search(f"{re.escape(marks[0])}\n.*?{re.escape(marks[1])}", text, re.DOTALL)
    if found is None:
        raise InputError(f"the page has no part between '{marks[0]}' and '{marks[1]}'")
    body = "\n".join(lines).strip("\n")
    return f"{text[: found.start()]}{marks[0]}\n\n{body}\n\n{marks[1]}{text[found.end() :]}"


def say(words: str) -> None:
    """A line of progress."""
    sys.stderr.write(f"{words}\n")


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--weights", help="checkpoint of the network, instead of the embedded one")
    parser.add_argument("--simulated", type=int, default=200)
    parser.add_argument("--size", type=int, default=96, help="pixels per side of simulated cubes")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "forecast-results")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "test")
    parser.add_argument("--doc", type=Path, default=ROOT / "docs" / "forecasting.md")
    parser.add_argument("--workers", type=int)
    given = parser.parse_args()
    chosen = (models(given.weights), FILLS[:3] if given.quick else fills())
    request = ForecastEvaluationRequest(
        given.out, models=chosen[0], fills=chosen[1], model_weights=given.weights, workers=given.workers
    )
    count, size = (4, 32) if given.quick else (given.simulated, given.size)
    simulated = measured(replace(request, simulated=count, size=size), "simulated")
    parts = {"simulated": page_of(simulated, request)}
    if FILL in chosen[1] and embedded_weights("forecast-guided") and not given.quick:
        guided = replace(request, models=GUIDED, fills=BRIEFLY, model_weights=None, simulated=count, size=size)
        parts["guided"] = page_of(measured(guided, "guided"), guided)
    real = None
    if given.data.is_dir() and not given.quick:
        places = [str(path) for path in sorted(given.data.iterdir())]
        real = measured(replace(request, inputs=tuple(places)), "real")
        parts["real"] = page_of(real, request)
    if MODEL in chosen[0] and FILL in chosen[1]:
        parts["goals"] = goal_table(goals(simulated, real, given.weights))
    if (drawn := given.out / "simulated" / FIGURE).is_file():
        picture = given.doc.parent / "images" / FIGURE
        put_picture(drawn, picture)
        words = f"The first of them, forecast by `{chosen[0][0]}` from a context filled by `{chosen[1][-1]}`"
        parts["picture"] = [f"![{words.replace('`', '')}](images/{FIGURE})", "", f"*{words}.*"]
    text = given.doc.read_text(encoding="utf-8")
    for name, lines in parts.items():
        text = put(text, name, lines)
    given.doc.write_text(text, encoding="utf-8")
    say(f"{given.doc}: {', '.join(parts)}")


if __name__ == "__main__":
    main()

"""Evaluating forecasts: from inputs, fills and models to a folder of scores and a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearcube.checksums import sha256_of, sha256_of_input
from clearcube.cores import usable_cores
from clearcube.errors import InputError, described
from clearcube.evaluation.folder import FORECAST_SUMS, PROVENANCE, forecast_sums_path
from clearcube.evaluation.records import Record, load
from clearcube.evaluation.report_html import page
from clearcube.filler import checkpoint_of
from clearcube.forecasting.comparison import ForecastComparison
from clearcube.forecasting.episode import is_guided
from clearcube.forecasting.greenearthnet import SCORES
from clearcube.forecasting.registry import FORECASTERS, make_forecaster
from clearcube.forecasting.report import Chosen, introduction, report, sections, write_scores, write_summary
from clearcube.forecasting.run import NONE, WEIGHTS, ForecastPlan, evaluate_into
from clearcube.parallel import in_parallel
from clearcube.readers.grouping import cubes_of
from clearcube.simulation import SceneConfig
from clearcube.stopping import Stop
from clearcube.version import __version__
from clearcube.workflows.context_fills import context_filler, takes_weights
from clearcube.workflows.places import check_results_folder, check_workers
from clearcube.workflows.results import provenance, write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from clearcube.filler import Filler
    from clearcube.forecasting.episode import Episode, Forecaster
    from clearcube.progress import ReportProgress

    Maker = Callable[[], Episode]

FIGURE = "forecast.png"
SIMULATED_SIZE = 128
"""Pixels per side of simulated cubes."""


@dataclass(frozen=True)
class ForecastEvaluationRequest:
    """What `clearcube evaluate-forecast` was asked for.

    simulated : how many simulated cubes of places that training never draws are evaluated too; seed : the first one's.
    fill_weights, model_weights : checkpoints of the network among the fills, and among the models; None = embedded.
    opening : keyword arguments of `open_cube`. workers : cubes at once; None = one for each core.
    """

    out: Path
    inputs: tuple[str, ...] = ()
    fills: tuple[str, ...] = (NONE, "last", "linear")
    models: tuple[str, ...] = ("persistence", "climatology")
    simulated: int = 0
    seed: int = 0
    size: int = SIMULATED_SIZE
    fill_weights: str | None = None
    model_weights: str | None = None
    opening: Mapping[str, Any] = field(default_factory=dict)
    workers: int | None = None
    command: str = "clearcube evaluate-forecast"

    @property
    def chosen(self) -> Chosen:
        """Models and fills."""
        return Chosen(self.models, self.fills)


def evaluate_forecasts(request: ForecastEvaluationRequest, progress: ReportProgress) -> ForecastComparison:
    """Make all forecasts that `out` does not hold yet, and write what all of them say.

    `out` gets `scores.parquet`, `summary.csv`, `report.md`, `report.html`, `forecast.png` (the first cube from the last
    fill, by a network, or else by the last model that can be used), `provenance.json` and `forecast_sums/`, what a
    later run goes on from. Cubes are read or simulated one by one, as many at once as there are workers. A cube that
    cannot be read is among the failures of what is returned.

    Raises
    ------
    InputError : an input, fill, model or the folder cannot be used, or no cube can be read; no forecast was made.
    """
    _check(request)
    plan, digests = _plan(request)
    cubes = cubes_of(request.inputs) if request.inputs else {}
    makers = _makers(request, cubes, with_weather=_guided(plan))
    unread = _run(request, plan, makers, progress)
    read = [name for name in makers if name not in unread]
    if not read:
        raise InputError(f"no cube can be read: {next(iter(unread.values()))}")
    found = _write(request, sorted(read, key=_natural), unread, _draw(request, plan, makers[read[0]]))
    about = _about(request, digests, {key: cubes[key] for key in read if key in cubes}) | {"unread": unread}
    write_json(request.out / PROVENANCE, provenance(request.command, about))
    return found


def _run(
    request: ForecastEvaluationRequest, plan: ForecastPlan, makers: Mapping[str, Maker], progress: ReportProgress
) -> dict[str, str]:
    """Evaluate the episodes, several at once; name -> message of those that cannot be read."""
    done, unread, stop = 0, {}, Stop()
    progress("evaluating", done, len(makers))

    def on_stop() -> None:
        progress("stopping", done, len(makers))

    work = partial(_evaluate, request, plan, stop)
    for name, message in in_parallel(work, makers.items(), request.workers or usable_cores(), stop, on_stop):
        if message:
            unread[name] = message
        done += 1
        progress("evaluating", done, len(makers))
    return unread


def _check(request: ForecastEvaluationRequest) -> None:
    """Refuse what cannot be run."""
    if not request.inputs and request.simulated < 1:
        raise InputError("there is nothing to evaluate; name cubes, or ask for simulated ones with --simulated 20")
    if request.simulated < 0 or request.seed < 0:
        raise InputError("--simulated and --seed are whole numbers from 0")
    if request.simulated:
        SceneConfig(height=request.size, width=request.size)
    if not request.models or not request.fills:
        raise InputError("give at least one fill and one model")
    if request.fill_weights and not any(map(takes_weights, request.fills)):
        raise InputError("--fill-weights is for the fill seq2seq; name it in --fills, or leave --fill-weights out")
    networks = list(filter(_takes_weights, request.models))
    if request.model_weights and len(networks) != 1:
        raise InputError(
            f"--weights is for the model {' or '.join(filter(_takes_weights, FORECASTERS))}; name one of them in "
            "--models, or leave --weights out"
        )
    check_workers(request.workers)
    check_results_folder(request.out, FORECAST_SUMS, "results of forecasts")


def _plan(request: ForecastEvaluationRequest) -> tuple[ForecastPlan, dict[str, str]]:
    """What is run, and the checksums of all weights. Every filler and model is made once: errors come early."""
    fills: dict[str, Callable[[], Filler] | None] = {}
    models: dict[str, Callable[[], Forecaster]] = {}
    digests = {}
    for name in request.fills:
        weights = {"weights": request.fill_weights} if request.fill_weights and takes_weights(name) else {}
        fills[name] = None if name == NONE else partial(_filler, name, weights)
    for name in request.models:
        weights = {"weights": request.model_weights} if request.model_weights and _takes_weights(name) else {}
        models[name] = partial(make_forecaster, name, **weights)
        if models[name]().name != name:
            raise InputError(f"{request.model_weights} makes guided forecasts; name {models[name]().name} in --models")
    for name, make in (*fills.items(), *models.items()):
        checkpoint = checkpoint_of(make()) if make is not None else None
        if checkpoint is not None:
            digests[name] = sha256_of(checkpoint)
    settings = {
        "version": __version__,
        WEIGHTS: digests,
        "opening": {name: str(value) for name, value in request.opening.items()},
        "size": request.size,
        "scores": list(SCORES),
    }
    return ForecastPlan(fills, models, settings), digests


def _takes_weights(model: str) -> bool:
    """Whether a checkpoint given for a model is for this one."""
    return model in FORECASTERS and "weights" in FORECASTERS[model].options


def _filler(name: str, options: Mapping[str, Any]) -> Filler:
    filler = context_filler(name, options)
    assert filler is not None, name
    return filler


def _guided(plan: ForecastPlan) -> bool:
    """Whether any model looks at weather."""
    return any(is_guided(make()) for make in plan.models.values())


def _makers(
    request: ForecastEvaluationRequest, cubes: Mapping[str, list[str]], *, with_weather: bool
) -> dict[str, Maker]:
    """Name -> what makes the episode: the cubes by name, then the simulated ones by seed."""
    seeds = range(request.seed, request.seed + request.simulated)
    return {
        **{key: partial(_read, request, key, sources, with_weather) for key, sources in cubes.items()},
        **{f"simulated-evaluation-{seed}": partial(_simulated, seed, request.size) for seed in seeds},
    }


def _evaluate(
    request: ForecastEvaluationRequest, plan: ForecastPlan, stop: Stop, item: tuple[str, Maker]
) -> tuple[str, str]:
    """Evaluate an episode; its name, and a message where it cannot be read."""
    name, make = item
    try:
        episode = make()
    except Exception as error:  # a damaged file may fail in any way
        return name, described(error)
    assert episode.name == name, (episode.name, name)
    evaluate_into(request.out, episode, plan, stop)
    return name, ""


def _read(request: ForecastEvaluationRequest, key: str, sources: list[str], with_weather: bool) -> Episode:
    from clearcube.forecasting.reading import read_episode

    return read_episode(key, sources, request.opening, with_weather=with_weather)


def _simulated(seed: int, size: int) -> Episode:
    from clearcube.forecasting.simulated import simulate_with_truth

    return simulate_with_truth(seed, size=size, evaluation=True).episode


def _natural(name: str) -> tuple[str, int]:
    """Simulated cubes by number, others by name."""
    head, _, tail = name.rpartition("-")
    return (head, int(tail)) if tail.isdigit() else (name, 0)


def _draw(request: ForecastEvaluationRequest, plan: ForecastPlan, make: Maker) -> dict[str, Figure]:
    """Words -> figure of an episode by the first model that can be used on it, networks before others; or nothing."""
    from clearcube.plots.forecast import forecast_figure
    from clearcube.workflows.forecast_figure import forecast_shown

    fill, filler = request.fills[-1], plan.fills[request.fills[-1]]
    for model in sorted(reversed(request.models), key=lambda name: not _takes_weights(name)):
        try:
            episode = make()
            shown = forecast_shown(episode, filler and filler(), plan.models[model]())
        except Exception:  # a forecast may fail in any way; that it did is in the report
            continue
        return {f"{episode.name}: {model} from a context filled by {fill}": forecast_figure(shown)}
    return {}


def _write(
    request: ForecastEvaluationRequest,
    cubes: Sequence[str],
    unread: Mapping[str, str],
    figures: Mapping[str, Figure],
) -> ForecastComparison:
    """The tables and the reports, from the sums of the cubes of this run, one cube after the other.

    unread : name -> message of the cubes that could not be read.
    """
    from clearcube.plots.canvas import save, svg_text

    found, out, chosen = ForecastComparison(), request.out, request.chosen

    def records() -> Iterator[Record]:
        for name in cubes:
            record = load(forecast_sums_path(out, name))
            found.add(record, request.models, request.fills)
            yield record

    write_scores(out / "scores.parquet", records(), chosen)
    found.failures += [(cube, "all models", "all fills", message) for cube, message in unread.items()]
    write_summary(out / "summary.csv", found, chosen)
    for figure in figures.values():
        save(figure, out / FIGURE)
    pictures = [f"![{words}]({FIGURE})" for words in figures]
    (out / "report.md").write_text(report(found, chosen, pictures), encoding="utf-8")
    drawn = {words: svg_text(figure) for words, figure in figures.items()}
    html = page("Evaluation of forecasts", introduction(found, chosen), sections(found, chosen), drawn)
    (out / "report.html").write_text(html, encoding="utf-8")
    return found


def _about(
    request: ForecastEvaluationRequest, digests: Mapping[str, str], cubes: Mapping[str, list[str]]
) -> dict[str, Any]:
    """What the results were made with and from."""
    return {
        "fills": list(request.fills),
        "models": list(request.models),
        "weights": dict(digests),
        "simulated": {"cubes": request.simulated, "first_seed": request.seed, "size": request.size},
        "inputs": {key: {source: sha256_of_input(source) for source in sources} for key, sources in cubes.items()},
    }

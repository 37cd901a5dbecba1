"""All forecasts of an episode: every model from every filling of its context, scored against what came after."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.errors import InputError, described
from clearcube.evaluation.folder import forecast_sums_path
from clearcube.evaluation.records import Outcome, Record, load, save
from clearcube.forecasting.baselines import Climatology
from clearcube.forecasting.contexts import filled_context
from clearcube.forecasting.episode import LooksBack, continued
from clearcube.forecasting.run_scores import forecast_sums

if TYPE_CHECKING:
    from clearcube.filler import Block, Filler
    from clearcube.forecasting.episode import Episode, Forecast, Forecaster
    from clearcube.stopping import Stop

NONE = "none"
"""The filling that leaves NaN where nothing was observed."""
LEADS = "lead"
"""Family of the strata that tell the lead times of a record, in days."""
PLACE = "place"
WEIGHTS = "weights"
"""Setting: name of a fill or model -> checksum of its weights."""
WEATHER = "weather"
"""Setting: checksum of the weather that guided models were given; empty where none was read."""
SEED = 0
"""Records have a seed; forecasts draw nothing."""


@dataclass(frozen=True)
class ForecastPlan:
    """What is evaluated.

    fills : name -> makes its filler; `none` has none and is given as None. models : name -> makes its forecaster.
    settings : what outcomes depend on besides, as JSON values.
    """

    fills: Mapping[str, Callable[[], Filler] | None]
    models: Mapping[str, Callable[[], Forecaster]]
    settings: Mapping[str, Any]


def evaluate_episode(
    episode: Episode,
    plan: ForecastPlan,
    known: Record | None = None,
    save_record: Callable[[Record], None] = lambda record: None,
    stop: Stop | None = None,
) -> Record:
    """Forecast from every filling with every model that is not known yet.

    What a fill or a model refuses is left out; whatever else fails leaves a message; the others go on.

    save_record : is given the record after each filling with new forecasts. stop : asks to end before the next one.

    Returns
    -------
    Outcomes by (model, fill, 0).

    Raises
    ------
    Terminated : `stop` was asked.
    """
    settings = {**plan.settings, PLACE: episode.place, WEATHER: episode.weather_fingerprint()}
    record = Record(episode.name, (), settings, fingerprint=episode.fingerprint())
    if known is not None:
        _take_over(known, record, plan)
    for fill, make in plan.fills.items():
        if stop is not None:
            stop.check()
        missing = [model for model in plan.models if record.undone((model, fill, SEED))]
        if not missing:
            continue
        context = _attempt(partial(_context, episode.context, make))
        for model in missing:
            outcome = context
            if not isinstance(context, Outcome):
                outcome = _attempt(partial(_outcome, plan.models[model], context, episode))
            record.outcomes[model, fill, SEED] = outcome
        save_record(record)
    return record


def _take_over(known: Record, record: Record, plan: ForecastPlan) -> None:
    """Take the outcomes of an earlier run that still hold: of the same episode, settings, weather and weights.

    Those of models and fills that this run does not ask for stay, with the checksums of their weights, and of the
    weather where this run reads none.
    """
    apart = (WEIGHTS, WEATHER)
    plain, earlier_plain = ({k: v for k, v in each.settings.items() if k not in apart} for each in (record, known))
    if (earlier_plain, known.fingerprint) != (plain, record.fingerprint):
        return
    weathers = [each.settings.get(WEATHER, "") for each in (record, known)]
    if all(weathers) and weathers[0] != weathers[1]:
        return
    earlier, now = (dict(each.settings.get(WEIGHTS, {})) for each in (known, record))
    asked = {*plan.models, *plan.fills}
    changed = {name for name in asked if earlier.get(name) != now.get(name)}
    held = {(model, fill, seed): o for (model, fill, seed), o in known.outcomes.items() if not {model, fill} & changed}
    used = {name for model, fill, _ in held for name in (model, fill)} & earlier.keys()
    record.outcomes.update(held)
    weights = {name: earlier[name] for name in sorted(used)} | now
    record.settings = {**record.settings, WEIGHTS: weights, WEATHER: weathers[0] or weathers[1]}


def forecast_episode(model: Forecaster, context: Block, episode: Episode) -> Forecast:
    """The model's forecast of an episode from a filling of its context; it is given nothing of the target."""
    if episode.history is not None and isinstance(model, LooksBack) and model.looks_back:
        context = continued(episode.history, context)
    return knowing(model, episode.classes).forecast(
        context,
        episode.target_dates,
        weather=episode.weather,
        elevation=episode.elevation,
        landcover=episode.landcover,
    )


def knowing(model: Forecaster, classes: str) -> Forecaster:
    """The model, told the legend of the land cover if it looks at that."""
    return replace(model, classes=classes) if isinstance(model, Climatology) else model


def evaluate_into(folder: Path, episode: Episode, plan: ForecastPlan, stop: Stop | None = None) -> Record:
    """Bring the record of an episode in a folder of results up to date, a filling at a time."""
    path = forecast_sums_path(folder, episode.name)
    known = load(path) if path.exists() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    record = evaluate_episode(episode, plan, known, partial(save, path=path), stop)
    save(record, path)
    return record


def _context(context: Block, make: Callable[[], Filler] | None) -> Block:
    return filled_context(context, None if make is None else make())


def _outcome(make: Callable[[], Forecaster], context: Block, episode: Episode) -> Outcome:
    if not np.isfinite(episode.target_ndvi).any():
        raise InputError("no pixel is clear on the dates to forecast; there is nothing to score")
    forecast = forecast_episode(make(), context, episode)
    if not np.isfinite(forecast.mean).any():
        raise InputError("the forecast has no value at any pixel")
    leads: Sequence[int] = episode.leads.tolist()
    return Outcome(forecast_sums(forecast, episode), tuple((LEADS, str(lead)) for lead in leads))


def _attempt(work: Callable[[], Any]) -> Any:
    """What it gives, or an outcome that says why there is nothing."""
    try:
        return work()
    except InputError as error:  # the cube does not offer what is needed
        return Outcome(problem=str(error), left_out=True)
    except Exception as error:  # a method may fail in any way; its failure is a result
        return Outcome(problem=described(error))

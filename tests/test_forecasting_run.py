import csv
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest
from forecast_builders import context_of, days, episode

from clearcube.errors import InputError
from clearcube.evaluation.folder import FORECAST_SUMS, forecast_sums_path
from clearcube.evaluation.records import Outcome, load
from clearcube.evaluation.statistics import Sums
from clearcube.forecasting import run_scores
from clearcube.forecasting.baselines import Climatology, Persistence, Seasonal
from clearcube.forecasting.comparison import (
    ERROR,
    ERROR25,
    ERROR_GROUND,
    ForecastComparison,
    cubes_by_cloudiness,
    gain,
    gain_by_tile,
)
from clearcube.forecasting.episode import Episode, Forecast, Weather, ndvi_of
from clearcube.forecasting.greenearthnet import CLASSES, SCORES, dataset_scores, pixel_scores
from clearcube.forecasting.outperformance import outperformance, outperforms
from clearcube.forecasting.report import Chosen, introduction, report, write_scores, write_summary
from clearcube.forecasting.run import NONE, SEED, ForecastPlan, evaluate_episode, evaluate_into
from clearcube.forecasting.run_scores import CLEAR, COUNTED, forecast_sums
from clearcube.methods import make_filler
from clearcube.stopping import Stop, Terminated

NAN = np.nan
MODELS = {"persistence": Persistence, "climatology": Climatology}


def filler(name):
    return lambda: make_filler(name)


FILLS = {NONE: None, "last": filler("last"), "linear": filler("linear")}


def plan(models=MODELS, fills=FILLS, **settings):
    return ForecastPlan(fills, models, settings)


@dataclass(frozen=True)
class Steady:
    """Forecasts one value; remembers what it was given."""

    value: float
    name: str = "steady"
    given: ClassVar[list] = []

    def forecast(self, context, target_dates, *, weather=None, elevation=None, landcover=None):
        self.given.append((context, target_dates))
        shape = (len(target_dates), *context.observed.shape[1:])
        return Forecast(np.full(shape, self.value, np.float32), np.full(shape, 0.1, np.float32))


def two_pixels():
    """Targets .2 .4 | .6 - of two pixels, two dates; a context of three dates, five of its six values seen."""
    context = context_of(np.array([[[0.3, 0.3]], [[0.3, NAN]], [[0.3, 0.3]]], np.float32))
    target = np.array([[[0.2, 0.6]], [[0.4, NAN]]], np.float32)
    return Episode("two", context, np.array([days(1, 20)[0], days(1, 60)[0]]), target)


def test_errors_by_hand():
    forecast = Forecast(np.array([[[0.3, NAN]], [[0.3, 0.9]]], np.float32), np.full((2, 1, 2), 0.1, np.float32))
    sets = forecast_sums(forecast, two_pixels())
    squared, signed = (sets[CLEAR][name] for name in ("squared", "signed"))
    unknown = CLASSES.index("unknown")
    assert squared.total[unknown] == pytest.approx([0.1**2 + 0.1**2, 0.1**2]) and squared.weight[unknown].tolist() == [
        2,
        1,
    ]
    assert signed.total.sum() == pytest.approx(0.1 - 0.1 - 0.1)
    assert sets[CLEAR]["missing"].total.sum() == 1 and sets[CLEAR]["inside90"].weight.sum() == 2
    assert sets[CLEAR]["inside90"].total.sum() == 2
    assert sets["context"]["clear"].total[0] == 5 and sets["context"]["clear"].weight[0] == 6


def test_a_record_has_every_model_and_fill():
    place = episode()
    record = evaluate_episode(place, plan())
    assert set(record.outcomes) == {(model, fill, SEED) for model in MODELS for fill in FILLS}
    assert not any(outcome.problem for outcome in record.outcomes.values())
    outcome = record.outcomes["persistence", NONE, SEED]
    assert [int(name) for _, name in outcome.strata] == place.leads.tolist()
    wanted = pixel_scores(Persistence().forecast(place.context, place.target_dates).mean, place.target_ndvi)
    assert set(outcome.sets[COUNTED]) == set(wanted) == set(SCORES)


def test_models_are_given_the_context_alone_and_filled_where_it_is_asked_for():
    Steady.given.clear()
    place = episode()
    evaluate_episode(place, plan({"steady": lambda: Steady(0.5)}))
    (bare, dates), (last, _), _ = Steady.given
    assert np.array_equal(dates, place.target_dates) and bare.dates[-1] < dates[0]
    seen = place.context.observed
    for context in (bare, last):
        np.testing.assert_array_equal(context.observed, seen)
        np.testing.assert_array_equal(
            np.moveaxis(context.reflectance, 1, -1)[seen], np.moveaxis(place.context.reflectance, 1, -1)[seen]
        )
    assert np.isnan(np.moveaxis(bare.reflectance, 1, -1)[~seen]).all()
    assert np.isfinite(last.reflectance).all()


def test_targets_do_not_change_forecasts():
    place = episode()
    blank = replace(place, target_ndvi=np.full_like(place.target_ndvi, 0.5), truth_ndvi=None)
    found = []
    for each in (place, blank):
        Steady.given.clear()
        evaluate_episode(each, plan({"steady": lambda: Steady(0.5)}))
        found.append([context.reflectance for context, _ in Steady.given])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_refused_is_left_out_and_what_fails_is_said_to_fail():
    def broken():
        raise RuntimeError("no luck")

    record = evaluate_episode(episode(), plan({"seasonal": Seasonal, "broken": broken}, {NONE: None, "bad": broken}))
    seasonal, failed, fill = (
        record.outcomes[key] for key in (("seasonal", NONE, 0), ("broken", NONE, 0), ("seasonal", "bad", 0))
    )
    assert seasonal.left_out and "need the year before" in seasonal.problem
    assert not failed.left_out and failed.problem == "RuntimeError: no luck" == fill.problem


def test_a_finished_run_is_not_repeated(tmp_path):
    (tmp_path / FORECAST_SUMS).mkdir()

    def broken():
        raise RuntimeError("made again")

    evaluate_into(tmp_path, episode(), plan())
    again = evaluate_into(tmp_path, episode(), plan({**dict.fromkeys(MODELS, broken), "steady": lambda: Steady(0.4)}))
    assert not any(outcome.problem for outcome in again.outcomes.values()) and len(again.outcomes) == 9
    assert load(forecast_sums_path(tmp_path, "place")).outcomes.keys() == again.outcomes.keys()
    changed = replace(episode(), target_ndvi=episode().target_ndvi * np.float32(0.9))
    other = evaluate_into(tmp_path, changed, plan(dict.fromkeys(MODELS, broken)))
    assert all(outcome.problem == "RuntimeError: made again" for outcome in other.outcomes.values())
    other = evaluate_into(tmp_path, episode(), plan(dict.fromkeys(MODELS, broken), version="2"))
    assert all(outcome.problem == "RuntimeError: made again" for outcome in other.outcomes.values())


def test_forecasts_by_other_networks_of_an_earlier_run_stay(tmp_path):
    def broken():
        raise RuntimeError("made again")

    def run(models, fills=FILLS, **weights):
        return evaluate_into(tmp_path, episode(), plan(models, fills, weights=weights, version="1")).outcomes

    first = run({"one": lambda: Steady(0.3), "two": lambda: Steady(0.5)}, one="a", two="b")
    assert len(first) == 6
    assert run({"persistence": Persistence}).keys() > first.keys()
    assert not any(each.problem for each in run({"one": broken, "two": broken}, one="a", two="b").values())
    later = run({"one": broken, "two": broken}, one="other", two="b")  # the weights of one are others
    assert {model for (model, _, _), each in later.items() if each.problem} == {"one"}
    linear = {"linear": FILLS["linear"]}
    same, other = (run({"two": broken}, linear, two="b", **weights) for weights in ({}, {"linear": "c"}))
    assert not any(each.problem for (model, *_), each in same.items() if model == "two")
    assert [key[:2] for key, each in other.items() if each.problem and key[0] == "two"] == [("two", "linear")]


def test_an_evaluation_that_is_stopped_keeps_the_fillings_that_are_done(tmp_path):
    stop = Stop()

    class Stopping(Steady):
        def forecast(self, *given, **more):
            stop.ask()
            return super().forecast(*given, **more)

    with pytest.raises(Terminated):
        evaluate_into(tmp_path, episode(), plan({"steady": lambda: Stopping(0.3)}), stop)
    assert list(load(forecast_sums_path(tmp_path, "place")).outcomes) == [("steady", NONE, SEED)]


def test_a_run_that_reads_no_weather_keeps_what_guided_models_forecast(tmp_path):
    def weather(value):
        return Weather(days(60, step=1), np.full((60, 1), value, np.float32), ("rain",))

    guided = {"guided": lambda: Steady(0.3)}
    dry, wet = episode(), replace(episode(), weather=weather(5.0))
    evaluate_into(tmp_path, wet, plan(guided))
    evaluate_into(tmp_path, dry, plan())
    held = load(forecast_sums_path(tmp_path, "place"))
    assert {model for model, _, _ in held.outcomes} == {"guided", *MODELS}
    Steady.given.clear()
    evaluate_into(tmp_path, wet, plan(guided))
    assert not Steady.given
    evaluate_into(tmp_path, replace(dry, weather=weather(6.0)), plan(guided))
    assert Steady.given
    assert {model for model, _, _ in load(forecast_sums_path(tmp_path, "place")).outcomes} == {"guided"}


def test_an_episode_of_which_nothing_is_seen_afterwards_cannot_be_scored():
    dark = replace(episode(), target_ndvi=np.full_like(episode().target_ndvi, np.nan))
    outcomes = evaluate_episode(dark, plan()).outcomes.values()
    assert all(each.left_out and "no pixel is clear on the dates to forecast" in each.problem for each in outcomes)


def compared(count=3, models=MODELS, fills=FILLS, **kinds):
    found, records = ForecastComparison(), []
    for seed in range(count):
        place = episode(seed, name=f"place-{seed}", cloud=0.2 + 0.2 * (seed % 4), **kinds)
        records.append(evaluate_episode(place, plan(models, fills)))
        found.add(records[-1], list(models), list(fills))
    return found, records


def test_scores_over_cubes_are_those_of_the_definitions():
    found, records = compared()
    tallies = [record.outcomes["persistence", "linear", SEED].sets[COUNTED] for record in records]
    scores = found.scores("persistence", "linear")
    for name, value in dataset_scores(tallies).items():
        assert scores[name] == pytest.approx(value, nan_ok=True)
    squared = [record.outcomes["persistence", "linear", SEED].sets[CLEAR]["squared"] for record in records]
    pooled = Sums(sum(s.total for s in squared), sum(s.weight for s in squared)).pooled()
    assert scores[ERROR] == pytest.approx(np.sqrt(pooled.total / pooled.weight))
    assert set(found.by_class("persistence", "linear")) <= {"crop", "grass", "tree"}


def test_scores_are_of_the_cubes_that_every_model_and_fill_forecasts():
    whole, records = compared()
    pairs = [(model, fill) for model in MODELS for fill in FILLS]
    outcomes = {**records[0].outcomes, ("persistence", "linear", SEED): Outcome(left_out=True, problem="dark")}
    found, fewer = ForecastComparison(), ForecastComparison()
    for record in (replace(records[0], outcomes=outcomes), *records[1:]):
        found.add(record, list(MODELS), list(FILLS))
    for record in records[1:]:
        fewer.add(record, list(MODELS), list(FILLS))
    assert found.shared == {"place-1", "place-2"} and whole.shared == {*found.shared, "place-0"}
    for pair in pairs:
        for mine, theirs in (
            (found.scores(*pair), fewer.scores(*pair)),
            (found.by_lead(*pair), fewer.by_lead(*pair)),
            *zip(found.by_class(*pair).values(), fewer.by_class(*pair).values(), strict=True),
        ):
            assert mine == pytest.approx(theirs, nan_ok=True)
    assert found.scores("persistence", NONE)[ERROR] != whole.scores("persistence", NONE)[ERROR]
    chosen = Chosen(tuple(MODELS), tuple(FILLS))
    assert "Scores are of the 2 that all of these forecast" in introduction(found, chosen)
    assert "Scores are of" not in introduction(whole, chosen)


def test_values_of_a_cube_against_a_naive_loop():
    found, _ = compared(1)
    place = episode(0, name="place-0", cloud=0.2)
    forecast = Persistence().forecast(place.context, place.target_dates).mean
    forecast = np.where(np.isnan(forecast), 0.5, forecast).astype(float)
    errors, early, ground = [], [], []
    for t, y, x in np.ndindex(*forecast.shape):
        ground.append((forecast[t, y, x] - place.truth_ndvi[10 + t, y, x]) ** 2)
        if np.isfinite(place.target_ndvi[t, y, x]):
            errors.append((forecast[t, y, x] - place.target_ndvi[t, y, x]) ** 2)
            if place.leads[t] <= 25:
                early.append(errors[-1])
    for metric, values in ((ERROR, errors), (ERROR25, early), (ERROR_GROUND, ground)):
        assert found.values["persistence", NONE, metric]["place-0"] == pytest.approx(np.mean(values) ** 0.5)
    parts = found.by_lead("persistence", NONE)
    assert list(parts) == ["1-25", "26-50", "51-75", "76-100"]
    assert parts["1-25"] == pytest.approx(np.mean(early) ** 0.5)


def test_the_cloudiness_of_a_context_is_the_share_that_was_not_seen():
    found = ForecastComparison()
    found.add(evaluate_episode(two_pixels(), plan({"persistence": Persistence}, {NONE: None})), ["persistence"], [NONE])
    assert found.cloudy == {"two": pytest.approx(1 / 6)}


def comparison_of(mine, theirs, cloudy=None, places=None):
    found = ForecastComparison(cubes=list(mine))
    found.values = {("m", "fill", ERROR): mine, ("m", NONE, ERROR): theirs}
    found.cloudy = cloudy or {}
    found.places = places or {}
    return found


def test_gains_by_hand():
    mine, theirs = (
        {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4, "x": 9.0},
        {"a": 0.2, "b": 0.3, "c": 0.3, "d": 0.3, "y": 9.0},
    )
    found = comparison_of(mine, theirs, {"a": 0.1, "b": 0.2, "c": 0.5, "d": 1.0})
    result = gain(found, "m", "fill", NONE)
    assert (result.improved.mean, result.equal, result.improved.cubes) == (0.5, 0.25, 4)
    assert result.error.mean == pytest.approx(-0.025) and result.error.uncertain
    groups = cubes_by_cloudiness(found)
    assert groups == {"0-25 %": ["a", "b"], "50-75 %": ["c"], "75-100 %": ["d"]}
    assert gain(found, "m", "fill", NONE, cubes=groups["0-25 %"]).improved.mean == 1
    assert gain(found, "m", "fill", NONE, cubes=[]).improved.cubes == 0


def test_tiles_are_regions_where_there_are_enough():
    mine = {f"3{i}U{tile}A {n}": 0.1 * n + (i > 2) for i, tile in enumerate("ABCDE") for n in range(2)}
    theirs = dict.fromkeys(mine, 0.5)
    places = {cube: cube.split()[0] for cube in mine}
    result = gain_by_tile(comparison_of(mine, theirs, places=places), "m", "fill", NONE)
    assert result.improved.cubes == 5 and result.improved.mean == pytest.approx(3 / 5)
    assert gain_by_tile(comparison_of(mine, theirs, places=dict.fromkeys(mine, "30UAA")), "m", "fill", NONE) is None
    easy = {cube: value for cube, value in mine.items() if cube.endswith("0")}  # the fill failed on the others
    theirs = {cube: 9.0 if cube.endswith("1") else mine[cube] - 0.01 for cube in mine}
    assert gain_by_tile(comparison_of(easy, theirs, places=places | {"z": "z"}), "m", "fill", NONE) is None
    found = comparison_of(easy, theirs, places=places)
    found.cubes = list(mine)
    assert gain_by_tile(found, "m", "fill", NONE).error.mean == pytest.approx(0.01)
    named = {cube: place if place < "33" else cube for cube, place in places.items()}  # names without a tile are none
    assert gain_by_tile(comparison_of(mine, theirs, places=named), "m", "fill", NONE) is None


def tally(**scores):
    total = {name: np.full(len(CLASSES), NAN) for name in SCORES}
    weight = np.zeros(len(CLASSES))
    weight[:2] = 1
    for name, values in scores.items():
        total[name][:2] = values
    return {name: Sums(np.nan_to_num(values), weight) for name, values in total.items()}


def test_outperformance_by_hand():
    base = tally(rmse=[0.20, 0.20], nnse=[0.4, 0.4], r2=[0.3, 0.3], bias=[0.1, 0.1])
    # first class: RMSE, NNSE and R2 win, bias by too little; second: RMSE and NNSE alone
    mine = tally(rmse=[0.18, 0.18], nnse=[0.46, 0.46], r2=[0.36, 0.33], bias=[0.095, 0.1])
    better, there = outperforms(mine, base)
    assert better[:2].tolist() == [True, False] and there.tolist() == [True, True, False, False, False]
    assert outperformance({"a": mine, "b": base, "c": mine}, {"a": base, "b": base}) == 0.25
    assert np.isnan(outperformance({}, {"a": base}))


@pytest.fixture(scope="module")
def evaluated():
    return compared(6, {**MODELS, "seasonal": Seasonal})


CHOSEN = Chosen(("persistence", "climatology", "seasonal"), tuple(FILLS))


def test_the_report_answers_the_question(evaluated):
    page = report(evaluated[0], CHOSEN)
    for words in (
        "## What filling is good for",
        "better than none | better than last | better than linear |",
        "| persistence | linear | 0% [0%, 0%] of 6, 100% equal; +0.0000",
        "### By the share of the context that is hidden",
        "| 0-25 % |",
        "## Scores",
        "76-100 d",
        "crop RMSE | crop NSE | crop R2 | crop bias |",
        "rmse25 | rmse50 | rmse75 | rmse100 |",
        "## Left out",
        "seasonal on none, seasonal on last",
    ):
        assert words in page, words
    assert "Failures" not in page and "nan" not in page


def test_tables_to_compute_with(evaluated, tmp_path):
    found, records = evaluated
    write_summary(tmp_path / "summary.csv", found, CHOSEN)
    with (tmp_path / "summary.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if (row["model"], row["fill"]) == ("persistence", "linear")]
    values = {row["metric"]: row for row in rows if row["landcover"] == row["days"] == "all"}
    crops = {row["metric"]: row for row in rows if row["landcover"] == "crop"}
    assert set(crops) == set(SCORES) and crops["bias"]["cubes"] == "5"
    assert float(crops["r2"]["value"]) == pytest.approx(found.by_class("persistence", "linear")["crop"]["r2"])
    late = {row["days"]: row for row in rows if row["metric"] == ERROR}
    assert list(late) == ["all", "1-25", "26-50", "51-75", "76-100"] and late["51-75"]["cubes"] == "6"
    assert float(late["51-75"]["value"]) == pytest.approx(found.by_lead("persistence", "linear")["51-75"], rel=1e-6)
    assert float(values["rmse"]["value"]) == pytest.approx(found.scores("persistence", "linear")["rmse"])
    assert values[ERROR]["cubes"] == "6" and values["outperformance"]["cubes"] == "0"
    write_scores(tmp_path / "scores.parquet", iter(records), CHOSEN)
    table = pq.read_table(tmp_path / "scores.parquet").to_pandas()
    part = table[(table.model == "persistence") & (table.fill == "linear") & (table.metric == "squared")]
    part = part[part.pixels == "clear"]
    assert np.sqrt(part["sum"].sum() / part["weight"].sum()) == pytest.approx(
        found.scores("persistence", "linear")[ERROR]
    )
    assert sorted(part.lead.unique()) == list(range(5, 101, 5))


def test_series_that_cannot_be_cut_have_no_trends():
    place = episode(size=4, target_dates=50)
    forecast = Persistence().forecast(place.context, place.target_dates)
    sets = forecast_sums(forecast, place)
    assert sets[run_scores.PARTS] == {} and sets[CLEAR]["squared"].total.shape[1] == 50


def test_a_forecast_without_any_value_is_left_out():
    place = episode()
    empty = replace(place, context=context_of(np.full((3, 12, 12), NAN, np.float32), place.context.dates[:3]))
    outcome = evaluate_episode(empty, plan({"persistence": Persistence}, {NONE: None})).outcomes["persistence", NONE, 0]
    assert outcome.left_out and "no value at any pixel" in outcome.problem
    with pytest.raises(InputError, match="NDVI needs"):
        ndvi_of(place.context.reflectance[:, :1], place.context.bands[:1])


WORSE = {"rmse": 0.20, "nnse": 0.4, "r2": 0.3, "bias": 0.1}
BETTER = {"rmse": 0.185, "nnse": 0.46, "r2": 0.36, "bias": 0.085}


@pytest.mark.parametrize("lacking", BETTER)
def test_any_three_of_the_four_scores_are_enough_and_two_are_not(lacking):
    three = BETTER | {lacking: WORSE[lacking]}
    other = next(name for name in BETTER if name != lacking)
    two = three | {other: WORSE[other]}
    mine = tally(**{name: [three[name], two[name]] for name in WORSE})
    base = tally(**{name: [value, value] for name, value in WORSE.items()})
    assert outperforms(mine, base)[0][:2].tolist() == [True, False]

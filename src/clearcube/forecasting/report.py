"""What an evaluation of forecasts found: a page to read, and tables to compute with."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.evaluation.intervals import interval
from clearcube.evaluation.report import markdown
from clearcube.evaluation.sections import Section, Table, number
from clearcube.forecasting.comparison import ERROR, ForecastComparison, errors_by_lead, leads_of, scores_by_class
from clearcube.forecasting.greenearthnet import CLASSES, SCORES
from clearcube.forecasting.report_question import question
from clearcube.forecasting.run import PLACE, SEED
from clearcube.forecasting.run_scores import COUNTED
from clearcube.forecasting.vegetation import VEGETATION

if TYPE_CHECKING:
    from clearcube.evaluation.records import Record
    from clearcube.evaluation.statistics import Sums

SUMMARY = ("model", "fill", "metric", "value", "cube_mean", "cube_low", "cube_high", "cubes", "landcover", "days")
"""Columns of `summary.csv`: the value over all cubes, and the mean over cubes of theirs with its interval; of which
land cover and days after the context it is."""
EVERY = "all"
"""What the columns `landcover` and `days` of `SUMMARY` hold where a value is of all of them."""
BY_CLASS = {"rmse": "RMSE", "nse": "NSE", "r2": "R2", "bias": "bias"}
"""Scores shown by land cover, and their heads."""
METRICS = (
    *SCORES,
    "outperformance",
    "rmse_clear",
    "rmse25_clear",
    "mae_clear",
    "bias_clear",
    "rmse_ground",
    "coverage90",
    "missing",
)
NOTES = (
    "R2, NSE, RMSE, |bias| and RMSE25 to RMSE100 (RMSE of each five dates) are GreenEarthNet's: of pixels that vary "
    "and are seen often enough, averaged by cube and class, over cubes, over classes. Those that end in `_clear` are "
    "pooled over every clear target value, `_ground` over the simulated ground. `coverage90` is the share of values "
    "within the 90 % interval, `missing` the share without a forecast, where NDVI 0.5 counts. `outperformance` "
    "is over climatology."
)
CLASS_NOTES = "The bias is absolute."


@dataclass(frozen=True)
class Chosen:
    """What is reported, in order."""

    models: tuple[str, ...]
    fills: tuple[str, ...]


def report(found: ForecastComparison, chosen: Chosen, pictures: Sequence[str] = ()) -> str:
    """The page in Markdown.

    pictures : lines that show figures.
    """
    lines = ["# Evaluation of forecasts", "", introduction(found, chosen)]
    for picture in pictures:
        lines += ["", picture]
    for section in sections(found, chosen):
        lines += markdown(section)
    return "\n".join(lines) + "\n"


def introduction(found: ForecastComparison, chosen: Chosen) -> str:
    """What was evaluated."""
    cubes = f"{len(found.cubes)} cube{'s' if len(found.cubes) != 1 else ''}"
    compared = len(found.shared)
    told = "" if compared == len(found.cubes) else f" Scores are of the {compared} that all of these forecast."
    return f"{cubes}, models {', '.join(chosen.models)}, fills {', '.join(chosen.fills)}.{told}"


def sections(found: ForecastComparison, chosen: Chosen) -> list[Section]:
    """What filling is good for, scores, horizon, classes, what did not work; each can be part of any page."""
    parts = [
        question(found, chosen.models, chosen.fills),
        Section("Scores", NOTES, (("", score_table(found, chosen)),)),
        Section("RMSE by days after the context, every clear target value", "", (("", horizon_table(found, chosen)),)),
        Section("By land cover, GreenEarthNet's pixels", CLASS_NOTES, (("", class_table(found, chosen)),)),
        _problems("Left out", found.left_out),
        _problems("Failures", found.failures),
    ]
    return [part for part in parts if any(table.rows for _, table in part.tables)]


def score_table(found: ForecastComparison, chosen: Chosen) -> Table:
    """Every score of every model and fill."""
    rows = []
    for model, fill in _pairs(found, chosen):
        scores = found.scores(model, fill)
        rows.append((model, fill, *(number(scores[metric], ".3f") for metric in METRICS)))
    return Table(("model", "fill", *METRICS), tuple(rows))


def horizon_table(found: ForecastComparison, chosen: Chosen) -> Table:
    """RMSE by lead time."""
    values = {pair: found.by_lead(*pair) for pair in _pairs(found, chosen)}
    parts = list(dict.fromkeys(part for row in values.values() for part in row))
    rows = ((*pair, *(number(row.get(part, np.nan), ".3f") for part in parts)) for pair, row in values.items())
    return Table(("model", "fill", *(f"{part} d" for part in parts)), tuple(rows))


def class_table(found: ForecastComparison, chosen: Chosen) -> Table:
    """Scores of GreenEarthNet's pixels by class; nothing where no pixel counts."""
    values = {pair: found.by_class(*pair) for pair in _pairs(found, chosen)}
    names = [name for name in CLASSES if any(name in row for row in values.values())]
    cells = [(name, metric) for name in names for metric in BY_CLASS]
    rows = (
        (*pair, *(number(row.get(name, {}).get(metric, np.nan), ".3f") for name, metric in cells))
        for pair, row in values.items()
    )
    head = ("model", "fill", *(f"{name} {BY_CLASS[metric]}" for name, metric in cells))
    return Table(head, tuple(rows) if names else ())


def _pairs(found: ForecastComparison, chosen: Chosen) -> list[tuple[str, str]]:
    """Models and fills that gave something."""
    return [(model, fill) for model in chosen.models for fill in chosen.fills if (model, fill) in found.outcomes]


def _problems(title: str, problems: Sequence[tuple[str, str, str, str]]) -> Section:
    """What did not work, the same message of a cube once."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for cube, model, fill, message in problems:
        grouped.setdefault((cube, message), []).append(f"{model} on {fill}")
    rows = tuple((cube, ", ".join(who), message) for (cube, message), who in grouped.items())
    return Section(title, "", (("", Table(("cube", "models and fills", "reason"), rows)),))


def write_summary(path: Path, found: ForecastComparison, chosen: Chosen) -> None:
    """Write one row for model, fill and metric, then those by land cover and those by days after the context."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(SUMMARY)
        for pair in _pairs(found, chosen):
            for metric, landcover, days, value, of_cubes in _summary(found, pair):
                own = interval(of_cubes)
                numbers = map(_plain, (value, own.mean, own.low, own.high))
                writer.writerow([*pair, metric, *numbers, own.cubes, landcover, days])


def _summary(found: ForecastComparison, pair: tuple[str, str]) -> Iterator[tuple[str, str, str, float, list[float]]]:
    """Metric, land cover, days, value over all cubes, and the values of the cubes that have one."""
    shared = found.shared
    for metric, value in found.scores(*pair).items():
        of_cubes = found.values.get((*pair, metric), {})
        yield metric, EVERY, EVERY, value, [of_cubes[cube] for cube in of_cubes if cube in shared]
    classes = [scores_by_class([tally]) for tally in found.counted(*pair).values()]
    for name, scores in found.by_class(*pair).items():
        for metric, value in scores.items():
            own = [of_cube[name][metric] for of_cube in classes if name in of_cube]
            yield metric, name, EVERY, value, [each for each in own if np.isfinite(each)]
    parts = [errors_by_lead([outcome]) for outcome in found.compared(*pair).values()]
    for part, value in found.by_lead(*pair).items():
        yield ERROR, EVERY, part, value, [of_cube[part] for of_cube in parts if part in of_cube]


def write_scores(path: Path, records: Iterable[Record], chosen: Chosen) -> None:
    """Write the sums of every episode to Parquet, one after the other.

    Columns: cube, place, model, fill, pixels (counted, clear, ground, earthnet, context), landcover, metric, lead
    (days, 0 = all together), sum, weight. Scores of `counted` are sums over pixels, others over values.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.dictionary(pa.int32(), pa.string())
    names = ("cube", "place", "model", "fill", "pixels", "landcover", "metric")
    numbers = [("lead", pa.int64()), ("sum", pa.float64()), ("weight", pa.float64())]
    schema = pa.schema([*((name, text) for name in names), *numbers])
    with pq.ParquetWriter(path, schema) as writer:
        for record in records:
            rows = list(_rows(record, chosen))
            if rows:
                columns = {name: [row[name] for row in rows] for name in schema.names}
                writer.write_table(pa.table(columns, schema=schema))


def _rows(record: Record, chosen: Chosen) -> Iterator[Mapping[str, Any]]:
    for (model, fill, seed), outcome in record.outcomes.items():
        if seed != SEED or model not in chosen.models or fill not in chosen.fills:
            continue
        about = {"cube": record.cube, "place": str(record.settings.get(PLACE, "")), "model": model, "fill": fill}
        leads = leads_of(outcome)
        for which, tally in outcome.sets.items():
            for metric, sums in tally.items():
                for place, total, weight in _cells(which, sums, leads):
                    yield about | {"pixels": which, "metric": metric} | place | {"sum": total, "weight": weight}


def _cells(which: str, sums: Sums, leads: Sequence[int]) -> Iterator[tuple[dict[str, Any], float, float]]:
    """Class and lead, sum and weight of everything that was counted."""
    classes = CLASSES if which == COUNTED else VEGETATION if sums.total.ndim == 2 else ("all",)
    for index in np.argwhere(sums.weight > 0):
        place = {"landcover": classes[index[0]], "lead": leads[index[1]] if len(index) == 2 else 0}
        yield place, float(sums.total[tuple(index)]), float(sums.weight[tuple(index)])


def _plain(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.9g}"

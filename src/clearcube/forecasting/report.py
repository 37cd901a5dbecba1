"""What an evaluation of forecasts found: a page to read, and tables to compute with."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.evaluation.comparison import interval
from clearcube.evaluation.report import table
from clearcube.forecasting.comparison import ForecastComparison, leads_of
from clearcube.forecasting.greenearthnet import CLASSES, SCORES
from clearcube.forecasting.report_question import number, question
from clearcube.forecasting.run import PLACE, SEED
from clearcube.forecasting.run_scores import COUNTED
from clearcube.forecasting.vegetation import VEGETATION

if TYPE_CHECKING:
    from clearcube.evaluation.records import Record
    from clearcube.evaluation.statistics import Sums

SUMMARY = ("model", "fill", "metric", "value", "cube_mean", "cube_low", "cube_high", "cubes")
"""Columns of `summary.csv`: the value over all cubes, and the mean over cubes of theirs with its interval."""
METRICS = (*SCORES, "outperformance", "rmse_clear", "rmse25_clear", "mae_clear", "bias_clear", "rmse_ground")
NOTES = (
    "R2, NSE, RMSE, |bias| and RMSE25 are GreenEarthNet's: of pixels that vary and are seen often enough, averaged by "
    "cube and class, over cubes, over classes. Those that end in `_clear` are pooled over every clear target value, "
    "`_ground` over the simulated ground. NDVI has no unit. Where a forecast has no value NDVI 0.5 counts."
)


@dataclass(frozen=True)
class Chosen:
    """What is reported, in order."""

    models: tuple[str, ...]
    fills: tuple[str, ...]


def report(found: ForecastComparison, chosen: Chosen) -> str:
    """The page."""
    head = [
        "# Evaluation of forecasts",
        "",
        f"{len(found.cubes)} cubes, models {', '.join(chosen.models)}, fills {', '.join(chosen.fills)}.",
    ]
    return "\n".join([*head, *section(found, chosen), *_problems(found)]) + "\n"


def section(found: ForecastComparison, chosen: Chosen) -> list[str]:
    """The tables as lines of Markdown, to be part of any page: what filling is good for, scores, horizon, classes."""
    return [
        *question(found, chosen.models, chosen.fills),
        *score_table(found, chosen),
        *horizon_table(found, chosen),
        *class_table(found, chosen),
    ]


def score_table(found: ForecastComparison, chosen: Chosen) -> list[str]:
    """Every score of every model and fill."""
    rows = []
    for model, fill in _pairs(found, chosen):
        scores = found.scores(model, fill)
        rows.append([model, fill, *(number(scores[metric]) for metric in (*METRICS, "coverage90", "missing"))])
    head = ["model", "fill", *METRICS, "within 90 %", "missing"]
    return ["", "## Scores", "", NOTES, *table(head, rows)] if rows else []


def horizon_table(found: ForecastComparison, chosen: Chosen) -> list[str]:
    """RMSE by lead time."""
    values = {pair: found.by_lead(*pair) for pair in _pairs(found, chosen)}
    parts = list(dict.fromkeys(part for row in values.values() for part in row))
    rows = [[*pair, *(number(row.get(part, np.nan)) for part in parts)] for pair, row in values.items()]
    head = ["model", "fill", *(f"{part} d" for part in parts)]
    return ["", "## RMSE by days after the context, every clear target value", *table(head, rows)] if rows else []


def class_table(found: ForecastComparison, chosen: Chosen) -> list[str]:
    """RMSE and NSE of GreenEarthNet's pixels by class."""
    values = {pair: found.by_class(*pair) for pair in _pairs(found, chosen)}
    names = [name for name in CLASSES if any(name in row for row in values.values())]
    rows = [
        [*pair, *(number(row[name][metric]) if name in row else "-" for name in names for metric in ("rmse", "nse"))]
        for pair, row in values.items()
    ]
    head = ["model", "fill", *(f"{name} {metric}" for name in names for metric in ("RMSE", "NSE"))]
    return ["", "## By land cover, GreenEarthNet's pixels", *table(head, rows)] if rows and names else []


def _pairs(found: ForecastComparison, chosen: Chosen) -> list[tuple[str, str]]:
    """Models and fills that gave something."""
    return [(model, fill) for model in chosen.models for fill in chosen.fills if (model, fill) in found.outcomes]


def _problems(found: ForecastComparison) -> list[str]:
    """What did not work, the same message of a cube once."""
    lines: list[str] = []
    for title, problems in (("Left out", found.left_out), ("Failures", found.failures)):
        grouped: dict[tuple[str, str], list[str]] = {}
        for cube, model, fill, message in problems:
            grouped.setdefault((cube, message), []).append(f"{model} on {fill}")
        rows = [
            [cube, ", ".join(who), message.replace("|", "/").replace("\n", " ")]
            for (cube, message), who in grouped.items()
        ]
        lines += ["", f"## {title}", *table(["cube", "models and fills", "reason"], rows)] if rows else []
    return lines


def write_summary(path: Path, found: ForecastComparison, chosen: Chosen) -> None:
    """Write one row for model, fill and metric."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(SUMMARY)
        for model, fill in _pairs(found, chosen):
            for metric, value in found.scores(model, fill).items():
                own = interval(list(found.values.get((model, fill, metric), {}).values()))
                writer.writerow([model, fill, metric, *map(_plain, (value, own.mean, own.low, own.high)), own.cubes])


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

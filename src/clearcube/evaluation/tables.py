"""What an evaluation found, as tables to compute with: every score in Parquet, a summary in CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clearcube.evaluation.comparison import HEADLINE, Comparison
from clearcube.evaluation.intervals import interval
from clearcube.evaluation.judging import HIDDEN
from clearcube.evaluation.metrics import ALL_BANDS, NDVI, scores
from clearcube.evaluation.pools import WHOLE
from clearcube.evaluation.records import Record

ROWS = 30_000
"""Rows that are written at once."""
TEXTS = ("cube", "method", "scenario", "pixels", "family", "stratum", "band", "metric")
NUMBERS = ("sum", "weight", "value")
SUMMARY = (
    *("method", "scenario", "metric", "band", "pooled", "cube_mean", "cube_low", "cube_high", "cubes"),
    *("reference", "difference", "difference_low", "difference_high", "includes_zero"),
    *("pooled_difference", "pooled_difference_low", "pooled_difference_high", "pooled_includes_zero"),
)
"""Columns of `summary.csv`."""


def write_scores(
    path: Path, records: Iterable[Record], methods: Sequence[str], scenarios: Sequence[str], seeds: Sequence[int]
) -> None:
    """Write every score of every experiment to Parquet, one cube after the other.

    Columns: cube, method, scenario, pixels (hidden, observed, all, missed), family and stratum, band, metric, seed,
    sum, weight, value. Sum and weight are NaN where a metric needs more than one sum.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.dictionary(pa.int32(), pa.string())
    fields = [*((name, text) for name in TEXTS), ("seed", pa.int64()), *((name, pa.float64()) for name in NUMBERS)]
    schema = pa.schema(fields)
    with pq.ParquetWriter(path, schema) as writer:
        for part in _parts(row for record in records for row in _rows(record, methods, scenarios, seeds)):
            columns = zip(*part, strict=True)
            writer.write_table(pa.table(dict(zip(schema.names, columns, strict=True)), schema=schema))


def _parts(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """So many rows at a time."""
    part: list[tuple[Any, ...]] = []
    for row in rows:
        part.append(row)
        if len(part) == ROWS:
            yield part
            part = []
    if part:
        yield part


def _rows(
    record: Record, methods: Sequence[str], scenarios: Sequence[str], seeds: Sequence[int]
) -> Iterator[tuple[Any, ...]]:
    """The rows of a cube, in the order of the columns; experiments in the order asked for, seeds ascending."""
    wanted = ((m, s, seed) for s in scenarios for m in methods for seed in sorted(seeds))
    for method, scenario, seed in wanted:
        outcome = record.outcomes.get((method, scenario, seed))
        for which, tally in outcome.sets.items() if outcome else ():
            about = (record.cube, method, scenario, which)
            for s in scores(tally, outcome.strata if outcome and which == HIDDEN else WHOLE, record.bands):
                yield (*about, *s.stratum, s.band, s.metric, seed, s.sum, s.weight, s.value)


def write_summary(path: Path, found: Comparison, reference: str) -> None:
    """Write one row for method, scenario and headline metric: pooled, mean over cubes, difference to the reference.

    Rows of single bands, pooled alone, stand before that of all bands. The columns `pooled_difference...` are empty
    where a metric needs more than one sum.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(SUMMARY)
        for method in found.methods:
            for scenario in found.scenarios:
                pooled, by_band = found.pooled(method, scenario), found.by_band(method, scenario)
                for metric in (*HEADLINE, "fid"):
                    for band, value in by_band.get(metric, {}).items():
                        row = [method, scenario, metric, band, _plain(value)]
                        writer.writerow([*row, *[""] * (len(SUMMARY) - len(row))])
                    if metric in pooled or np.isfinite(found.values(method, scenario, metric)).any():
                        value = pooled.get(metric, np.nan)
                        writer.writerow(_summary_row(found, (method, scenario, metric), value, reference))


def _summary_row(found: Comparison, place: tuple[str, str, str], pooled: float, reference: str) -> list[str]:
    method, scenario, metric = place
    own = interval(found.values(*place))
    gain = found.difference(method, reference, scenario, metric)
    whole = found.pooled_difference(method, reference, scenario, metric)
    band = NDVI if metric.startswith(f"{NDVI}_") else ALL_BANDS
    row = [*place, band, *map(_plain, (pooled, own.mean, own.low, own.high)), str(own.cubes), reference]
    for each in (gain, whole):
        row += [*map(_plain, (each.mean, each.low, each.high)), str(each.uncertain).lower() if each.cubes else ""]
    return row


def _plain(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.9g}"

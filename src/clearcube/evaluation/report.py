"""What an evaluation found, as a page to read and tables to compute with."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clearcube.evaluation.comparison import DETECTION, HEADLINE, Comparison, interval, paired_difference
from clearcube.evaluation.mask_error import KINDS
from clearcube.evaluation.metrics import ALL_BANDS, scores
from clearcube.evaluation.records import Record
from clearcube.gaps import STRATA

MARK = "~"
"""Stands beside a difference whose interval includes zero."""
TABLES = (
    (
        "Distortion",
        ("psnr", "rmse", "mae", "bias", "r2", "sam", "ssim", "ndvi_mae", "ndvi_rmse", "ndvi_r2", "ndvi_nnse"),
    ),
    (
        "Likeness and looks",
        (
            "ms_ssim",
            "gmsd",
            "spectrum_ratio",
            "coherence",
            "frechet",
            "sharpness_ratio",
            "entropy_ratio",
            "roughness_ratio",
        ),
    ),
    *(
        (f"Detection of missed {kind}", tuple(f"{who}{metric}_{kind}" for who in ("", "blue_") for metric in DETECTION))
        for kind in KINDS
    ),
    (
        "Uncertainty",
        (
            "coverage50",
            "coverage80",
            "coverage90",
            "coverage95",
            "crps",
            "uce",
            "auce",
            "ause",
            "ndvi_coverage90",
            "ndvi_crps",
            "ndvi_uce",
            "ndvi_auce",
        ),
    ),
)
"""Title -> metrics of a table of pooled scores."""
NOTES = (
    "Scored are hidden pixels that are observed at another date. Reflectance 0 to 1, data range 1; sums are pooled "
    "first and the formula comes last. SAM in degrees. MS-SSIM, GMSD, spectrum and patches are of hidden pixels alone. "
    "spectrum_ratio and coherence are of frequencies from a quarter to half a cycle per pixel. blue_ is a plain "
    "threshold on the anomaly of blue."
)

SETS = ("hidden", "observed", "all")
SUMMARY = (
    *("method", "scenario", "metric", "pooled", "cube_mean", "cube_low", "cube_high", "cubes"),
    *("reference", "difference", "difference_low", "difference_high", "includes_zero"),
)
"""Columns of `summary.csv`."""

Chosen = tuple[Sequence[str], Sequence[str], str]
"""Methods, scenarios, reference method."""


def write_scores(path: Path, records: Iterable[Record], scenarios: Sequence[str], seeds: Sequence[int]) -> None:
    """Write every score of every experiment to Parquet, one cube after the other.

    Columns: cube, method, scenario, seed, pixels (hidden, observed, all), family and stratum, band, metric, sum,
    weight, value. Sum and weight are NaN where a metric needs more than one sum.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = ("cube", "method", "scenario", "pixels", "family", "stratum", "band", "metric")
    text = pa.dictionary(pa.int32(), pa.string())
    numbers = [("seed", pa.int64()), *((name, pa.float64()) for name in ("sum", "weight", "value"))]
    schema = pa.schema([*((name, text) for name in names), *numbers])
    with pq.ParquetWriter(path, schema) as writer:
        for record in records:
            rows = list(_score_rows(record, scenarios, seeds))
            if rows:
                columns = {name: [row[name] for row in rows] for name in schema.names}
                writer.write_table(pa.table(columns, schema=schema))


def _score_rows(record: Record, scenarios: Sequence[str], seeds: Sequence[int]) -> Iterator[dict[str, Any]]:
    for (method, scenario, seed), outcome in record.outcomes.items():
        if scenario not in scenarios or seed not in seeds:
            continue
        for which, tally in outcome.sets.items():
            strata = outcome.strata if which == "hidden" else (("all", "all"),)
            about = {"cube": record.cube, "method": method, "scenario": scenario, "seed": seed, "pixels": which}
            for s in scores(tally, strata, record.bands):
                place = {"family": s.stratum[0], "stratum": s.stratum[1], "band": s.band, "metric": s.metric}
                yield about | place | {"sum": s.sum, "weight": s.weight, "value": s.value}


def write_summary(path: Path, found: Comparison, chosen: Chosen) -> None:
    """Write one row for method, scenario and headline metric: pooled, mean over cubes, difference to the reference."""
    methods, scenarios, reference = chosen
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(SUMMARY)
        for method in methods:
            for scenario in scenarios:
                pooled = found.pooled(method, scenario)
                for metric in HEADLINE:
                    values = found.values.get((method, scenario, metric))
                    if values is None:
                        continue
                    own = interval(list(values.values()))
                    gain = paired_difference(values, found.values.get((reference, scenario, metric), {}))
                    numbers = (pooled.get(metric, np.nan), own.mean, own.low, own.high)
                    differences = (gain.mean, gain.low, gain.high)
                    row = [method, scenario, metric, *map(_plain, numbers), own.cubes, reference]
                    writer.writerow([*row, *map(_plain, differences), str(gain.uncertain).lower()])


def _plain(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.9g}"


def report(found: Comparison, chosen: Chosen, seeds: Sequence[int]) -> str:
    """The page: gains over the reference, pooled scores, strata, what did not work, every cube."""
    parts = [
        "# Evaluation",
        "",
        f"{len(found.cubes)} cubes, seeds {', '.join(map(str, seeds))}, methods {', '.join(chosen[0])}. {NOTES}",
        *_gains(found, chosen),
        *(line for title, metrics in TABLES for line in _pooled_table(found, chosen, title, metrics)),
        *_sets(found, chosen),
        *_stratum_table(found, chosen, "gap", "gap length (days)"),
        *_stratum_table(found, chosen, "position", "position of the gap"),
        *_stratum_table(found, chosen, "landcover", "land cover"),
        *_stratum_table(found, chosen, "season", "season"),
        *_stratum_table(found, chosen, "clear share", "clear share of the cube"),
        *_problems("Failures", found.failures),
        *_problems("Left out", found.left_out),
        *_appendix(found, chosen),
    ]
    return "\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return ["", *lines, *("| " + " | ".join(row) + " |" for row in rows)]


def _gains(found: Comparison, chosen: Chosen) -> list[str]:
    methods, scenarios, reference = chosen
    rows = []
    for method in methods:
        cells = [method]
        for scenario in scenarios:
            theirs = found.values.get((reference, scenario, "psnr"), {})
            gain = paired_difference(found.values.get((method, scenario, "psnr"), {}), theirs)
            limits = "" if np.isnan(gain.low) else f" [{gain.low:+.2f}, {gain.high:+.2f}]"
            mark = f" {MARK}" if gain.uncertain and method != reference else ""
            cells.append(f"{gain.mean:+.2f}{limits}{mark}" if gain.cubes else _reason(found, method, scenario))
        rows.append(cells)
    pooled = []
    for method in methods:
        gains = [_pooled_gain(found, method, reference, scenario) for scenario in scenarios]
        pooled.append([method, *(_number(gain, "+.2f") for gain in gains)])
    return [
        "",
        f"## Gain in PSNR over {reference}, dB",
        "",
        "Mean over cubes, with the 95 % interval of a paired bootstrap over cubes. "
        f"{MARK}: the interval includes zero, or there are too few cubes for one.",
        *table(["method", *scenarios], rows),
        "",
        "Pooled over all pixels of all cubes:",
        *table(["method", *scenarios], pooled),
    ]


def _reason(found: Comparison, method: str, scenario: str) -> str:
    """Why there is no value."""
    if any(each[1:3] == (method, scenario) for each in found.failures):
        return "failed"
    return "left out" if any(each[1:3] == (method, scenario) for each in found.left_out) else "-"


def _pooled_gain(found: Comparison, method: str, reference: str, scenario: str) -> float:
    pair = [found.pooled(name, scenario).get("psnr", np.nan) for name in (method, reference)]
    return float(pair[0] - pair[1]) if np.isfinite(pair).all() else float("nan")


def _number(value: float, form: str = ".4g") -> str:
    return "-" if np.isnan(value) else format(value, form)


def _pooled_table(found: Comparison, chosen: Chosen, title: str, metrics: Sequence[str]) -> list[str]:
    """Pooled metrics of every scenario and method."""
    rows = []
    for scenario in chosen[1]:
        for method in chosen[0]:
            values = found.pooled(method, scenario)
            if any(metric in values for metric in metrics):
                rows.append([scenario, method, *(_number(values.get(metric, np.nan)) for metric in metrics)])
    return ["", f"## {title}, pooled", *table(["scenario", "method", *metrics], rows)] if rows else []


def _sets(found: Comparison, chosen: Chosen) -> list[str]:
    """PSNR on the three sets of pixels."""
    rows = []
    for scenario in chosen[1]:
        for method in chosen[0]:
            values = [
                found.pooled(method, scenario, which).get("psnr", np.nan) for which in ("hidden", "observed", "all")
            ]
            if not np.isnan(values).all():
                rows.append([scenario, method, *(_number(value, ".2f") for value in values)])
    return [
        "",
        "## PSNR on hidden, observed and all pixels, dB, pooled",
        "",
        "Observed pixels are kept as they are, so scores over all pixels mostly measure copying.",
        *table(["scenario", "method", "hidden", "observed", "all"], rows),
    ]


def _stratum_table(found: Comparison, chosen: Chosen, family: str, title: str) -> list[str]:
    """Pooled PSNR by the strata of a family, all scenarios together."""
    values: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for (group, _), pool in found.pools.items():
        method, scenario, which = group
        if which != "hidden" or scenario not in chosen[1] or method not in chosen[0]:
            continue
        for s in pool.scores():
            if s.stratum[0] == family and s.metric == "rmse" and s.band == ALL_BANDS:
                values.setdefault(s.stratum[1], {}).setdefault(method, []).append((s.sum, s.weight))
    order = [name for name in STRATA if name in values] + sorted(name for name in values if name not in STRATA)
    rows = [[name, *(_psnr(values[name].get(method, [])) for method in chosen[0])] for name in order]
    head = [title, *chosen[0]]
    return ["", f"## PSNR by {title}, dB, pooled over scenarios", *table(head, rows)] if rows else []


def _psnr(sums: Sequence[tuple[float, float]]) -> str:
    total, weight = (sum(each[i] for each in sums) for i in (0, 1))
    return _number(-10 * np.log10(total / weight), ".2f") if total > 0 else "-"


def _problems(title: str, problems: Sequence[tuple[str, str, str, int, str]]) -> list[str]:
    """What did not work, the same message of a cube once."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for cube, method, scenario, seed, message in problems:
        grouped.setdefault((cube, scenario, message), []).append(f"{method} {seed}")
    rows = [
        [cube, scenario, ", ".join(who), message.replace("|", "/").replace("\n", " ")]
        for (cube, scenario, message), who in grouped.items()
    ]
    return ["", f"## {title}", *table(["cube", "scenario", "methods and seeds", "reason"], rows)] if rows else []


def _appendix(found: Comparison, chosen: Chosen) -> list[str]:
    """PSNR of every cube."""
    lines = ["", "## Appendix: PSNR by cube, dB"]
    for scenario in chosen[1]:
        columns: list[Mapping[str, float]] = [found.values.get((m, scenario, "psnr"), {}) for m in chosen[0]]
        cubes = [cube for cube in found.cubes if any(cube in column for column in columns)]
        rows = [[cube, *(_number(column.get(cube, np.nan), ".2f") for column in columns)] for cube in cubes]
        lines += ["", f"### {scenario}", *table(["cube", *chosen[0]], rows)] if rows else []
    return lines

"""What an evaluation found, as sections with tables; how they look on a page is not their concern."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clearcube.evaluation.common import shared_scenarios
from clearcube.evaluation.comparison import DETECTION, UNCERTAINTY, Comparison, Problem
from clearcube.evaluation.intervals import Interval, interval
from clearcube.evaluation.judging import ALL, HIDDEN, MISSED, OBSERVED
from clearcube.evaluation.mask_error import KINDS, MASK_ERROR
from clearcube.evaluation.metrics import ALL_BANDS, NDVI
from clearcube.evaluation.strata import FAMILIES, SEASONS
from clearcube.gaps import STRATA

POOLED, MEANS = "Pooled", "Mean over cubes, with its 95 % interval"
MARK = "~"
"""Stands beside a difference whose interval includes zero."""
MARKED = f"{MARK}: the interval includes zero, or there are too few cubes for one."
TABLES = (
    (
        "Distortion",
        (
            *("psnr", "rmse", "mae", "bias", "r2", "sam", "ssim", "ndvi_mae", "ndvi_rmse", "ndvi_r2", "ndvi_nnse"),
            "missing",
        ),
    ),
    ("Likeness to the truth", ("ms_ssim", "gmsd", "spectrum_ratio", "coherence", "frechet", "lpips", "fid")),
    ("Looks beside clear dates", ("niqe", "sharpness_ratio", "entropy_ratio", "roughness_ratio")),
    ("Uncertainty of reflectance", (*UNCERTAINTY, "missing_std")),
    ("Uncertainty of NDVI", tuple(f"ndvi_{metric}" for metric in UNCERTAINTY)),
    *(
        (f"Detection of missed {kind}", tuple(f"{who}{metric}_{kind}" for who in ("", "blue_") for metric in DETECTION))
        for kind in KINDS
    ),
    (
        "Missed cloud and shadow after denoising",
        tuple(f"{MISSED}_{metric}" for metric in ("psnr", "rmse", "mae", "sam")),
    ),
)
"""Title -> metrics of a table of pooled scores."""
COMPARED = ("rmse", "sam", "ssim", "ndvi_rmse", "ms_ssim", "coherence", "niqe", "crps")
"""Metrics whose difference to the reference is shown, beside PSNR."""
STRATIFIED = (("psnr", ".2f"), ("ndvi_rmse", ".4g"), ("ssim", ".4g"), ("coverage90", ".3f"), ("uce", ".3g"))
"""Metrics that are shown by stratum, and their form."""
OF_BANDS = {"psnr": ".2f", "rmse": ".4g", "ssim": ".4g", "coverage90": ".3f", "uce": ".3g"}
"""The same by band."""


@dataclass(frozen=True)
class Table:
    """A table of text. head : names of the columns. rows : as many cells each."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """A heading, a paragraph (may be empty), tables, each with a caption (may be empty)."""

    title: str
    note: str = ""
    tables: tuple[tuple[str, Table], ...] = ()


def sections(found: Comparison, reference: str) -> list[Section]:
    """Gains over the reference, pooled scores, strata, what did not work, every cube."""
    parts = [
        _gains(found, reference),
        _differences(found, reference),
        *(_pooled_section(found, title, metrics) for title, metrics in TABLES),
        _sets(found),
        _by_band(found),
        *(_by_stratum(found, family, title) for family, title in FAMILIES.items()),
        _problems("Failures", found.failures),
        _unpooled(found),
        _problems("Left out", found.left_out),
        _appendix(found),
    ]
    return [part for part in parts if any(table.rows for _, table in part.tables)]


def number(value: float, form: str = ".4g") -> str:
    """A number as text, - where there is none."""
    return "-" if np.isnan(value) else format(value, form)


def with_limits(gain: Interval, form: str, note: str = "") -> str:
    """A difference with its interval, marked where that includes zero.

    >>> with_limits(Interval(0.5, -0.25, 1.25, 9), "+.2f", "9 of 10 cubes")
    '+0.50 [-0.25, +1.25] (9 of 10 cubes) ~'
    """
    mark = f" {MARK}" if gain.uncertain else ""
    return f"{_ranged(gain, form)}{f' ({note})' if note else ''}{mark}" if gain.cubes else "-"


def mean_of_cubes(own: Interval) -> str:
    """A mean over cubes with its interval."""
    return _ranged(own, ".4g") if own.cubes else "-"


def _ranged(mean: Interval, form: str) -> str:
    limits = "" if np.isnan(mean.low) else f" [{mean.low:{form}}, {mean.high:{form}}]"
    return f"{mean.mean:{form}}{limits}"


def _gains(found: Comparison, reference: str) -> Section:
    """Gain in PSNR: mean over cubes, and pooled over all of their pixels."""
    means, pooled = [], []
    for method in found.methods:
        cells, of_pool = [method], [method]
        for scenario in found.scenarios:
            gain = found.difference(method, reference, scenario, "psnr")
            whole = found.pooled_difference(method, reference, scenario, "psnr")
            if method == reference and gain.cubes:
                cells.append("0")
                of_pool.append("0")
                continue
            note = _less(found, method, reference, scenario)
            cells.append(with_limits(gain, "+.2f", note) if gain.cubes else _reason(found, method, scenario))
            of_pool.append(with_limits(whole, "+.2f", note))
        means.append(tuple(cells))
        pooled.append(tuple(of_pool))
    head = ("method", *found.scenarios)
    return Section(
        f"Gain in PSNR over {reference}, dB",
        f"With the 95 % interval of a paired bootstrap over cubes. {MARKED} In brackets, where it is not on all: "
        f"on how many of the cubes of {reference} a method was scored, and what share of the pixels it left unfilled.",
        (
            ("Mean over cubes", Table(head, tuple(means))),
            ("Pooled over all pixels of all cubes", Table(head, tuple(pooled))),
        ),
    )


def _less(found: Comparison, method: str, reference: str, scenario: str) -> str:
    """What a method was not scored on that the reference was: cubes, and pixels that it left unfilled."""
    has, of = (int((~np.isnan(found.values(name, scenario, "psnr"))).sum()) for name in (method, reference))
    missing = found.pooled(method, scenario).get("missing", 0.0)
    cubes = [f"{has} of {of} cubes"] if has < of else []
    return ", ".join([*cubes, *([f"{missing:.2g} unfilled"] if missing > 0 else [])])


def _reason(found: Comparison, method: str, scenario: str) -> str:
    """Why there is no value."""
    if any(each[1:3] == (method, scenario) for each in found.failures):
        return "failed"
    return "left out" if any(each[1:3] == (method, scenario) for each in found.left_out) else "-"


def _differences(found: Comparison, reference: str) -> Section:
    """Differences of other metrics to the reference; all are in summary.csv."""
    rows = []
    for scenario in found.scenarios:
        for method in (name for name in found.methods if name != reference):
            gains = [found.difference(method, reference, scenario, metric) for metric in COMPARED]
            if any(gain.cubes for gain in gains):
                rows.append((scenario, method, *(with_limits(gain, "+.3g") for gain in gains)))
    note = f"Mean over cubes, with the 95 % interval of a paired bootstrap over cubes. {MARKED}"
    head = ("scenario", "method", *COMPARED)
    return Section(f"Difference to {reference}", note, (("", Table(head, tuple(rows))),))


def _pooled_section(found: Comparison, title: str, metrics: Sequence[str]) -> Section:
    """Metrics of every scenario and method, pooled and as means over cubes; metrics that nobody has are left out."""
    values = {(s, m): found.pooled(m, s) for s in found.scenarios for m in found.methods}
    shown = [name for name in metrics if any(not np.isnan(each.get(name, np.nan)) for each in values.values())]
    pooled, means = [], []
    for (scenario, method), each in values.items():
        own = [interval(found.values(method, scenario, metric)) for metric in shown]
        if any(metric in each for metric in shown) or any(mean.cubes for mean in own):
            pooled.append((scenario, method, *(number(each.get(metric, np.nan)) for metric in shown)))
            means.append((scenario, method, *map(mean_of_cubes, own)))
    head = ("scenario", "method", *shown)
    tables = (POOLED, Table(head, tuple(pooled))), (MEANS, Table(head, tuple(means)))
    return Section(title, "", tables)


def _sets(found: Comparison) -> Section:
    """PSNR and SSIM on the three sets of pixels."""
    rows = []
    for scenario in found.scenarios:
        for method in found.methods:
            each = [found.pooled(method, scenario, which) for which in (HIDDEN, OBSERVED, ALL)]
            values = [(of.get("psnr", np.nan), of.get("ssim", np.nan)) for of in each]
            if not np.isnan(values).all():
                cells = (text for p, s in values for text in (number(p, ".2f"), number(s, ".4f")))
                rows.append((scenario, method, *cells))
    head = (
        "scenario",
        "method",
        *(f"{name} {which}" for which in (HIDDEN, OBSERVED, ALL) for name in ("psnr", "ssim")),
    )
    note = "Observed pixels are kept as they are, so scores over all pixels mostly measure copying."
    return Section("Hidden, observed and all pixels, pooled", note, (("", Table(head, tuple(rows))),))


def _by_band(found: Comparison) -> Section:
    """Pooled metrics of every band, all scenarios together."""
    values: dict[str, dict[tuple[str, str], float]] = {}
    for method in found.methods:
        for score in found.over_scenarios(method):
            if score.stratum[0] == "all" and score.metric in OF_BANDS and score.band not in (ALL_BANDS, NDVI):
                values.setdefault(score.band, {})[method, score.metric] = score.value
    return Section("By band, pooled over scenarios", _pooled_over(found), _by_method(found, "band", values, OF_BANDS))


def _pooled_over(found: Comparison) -> str:
    """Which scenarios are pooled, where these are not all that hide."""
    shared = shared_scenarios(found.pools, found.scenarios)
    left = [name for name in found.scenarios if name not in (*shared, MASK_ERROR)]
    return f"Pooled over {', '.join(shared)}, which all methods can be compared in." if left and shared else ""


def _by_stratum(found: Comparison, family: str, title: str) -> Section:
    """Pooled metrics by the strata of a family, all scenarios together."""
    forms = dict(STRATIFIED)
    values: dict[str, dict[tuple[str, str], float]] = {}
    for method in found.methods:
        for score in found.over_scenarios(method):
            if score.stratum[0] == family and score.metric in forms and score.band in (ALL_BANDS, NDVI):
                values.setdefault(score.stratum[1], {})[method, score.metric] = score.value
    inherent = (*STRATA, *SEASONS)
    order = [name for name in inherent if name in values] + sorted(name for name in values if name not in inherent)
    ordered = {name: values[name] for name in order}
    tables = _by_method(found, title, ordered, forms)
    return Section(f"By {title}, pooled over scenarios", _pooled_over(found), tables)


def _by_method(
    found: Comparison, title: str, values: Mapping[str, Mapping[tuple[str, str], float]], forms: Mapping[str, str]
) -> tuple[tuple[str, Table], ...]:
    """A table for each metric that there is, a row for each name, a column for each method.

    values : name -> (method, metric) -> value. forms : of the metrics.
    """
    tables = []
    for metric, form in forms.items():
        if any(key[1] == metric for of in values.values() for key in of):
            cells = {name: [of.get((m, metric), np.nan) for m in found.methods] for name, of in values.items()}
            rows = tuple((name, *(number(value, form) for value in row)) for name, row in cells.items())
            tables.append((metric, Table((title, *found.methods), rows)))
    return tuple(tables)


def _unpooled(found: Comparison) -> Section:
    """How many experiments are in no pool, and why."""
    rows = tuple(
        (
            each.scenario,
            str(each.experiments),
            str(each.unpooled),
            ", ".join(f"{method} {why} in {count}" for (method, why), count in sorted(each.lacking.items())),
        )
        for each in found.common.unpooled()
    )
    note = (
        "Pooled scores, strata and figures are of the experiments (cube, scenario, seed) that every method completed, "
        "of those methods that completed any of the scenario."
    )
    return Section(
        "Left out of the pools", note, (("", Table(("scenario", "experiments", "left out", "reason"), rows)),)
    )


def _problems(title: str, problems: Sequence[Problem]) -> Section:
    """What did not work, the same message of a cube once."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for cube, method, scenario, seed, message in problems:
        grouped.setdefault((cube, scenario, message), []).append(f"{method} {seed}")
    rows = tuple((cube, scenario, ", ".join(who), message) for (cube, scenario, message), who in grouped.items())
    return Section(title, "", (("", Table(("cube", "scenario", "methods and seeds", "reason"), rows)),))


def _appendix(found: Comparison) -> Section:
    """PSNR of every cube."""
    tables, failed = [], {each[:3] for each in found.failures}
    for scenario in found.scenarios:
        columns = np.array([found.values(method, scenario, "psnr") for method in found.methods])
        rows = []
        for cube, row in zip(found.cubes, columns.T, strict=True):
            if not np.isnan(row).all():
                gone = [(cube, method, scenario) in failed for method in found.methods]
                cells = ("failed" if no else number(value, ".2f") for no, value in zip(gone, row, strict=True))
                rows.append((cube, *cells))
        tables.append((scenario, Table(("cube", *found.methods), tuple(rows))))
    return Section("Appendix: PSNR by cube, dB", "", tuple(each for each in tables if each[1].rows))

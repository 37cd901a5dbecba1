"""The page of results: readable tables of what evaluations found, and the words of a person in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from clearcube.evaluation.comparison import Comparison, headline
from clearcube.evaluation.mask_error import KINDS
from clearcube.evaluation.metrics import ALL_BANDS, NDVI
from clearcube.evaluation.report import table
from clearcube.evaluation.sections import MARKED, number, with_limits
from clearcube.gaps import STRATA

READING = "## What the results say"
"""The section that a person writes; it is kept when the page is made again."""
UNWRITTEN = "Not written yet."
ABLATIONS = "## Ablations"
"""The section that stays as it is where the networks of the ablations are not there."""
UNTRAINED = "None were trained with this version; `python scripts/ablations.py` trains them."
HOW_MANY = {
    "real": "They are of three tiles, three of them of one tile and year: an interval over so few says little.",
    "simulated": "Year, latitude, size of pixels and days between dates are such as training never draws.",
}
"""Part -> what is to be known of its cubes."""
QUALITY = (
    ("psnr", "PSNR, dB", ".2f"),
    ("rmse", "RMSE", ".4f"),
    ("sam", "SAM, deg", ".2f"),
    ("ssim", "SSIM", ".4f"),
    ("ndvi_rmse", "NDVI RMSE", ".4f"),
    ("ndvi_r2", "NDVI R2", ".3f"),
    ("ms_ssim", "MS-SSIM", ".4f"),
    ("gmsd", "GMSD", ".4f"),
    ("spectrum_ratio", "detail", ".2f"),
    ("coherence", "coherence", ".3f"),
    ("frechet", "patches", ".1e"),
    ("niqe", "NIQE", ".2f"),
    ("sharpness_ratio", "sharpness", ".2f"),
    ("roughness_ratio", "roughness", ".2f"),
)
UNCERTAINTY = (
    *((f"coverage{level}", f"{level} %", ".3f") for level in (50, 80, 90, 95)),
    ("crps", "CRPS", ".4f"),
    ("uce", "UCE", ".4f"),
    ("auce", "AUCE", ".3f"),
    ("ause", "AUSE", ".3f"),
    ("ndvi_coverage90", "NDVI 90 %", ".3f"),
    ("ndvi_crps", "NDVI CRPS", ".4f"),
    ("ndvi_auce", "NDVI AUCE", ".3f"),
)
"""Metric, head of its column, form."""
MOST_CUBES = 20
"""More are not shown scenario by scenario."""
ABLATION_COLUMNS = tuple(each for each in QUALITY if each[0] in ("psnr", "ssim", "ndvi_rmse", "gmsd", "coherence"))
"""Fewer of them: they differ in what they know, not in how they look."""
NOTE = (
    "Scored are hidden pixels that are observed at another date, by the protocol in [evaluation](evaluation.md). "
    "Detail and coherence are of frequencies from a quarter to half a cycle per pixel; detail, sharpness and roughness "
    "are ratios, 1 = as in the truth or on clear dates; patches is the Frechet distance of their statistics; 50 % to "
    "95 % are shares of the truth inside the intervals of that probability."
)


@dataclass(frozen=True)
class Part:
    """An evaluation: what is evaluated, and what was found.

    about : method -> what the tables call it, where that is not its name. figures : name -> file in `images`.
    clear : cube -> its clear share. budget : of ablations, in words.
    """

    name: str
    title: str
    inputs: tuple[str, ...]
    methods: tuple[str, ...]
    scenarios: tuple[str, ...]
    seeds: tuple[int, ...]
    found: Comparison = field(default_factory=Comparison)
    figures: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)
    clear: Mapping[str, str] = field(default_factory=dict)
    budget: str = ""

    def called(self, method: str) -> str:
        """What the tables call a method."""
        return self.about.get(method, method)


def page(parts: Sequence[Part], ablations: Sequence[Part], path: Path) -> str:
    """The whole page; what a person wrote on it before stays."""
    lines = ["# Results", "", f"Made by `make results`. {NOTE} {MARKED}", "", READING, ""]
    lines.append(kept(path, READING) or UNWRITTEN)
    for part in parts:
        lines += section(part)
    lines += ["", ABLATIONS, "", *(ablation_tables(ablations) or [kept(path, ABLATIONS) or UNTRAINED])]
    if (path.parent / "images" / "results-sequence.png").exists():
        lines += ["", "## The test cubes, filled by seq2seq", "", "![Sequences](images/results-sequence.png)"]
    for part in parts:
        lines += appendix(part)
    return "\n".join(lines) + "\n"


def kept(path: Path, head: str) -> str:
    """What stands on the page below a heading, before the next; nothing where it is not there."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return text.split(head)[1].split("\n## ")[0].strip() if head in text else ""


def section(part: Part) -> list[str]:
    """Six tables and two figures."""
    found = part.found
    seeds = f"seed{'s' if len(part.seeds) > 1 else ''} {', '.join(map(str, part.seeds))}"
    lines = ["", f"## {part.title}", "", f"{len(found.cubes)} cubes, {seeds}. {HOW_MANY.get(part.name, '')}".strip()]
    lines += ["", "### Gain in PSNR over linear, dB", "", "Mean over cubes, with a 95 % interval over cubes."]
    lines += gains(part)
    lines += ["", "### Quality, pooled over the scenarios that hide"]
    lines += metrics(part, QUALITY)
    lines += ["", "### PSNR by gap length (days) and land cover, dB, pooled over the scenarios that hide"]
    lines += strata(part)
    lines += ["", "### Uncertainty, pooled over the scenarios that hide"]
    lines += metrics(part, UNCERTAINTY)
    lines += ["", "### Share of the truth in the 90 % interval, by scenario, gap length (days) and band"]
    lines += coverage(part)
    lines += ["", "### Cloud that the mask missed", ""]
    lines += [
        "Recall at 1 % false alarms (ROC-AUC, average precision), and the RMSE of missed pixels after `--denoise`."
    ]
    lines += detection(part)
    for name, file in part.figures.items():
        lines += ["", f"![{part.title}: {name}](images/{file})"]
    return lines


def gains(part: Part) -> list[str]:
    """Gain over linear by scenario; the row of linear has its PSNR."""
    rows, found = [], part.found
    chosen = [name for name in part.scenarios if np.isfinite(found.values("linear", name, "psnr")).any()]
    for method in found.methods:
        cells = [part.called(method)]
        for scenario in chosen:
            if method == "linear":
                cells.append(f"({np.nanmean(found.values(method, scenario, 'psnr')):.2f})")
            else:
                cells.append(with_limits(found.difference(method, "linear", scenario, "psnr"), "+.2f"))
        rows.append(cells)
    counts = [np.isfinite(found.values("linear", name, "psnr")).sum() for name in chosen]
    rows.append(["cubes", *map(str, counts)])
    return table(["method", *chosen], rows)


def metrics(part: Part, columns: Sequence[tuple[str, str, str]]) -> list[str]:
    """A row for each method, its scores pooled over the scenarios that hide."""
    rows, found = [], part.found
    for method in found.methods:
        values = headline(found.over_scenarios(method))
        rows.append([part.called(method), *(number(values.get(metric, np.nan), form) for metric, _, form in columns)])
    return table(["method", *(head for _, head, _ in columns)], rows)


def strata(part: Part) -> list[str]:
    """PSNR by gap length and land cover, a column for each method."""
    values = by_stratum(part, "psnr")
    covers = sorted(name for family, name in values if family == "landcover" and name != "none")
    order = [("gap", name) for name in STRATA] + [("landcover", name) for name in covers]
    return columns_of_methods(part, {at[1]: values[at] for at in order if at in values}, ".2f")


def coverage(part: Part) -> list[str]:
    """Coverage of the 90 % interval by scenario, gap length and band, a column for each method."""
    found, values = part.found, by_stratum(part, "coverage90")
    pooled = {(name, m): found.pooled(m, name) for name in part.scenarios for m in found.methods}
    rows = {name: {m: pooled[name, m].get("coverage90", np.nan) for m in found.methods} for name in part.scenarios}
    gaps = {name: values["gap", name] for name in STRATA if ("gap", name) in values}
    return columns_of_methods(part, rows | gaps | by_band(part, "coverage90"), ".3f")


def by_band(part: Part, metric: str) -> dict[str, dict[str, float]]:
    """Band -> method -> a metric, pooled over the scenarios that hide."""
    values: dict[str, dict[str, float]] = {}
    for method in part.found.methods:
        for s in part.found.over_scenarios(method):
            if s.metric == metric and s.stratum[0] == "all" and s.band not in (ALL_BANDS, NDVI):
                values.setdefault(s.band, {})[method] = s.value
    return values


def by_stratum(part: Part, metric: str) -> dict[tuple[str, str], dict[str, float]]:
    """Stratum -> method -> a metric of all bands, pooled over the scenarios that hide."""
    values: dict[tuple[str, str], dict[str, float]] = {}
    for method in part.found.methods:
        for s in part.found.over_scenarios(method):
            if s.metric == metric and s.band == ALL_BANDS:
                values.setdefault(s.stratum, {})[method] = s.value
    return values


def columns_of_methods(part: Part, rows: Mapping[str, Mapping[str, float]], form: str) -> list[str]:
    """A table: name of the row -> method -> value."""
    methods = part.found.methods
    cells = [[name, *(number(row.get(method, np.nan), form) for method in methods)] for name, row in rows.items()]
    return table(["", *map(part.called, methods)], cells)


def detection(part: Part) -> list[str]:
    """What each method notices of bright cloud, thin cloud and shadow, beside the anomaly of blue."""
    rows, found = [], part.found
    for method in ("threshold on blue", *found.methods):
        who, prefix = (found.methods[0], "blue_") if method == "threshold on blue" else (method, "")
        values = found.pooled(who, "mask-error")
        cells = []
        for kind in KINDS:
            triple = [values.get(f"{prefix}{name}_{kind}", np.nan) for name in ("recall1", "auc", "average_precision")]
            cells.append("-" if np.isnan(triple).any() else f"{triple[0]:.2f} ({triple[1]:.2f}, {triple[2]:.2f})")
        left = number(values.get("missed_rmse", np.nan), ".3f") if not prefix else "-"
        if left != "-" or set(cells) != {"-"}:
            rows.append([part.called(method), *cells, left])
    return table(["", *KINDS, "RMSE of missed pixels"], rows)


def ablation_tables(parts: Sequence[Part]) -> list[str]:
    """What each part of the network is worth; nothing where none was evaluated."""
    if not parts:
        return []
    lines = [
        f"Every network learned from {parts[0].budget}, a fraction of what the networks that ship learned from, and "
        "stands here by itself, not mixed with interpolation. Gain in PSNR over linear, dB, mean over cubes with a "
        "95 % interval over cubes; seed 0. `python scripts/ablations.py` trains them."
    ]
    for part in parts:
        lines += ["", f"### {part.title}: {len(part.found.cubes)}", *gains(part)]
        lines += metrics(replace(part, about={}), ABLATION_COLUMNS)
    return lines


def appendix(part: Part) -> list[str]:
    """PSNR of linear and gains of the others, for every cube, the mean over its scenarios."""
    found = part.found
    values = {m: np.array([found.values(m, scenario, "psnr") for scenario in part.scenarios]) for m in found.methods}
    others = [method for method in found.methods if method != "linear"]
    rows = []
    for place, cube in enumerate(found.cubes):
        base = values["linear"][:, place]
        means = [mean(values[method][:, place] - base) for method in others]
        rows.append([cube, part.clear.get(cube, "-"), number(mean(base), ".2f"), *(number(m, "+.2f") for m in means)])
    head = ["cube", "clear", "linear, dB", *map(part.called, others)]
    lines = ["", f"## Appendix: {part.title.lower()}, one by one", ""]
    lines.append("PSNR of linear, and gains over it, dB; means over the scenarios of the cube.")
    problems = [*dict.fromkeys(each[1:3] for each in found.failures)]
    if problems:
        lines += ["", "Failed: " + ", ".join(f"{method} ({scenario})" for method, scenario in problems) + "."]
    left = left_out(found)
    several = np.isfinite(values["linear"]).sum(axis=0).max(initial=0) > 1
    gained = by_scenario(part) if several and len(found.cubes) <= MOST_CUBES else []
    return [*lines, *table(head, rows), *left, *gained]


def left_out(found: Comparison) -> list[str]:
    """Which cubes cannot offer a scenario, and why; nothing where all can."""
    cubes: dict[tuple[str, str], list[str]] = {}
    for cube, scenario, message in dict.fromkeys((each[0], each[2], each[4]) for each in found.left_out):
        why = message.removesuffix("; leave it out").replace(f" of '{cube}'", "")
        cubes.setdefault((scenario, why), []).append(cube)
    rows = [[*key, ", ".join(names)] for key, names in cubes.items()]
    words = "These cannot offer a scenario and are left out of it."
    return ["", words, *table(["scenario", "why", "cubes"], rows)] if rows else []


def by_scenario(part: Part) -> list[str]:
    """Gain over linear of every method on every cube, a column for each scenario."""
    found, rows = part.found, []
    psnr = {m: np.array([found.values(m, name, "psnr") for name in part.scenarios]) for m in found.methods}
    for place, cube in enumerate(found.cubes):
        for method in found.methods:
            gained = psnr[method][:, place] - psnr["linear"][:, place]
            if method != "linear":
                rows.append([cube, part.called(method), *(number(value, "+.2f") for value in gained)])
    return ["", "Gains of every scenario.", *table(["cube", "method", *part.scenarios], rows)]


def mean(values: np.ndarray) -> float:
    """The mean of those that are finite, NaN where none is."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")

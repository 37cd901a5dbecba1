"""The page of results: readable tables of what evaluations found, and the words of a person in between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from clearcube.evaluation.comparison import Comparison
from clearcube.evaluation.mask_error import KINDS
from clearcube.evaluation.metrics import ALL_BANDS, NDVI
from clearcube.evaluation.report import table
from clearcube.evaluation.sections import MARKED, number, with_limits
from clearcube.gaps import STRATA

READING = "## What the results say"
"""The section that a person writes; it is kept when the page is made again."""
UNWRITTEN = "Not written yet."
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
NOTE = (
    "Scored are hidden pixels that are observed at another date, by the protocol in [evaluation](evaluation.md). "
    "Detail and coherence are of frequencies from a quarter to half a cycle per pixel; detail, sharpness and roughness "
    "are ratios, 1 = as in the truth or on clear dates; patches is the Frechet distance of their statistics; 50 % to "
    "95 % are shares of the truth inside the intervals of that probability."
)


@dataclass(frozen=True)
class Part:
    """An evaluation: what is evaluated, and what was found.

    about : method -> words for its row. figures : name -> file in `images`. clear : cube -> its clear share.
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


def page(parts: Sequence[Part], ablations: Sequence[Part], path: Path) -> str:
    """The whole page; what a person wrote on it before stays."""
    lines = ["# Results", "", f"Made by `make results`. {NOTE} {MARKED}", "", READING, "", reading_of(path)]
    for part in parts:
        lines += section(part)
    lines += ablation_section(ablations)
    if (path.parent / "images" / "results-sequence.png").exists():
        lines += ["", "## The test cubes, filled by seq2seq", "", "![Sequences](images/results-sequence.png)"]
    for part in parts:
        lines += appendix(part)
    return "\n".join(lines) + "\n"


def reading_of(path: Path) -> str:
    """What a person wrote on the page."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if READING not in text:
        return UNWRITTEN
    return text.split(READING)[1].split("\n## ")[0].strip() or UNWRITTEN


def section(part: Part) -> list[str]:
    """Five tables and two figures."""
    found = part.found
    seeds = f"{len(part.seeds)} seed{'s' if len(part.seeds) > 1 else ''}"
    lines = ["", f"## {part.title}", "", f"{len(found.cubes)} cubes, {seeds}."]
    lines += ["", "### Gain in PSNR over linear, dB", "", "Mean over cubes, with a 95 % interval over cubes."]
    lines += gains(found, part.scenarios, part.about)
    lines += ["", "### Quality, pooled over the scenarios that hide"]
    lines += metrics(found, QUALITY)
    lines += ["", "### PSNR by gap length (days) and land cover, dB, pooled over the scenarios that hide"]
    lines += strata(found)
    lines += ["", "### Uncertainty, pooled over the scenarios that hide"]
    lines += metrics(found, UNCERTAINTY)
    lines += ["", "### Cloud that the mask missed", ""]
    lines += [
        "Recall at 1 % false alarms (ROC-AUC, average precision), and the RMSE of missed pixels after `--denoise`."
    ]
    lines += detection(found)
    for name, file in part.figures.items():
        lines += ["", f"![{part.title}: {name}](images/{file})"]
    return lines


def gains(found: Comparison, scenarios: Iterable[str], about: Mapping[str, str]) -> list[str]:
    """Gain over linear by scenario; the row of linear has its PSNR."""
    rows = []
    chosen = [name for name in scenarios if np.isfinite(found.values("linear", name, "psnr")).any()]
    for method in found.methods:
        cells = [about.get(method, method)]
        for scenario in chosen:
            if method == "linear":
                cells.append(f"({np.nanmean(found.values(method, scenario, 'psnr')):.2f})")
            else:
                cells.append(with_limits(found.difference(method, "linear", scenario, "psnr"), "+.2f"))
        rows.append(cells)
    counts = [np.isfinite(found.values("linear", name, "psnr")).sum() for name in chosen]
    rows.append(["cubes", *map(str, counts)])
    return table(["method", *chosen], rows)


def metrics(found: Comparison, columns: Sequence[tuple[str, str, str]]) -> list[str]:
    """A row for each method, its scores pooled over the scenarios that hide."""
    rows = []
    for method in found.methods:
        scores = found.over_scenarios(method)
        values = {s.metric: s.value for s in scores if s.stratum[0] == "all" and s.band in (ALL_BANDS, NDVI)}
        rows.append([method, *(number(values.get(metric, np.nan), form) for metric, _, form in columns)])
    return table(["method", *(head for _, head, _ in columns)], rows)


def strata(found: Comparison) -> list[str]:
    """PSNR by gap length and land cover, a column for each method."""
    values: dict[tuple[str, str], dict[str, float]] = {}
    for method in found.methods:
        for s in found.over_scenarios(method):
            if s.stratum[0] in ("gap", "landcover") and s.metric == "psnr" and s.band == ALL_BANDS:
                values.setdefault(s.stratum, {})[method] = s.value
    covers = sorted(name for family, name in values if family == "landcover" and name != "none")
    order = [("gap", name) for name in STRATA] + [("landcover", name) for name in covers]
    rows = [
        [name, *(number(values[family, name].get(method, np.nan), ".2f") for method in found.methods)]
        for family, name in order
        if (family, name) in values
    ]
    return table(["", *found.methods], rows)


def detection(found: Comparison) -> list[str]:
    """What each method notices of bright cloud, thin cloud and shadow, beside the anomaly of blue."""
    rows = []
    for method in ("threshold on blue", *found.methods):
        who, prefix = (found.methods[0], "blue_") if method == "threshold on blue" else (method, "")
        values = found.pooled(who, "mask-error")
        cells = []
        for kind in KINDS:
            triple = [values.get(f"{prefix}{name}_{kind}", np.nan) for name in ("recall1", "auc", "average_precision")]
            cells.append("-" if np.isnan(triple).any() else f"{triple[0]:.2f} ({triple[1]:.2f}, {triple[2]:.2f})")
        left = number(values.get("missed_rmse", np.nan), ".3f") if not prefix else "-"
        if left != "-" or set(cells) != {"-"}:
            rows.append([method, *cells, left])
    return table(["", *KINDS, "RMSE of missed pixels"], rows)


def ablation_section(parts: Sequence[Part]) -> list[str]:
    """What each part of the network is worth."""
    lines = ["", "## Ablations", ""]
    if not parts:
        return [*lines, "None were trained with this version; `python scripts/ablations.py` trains them."]
    lines.append(
        "Each network was trained with the same reduced budget. Gain in PSNR over linear, dB, mean over cubes."
    )
    for part in parts:
        lines += ["", f"### {part.title}", *gains(part.found, part.scenarios, part.about)]
    return lines


def appendix(part: Part) -> list[str]:
    """PSNR of linear and gains of the others, for every cube, the mean over the scenarios that hide."""
    found = part.found
    hiding = [name for name in part.scenarios if name != "mask-error"]
    values = {m: np.array([found.values(m, scenario, "psnr") for scenario in hiding]) for m in found.methods}
    others = [method for method in found.methods if method != "linear"]
    rows = []
    for place, cube in enumerate(found.cubes):
        base = values["linear"][:, place]
        means = [mean(values[method][:, place] - base) for method in others]
        rows.append([cube, part.clear.get(cube, "-"), number(mean(base), ".2f"), *(number(m, "+.2f") for m in means)])
    head = ["cube", "clear", "linear, dB", *others]
    lines = ["", f"## Appendix: {part.title.lower()}, one by one", ""]
    lines.append("PSNR of linear, and gains over it, dB; means over the scenarios that hide and that the cube offers.")
    problems = [*dict.fromkeys(each[1:3] for each in found.failures)]
    if problems:
        lines += ["", "Failed: " + ", ".join(f"{method} ({scenario})" for method, scenario in problems) + "."]
    return [*lines, *table(head, rows)]


def mean(values: np.ndarray) -> float:
    """The mean of those that are finite, NaN where none is."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")

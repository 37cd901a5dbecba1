"""What an evaluation found, as a page to read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from clearcube.evaluation.comparison import Comparison
from clearcube.evaluation.sections import MARK, Section, sections

__all__ = ["MARK", "introduction", "markdown", "report", "table"]

NOTES = (
    "Scored are hidden pixels that are observed at another date. Reflectance 0 to 1, data range 1; sums are pooled "
    "first and the formula comes last. SAM in degrees. MS-SSIM, GMSD, spectrum, patches and NIQE are of hidden pixels "
    "alone; spectrum_ratio and coherence are of frequencies from a quarter to half a cycle per pixel; NIQE, the ratios "
    "of sharpness, entropy and roughness compare with clear dates of the same cubes. blue_ is a plain threshold on the "
    "anomaly of blue."
)


def report(found: Comparison, reference: str, seeds: Sequence[int]) -> str:
    """The page in Markdown: gains over the reference, pooled scores, strata, what did not work, every cube."""
    lines = ["# Evaluation", "", introduction(found, seeds)]
    for section in sections(found, reference):
        lines += markdown(section)
    return "\n".join(lines) + "\n"


def introduction(found: Comparison, seeds: Sequence[int]) -> str:
    """What was evaluated, and how to read it."""
    cubes = f"{len(found.cubes)} cube{'s' if len(found.cubes) != 1 else ''}"
    return f"{cubes}, seeds {', '.join(map(str, seeds))}, methods {', '.join(found.methods)}. {NOTES}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return ["", *lines, *("| " + " | ".join(map(_cell, row)) + " |" for row in rows)]


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")


def markdown(section: Section) -> list[str]:
    """The lines of a section."""
    lines = ["", f"## {section.title}"]
    lines += ["", section.note] if section.note else []
    for caption, each in section.tables:
        lines += ["", f"### {caption}"] if caption else []
        lines += table(each.head, each.rows)
    return lines

"""What an evaluation found, as one page for a browser that needs nothing else: tables that sort, figures inside."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files

from clearcube.evaluation.comparison import HEADLINE, Comparison
from clearcube.evaluation.intervals import interval
from clearcube.evaluation.report import introduction
from clearcube.evaluation.sections import (
    MARK,
    MARKED,
    Section,
    Table,
    mean_of_cubes,
    number,
    sections,
    with_limits,
)

REASON = "reason"
"""Column that holds sentences."""
CAPTIONS = {
    "scores": "PSNR by gap length, and against a perceptual score",
    "calibration": "Reliability and sparsification",
}
"""Figure -> what it shows."""


def report_html(found: Comparison, reference: str, seeds: Sequence[int], figures: Mapping[str, str]) -> str:
    """The page.

    figures : name -> SVG element; each becomes an image inside the page.
    """
    parts = [*sections(found, reference), _everything(found, reference)]
    captioned = {CAPTIONS.get(name, name): svg for name, svg in figures.items()}
    return page("Evaluation", introduction(found, seeds), parts, captioned)


def page(title: str, words: str, parts: Sequence[Section], figures: Mapping[str, str]) -> str:
    """Any sections as a page.

    words : what stands below the title. figures : caption -> SVG element.
    """
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(words)} Click a column's head to sort by it.</p>",
        "<nav>",
        *(f'<a href="#s{place}">{escape(part.title)}</a>' for place, part in enumerate(parts)),
        "</nav>",
        *(_figure(caption, svg) for caption, svg in figures.items()),
        *(line for place, part in enumerate(parts) for line in _section(place, part)),
    ]
    style, script = (_resource(name) for name in ("page.css", "page.js"))
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>clearcube: {escape(title.lower())}</title>",
        f"<style>\n{style}</style>",
        "</head>",
        "<body><main>",
        *body,
        "</main>",
        f"<script>\n{script}</script>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def _resource(name: str) -> str:
    return (files("clearcube.evaluation") / name).read_text(encoding="utf-8")


def _figure(caption: str, svg: str) -> str:
    """An image that holds its picture, so that names within one figure do not meet those of another."""
    picture = b64encode(svg.encode()).decode()
    image = f'<img src="data:image/svg+xml;base64,{picture}" alt="{escape(caption)}">'
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def _everything(found: Comparison, reference: str) -> Section:
    """Every headline metric with its difference to the reference."""
    rows = []
    for scenario in found.scenarios:
        for method in found.methods:
            pooled = found.pooled(method, scenario)
            for metric in (*HEADLINE, "fid"):
                own = interval(found.values(method, scenario, metric))
                if own.cubes or metric in pooled:
                    gain = found.difference(method, reference, scenario, metric)
                    difference = "" if method == reference else with_limits(gain, "+.3g")
                    of_pool = number(pooled.get(metric, float("nan")))
                    rows.append((scenario, method, metric, of_pool, mean_of_cubes(own), str(own.cubes), difference))
    head = ("scenario", "method", "metric", "pooled", "mean over cubes", "cubes", f"difference to {reference}")
    note = (
        "Means over cubes with their 95 % interval; differences are means over cubes, with that of a paired bootstrap "
        f"over cubes. {MARKED}"
    )
    return Section("Every metric", note, (("", Table(head, tuple(rows))),))


def _section(place: int, section: Section) -> Iterator[str]:
    yield f'<section id="s{place}"><h2>{escape(section.title)}</h2>'
    if section.note:
        yield f"<p>{escape(section.note)}</p>"
    for number_of, (caption, table) in enumerate(section.tables):
        yield from _table(f"t{place}-{number_of}", caption, table)
    yield "</section>"


def _table(name: str, caption: str, table: Table) -> Iterator[str]:
    if len(table.rows) > 40:
        yield f'<input type="search" placeholder="Show rows with these words" data-table="{name}">'
    yield f'<div class="wide"><table id="{name}">'
    if caption:
        yield f"<caption>{escape(caption)}</caption>"
    texts = [any(_is_text(row[column]) for row in table.rows) for column in range(len(table.head))]
    columns = list(zip(texts, table.head, strict=True))
    heads = (f'<th scope="col"{_class(text, head)}>{escape(head)}</th>' for text, head in columns)
    yield f"<thead><tr>{''.join(heads)}</tr></thead><tbody>"
    for row in table.rows:
        cells = (
            f"<td{_class(text, head, cell)}>{escape(cell)}</td>"
            for (text, head), cell in zip(columns, row, strict=True)
        )
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</tbody></table></div>"


def _is_text(cell: str) -> bool:
    """Whether a cell holds words; - and nothing are neither words nor numbers."""
    return bool(cell) and not cell.startswith(tuple("+-0123456789")) and cell not in ("inf", "failed", "left out")


def _class(text: bool, head: str, cell: str = "") -> str:
    names = [*(["text"] if text else []), *(["reason"] if head == REASON else [])]
    names += ["unsure"] if cell.endswith(MARK) else []
    return f' class="{" ".join(names)}"' if names else ""

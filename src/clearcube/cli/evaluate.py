"""`clearcube evaluate` and `clearcube score`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clearcube.cli import options as o
from clearcube.cli.display import progress
from clearcube.cli.doorway import explained
from clearcube.cli.fill import READING as READING_OF_FILL
from clearcube.errors import InputError

if TYPE_CHECKING:
    from clearcube.evaluation.comparison import Comparison
    from clearcube.progress import ReportProgress
    from clearcube.workflows.evaluation_plan import EvaluationRequest

SCENARIOS = "partial,frames,run30,run60,run90,leading,trailing,mask-error"
READING = tuple(name for name in READING_OF_FILL if name not in ("every", "dates"))
"""Options that say how inputs are read: those of `fill`, but for the dates out."""
FAILED = 1
"""Exit code where a method failed on a cube; the results are written all the same."""

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="Cubes: one for each file or store; a context goes with its target. With --merge, folders of results.",
    ),
]
Methods = Annotated[str, typer.Option("--methods", help="Methods, with commas between them.")]
Scenarios = Annotated[str, typer.Option("--scenarios", help="What to hide, with commas between.")]
Seeds = Annotated[str, typer.Option("--seeds", help="Seeds: 0-4, or 0,2.")]
Out = Annotated[Path, typer.Option("--out", help="Folder for the results; an earlier run in it is continued.")]
Reference = Annotated[str, typer.Option("--reference", help="Method that the others are compared with.")]
Weights = Annotated[list[str] | None, typer.Option("--weights", help="Checkpoint, as one more method; repeatable.")]
Masks = Annotated[
    list[str] | None,
    typer.Option(
        "--masks",
        help="Folder of masks (.npy), or cubes whose masks and clouds are drawn from instead of those of INPUT; "
        "repeatable. Parts of one run need the same.",
    ),
]
Lpips = Annotated[str | None, typer.Option("--lpips", help="Weights for LPIPS: a state dict, .safetensors or .pth.")]
Fid = Annotated[str | None, typer.Option("--fid", help="Weights of Inception-v3 for FID, likewise.")]
Merge = Annotated[bool, typer.Option("--merge", help="Bring the results of partial runs together, exactly.")]
Workers = Annotated[int | None, typer.Option("--workers", help="Cubes at once; by default one for each core.")]


def evaluate(
    inputs: Inputs,
    out: Out,
    methods: Methods = "linear,whittaker,harmonic,dineof",
    scenarios: Scenarios = SCENARIOS,
    seeds: Seeds = "0-4",
    reference: Reference = "linear",
    weights: Weights = None,
    masks: Masks = None,
    lpips: Lpips = None,
    fid: Fid = None,
    merge: Merge = False,
    format: o.Format = None,
    bands: o.Bands = None,
    bbox: o.Bbox = None,
    time: o.Time = None,
    mask: o.Mask = None,
    scl_keep: o.SclKeep = None,
    max_cloud_probability: o.MaxProbability = None,
    dilate: o.Dilate = 0,
    scale: o.Scale = None,
    offset: o.Offset = None,
    nodata: o.Nodata = None,
    landcover: o.Landcover = None,
    workers: Workers = None,
    quiet: o.Quiet = False,
) -> None:
    """Hide observations, fill them with every method, and report how well each did.

    Results are in OUT: report.html and report.md to read, summary.csv and scores.parquet to compute with, the hidden
    pixels. The same command continues an interrupted run.
    """
    given = dict(locals())
    with explained(kept=lambda: kept_in(out), option=""), progress(quiet) as report:
        from clearcube.workflows.evaluate import evaluate_files
        from clearcube.workflows.evaluation_plan import EvaluationRequest

        command = o.command_line()
        request = EvaluationRequest(
            inputs=tuple(inputs),
            out=out,
            methods=names_in(methods, "--methods"),
            scenarios=names_in(scenarios, "--scenarios"),
            seeds=_seeds(seeds),
            reference=reference,
            weights=tuple(weights or ()),
            masks=tuple(masks or ()),
            opening=o.opening(**{name: given[name] for name in READING}),
            workers=workers,
            lpips=lpips,
            fid=fid,
            command=command,
        )
        found = _merged(request, report) if merge else evaluate_files(request, report)
    if not quiet:
        typer.echo(f"{out}/report.html: {len(found.cubes)} cubes, {len(found.failures)} failures")
    if found.failures:
        cube, method, scenario, seed, message = found.failures[0]
        typer.echo(f"failed: {method} on {cube} ({scenario}, seed {seed}): {message}", err=True)
        raise typer.Exit(FAILED)
    if not found.common:
        cube, _, scenario, _, message = found.left_out[0]
        typer.echo(f"nothing could be scored: {cube} ({scenario}): {message}", err=True)
        raise typer.Exit(FAILED)


def _merged(request: EvaluationRequest, report: ReportProgress) -> Comparison:
    """Bring the folders that are given as inputs together."""
    from clearcube.workflows.merge import merge_results

    return merge_results(
        [Path(each) for each in request.inputs], request.out, request.reference, request.command, report
    )


def score(
    filled: Annotated[str, typer.Argument(metavar="FILLED", help="What a program filled.")],
    truth: Annotated[list[str], typer.Argument(metavar="TRUTH...", help="The input with what was hidden.")],
    on: Annotated[str, typer.Option("--on", help="Pixels that count: hidden, observed or all.")] = "hidden",
    hidden: Annotated[
        str | None, typer.Option("--hidden", help="MASK.npy, or FILE.npz:partial_0 of an evaluation.")
    ] = None,
    format: o.Format = None,
    bands: o.Bands = None,
    bbox: o.Bbox = None,
    time: o.Time = None,
    mask: o.Mask = None,
    scl_keep: o.SclKeep = None,
    max_cloud_probability: o.MaxProbability = None,
    dilate: o.Dilate = 0,
    scale: o.Scale = None,
    offset: o.Offset = None,
    nodata: o.Nodata = None,
    landcover: o.Landcover = None,
    filled_scale: Annotated[
        float | None, typer.Option("--filled-scale", help="As --scale, for what was filled.")
    ] = None,
    filled_offset: Annotated[
        float | None, typer.Option("--filled-offset", help="As --offset, for what was filled.")
    ] = None,
    filled_bands: Annotated[str | None, typer.Option("--filled-bands", help="As --bands, for what was filled.")] = None,
) -> None:
    """Score any program's output against what was observed.

    The options that say how a cube is read are of TRUTH, those with --filled- of FILLED.
    """
    given = dict(locals())
    with explained():
        from clearcube.workflows.score import score_files

        opening = o.opening(**{name: given[name] for name in READING})
        of_filled = o.opening(scale=filled_scale, offset=filled_offset, bands=filled_bands)
        found = score_files(filled, truth, on, hidden, opening=opening, filled_opening=of_filled)
    typer.echo("\n".join(_lines(found, on)))


def _lines(found: list[Any], on: str) -> list[str]:
    """A table of metrics by band. The mean of the truth, from which others make R2, is no score of the fill."""
    table: dict[str, dict[str, float]] = {}
    for each in found:
        if not each.metric.endswith(("truth", "truth_squared")):
            table.setdefault(each.metric, {})[each.band] = each.value
    columns = list(dict.fromkeys(each.band for each in found))
    head = f"{'on ' + on:<16}" + "".join(f"{name:>12}" for name in columns)
    rows = [
        f"{metric:<16}" + "".join(f"{values[band]:>12.5g}" if band in values else " " * 12 for band in columns)
        for metric, values in table.items()
    ]
    return [head, *rows]


def kept_in(out: Path) -> Path | None:
    """The folder of results, where it holds sums that a run can go on from."""
    return out if any(out.glob("*sums")) else None


def names_in(text: str, option: str) -> tuple[str, ...]:
    """Names with commas between them, each once; the option is for the message where there are none."""
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not names:
        raise InputError(f"{option} is empty; name at least one")
    return names


def _seeds(text: str) -> tuple[int, ...]:
    """Numbers and ranges of them.

    >>> _seeds("0-2,7")
    (0, 1, 2, 7)
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not _is_number(first) or (dash and not _is_number(last)):
            raise InputError(f"--seeds is '{text}'; give whole numbers from 0: 0-4, or 0,2")
        if dash and int(last) < int(first):
            raise InputError(f"--seeds is '{text}', and {part.strip()} ends before it begins; write {last}-{first}")
        seeds += range(int(first), int(last or first) + 1)
    return tuple(dict.fromkeys(seeds))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()

"""`clearcube weights`: list, show, verify, convert, average."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from clearcube.cli.doorway import explained
from clearcube.errors import InputError

app = typer.Typer(no_args_is_help=True, help="Checkpoints of networks: those that ship, and files.")


@app.command("list")
def list_weights() -> None:
    """List the checkpoints that ship with clearcube."""
    with explained():
        from clearcube.workflows.weights import listed

        found, problems = listed()
    rows = [("name", "network", "bands", "parameters", "size", "sha256", "licence")]
    for each in found:
        licence = str(each.metadata["licence"])
        size = f"{each.size / 1e6:.1f} MB"
        rows.append((each.name, each.network, each.bands, f"{each.parameters:,}", size, each.sha256[:12], licence))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    _refuse(problems)


@app.command()
def show(
    weights: Annotated[str, typer.Argument(metavar="FILE|NAME", help="A checkpoint file, or one that ships.")],
) -> None:
    """Show what a checkpoint says of itself: configuration, scaling, provenance, licence."""
    with explained():
        from clearcube.workflows.weights import describe

        found = describe(weights)
    typer.echo(f"file        {found.path}")
    typer.echo(f"network     {found.network}, {found.parameters:,} parameters")
    typer.echo(f"bands       {found.bands}")
    typer.echo(f"size        {found.size:,} bytes")
    typer.echo(f"sha256      {found.sha256}")
    for key, value in ({"config": found.config} | dict(found.metadata)).items():
        text = value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False, default=list)
        key, shown = _printable(key), _printable(text)
        typer.echo(f"{key:<11} {shown}" if len(shown) < 100 and "\n" not in shown else f"{key}\n{shown}")


def _printable(text: str) -> str:
    """The text of a foreign file without what terminals obey or cannot show."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


@app.command()
def verify() -> None:
    """Compare the checkpoints that ship with their checksums."""
    with explained():
        from clearcube.workflows.weights import verify as verified

        found = verified()
    for name, problem in found.items():
        typer.echo(f"{name}: {'FAILED' if problem else 'OK'}")
    _refuse([problem for problem in found.values() if problem])


def _refuse(problems: Sequence[str]) -> None:
    with explained():
        if problems:
            raise InputError("; ".join(problems))


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="GANFilling.pt or utilise_earthnet2021.pth.")],
    target: Annotated[Path, typer.Argument(metavar="OUT.safetensors", help="File to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
) -> None:
    """Convert a checkpoint of the authors of GANFilling or U-TILISE to clearcube's format."""
    with explained():
        from clearcube.workflows.weights import convert as converted

        found = converted(source, target, overwrite=overwrite)
    typer.echo(f"{target}: {found.network}, {found.parameters:,} parameters, sha256 {found.sha256[:12]}")


@app.command()
def average(
    sources: Annotated[list[Path], typer.Argument(metavar="CHECKPOINT...", help="Two files or more.")],
    target: Annotated[Path, typer.Argument(metavar="OUT.safetensors", help="File to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
) -> None:
    """Average the weights of checkpoints of one training (`keep` in its configuration leaves them)."""
    with explained():
        from clearcube.workflows.weights import average as averaged

        found = averaged(sources, target, overwrite=overwrite)
    typer.echo(f"{target}: mean of {len(sources)} checkpoints, sha256 {found.sha256[:12]}")

"""`clearcube train` and `clearcube pack`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from clearcube.cli.doorway import explained
from clearcube.cli.options import Quiet

Config = Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to train on and how.")]


def train(
    config: Config,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last saved state.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train a network on simulated scenes and on your own cubes."""
    with explained():
        from clearcube.workflows.train import train_network

        folder = train_network(config, (lambda record: None) if quiet else _show, resume=resume)
    if not quiet:
        typer.echo(f"{folder}: weights are in last.safetensors, the best ones in best.safetensors")


def pack(
    config: Config,
    data: Annotated[Path, typer.Argument(metavar="DATA.npz", help="File to write.")],
) -> None:
    """Put the real cubes of a configuration into one file, to train elsewhere: python -m clearcube.training."""
    with explained():
        from clearcube.workflows.train import pack_cubes

        count = pack_cubes(config, data)
    typer.echo(f"{data}: {count} cubes")


def _show(record: dict[str, Any]) -> None:
    """A record of the log as one line."""
    group, unit = ("loss", "") if "loss" in record else ("gain_db", " dB over linear")
    values = "  ".join(f"{name} {value:.3f}" for name, value in record[group].items())
    typer.echo(f"step {record['step']}  {record['seconds']:.0f} s  {values}{unit}")

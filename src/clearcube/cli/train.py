"""`clearcube train` and `clearcube pack`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from clearcube.cli.doorway import explained
from clearcube.cli.options import Quiet

Config = Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to train on and how.")]


def train(
    config: Config,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last saved state.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start over where the output holds a run.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train a network on simulated scenes and on your own cubes."""
    since = time.time() if overwrite and not resume else 0.0
    with explained(kept=lambda: _saved_state(config, since)):
        from clearcube.workflows.train import train_network

        report = (lambda record: None) if quiet else _show
        folder = train_network(config, report, resume=resume, overwrite=overwrite)
    if folder is not None and not quiet:
        best = ", the best ones in best.safetensors" if (folder / "best.safetensors").is_file() else ""
        typer.echo(f"{folder}: weights are in last.safetensors{best}")


def pack(
    config: Config,
    data: Annotated[Path, typer.Argument(metavar="DATA.npz", help="File to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
) -> None:
    """Put the real cubes of a configuration into one file, to train elsewhere: python -m clearcube.training."""
    with explained():
        from clearcube.workflows.train import pack_cubes

        count = pack_cubes(config, data, overwrite=overwrite)
    typer.echo(f"{data}: {count} cubes")


def _saved_state(config: Path, since: float) -> Path | None:
    """What a run that was stopped has left."""
    if "clearcube.training.loop" not in sys.modules:  # nothing had begun, and libraries may be half imported
        return None
    from clearcube.workflows.train import state_to_resume

    return state_to_resume(config, since)


def _show(record: dict[str, Any]) -> None:
    """A record of the log as one line."""
    group, unit = ("loss", "") if "loss" in record else ("gain_db", " dB over linear")
    values = "  ".join(f"{name} {value:.3f}" for name, value in record[group].items())
    typer.echo(f"step {record['step']}  {record['seconds']:.0f} s  {values}{unit}")

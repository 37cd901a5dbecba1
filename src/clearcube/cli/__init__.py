"""The command line: parse, call one workflow, print."""

from __future__ import annotations

import logging
import sys
import warnings
from types import CoroutineType

import typer

from clearcube.cli.evaluate import evaluate, score
from clearcube.cli.evaluate_forecast import evaluate_forecast
from clearcube.cli.fill import fill
from clearcube.cli.forecast import forecast, train_forecast
from clearcube.cli.info import info, methods
from clearcube.cli.plot import plot
from clearcube.cli.simulate import simulate
from clearcube.cli.train import pack, train
from clearcube.cli.weights import app as weights
from clearcube.version import __version__

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Complete cubes from cloudy optical satellite image time series.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(info)
app.command()(fill)
app.command()(methods)
app.command()(evaluate)
app.command()(score)
app.command()(evaluate_forecast)
app.command()(plot)
app.command()(train)
app.command()(pack)
app.command()(forecast)
app.command()(train_forecast)
app.command()(simulate)
app.add_typer(weights, name="weights")


@app.callback(invoke_without_command=True)
def version(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    """Complete cubes from cloudy optical satellite image time series."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Entry point of the command `clearcube`."""
    _leave_reports_to_errors()
    app()


def _leave_reports_to_errors() -> None:
    """Zarr reads and writes chunks in tasks. Where one fails it raises; asyncio would tell of all others as well, and
    Python, when it ends, of those that are left.
    """
    logging.getLogger("asyncio").disabled = True
    warnings.filterwarnings("ignore", message="coroutine .* was never awaited", category=RuntimeWarning)
    usual = sys.unraisablehook

    def hook(told: sys.UnraisableHookArgs) -> None:
        if not isinstance(told.object, CoroutineType):
            usual(told)

    sys.unraisablehook = hook

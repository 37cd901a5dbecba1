"""How every command ends: with one message instead of a traceback where something is wrong."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import typer

from clearcube.errors import InputError
from clearcube.stopping import BAD_INPUT, INTERRUPTED, TERMINATED, Terminated, how_to_go_on, terminate

AGAIN_AFTER_S = 0.05
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
ADVICE = {
    errno.ENOENT: "; check the path",
    errno.EISDIR: "; name a file",
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "; check who may read and write there"),
}


@contextmanager
def explained(
    output: Path | None = None, *, kept: Callable[[], Path | None] = lambda: None, option: str = "--resume"
) -> Iterator[None]:
    """Turn bad input, failing files and signals into one message and an exit code.

    output : what is being written; where a stage of it is left, the message says how to go on.
    kept : finds what else a run that was stopped can go on from. option : what it goes on with.
    """

    def advice() -> str:
        return how_to_go_on(kept() or _stage_of(output), option)

    previous = signal.signal(signal.SIGTERM, terminate)
    hook, sys.unraisablehook = sys.unraisablehook, _asking_again(sys.unraisablehook)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _shown_once()
            yield
    except InputError as error:
        _stop(f"error: {error}", BAD_INPUT)
    except OSError as error:
        _stop(f"error: {_in_words(error, output)}{advice()}", BAD_INPUT)
    except KeyboardInterrupt:
        _stop(f"interrupted{advice()}", INTERRUPTED)
    except Terminated:
        _stop(f"terminated{advice()}", TERMINATED)
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGTERM, previous)


def _asking_again(usual: Callable[[Any], Any]) -> Callable[[Any], None]:
    """A hook for exceptions that are raised where nobody can catch them: there a signal is sent again a little later.

    While kernels are compiled, for instance, much of the time is spent in callbacks from C, which drop exceptions.
    """
    signals = {KeyboardInterrupt: signal.SIGINT, Terminated: signal.SIGTERM}

    def hook(unraisable: Any) -> None:
        if unraisable.exc_type not in signals:
            usual(unraisable)
            return
        timer = threading.Timer(AGAIN_AFTER_S, os.kill, (os.getpid(), signals[unraisable.exc_type]))
        timer.daemon = True
        timer.start()

    return hook


def _in_words(error: OSError, output: Path | None) -> str:
    """What failed, where, and what to do about it, without the number."""
    if error.errno in NO_ROOM:
        place = output or error.filename or "the output"
        return f"{os.strerror(error.errno)}: {place} cannot be written; make room for it"
    if error.strerror and error.filename:
        advice = ADVICE.get(error.errno or 0, "")
        return f"{error.strerror}: {error.filename}{advice}"
    return str(error) or type(error).__name__


def _stage_of(output: Path | None) -> Path | None:
    """The stage that is left beside an output."""
    from clearcube.writers.stage import stage_path

    stage = output and stage_path(output)
    return stage if stage and stage.exists() else None


def _shown_once() -> Callable[..., None]:
    """What shows a warning to users, each text once however many places it comes from."""
    shown: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if category is UserWarning and str(message) not in shown:
            shown.add(str(message))
            typer.echo(f"warning: {message}", err=True)

    return show


def _stop(message: str, code: int) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)

import ctypes
import errno
import logging
import signal
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from clearcube import cli
from clearcube.cli.doorway import explained


@pytest.mark.parametrize(("sent", "code", "word"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "inter")])
def test_a_signal_that_falls_into_a_callback_of_c_stops_the_command_all_the_same(capsys, sent, code, word):
    @ctypes.CFUNCTYPE(None)
    def drops_exceptions():
        signal.raise_signal(sent)

    with pytest.raises(typer.Exit) as stopped, explained():
        drops_exceptions()
        time.sleep(10)
    assert stopped.value.exit_code == code
    told = capsys.readouterr().err
    assert told.startswith(word)
    assert "Traceback" not in told


def test_other_exceptions_that_nobody_can_catch_are_shown_as_usual(monkeypatch):
    shown = []
    monkeypatch.setattr("sys.unraisablehook", lambda unraisable: shown.append(unraisable.exc_type))

    @ctypes.CFUNCTYPE(None)
    def fails():
        raise ZeroDivisionError

    with explained():
        fails()
    assert shown == [ZeroDivisionError]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "No space left on device: o.nc cannot be written; make room",
        ),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.nc"), "directory: a.nc; check the path"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/x"),
            "Permission denied: /x; check who may read and write",
        ),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "/x"), "Is a directory: /x; name a file"),
        (OSError("a.nc: gone"), "error: a.nc: gone"),
    ],
)
def test_a_failing_file_is_told_with_what_to_do(capsys, error, told):
    with pytest.raises(typer.Exit) as stopped, explained(Path("o.nc")):
        raise error
    assert stopped.value.exit_code == 2
    assert told in capsys.readouterr().err


def test_tasks_that_are_left_at_the_end_are_not_told_of(monkeypatch):
    shown = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: shown.append(told.object))
    monkeypatch.setattr(warnings, "filters", list(warnings.filters))
    monkeypatch.setattr(logging.getLogger("asyncio"), "disabled", False)
    cli._leave_reports_to_errors()

    async def left():
        pass

    coroutine = left()
    for thing in (coroutine, "other"):
        sys.unraisablehook(SimpleNamespace(object=thing))
    coroutine.close()
    assert shown == ["other"]

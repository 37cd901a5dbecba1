import ctypes
import signal
import time

import pytest
import typer

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

import time

import pytest

from clearcube.cli.display import progress


@pytest.fixture
def clock(monkeypatch):
    instants = iter([100.0, 110.0, 120.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(instants))


def test_rate_and_time_left_count_from_the_first_report(capsys, clock):
    with progress(quiet=False) as report:
        for done in (1, 3, 5):
            report("filling", done * 10**6, 7 * 10**6)
    assert capsys.readouterr().err.splitlines() == [
        "filling 14 %",
        "filling 43 % 0.2 million pixels/s, 20 s left",
        "filling 71 % 0.2 million pixels/s, 10 s left",
    ]


def test_a_single_report_has_no_rate(capsys):
    with progress(quiet=False) as report:
        report("filling", 5, 5)
    assert capsys.readouterr().err == "filling 100 %\n"

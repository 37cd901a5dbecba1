import importlib
import shutil
import sys
from pathlib import Path

import pytest

from clearcube.errors import InputError
from clearcube.evaluation.intervals import Interval
from clearcube.forecasting.report_question import share

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script():
    return importlib.import_module("forecast_results")


def test_parts_of_the_page_are_replaced(script):
    page = "a\n<!-- one -->\nold\n<!-- end of one -->\nb\n<!-- two -->\n<!-- end of two -->\n"
    once = script.put(page, "one", ["", "x", "y", ""])
    assert once == "a\n<!-- one -->\n\nx\ny\n\n<!-- end of one -->\nb\n<!-- two -->\n<!-- end of two -->\n"
    assert script.put(once, "one", ["x", "y"]) == once
    with pytest.raises(InputError, match="no part between"):
        script.put(page, "three", [])


def test_goals_are_told_plainly(script):
    lines = script.goal_table([script.Goal("this", "70% of 9", False), script.Goal("that", "1", True)])
    assert lines[-2:] == ["| this | 70% of 9 | no |", "| that | 1 | yes |"]


def test_the_page_has_all_parts(script):
    text = (ROOT / "docs" / "forecasting.md").read_text()
    for name in ("goals", "picture", "simulated", "guided", "real"):
        assert script.put(text, name, ["here"]) != text


@pytest.mark.slow
def test_a_quick_run_fills_the_page(script, tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    shutil.copy(ROOT / "docs" / "forecasting.md", page)
    monkeypatch.setattr(sys, "argv", ["x", "--quick", "--out", str(tmp_path / "out"), "--doc", str(page)])
    script.main()
    assert "### What filling is good for" in page.read_text() and "4 cubes, models" in page.read_text()
    assert "](images/forecast.png)" in page.read_text() and (tmp_path / "images" / "forecast.png").is_file()


def test_shares_of_goals_show_what_rounding_would_hide():
    found = Interval(0.595, 0.53, 0.6611, 200)
    assert share(found) == "60% [53%, 66%] of 200"
    assert share(found, 1) == "59.5% [53.0%, 66.1%] of 200"
    assert share(Interval(float("nan"), float("nan"), float("nan"), 0), 1) == "-"

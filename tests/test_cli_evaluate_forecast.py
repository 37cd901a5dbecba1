import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from builders import BANDS, cloudy_cube
from cli_builders import run

from clearcube.errors import InputError
from clearcube.forecasting.baselines import Persistence


def store(path, **kinds):
    cube = cloudy_cube(height=12, width=12, never=False, **kinds).drop_vars("truth")
    cube.to_zarr(path, zarr_format=2)
    return path


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cubes")
    for seed in range(2):
        store(folder / f"place{seed}.zarr", times=30, seed=seed)
    return folder


PICTURE = "![place0: climatology from a context filled by linear](forecast.png)"
CHOICE = ("--fills", "none,last,linear", "--models", "persistence,climatology,seasonal", "--workers", "2")


@pytest.fixture(scope="module")
def results(stores, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "out"
    result = run("evaluate-forecast", stores, "--simulated", 2, "--seed", 5, "--size", 16, *CHOICE, "--out", out)
    assert result.exit_code == 0, result.output
    assert "4 cubes, 0 failures" in result.output and "evaluating 100 %" in result.output
    return out


def test_results_are_a_report_tables_and_provenance(results):
    page = (results / "report.md").read_text()
    for words in (
        "4 cubes, models persistence",
        "better than none",
        "## Scores",
        "need the year before",
        "](forecast.png)",
    ):
        assert words in page
    html = (results / "report.html").read_text()
    assert "<title>clearcube: evaluation of forecasts</title>" in html and "data:image/svg" in html
    assert "<h2>What filling is good for</h2>" in html and "<h2>Left out</h2>" in html
    assert (results / "forecast.png").stat().st_size > 10_000
    table = pq.read_table(results / "scores.parquet").to_pandas()
    assert set(table.cube) == {"place0", "place1", "simulated-evaluation-5", "simulated-evaluation-6"}
    assert "ground" in set(table[table.cube == "simulated-evaluation-5"].pixels)
    summary = (results / "summary.csv").read_text().splitlines()
    assert summary[0] == "model,fill,metric,value,cube_mean,cube_low,cube_high,cubes,landcover,days"
    assert len(summary) > 50
    provenance = json.loads((results / "provenance.json").read_text())
    assert provenance["simulated"] == {"cubes": 2, "first_seed": 5, "size": 16}
    assert list(provenance["inputs"]) == ["place0", "place1"] and provenance["fills"] == ["none", "last", "linear"]


def test_a_run_is_continued(results, stores, tmp_path, monkeypatch):
    page = (results / "report.md").read_text()
    arguments = ["evaluate-forecast", stores, "--simulated", 2, "--seed", 5, "--size", 16, *CHOICE, "--quiet"]

    def broken(self, *arguments, **options):
        raise AssertionError("made again")

    monkeypatch.setattr(Persistence, "forecast", broken)
    result = run(*arguments, "--out", results)
    assert result.exit_code == 0 and result.output == ""
    assert PICTURE in page and (results / "report.md").read_text() == page
    result = run("evaluate-forecast", stores / "place0.zarr", *CHOICE, "--out", tmp_path / "out")
    assert result.exit_code == 1 and "failed: persistence on place0, filled by none: AssertionError" in result.output
    assert "## Failures" in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--models", "magic"], "unknown model 'magic'"),
        (["--fills", "magic"], "unknown fill 'magic'; choose one of none, "),
        (["--fill-weights", "nothere"], "--fill-weights is for the fill seq2seq"),
        (["--weights", "nothere"], "--weights is for the model convlstm"),
        (["--models", "convlstm,convlstm-guided", "--weights", "nothere"], "name one of them in --models"),
        (["--models", "convlstm", "--weights", "forecast-guided"], "name convlstm-guided in --models"),
        (["--fills", ","], "--fills is empty"),
        (["--workers", "0"], "--workers is 0"),
        (["--seed", "-1"], "whole numbers from 0"),
        (["--simulated", "1", "--size", "4"], "at least 8 x 8 pixels"),
    ],
)
def test_bad_requests_are_refused(stores, tmp_path, arguments, words):
    result = run(
        "evaluate-forecast", stores, "--out", tmp_path / "out", "--models", "persistence", "--fills", "none", *arguments
    )
    assert result.exit_code == 2 and words in result.output, result.output
    assert "Traceback" not in result.output


def test_nothing_to_evaluate_is_refused(tmp_path):
    result = run("evaluate-forecast", "--out", tmp_path / "out")
    assert result.exit_code == 2 and "--simulated 20" in result.output


def test_folders_of_other_things_are_refused(stores, tmp_path):
    (tmp_path / "letter.txt").touch()
    result = run("evaluate-forecast", stores, *CHOICE, "--out", tmp_path)
    assert result.exit_code == 2 and "holds other things than results of forecasts" in result.output
    (tmp_path / "results" / "sums").mkdir(parents=True)  # of clearcube evaluate
    result = run("evaluate-forecast", stores, *CHOICE, "--out", tmp_path / "results")
    assert result.exit_code == 2 and "holds other things than results of forecasts" in result.output


@pytest.mark.parametrize(
    ("kinds", "words"),
    [({"times": 20}, "short has 20 dates"), ({"times": 30, "bands": BANDS[:3]}, "NDVI needs the bands")],
)
def test_bad_cubes_are_refused(tmp_path, kinds, words):
    store(tmp_path / "short.zarr", **kinds)
    result = run("evaluate-forecast", tmp_path / "short.zarr", *CHOICE, "--out", tmp_path / "out")
    assert result.exit_code == 2 and words in result.output, result.output


def test_cubes_that_cannot_be_read_are_named_and_the_others_go_on(tmp_path):
    store(tmp_path / "good.zarr", times=30)
    store(tmp_path / "short.zarr", times=20)
    (tmp_path / "torn.nc").write_bytes(b"no cube")
    inputs = [tmp_path / name for name in ("torn.nc", "good.zarr", "short.zarr")]
    result = run("evaluate-forecast", *inputs, "--models", "persistence", "--fills", "none", "--out", tmp_path / "out")
    assert result.exit_code == 1 and "1 cubes, 2 failures" in result.output, result.output
    assert "failed: all models on " in result.output and "Traceback" not in result.output
    page = (tmp_path / "out" / "report.md").read_text()
    assert "short has 20 dates" in page and "| torn |" in page
    about = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert set(about["unread"]) == {"short", "torn"} and list(about["inputs"]) == ["good"]


def test_sizes_are_looked_at_before_anything_is_written(tmp_path):
    result = run("evaluate-forecast", "--simulated", 1, "--size", 3, "--out", tmp_path / "out")
    assert result.exit_code == 2 and "at least 8 x 8 pixels" in result.output
    assert not (tmp_path / "out").exists()


def test_weather_is_read_for_guided_models_alone(stores, tmp_path, monkeypatch):
    def damaged(*_):
        raise InputError("the weather is damaged")

    monkeypatch.setattr("clearcube.forecasting.reading.read_weather", damaged)
    monkeypatch.setattr("clearcube.workflows.evaluate_forecast._draw", lambda *_: {})
    told = ["evaluate-forecast", stores / "place0.zarr", "--fills", "none", "--out", tmp_path / "out"]
    assert run(*told, "--models", "persistence").exit_code == 0
    monkeypatch.setattr("clearcube.workflows.evaluate_forecast._guided", lambda plan: True)
    result = run(*told, "--models", "persistence")
    assert result.exit_code == 2 and "no cube can be read: the weather is damaged" in result.output


def test_a_run_that_scored_nothing_says_so(stores, tmp_path):
    told = ["--models", "seasonal", "--fills", "none"]
    result = run("evaluate-forecast", stores / "place0.zarr", *told, "--out", tmp_path / "out")
    assert result.exit_code == 1, result.output
    assert "nothing could be scored: seasonal on place0, filled by none: seasonal forecasts need" in result.output


def test_cubes_of_other_steps_are_scored_up_to_the_horizon(tmp_path):
    cube = cloudy_cube(times=30, height=12, width=12, never=False).drop_vars("truth")
    dates = np.datetime64("2020-04-01", "ns") + 7 * np.arange(30) * np.timedelta64(1, "D")
    cube.assign_coords(time=dates).to_zarr(tmp_path / "weekly.zarr", zarr_format=2)
    told = ["--models", "convlstm", "--fills", "none"]
    result = run("evaluate-forecast", tmp_path / "weekly.zarr", *told, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    table = pq.read_table(tmp_path / "out" / "scores.parquet").to_pandas()
    assert table.lead.max() == 98

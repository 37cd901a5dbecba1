import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ablations import ABLATIONS, as_toml, configuration
from evaluation_builders import comparison
from results import CLASSICAL, QUICK, Size, kinds_of_shipped, labels, unseen
from results_page import READING, UNTRAINED, UNWRITTEN, Part, kept, left_out, page

from clearcube.evaluation.records import Outcome, Record
from clearcube.simulation.draws import EVALUATION_YEARS, random_config
from clearcube.training.config import read_config

SCRIPTS = Path(__file__).parents[1] / "scripts"


def part(**changes):
    values = {"found": comparison(), "figures": {"scores": "a.svg"}, "clear": {"c0": "[75, 100] %"}} | changes
    return Part("real", "Test cubes", ("a",), ("linear", "mine", "other", "broken"), ("frames",), (0,), **values)


def test_the_page_keeps_what_a_person_wrote(tmp_path):
    path = tmp_path / "results.md"
    first = page([part()], [], path)
    assert UNWRITTEN in first
    path.write_text(first.replace(UNWRITTEN, "Mine is better.\n\nBy much."))
    again = page([part()], [], path)
    assert kept(path, READING) == "Mine is better.\n\nBy much." and again == path.read_text()
    assert again.index(READING) < again.index("## Test cubes") < again.index("## Appendix")


def test_the_page_has_gains_with_intervals_strata_and_every_cube(tmp_path):
    text = page([part()], [part(about={"mine": "mine: without a mask"})], tmp_path / "results.md")
    gains = next(line for line in text.splitlines() if line.startswith("| mine | +3.01 ["))
    assert not gains.endswith("~ |")
    assert any(line.startswith("| mine: without a mask | +3.01 [") for line in text.splitlines())
    appendix = text.split("## Appendix")[1]
    assert appendix.count("\n| c") == 9 and "| c0 | [75, 100] % |" in appendix  # its head too begins with c
    assert "Gains of every scenario." not in appendix  # there is but one
    assert "Failed: broken (frames)." in appendix and "images/a.svg" in text
    for line in text.splitlines():
        assert "nan" not in line, line


def test_every_scenario_of_a_cube_has_its_own_gain(tmp_path):
    twice = replace(part(), scenarios=("frames", "frames", "partial"))
    rows = page([twice], [], tmp_path / "results.md").split("Gains of every scenario.")[1].splitlines()
    assert sum(row.startswith("| c") for row in rows) == 1 + 8 * 3 and not any("| linear |" in row for row in rows)
    gains = next(row for row in rows if row.startswith("| c0 | mine |")).split("|")[3:6]
    assert [gain.strip() for gain in gains] == ["+3.01", "+3.01", "-"]


def test_cubes_that_cannot_offer_a_scenario_are_listed_by_reason():
    found = comparison()
    for cube in ("c8", "c9"):
        message = f"frames hides no pixel of '{cube}' that is observed at another date; leave it out"
        outcomes = {(method, "frames", 0): Outcome(problem=message, left_out=True) for method in found.methods}
        found.add(Record(cube, ("red",), {}, outcomes), found.methods, ("frames",), (0,))
    assert left_out(found)[-1] == "| frames | frames hides no pixel that is observed at another date | c8, c9 |"
    assert left_out(comparison()) == []


def test_ablations_stay_on_the_page_where_their_networks_are_not_there(tmp_path):
    path = tmp_path / "results.md"
    assert UNTRAINED in page([part()], [], path)
    named = part(about={"mine": "mine: without a mask"}, budget="one pixel")
    path.write_text(page([part()], [named], path))
    again = page([part()], [], path)
    assert again == path.read_text() and "learned from one pixel" in again and "mine: without a mask" in again


def test_retrained_networks_are_called_so_in_every_table(tmp_path):
    lines = page([part(about={"mine": "mine (retrained)"})], [], tmp_path / "results.md").splitlines()
    assert sum(line.startswith("| mine (retrained) |") for line in lines) == 3  # gains, quality, uncertainty
    assert sum("| mine (retrained) |" in line and line.startswith(("|  |", "| cube |")) for line in lines) == 3
    assert not any("| mine |" in line for line in lines)


def test_networks_that_ship_are_methods_and_forecasters_are_not():
    kinds = kinds_of_shipped()
    assert kinds["seq2seq"] == "seq2seq" and not any(name.startswith("forecast") for name in kinds)
    size = Size()
    assert {*size.methods} == {*CLASSICAL, *kinds}
    assert all((kind == "seq2seq") != (name in labels(size)) for name, kind in kinds.items())


def test_simulated_cubes_are_of_parameters_that_training_never_draws():
    for seed in range(5):
        ours, theirs = unseen(seed, QUICK), random_config(np.random.default_rng(seed))
        assert not 34 <= ours.latitude <= 62 and 34 <= theirs.latitude <= 62
        assert ours.pixel_size not in (10, 15, 20, 30) and theirs.pixel_size in (10, 15, 20, 30)
        assert set(np.diff(ours.days)) <= {4, 6, 9, 11} and not set(np.diff(theirs.days)) & {4, 6, 9, 11}
        assert ours.start.astype(object).year in EVALUATION_YEARS


@pytest.mark.slow
def test_the_quick_run_writes_the_page(shared, tmp_path):
    command = [
        sys.executable,
        SCRIPTS / "results.py",
        "--quick",
        "--work",
        tmp_path,
        "--data",
        shared / "data" / "test",
    ]
    subprocess.run([*map(str, command), "--workers", "1"], check=True, capture_output=True)
    text = (tmp_path / "quick" / "results.md").read_text()
    assert "## Simulated cubes" in text and "| nearest |" in text
    assert (tmp_path / "quick" / "images" / "results-real-scores.png").stat().st_size > 10_000
    means = [row.split("|") for row in text.splitlines() if row.startswith("| scene") and "%" in row]  # by clear share
    assert len(means) == 8 and np.isfinite([float(cells[3]) for cells in means]).all()


def test_ablations_differ_in_what_they_say_and_learn_from_the_same_number_of_pixels(tmp_path):
    made = {name: configuration(name, tmp_path, 250.0) for name in ABLATIONS}
    for name, plain in made.items():
        path = tmp_path / f"{name}.toml"
        path.write_text(as_toml(plain))
        config = read_config(path)
        learned = config.optimisation.steps * config.sampling.frames * config.sampling.size**2
        assert learned == pytest.approx(250e6, rel=1e-3), name
        assert config.check.every == config.optimisation.steps and not config.start
    ours = read_config(tmp_path / "ours.toml")
    for name in ("causal", "no-masks", "no-anomalies", "frame-to-frame"):
        other = read_config(tmp_path / f"{name}.toml")
        assert other.network != ours.network
        assert replace(other, network=ours.network, output=ours.output) == ours
    assert made["ganfilling-retrained"]["loss"]["adversarial"] == 1

import csv
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from evaluation_builders import comparison, outcome

from clearcube.evaluation.comparison import Comparison
from clearcube.evaluation.intervals import Interval, _times_drawn, interval, resampled
from clearcube.evaluation.intervals import with_limits as limits_of
from clearcube.evaluation.records import Outcome, Record
from clearcube.evaluation.report import report, table
from clearcube.evaluation.report_html import report_html
from clearcube.evaluation.sections import number, sections, with_limits
from clearcube.evaluation.statistics import Sums
from clearcube.evaluation.tables import write_summary
from clearcube.workflows.figures import Results


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.sources, self.tables = [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "input", "img"):
            self.open.append(tag)
        self.tables += tag == "table"
        self.sources += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else():
    text = report_html(comparison(), "linear", (0,), {"scores": "<svg><text>psnr</text></svg>"})
    page = Page(text)
    assert not page.open and page.tables > 4
    assert all(source.startswith(("data:image/svg+xml;base64,", "#")) for source in page.sources)
    assert not re.search(r"https?://|@import|url\(", text)
    assert "no | luck &lt;b&gt;" in text and "<b>" not in text
    assert "addEventListener" in text and "<style>" in text


def test_gains_have_their_interval_and_those_that_may_be_none_are_marked():
    gains = sections(comparison(), "linear")[0]
    mean, pooled = (dict((row[0], row[1]) for row in each.rows) for _, each in gains.tables)
    for cells in (mean, pooled):
        assert cells["mine"].startswith("+3.01 [") and not cells["mine"].endswith("~")
        assert cells["other"].endswith("] ~") and cells["linear"] == "0"
    assert mean["broken"] == "failed"


def test_a_pooled_difference_is_that_of_the_pooled_scores():
    found = comparison()
    gain = found.pooled_difference("other", "linear", "frames", "psnr")
    expected = found.pooled("other", "frames")["psnr"] - found.pooled("linear", "frames")["psnr"]
    assert gain.mean == pytest.approx(expected) and gain.low < gain.mean < gain.high
    half = found.pooled_difference("mine", "linear", "frames", "psnr")  # of the squared errors of every cube
    assert [half.low, half.mean, half.high] == pytest.approx([10 * np.log10(2)] * 3)
    assert found.pooled_difference("other", "linear", "frames", "r2").cubes == 0


def test_what_a_method_leaves_without_a_value_stands_beside_its_scores():
    found = comparison()
    partly = outcome(1e-4)
    partly.sets["hidden"]["missing"].total[:] = 25.0
    outcomes = {(method, "frames", 0): outcome(1e-4) for method in ("linear", "other")}
    outcomes["mine", "frames", 0] = partly
    found.add(Record("c8", ("red",), {}, outcomes), found.methods, ("frames",), (0,))
    table = next(part for part in sections(found, "linear") if part.title == "Distortion").tables[0][1]
    shares = {row[1]: float(row[table.head.index("missing")]) for row in table.rows}
    assert shares["linear"] == 0 and shares["mine"] == pytest.approx(25 / 1800, rel=1e-3)
    gains = sections(found, "linear")[0].tables
    for cells in (dict((row[0], row[1]) for row in each.rows) for _, each in gains):
        assert "(0.014 unfilled)" in cells["mine"] and "unfilled" not in cells["other"]


def test_methods_are_compared_on_the_seeds_that_both_were_run_with():
    found = Comparison()
    for cube in range(3):
        outcomes = {("linear", "frames", seed): outcome(1e-4 * 10**seed) for seed in range(3)}
        outcomes["mine", "frames", 1] = outcome(5e-4)
        found.add(Record(f"c{cube}", ("red",), {}, outcomes), ("linear", "mine", "never"), ("frames",), (0, 1, 2))
    gain = found.difference("mine", "linear", "frames", "psnr")
    assert gain.cubes == 3 and gain.mean == pytest.approx(10 * np.log10(2))
    assert found.pooled_difference("mine", "linear", "frames", "psnr").mean == pytest.approx(gain.mean)


def test_a_mean_over_fewer_cubes_says_so_and_a_method_that_failed_is_named_in_the_appendix():
    found = comparison(cubes=4)
    outcomes = {(method, "frames", 0): outcome(1e-4) for method in ("linear", "other")}
    outcomes["mine", "frames", 0] = Outcome(problem="no luck")
    found.add(Record("c4", ("red",), {}, outcomes), found.methods, ("frames",), (0,))
    parts = {part.title: part for part in sections(found, "linear")}
    gains = dict((row[0], row[1]) for row in parts["Gain in PSNR over linear, dB"].tables[0][1].rows)
    assert "(4 of 5 cubes)" in gains["mine"] and "cubes" not in gains["other"]
    last = parts["Appendix: PSNR by cube, dB"].tables[0][1].rows[-1]
    assert last[0] == "c4" and last[2] == "failed" and last[3] == "40.00"


def test_scores_are_given_pooled_and_as_means_over_cubes_with_their_interval():
    distortion = next(part for part in sections(comparison(), "linear") if part.title == "Distortion")
    (_, pooled), (caption, means) = distortion.tables
    assert "95 %" in caption and means.head == pooled.head
    row = next(row for row in means.rows if row[1] == "mine")
    mean, low, high = map(float, re.findall(r"[\d.]+", row[2]))
    assert low < mean < high and row[2].endswith("]")


def test_a_perfect_cube_is_not_dropped_from_a_mean():
    found = interval([np.inf, 30.0, 31.0, np.nan])
    assert found.mean == np.inf and found.cubes == 3 and np.isnan(found.low)


def test_strata_show_pooled_scores():
    by_season = next(part for part in sections(comparison(), "linear") if part.title.startswith("By season"))
    rows = {row[0]: row for row in by_season.tables[0][1].rows}
    assert float(rows["JJA"][1]) - float(rows["MAM"][1]) == pytest.approx(10 * np.log10(3), abs=0.02)


def test_methods_are_pooled_over_what_all_of_them_completed_and_the_report_says_what_is_left_out():
    found = Comparison()
    for cube, seed in ((0, 0), (0, 1), (1, 0)):
        outcomes = {("linear", "frames", seed): outcome(1e-4 * 4**cube)}
        failed = Outcome(problem="no luck")
        outcomes["mine", "frames", seed] = failed if (cube, seed) == (1, 0) else outcome(1e-4)
        record = Record(f"c{cube}", ("red",), {}, outcomes)
        found.add(record, ("linear", "mine", "never"), ("frames",), (seed,))
    mine, linear = (found.pooled(method, "frames")["psnr"] for method in ("mine", "linear"))
    assert mine == pytest.approx(linear) == pytest.approx(40.0)
    assert [each.value for each in found.over_scenarios("linear")] == [e.value for e in found.over_scenarios("mine")]
    left = next(part for part in sections(found, "linear") if part.title == "Left out of the pools")
    assert left.tables[0][1].rows == (("frames", "3", "1", "mine failed in 1"),)
    drawn = Results.of(found)
    assert drawn.cubes == 1 and {group[0] for group, _ in drawn.pools} == {"linear", "mine"}
    assert not any(part.title == "Left out of the pools" for part in sections(comparison(), "linear"))


def of_bands(*errors):
    """Sums of as many bands, with these squared errors of 10 pixels each."""
    squared = Sums(10.0 * np.array([errors]), np.full((1, len(errors)), 10.0))
    patches = Sums(np.eye(4 * len(errors) + 1)[None], np.ones((1, 1, 1)))
    sums = {"squared": squared, "patch_filled": patches, "patch_truth": patches}
    sums["missing"] = Sums(np.zeros((1, 1)), np.full((1, 1), 10.0))
    return Outcome({"hidden": sums}, (("all", "all"),))


def of_two_sets_of_bands():
    found = Comparison()
    cubes = {"a": (("red", "nir"), (1e-4, 3e-4)), "b": (("nir", "blue", "green"), (5e-4, 0, 0))}
    for name, (bands, errors) in cubes.items():
        outcomes = {("linear", "frames", 0): of_bands(*errors)}
        found.add(Record(name, bands, {}, outcomes), ("linear",), ("frames",), (0,))
    return found


def test_cubes_of_different_bands_are_pooled_over_all_bands_and_band_by_band():
    found = of_two_sets_of_bands()
    assert found.pooled("linear", "frames")["rmse"] == pytest.approx(np.sqrt(9e-4 / 5))
    assert found.pooled("linear", "frames")["missing"] == 0
    rmse = found.by_band("linear", "frames")["rmse"]
    assert rmse["red"] == pytest.approx(1e-2) and rmse["nir"] == pytest.approx(np.sqrt(4e-4)) and rmse["blue"] == 0
    by_band = next(part for part in sections(found, "linear") if part.title.startswith("By band"))
    assert {row[0]: row[1] for row in dict(by_band.tables)["rmse"].rows}["nir"] == "0.02"
    assert [s.value for s in found.over_scenarios("linear") if (s.metric, s.band) == ("rmse", "all")] == [
        pytest.approx(np.sqrt(9e-4 / 5))
    ]
    assert Results.of(found).cubes == 2


def test_the_summary_has_a_row_for_every_band_before_that_of_all(tmp_path):
    write_summary(tmp_path / "summary.csv", of_two_sets_of_bands(), "linear")
    with (tmp_path / "summary.csv").open() as file:
        rows = [(row["band"], float(row["pooled"])) for row in csv.DictReader(file) if row["metric"] == "rmse"]
    assert [band for band, _ in rows] == ["red", "nir", "blue", "green", "all"]
    assert rows[1][1] == pytest.approx(0.02) and rows[-1][1] == pytest.approx(np.sqrt(9e-4 / 5))


def test_the_markdown_has_the_same_sections_and_bars_do_not_break_its_tables():
    text = report(comparison(), "linear", (0,))
    titles = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert titles == [part.title for part in sections(comparison(), "linear")]
    for line in text.splitlines():
        if line.startswith("| c0"):
            assert line.count("|") in (5, 6)
    assert table(("a",), [("x|y",)])[-1] == "| x/y |"


def test_the_summary_marks_differences_whose_interval_includes_zero(tmp_path):
    write_summary(tmp_path / "summary.csv", comparison(), "linear")
    head, *lines = (line.split(",") for line in (tmp_path / "summary.csv").read_text().splitlines())
    rows = {(row[0], row[2]): dict(zip(head, row, strict=True)) for row in lines}
    assert rows["mine", "psnr"]["includes_zero"] == "false" == rows["mine", "psnr"]["pooled_includes_zero"]
    assert rows["other", "psnr"]["includes_zero"] == "true"
    assert float(rows["mine", "psnr"]["difference"]) == pytest.approx(10 * np.log10(2))
    assert rows["mine", "missing"]["pooled"] == "0"
    mine, theirs = (comparison().values(method, "frames", "psnr") for method in ("other", "linear"))
    assert float(rows["other", "psnr"]["difference"]) == pytest.approx(np.mean(mine - theirs))
    mine, theirs = (float(rows[method, "psnr"]["pooled"]) for method in ("other", "linear"))
    assert float(rows["other", "psnr"]["pooled_difference"]) == pytest.approx(mine - theirs)


def test_intervals_depend_on_the_values_alone():
    values = np.random.default_rng(0).normal(1, 1, 50)
    first, again = interval(values), interval(list(values))
    assert first == again and first.low < 1 < first.high
    inside = sum(interval(np.random.default_rng(seed).normal(1, 1, 50)).low < 1 for seed in range(60))
    assert inside > 52
    assert interval([np.nan, np.nan]).cubes == 0


def test_limits_are_those_of_the_middle_95_percent():
    found = limits_of(500.0, np.random.default_rng(0).permutation(1001).astype(float), 5)
    assert (found.low, found.high) == pytest.approx((25, 975))


@pytest.mark.parametrize(("count", "kept"), [(7, 7), (1005, 1005), (1005, 1000)])
def test_sums_over_samples_equal_a_loop_over_what_was_drawn(count, kept, monkeypatch):
    monkeypatch.setattr("clearcube.evaluation.intervals.KEPT", kept)
    monkeypatch.setattr("clearcube.evaluation.intervals.DRAWN", 300 * count)  # several parts
    values = np.random.default_rng(0).normal(size=(count, 2))
    generator, expected = np.random.default_rng(count), []
    for rows in (300, 300, 300, 300, 300, 300, 200):
        expected += [values[drawn].sum(axis=0) for drawn in generator.integers(count, size=(rows, count))]
    _times_drawn.cache_clear()
    np.testing.assert_allclose(resampled(values), expected, rtol=0, atol=1e-10)
    _times_drawn.cache_clear()


def test_numbers_and_limits():
    assert number(float("nan")) == "-" and number(0.123456) == "0.1235"
    assert with_limits(Interval(1.0, float("nan"), float("nan"), 1), "+.1f") == "+1.0 ~"
    assert with_limits(Interval(1.0, 0.5, 1.5, 3), "+.1f") == "+1.0 [+0.5, +1.5]"
    assert with_limits(Interval(float("nan"), float("nan"), float("nan"), 0), "+.1f") == "-"


def test_scores_of_hidden_observed_and_all_pixels_stand_in_the_columns_that_say_so():
    def of(error):
        return {"squared": Sums(np.array([[10 * error]]), np.array([[10.0]]))}

    found = Comparison()
    sets = {"hidden": of(1e-2), "observed": of(1e-4), "all": of(1e-3)}
    record = Record("c", ("red",), {}, {("linear", "frames", 0): Outcome(sets, (("all", "all"),))})
    found.add(record, ("linear",), ("frames",), (0,))
    table = next(part for part in sections(found, "linear") if part.title.startswith("Hidden, obs")).tables[0][1]
    row = dict(zip(table.head, table.rows[0], strict=True))
    assert [row[f"psnr {which}"] for which in sets] == ["20.00", "40.00", "30.00"]

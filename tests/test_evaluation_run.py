import json
from dataclasses import replace
from threading import Event

import numpy as np
import pyarrow.parquet as pq
import pytest
from builders import MeanFiller, bank_of, cloudy_cube, cloudy_frames
from cli_builders import run

from clearcube.errors import InputError
from clearcube.evaluation.comparison import Comparison
from clearcube.evaluation.experiments import experiment, filled_by, named_cube
from clearcube.evaluation.intervals import interval, paired_difference
from clearcube.evaluation.metrics import ALL_BANDS
from clearcube.evaluation.pools import Pool
from clearcube.evaluation.records import load
from clearcube.evaluation.run import Plan, evaluate_cube, evaluate_into, read_masks
from clearcube.evaluation.statistics import Sums
from clearcube.gaps import hide
from clearcube.parallel import in_parallel
from clearcube.readers.grouping import cubes_of
from clearcube.stopping import Stop, Terminated
from clearcube.workflows.choosing import filler_named


def cube(seed=0, size=24):
    return cloudy_cube(times=10, height=size, width=size, cloud=0.03, seed=seed, never=False)


def plan(cubes, fillers=None, **settings):
    bank = bank_of((str(i), np.random.default_rng(i).random((3, 24, 24)) < 0.5) for i in range(2))
    return Plan(fillers or {"mean": MeanFiller, "again": MeanFiller}, ("frames", "partial"), (0, 1), bank, settings)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cubes")
    for seed in range(2):
        cube(seed).drop_vars("truth").to_zarr(folder / f"place{seed}.zarr", zarr_format=2)
    return folder


@pytest.fixture(scope="module")
def results(stores, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "out"
    arguments = ["evaluate", stores, "--methods", "linear,nearest", "--scenarios", "frames,trailing,run90"]
    result = run(*arguments, "--seeds", "0-1", "--out", out, "--quiet")
    assert result.exit_code == 0, result.output
    return out


def test_a_method_cannot_see_the_truth():
    first = named_cube("a", cube())
    changed = named_cube("a", cube())
    hidden = hide(first.block, "frames", 0, key="a")
    np.moveaxis(changed.block.reflectance, 1, 0)[:, hidden] = 0.7
    ours, theirs = (filled_by(MeanFiller(), experiment(each, "frames", 0, None).given) for each in (first, changed))
    assert np.array_equal(ours.estimate.mean, theirs.estimate.mean) and np.isfinite(ours.estimate.mean).all()


def test_pooled_scores_do_not_depend_on_order_or_workers_and_partial_runs_merge(tmp_path):
    cubes = [named_cube(f"c{seed}", cube(seed)) for seed in range(3)]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        for name in ("sums", "hidden"):
            (folder / name).mkdir(parents=True)
    list(in_parallel(lambda each: evaluate_into(whole, each, plan(cubes)), cubes, 3))
    for each in reversed(cubes):
        evaluate_into(parts, each, plan(cubes, {"again": MeanFiller}))
        evaluate_into(parts, each, plan(cubes))
    found = []
    for folder in (whole, parts):
        comparison = Comparison()
        for path in sorted((folder / "sums").iterdir()):
            comparison.add(load(path), ("mean", "again"), ("frames", "partial"), (0, 1))
        found.append({(m, s): comparison.pooled(m, s) for m in ("mean", "again") for s in ("frames", "partial")})
    np.testing.assert_equal(found[0], found[1])
    assert np.isfinite(found[0]["mean", "partial"]["psnr"])


def test_a_finished_run_is_not_repeated(tmp_path):
    for name in ("sums", "hidden"):
        (tmp_path / name).mkdir()
    one = named_cube("a", cube())
    evaluate_into(tmp_path, one, plan([one]))

    def broken():
        raise RuntimeError("made again")

    again = evaluate_into(tmp_path, one, plan([one], {"mean": broken, "again": broken}))
    assert not any(outcome.problem for outcome in again.outcomes.values())
    other = evaluate_into(tmp_path, one, plan([one], {"mean": broken}, version="2"))
    assert {outcome.problem for outcome in other.outcomes.values()} == {"RuntimeError: made again"}


def test_a_run_that_is_asked_to_stop_keeps_the_fills_that_are_done(tmp_path):
    one, stop, made = named_cube("a", cube()), Stop(), []

    def third_asks():
        made.append(1)
        if len(made) == 3:
            stop.ask()
        return MeanFiller()

    with pytest.raises(Terminated):
        evaluate_into(tmp_path, one, plan([one], {"mean": third_asks, "again": third_asks}), stop=stop)
    kept = load(tmp_path / "sums" / "a.npz")
    assert len(made) == len(kept.outcomes) == 3
    assert list(read_masks(tmp_path / "hidden" / "a.npz")) == ["frames_0", "frames_1"]
    whole = evaluate_into(tmp_path, one, plan([one], {"mean": third_asks, "again": third_asks}))
    assert len(made) == len(whole.outcomes) == 8


def test_work_side_by_side_is_asked_to_stop_where_its_reader_is():
    stop, begun = Stop(), Event()

    def work(item):
        begun.set()
        while item:
            stop.check()

    def items():
        yield 1
        begun.wait()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(in_parallel(work, items(), 2, stop))


def test_sums_of_another_cube_of_the_same_name_are_measured_again_and_its_masks_go(tmp_path):
    alone = replace(plan([], {"mean": MeanFiller}), scenarios=("frames",), seeds=(0,))
    first = evaluate_into(tmp_path, named_cube("a", cube(0)), replace(alone, seeds=(0, 1)))
    again = evaluate_into(tmp_path, named_cube("a", cube(1)), alone)
    fresh = evaluate_cube(named_cube("a", cube(1)), alone)
    assert list(again.outcomes) == [("mean", "frames", 0)]
    squared = [each.outcomes["mean", "frames", 0].sets["hidden"]["squared"].total for each in (first, again, fresh)]
    assert np.array_equal(squared[1], squared[2]) and not np.array_equal(squared[0], squared[1])
    assert list(read_masks(tmp_path / "hidden" / "a.npz")) == ["frames_0"]
    assert load(tmp_path / "sums" / "a.npz").fingerprint == named_cube("b", cube(1)).fingerprint()


def test_masks_of_an_earlier_drawing_go(tmp_path):
    one, path = named_cube("a", cube(0)), tmp_path / "hidden" / "a.npz"
    evaluate_into(tmp_path, one, plan([], {"mean": MeanFiller}, bank="x"))
    assert sorted(read_masks(path)) == ["frames_0", "frames_1", "partial_0", "partial_1"]
    frames = read_masks(path)["frames_1"]
    evaluate_into(tmp_path, one, replace(plan([], {"mean": MeanFiller}, bank="y"), seeds=(0,)))
    assert sorted(read_masks(path)) == ["frames_0", "frames_1", "partial_0"]
    assert np.array_equal(read_masks(path)["frames_1"], frames)
    evaluate_into(tmp_path, one, replace(plan([], {"mean": MeanFiller}, bank=None), scenarios=("frames",)))
    assert sorted(read_masks(path)) == ["frames_0", "frames_1", "partial_0"]  # no drawing was asked for


@pytest.mark.parametrize("what", ["reflectance", "observed", "time", "landcover"])
def test_a_fingerprint_tells_all_that_scores_depend_on(what):
    changed = cube()
    changed["landcover"] = (("y", "x"), np.zeros((24, 24), np.uint8))
    before = named_cube("a", changed).fingerprint()
    if what == "time":
        changed = changed.assign_coords(time=changed["time"] + np.timedelta64(1, "D"))
    elif what == "reflectance":
        changed[what][3, 2, 1, 0] += 1e-4
    else:
        changed[what][..., 0] = ~changed[what][..., 0]
    assert named_cube("a", changed).fingerprint() != before


def test_seeds_that_hide_the_same_are_filled_once_and_differ_in_nothing(tmp_path):
    made = []

    def counted():
        made.append(1)
        return MeanFiller()

    def outcomes(seeds):
        folder = tmp_path / str(seeds)
        for name in ("sums", "hidden"):
            (folder / name).mkdir(parents=True)
        several = Plan({"mean": counted}, ("trailing", "frames"), seeds, plan([]).bank, {})
        record = evaluate_into(folder, named_cube("a", cube()), several)
        assert {f"trailing_{seed}" for seed in seeds} <= read_masks(folder / "hidden" / "a.npz").keys()
        return record.outcomes

    together = outcomes((0, 1, 2))
    assert len(made) == 1 + 3  # the three draws of frames differ
    for seed in (0, 1, 2):
        alone = outcomes((seed,))
        for scenario in ("trailing", "frames"):
            mine, theirs = (each["mean", scenario, seed].sets["hidden"]["squared"].total for each in (together, alone))
            np.testing.assert_array_equal(mine, theirs)


def test_hidden_masks_are_kept(results, stores):
    masks = read_masks(results / "hidden" / "place0.npz")
    assert sorted(masks) == ["frames_0", "frames_1", "trailing_0", "trailing_1"]
    block = named_cube("place0", cube(0)).block
    assert np.array_equal(masks["frames_1"], hide(block, "frames", 1, key="place0"))
    with np.load(results / "hidden" / "place0.npz") as archive:  # as the documentation tells to read it
        shape = archive["shape"]
        again = np.unpackbits(archive["frames_1"], count=shape.prod()).reshape(shape).astype(bool)
    assert np.array_equal(again, masks["frames_1"])


def test_all_that_was_hidden_is_kept_also_where_it_does_not_count(tmp_path):
    rare = cube(0)
    rare["observed"][:, 0, 0] = False
    only = hide(named_cube("a", rare).block, "frames", 0, key="a").any(axis=(1, 2)).argmax()
    rare["observed"][only, 0, 0] = True  # once, and hidden: nothing is left to judge the fill by
    evaluate_into(tmp_path, named_cube("a", rare), replace(plan([]), scenarios=("frames",), seeds=(0,)))
    kept = read_masks(tmp_path / "hidden" / "a.npz")["frames_0"]
    test = experiment(named_cube("a", rare), "frames", 0, None)
    assert kept[only, 0, 0] and not test.hidden[only, 0, 0] and np.array_equal(kept & test.hidden, test.hidden)
    assert not (kept & test.given.observed).any()


def test_masks_of_pasted_clouds_are_kept_and_tell_which_pixels_count(tmp_path):
    own = named_cube("a", cube(0))
    clouds = cloudy_frames([("other", named_cube("b", cloudy_cube(10, 24, 24, cloud=0.5, seed=1)).block)])
    mask_error = replace(plan([]), scenarios=("mask-error",), seeds=(0,), clouds=clouds)
    evaluate_into(tmp_path, own, mask_error)
    masks = read_masks(tmp_path / "hidden" / "a.npz")
    assert list(masks) == [f"mask-error_0{ending}" for ending in ("", "_missed", "_cloud")]
    test = experiment(own, "mask-error", 0, None, clouds)
    hidden, missed, cloud = masks.values()
    assert np.array_equal(missed, test.pasted.missed) and np.array_equal(hidden, test.pasted.hidden)
    assert np.array_equal(own.block.observed & ~hidden & ~cloud, test.given.observed)
    left = test.given.observed & ~missed
    assert np.array_equal(test.hidden, hidden & left.any(axis=0))


def test_all_that_is_measured_of_cubes_with_other_bands_pools():
    found, own = Comparison(), []
    clouds = cloudy_frames([("other", named_cube("b", cloudy_cube(10, 24, 24, cloud=0.5, seed=1)).block)])
    linear = Plan(
        {"linear": lambda: filler_named("linear", {})}, ("frames", "mask-error"), (0,), bank_of([]), {}, clouds
    )
    for key, bands in (("four", slice(None)), ("two", [0, 3])):
        record = evaluate_cube(named_cube(key, cube().isel(band=bands)), linear)
        found.add(record, ("linear",), linear.scenarios, (0,))
        own.append(Pool(record.bands))
        outcome = record.outcomes["linear", "frames", 0]
        own[-1].add(outcome.sets["hidden"], outcome.strata)
    pooled = found.pooled("linear", "frames")
    for metric in ("psnr", "r2", "sam", "ssim", "gmsd", "entropy_ratio", "sharpness_ratio", "uce", "ause", "missing"):
        assert np.isfinite(pooled[metric]), metric
    assert {"coherence", "niqe"} <= pooled.keys() and "frechet" not in pooled and np.isfinite(pooled["ndvi_rmse"])
    assert np.isfinite(found.pooled("linear", "mask-error")["blue_auc_bright"])
    alone = {s.band: s.sum for s in own[0].scores() if (s.metric, s.stratum[0]) == ("crps", "all")}
    blue = (
        next(s.sum for s in own[1].scores() if (s.metric, s.band, s.stratum[0]) == ("crps", "blue", "all"))
        + alone["blue"]
    )
    both = {s.band: s.sum for s in found.over_scenarios("linear") if s.metric == "crps" and s.stratum[0] == "all"}
    assert both["blue"] == pytest.approx(blue) and both.keys() == {"all", "blue", "green", "red", "nir"}


def test_a_pool_joins_strata_that_only_some_experiments_have():
    def sums(strata):
        return {
            "squared": Sums(np.ones((len(strata), 2)), np.ones((len(strata), 2))),
            "frechet": Sums(np.ones((1, 2)), np.ones(1)),
        }

    pool = Pool(("a", "b"))
    for strata in ([("all", "all"), ("gap", "x")], [("all", "all"), ("gap", "y")], [("all", "all"), ("gap", "x")]):
        pool.add(sums(strata), tuple(strata))
    assert pool.strata == (("all", "all"), ("gap", "x"), ("gap", "y"))
    assert pool.tally["squared"].total[:, 0].tolist() == [3, 2, 1] and pool.tally["frechet"].total[0, 0] == 3


def test_intervals():
    assert interval([1.0, np.nan]).mean == 1 and interval([1.0]).uncertain
    clear = interval([1.0, 1.1, 0.9, 1.2])
    assert 0.9 <= clear.low < clear.mean < clear.high <= 1.2 and not clear.uncertain
    difference = paired_difference({"a": 1.0, "b": 3.0, "c": 9.0}, {"a": 2.0, "b": 2.0})
    assert (difference.mean, difference.cubes, difference.uncertain) == (0, 2, True)


def test_scores_summary_report_and_provenance(results):
    table = pq.read_table(results / "scores.parquet").to_pandas()
    assert list(table["cube"].unique()) == ["place0", "place1"]
    part = table[(table.pixels == "hidden") & (table.metric == "mae") & (table.band == ALL_BANDS)]
    rows = part[(part.method == "linear") & (part.scenario == "frames")]
    assert np.allclose(rows["sum"] / rows["weight"], rows["value"])
    whole = rows[rows.family == "all"]["weight"].sum()
    for family in ("gap", "position", "season", "landcover"):
        assert rows[rows.family == family]["weight"].sum() == whole
    summary = (results / "summary.csv").read_text().splitlines()
    assert summary[0].startswith("method,scenario,metric,band,pooled,cube_mean") and len(summary) > 50
    line = next(each for each in summary if each.startswith("linear,frames,mae,all,")).split(",")
    assert float(line[4]) == pytest.approx((rows[rows.family == "all"]["sum"].sum()) / whole, rel=1e-6)
    page = (results / "report.md").read_text()
    for words in ("## Gain in PSNR over linear, dB", "| nearest |", "## Left out", "a run of 90 days", "### trailing"):
        assert words in page
    provenance = json.loads((results / "provenance.json").read_text())
    assert len(provenance["inputs"]["place0"]) == 1 and provenance["versions"]["numpy"] == np.__version__


def test_a_failing_method_is_said_to_fail_and_the_others_go_on(stores, tmp_path, monkeypatch):
    from clearcube.methods.temporal import Nearest

    def fail(self, sample):
        raise ValueError("no luck")

    monkeypatch.setattr(Nearest, "prepare", fail)
    arguments = ["--methods", "linear,nearest", "--scenarios", "frames", "--seeds", "0", "--out", tmp_path / "out"]
    result = run("evaluate", stores / "place0.zarr", *arguments)
    assert result.exit_code == 1, result.output
    assert "ValueError: no luck" in result.output
    page = (tmp_path / "out" / "report.md").read_text()
    assert "## Failures" in page and "| failed |" in page and "| linear | 0 |" in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--methods", "magic"], "unknown method 'magic'"),
        (["--scenarios", "night"], "there is no scenario 'night'"),
        (["--seeds", "a"], "--seeds is 'a'"),
        (["--seeds", "²"], "--seeds is '²'; give whole numbers"),
        (["--seeds", "0,4-0"], "4-0 ends before it begins; write 0-4"),
        (["--methods", "nearest"], "the reference 'linear' is not among"),
        (["--weights", "none.safetensors"], "the weights none.safetensors do not exist"),
        (["--workers", "0"], "--workers is 0"),
    ],
)
def test_bad_requests_are_refused(stores, tmp_path, arguments, words):
    result = run("evaluate", stores, "--out", tmp_path / "out", *arguments)
    assert result.exit_code == 2 and words in result.output and not (tmp_path / "out").exists()


def test_inputs_that_belong_together(tmp_path):
    rest = "29SND_2017-06-30_2017-11-26_1081_1209_1721_1849_16_96_26_106.npz"
    for name in (f"context_{rest}", f"target_{rest}", "a.nc", "b.h5"):
        (tmp_path / name).touch()
    (tmp_path / "stack").mkdir()
    for name in ("x.tif", "y.j2k"):
        (tmp_path / "stack" / name).touch()
    found = cubes_of([str(tmp_path), str(tmp_path / "stack" / "*")])
    assert {key: len(sources) for key, sources in found.items()} == {rest[:-4]: 2, "a": 1, "b": 1, "stack": 2}


def test_score_of_a_fill_equals_that_of_the_evaluation(results, stores, tmp_path):
    hidden = read_masks(results / "hidden" / "place0.npz")["frames_0"]
    source = named_cube("place0", cube(0))
    estimate = filled_by(MeanFiller(), experiment(source, "frames", 0, None).given).estimate
    truth = cube(0).drop_vars("truth")
    filled = truth.assign(reflectance=truth["reflectance"].copy(data=estimate.mean), observed=truth["observed"] | True)
    filled.to_zarr(tmp_path / "filled.zarr", zarr_format=2)
    result = run(
        "score", tmp_path / "filled.zarr", stores / "place0.zarr", "--hidden",
        f"{results / 'hidden' / 'place0.npz'}:frames_0",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    line = next(each for each in result.output.splitlines() if each.startswith("mae"))
    hidden = hidden & (truth["observed"].values & ~hidden).any(axis=0)
    error = np.moveaxis(estimate.mean - truth["reflectance"].values, 1, 0)[:, hidden]
    assert float(line.split()[-1]) == pytest.approx(abs(error).mean(), rel=1e-3)
    assert run("score", tmp_path / "filled.zarr", stores / "place0.zarr", "--on", "all").exit_code == 0
    result = run("score", tmp_path / "filled.zarr", stores / "place1.zarr", "--on", "all")
    assert result.exit_code == 2 and "differ in 'time'" in result.output


def test_a_broken_record_is_named(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be read as sums"):
        load(tmp_path / "a.npz")

"""Runs in parts, in other orders, with other chunks and workers: the results are the same to the bit."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from builders import cloudy_cube
from cli_builders import run

from clearcube.errors import InputError
from clearcube.evaluation.merging import merge_cube
from clearcube.evaluation.records import Outcome, Record, load, save
from clearcube.evaluation.run import read_masks
from clearcube.evaluation.statistics import Sums
from clearcube.workflows.score import score_files

pytestmark = pytest.mark.usefixtures("no_figures")
OPTIONS = ("--quiet", "--workers", "1")
ALL = ("--methods", "linear,nearest", "--scenarios", "frames,partial,mask-error", "--seeds", "0-1")


def done(*arguments):
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def place(seed):
    """A cube with a date half under cloud, and land cover where the seed is even."""
    cube = cloudy_cube(times=8, height=16, width=16, cloud=0.02, seed=seed, never=False).drop_vars("truth")
    cube["observed"][2, :, :8] = False
    cube["reflectance"][2, :, :, :8] = 0.6
    if seed % 2 == 0:
        cube["landcover"] = (("y", "x"), np.repeat([[10, 40]], 16, 0).repeat(8, 1).astype(np.uint8))
    return cube


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cubes")
    for seed in range(3):
        place(seed).to_zarr(folder / f"place{seed}.zarr", zarr_format=2)
    return folder


@pytest.fixture(scope="module")
def whole(stores, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out"
    done("evaluate", stores, *ALL, "--out", out, *OPTIONS)
    return out


@pytest.mark.parametrize(("folder", "read"), [("sums", load), ("hidden", read_masks)])
def test_files_with_a_damaged_byte_are_refused(whole, tmp_path, folder, read):
    content = next((whole / folder).iterdir()).read_bytes()
    path, refused = tmp_path / "damaged.npz", 0
    for place in np.linspace(0, len(content) - 1, 200).astype(int):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            read(path)  # some bytes do not matter
        except InputError:
            refused += 1
    assert refused > 100


def same(one, other):
    assert (one / "summary.csv").read_bytes() == (other / "summary.csv").read_bytes()
    assert (one / "report.md").read_bytes() == (other / "report.md").read_bytes()
    tables = [pq.read_table(folder / "scores.parquet").to_pandas() for folder in (one, other)]
    assert tables[0].equals(tables[1])
    for path in (one / "hidden").iterdir():
        mine, theirs = read_masks(path), read_masks(other / "hidden" / path.name)
        assert mine.keys() == theirs.keys() and all(np.array_equal(mine[name], theirs[name]) for name in mine)


def test_runs_over_parts_of_the_cubes_merge_to_the_run_over_all(whole, stores, tmp_path):
    for name, cubes in (("a", ["place0.zarr", "place2.zarr"]), ("b", ["place1.zarr"])):
        done(
            "evaluate", *(stores / cube for cube in cubes), *ALL, "--masks", stores, "--out", tmp_path / name, *OPTIONS
        )
    done("evaluate", "--merge", tmp_path / "b", tmp_path / "a", "--out", tmp_path / "c", "--quiet")
    same(whole, tmp_path / "c")
    about = json.loads((tmp_path / "c" / "provenance.json").read_text())
    assert sorted(about["inputs"]) == ["place0", "place1", "place2"] and len(about["parts"]) == 2


def test_runs_of_one_seed_and_other_workers_and_chunks_merge_too(whole, stores, tmp_path):
    shutil.copytree(stores, tmp_path / "cubes")
    shutil.rmtree(tmp_path / "cubes" / "place1.zarr")
    place(1).chunk(time=3, y=7, x=9).to_zarr(tmp_path / "cubes" / "place1.zarr", zarr_format=2)
    common = ("--methods", "linear,nearest", "--scenarios", "frames,partial,mask-error", "--quiet")
    done("evaluate", stores, *common, "--seeds", "1", "--out", tmp_path / "a", "--workers", "1")
    done("evaluate", tmp_path / "cubes", *common, "--seeds", "0", "--out", tmp_path / "b", "--workers", "3")
    done("evaluate", "--merge", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "c", "--quiet")
    same(whole, tmp_path / "c")


def test_a_run_that_gains_a_method_keeps_what_it_has(stores, tmp_path, monkeypatch):
    arguments = ("evaluate", stores, "--scenarios", "frames", "--seeds", "0", "--out", tmp_path / "out", *OPTIONS)
    done(*arguments, "--methods", "linear")
    before = load(tmp_path / "out" / "sums" / "place0.npz").outcomes["linear", "frames", 0]

    def fail(self, sample):
        raise AssertionError("filled again")

    from clearcube.methods.temporal import Linear

    monkeypatch.setattr(Linear, "prepare", fail)
    done(*arguments, "--methods", "linear,nearest")
    after = load(tmp_path / "out" / "sums" / "place0.npz").outcomes
    assert after["linear", "frames", 0].sets["hidden"]["squared"].total.tolist() == (
        before.sets["hidden"]["squared"].total.tolist()
    )
    assert ("nearest", "frames", 0) in after


def test_land_cover_of_some_cubes_is_a_stratum_of_those(whole):
    table = pq.read_table(whole / "scores.parquet").to_pandas()
    found = table[(table.family == "landcover") & (table.metric == "mae")]
    strata = found.groupby("cube", observed=True)["stratum"].unique().map(set).to_dict()
    assert strata == {"place0": {"tree cover", "cropland"}, "place1": {"none"}, "place2": {"tree cover", "cropland"}}
    page = (whole / "report.md").read_text()
    assert "| cropland |" in page and "| none |" in page


def test_mask_error_scores_what_was_missed_and_who_notices(whole):
    table = pq.read_table(whole / "scores.parquet").to_pandas()
    missed = table[(table.pixels == "missed") & (table.metric == "mae") & (table.band == "all")]
    assert set(missed.scenario) == {"mask-error"}
    assert (missed["value"] > 0.2).all()  # nobody denoises here: the cloud of 0.6 stays
    blue = table[table.metric == "blue_auc_bright"]
    assert blue["value"].min() > 0.9
    assert "Missed cloud and shadow" in (whole / "report.md").read_text()


@pytest.mark.parametrize("scenario", ["partial", "mask-error"])
def test_the_pixels_that_count_are_found_again_in_what_was_hidden(whole, stores, scenario):
    cube = str(stores / "place0.zarr")
    found = score_files(cube, cube, "hidden", f"{whole / 'hidden' / 'place0.npz'}:{scenario}_0")
    table = pq.read_table(whole / "scores.parquet").to_pandas()
    here = (table.cube == "place0") & (table.scenario == scenario) & (table.seed == 0) & (table.method == "linear")
    of_all = table[here & (table.pixels == "hidden") & (table.family == "all") & (table.metric == "missing")]
    assert [each.weight for each in found if each.metric == "missing"] == of_all["weight"].tolist()


def record(value=1.0, fingerprint="", **settings):
    sums = {"hidden": {"squared": Sums(np.array([[value]]), np.array([[4.0]]))}}
    return Record("a", ("red",), settings, {("linear", "partial", 0): Outcome(sums, (("all", "all"),))}, fingerprint)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (record(2.0, bank="x"), "measured different sums"),
        (record(1.0, "another", bank="x"), "is of two different inputs that have one name"),
        (record(1.0, bank="y"), "drawn from different masks"),
        (record(1.0, bank="x", version="2"), "was run with version 1 and 2"),
        (record(1.0, bank="x", weights={"net": "2"}), "'net' stands for two different checkpoints"),
    ],
)
def test_runs_that_are_no_parts_of_one_are_refused(tmp_path, other, words):
    one = record(1.0, bank="x", version="1", weights={"net": "1"})
    other.settings = {"version": "1", **other.settings}
    for name, each in (("one", one), ("other", other)):
        (tmp_path / name / "sums").mkdir(parents=True)
        save(each, tmp_path / name / "sums" / "a.npz")
    (tmp_path / "out" / "sums").mkdir(parents=True)
    with pytest.raises(InputError, match=words):
        merge_cube("a", [tmp_path / "one", tmp_path / "other"], tmp_path / "out")


def test_a_cube_that_no_part_could_read_is_still_named(stores, tmp_path):
    (tmp_path / "broken.nc").write_bytes(b"no cube")
    options = ("--methods", "linear", "--scenarios", "frames", "--seeds", "0", *OPTIONS)
    run("evaluate", stores / "place0.zarr", tmp_path / "broken.nc", *options, "--out", tmp_path / "a")
    done("evaluate", stores / "place1.zarr", *options, "--out", tmp_path / "b")
    result = run("evaluate", "--merge", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "c", "--quiet")
    assert result.exit_code == 1 and "all methods on broken" in result.output
    assert "| broken |" in (tmp_path / "c" / "report.md").read_text()


def test_parts_with_missing_or_damaged_sums_are_named_and_leave_nothing(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "part")
    damaged = tmp_path / "part" / "sums" / "place2.npz"
    arguments = ("evaluate", "--merge", tmp_path / "part", tmp_path / "part", "--out", tmp_path / "out", "--quiet")
    damaged.write_bytes(b"nothing")
    result = run(*arguments)
    assert result.exit_code == 2 and "cannot be read as sums" in result.output
    damaged.unlink()
    result = run(*arguments)
    assert result.exit_code == 2 and "place2.npz does not exist" in result.output.replace("\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["part"]


def test_bad_merges_are_refused(whole, tmp_path):
    result = run("evaluate", "--merge", whole, "--out", tmp_path / "out")
    assert result.exit_code == 2 and "--merge needs two" in result.output
    result = run("evaluate", "--merge", whole, tmp_path, "--out", tmp_path / "out")
    assert result.exit_code == 2 and "holds no finished evaluation" in result.output
    for content in ("[]", "{}", "{", '{"methods": []}'):
        (tmp_path / "provenance.json").write_text(content)
        result = run("evaluate", "--merge", whole, tmp_path, "--out", tmp_path / "out")
        assert result.exit_code == 2 and "provenance.json is damaged" in result.output.replace("\n", "")
    result = run("evaluate", "--merge", whole, whole, "--out", whole)
    assert result.exit_code == 2 and "is not empty" in result.output

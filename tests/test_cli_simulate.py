import numpy as np
import pytest
from cli_builders import assert_refused, contents, run

import clearcube
from clearcube.simulation.draws import EVALUATION_YEARS
from clearcube.workflows import simulate as workflow
from clearcube.workflows.simulate import SimulationRequest, simulate_files

SMALL = ("--size", "16", "--dates", "5", "-q")


def quiet(phase, done, total):
    pass


def bytes_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(("format", "suffix"), [("netcdf", "nc"), ("zarr", "zarr")])
def test_scenes_are_cubes_with_truths(tmp_path, format, suffix):
    out = tmp_path / "scenes"
    result = run("simulate", out, "-n", "2", "--size", "24", "--dates", "6", "--format", format)
    assert result.exit_code == 0, result.output
    assert "simulating 100 %" in result.output
    assert "2 scenes of 6 dates x 24 x 24 pixels" in result.output
    names = [f"scene_000{i}.{suffix}" for i in range(2)]
    assert sorted(path.name for path in out.iterdir()) == [*names, "truth"]
    assert sorted(path.name for path in (out / "truth").iterdir()) == names
    described = run("info", out / names[0])
    assert described.exit_code == 0, described.output
    for words in ("6 dates x 4 bands x 24 x 24", "EPSG:32631", "blue (490 nm), green (560 nm), red (665 nm), nir"):
        assert words in described.output
    cube, truth = (clearcube.open_cube(folder / names[1]).load() for folder in (out, out / "truth"))
    assert truth.observed.values.all()
    assert np.isfinite(truth.reflectance.values).all()
    assert 0 < cube.observed.values.mean() < 1
    np.testing.assert_array_equal(cube.time.values, truth.time.values)
    assert "landcover" in cube


def test_a_filled_scene_is_scored_against_its_truth(tmp_path):
    assert run("simulate", tmp_path / "s", "-n", "1", "--size", "24", "--dates", "8", "-q").exit_code == 0
    assert run("fill", tmp_path / "s" / "scene_0000.nc", tmp_path / "f.nc", "-m", "linear", "-q").exit_code == 0
    result = run("score", tmp_path / "f.nc", tmp_path / "s" / "truth" / "scene_0000.nc")
    assert result.exit_code == 0, result.output
    assert "psnr" in result.output


def test_seed_and_number_make_a_scene(tmp_path):
    for name, more in {"a": ("-n", "2"), "b": ("-n", "1"), "c": ("-n", "1", "--seed", "1")}.items():
        assert run("simulate", tmp_path / name, *more, *SMALL).exit_code == 0
    a, b, c = (bytes_of(tmp_path / name) for name in "abc")
    assert len(a) == 4
    assert all(a[name] == content for name, content in b.items())
    assert all(b[name] != content for name, content in c.items())


def test_a_stopped_run_goes_on(tmp_path, monkeypatch):
    write, written = workflow._write_scene, []

    def failing(request, index, *paths):
        if len(written) == 2:
            raise OSError(28, "No space left on device", str(paths[0]))
        written.append(index)
        write(request, index, *paths)

    arguments = ("simulate", tmp_path / "out", "-n", "4", *SMALL)
    monkeypatch.setattr(workflow, "_write_scene", failing)
    assert_refused(run(*arguments), "No space left", "--resume")
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(workflow, "_write_scene", write)
    assert_refused(run(*arguments), "--resume", "--overwrite")
    assert_refused(run(*arguments, "--resume", "--seed", "3"), "simulation.seed was 0 and is 3")
    assert run(*arguments, "--resume").exit_code == 0
    assert run("simulate", tmp_path / "whole", *arguments[2:]).exit_code == 0
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "whole")
    assert not (tmp_path / "out.stage").exists()


def test_an_output_is_replaced_only_when_asked_and_ours(tmp_path):
    out = tmp_path / "out"
    assert run("simulate", out, "-n", "1", *SMALL).exit_code == 0
    before = bytes_of(out)
    assert_refused(run("simulate", out, "-n", "1", *SMALL), "exists", "--overwrite")
    assert run("simulate", out, "-n", "1", *SMALL, "--overwrite", "--seed", "5").exit_code == 0
    assert bytes_of(out) != before
    (out / "thesis.txt").write_text("years of work")
    assert_refused(run("simulate", out, *SMALL, "--overwrite"), "thesis.txt", "another folder")
    assert (out / "thesis.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-n", "0"], ["number is 0"]),
        (["--seed", "-1"], ["seed is -1"]),
        (["--size", "4"], ["size is 4", "8"]),
        (["--size", "100000000"], ["size is 100000000", "16384"]),
        (["--size", "8000", "--dates", "900"], ["900 dates of 8000 x 8000", "smaller --size or fewer --dates"]),
        (["--seed", "9" * 23], ["seed is 9999"]),
        (["--dates", "1"], ["dates is 1"]),
        (["--bands", "purple"], ["purple", "sentinel2-ten", "swir16"]),
        (["--bands", "red,B04"], ["each band once"]),
        (["--bands", ","], ["bands is ''"]),
        (["--format", "hdf"], ["netcdf or zarr"]),
    ],
)
def test_bad_options_are_refused_and_nothing_is_written(tmp_path, arguments, words):
    assert_refused(run("simulate", tmp_path / "out", *arguments), *words)
    assert_refused(run("simulate", "/proc/none/out", "-n", "1", *SMALL), "/proc/none")
    assert contents(tmp_path) == []


def test_bands_are_named_or_a_set(tmp_path):
    request = SimulationRequest(tmp_path / "out", 1, size=16, dates=3, bands=("nir", "B04", "swir16"))
    (path,) = simulate_files(request, quiet)
    assert clearcube.open_cube(path).band.values.tolist() == ["nir", "red", "swir16"]
    assert len(workflow.bands_named(("landsat-seven",))) == 7


def test_scenes_are_of_years_that_training_never_draws(tmp_path):
    for path in simulate_files(SimulationRequest(tmp_path / "scenes", number=3, size=16, dates=5), quiet):
        assert clearcube.open_cube(path).time.dt.year[0] in EVALUATION_YEARS

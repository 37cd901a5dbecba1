import signal
import subprocess
import sys
import time

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from builders import cloudy_cube
from cli_builders import assert_refused, clearcube, contents, files, run, stored

from clearcube.errors import InputError
from clearcube.gaps import STRATA
from clearcube.workflows import info

LINEAR = ("-m", "linear")


@pytest.fixture
def cube_path(tmp_path):
    return stored(tmp_path / "cube.zarr")


def test_info_describes_the_input(cube_path):
    result = run("info", cube_path)
    assert result.exit_code == 0, result.output
    for words in ("8 dates x 4 bands x 40 x 50", "EPSG:32631", "blue (490 nm)", "never seen 6.", "[12, 22)"):
        assert words in result.output


def test_methods_are_listed():
    result = run("methods")
    assert result.exit_code == 0
    for name in ("last", "next", "nearest", "linear", "whittaker", "harmonic", "dineof"):
        assert name in result.output


@pytest.mark.parametrize("name", ["out.zarr", "out.nc", "out"])
def test_fill_writes_each_kind_of_output_and_reads_it_again(cube_path, tmp_path, name):
    result = run("fill", *LINEAR, cube_path, tmp_path / name, "--ndvi")
    assert result.exit_code == 0, result.output
    assert not (tmp_path / f"{name}.stage").exists()
    again = run("info", tmp_path / name)
    assert again.exit_code == 0, again.output
    assert "8 dates x 4 bands x 40 x 50" in again.output
    assert "EPSG:32631" in again.output
    assert run("plot", tmp_path / name, tmp_path / "figure.png", "--input", cube_path).exit_code == 0
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_what_was_filled_is_read_with_what_was_observed(cube_path, tmp_path):
    from clearcube import open_cube

    for name in ("out.zarr", "out.nc", "out"):
        assert run("fill", *LINEAR, cube_path, tmp_path / name, "--quiet").exit_code == 0
        again, before = open_cube(tmp_path / name).load(), open_cube(cube_path).load()
        np.testing.assert_array_equal(again.observed.values, before.observed.values)
        seen = np.broadcast_to(before.observed.values[:, None], before.reflectance.shape)
        np.testing.assert_array_equal(again.reflectance.values[seen], before.reflectance.values[seen])


def numbers(path, **attrs):
    """Bands as digital numbers, without a mask."""
    cube = cloudy_cube(times=8)
    stack = np.round(cube["reflectance"].fillna(0.2) * 1e4).astype(np.uint16)
    bands = {name: stack.sel(band=name, drop=True).assign_attrs(attrs) for name in ("red", "nir")}
    xr.Dataset({**bands, "cloud_mask": cube["observed"].astype(np.uint8)}, attrs={"crs": "EPSG:32631"}).to_netcdf(path)
    return path


def test_fill_tells_where_values_come_from(cube_path, tmp_path):
    result = run("fill", *LINEAR, cube_path, tmp_path / "out.nc", "--max-gap", "5d")
    shares = dict(part.rsplit(" ", 2)[:2] for part in result.output.splitlines()[-1].split(", "))
    with xr.open_dataset(tmp_path / "out.nc") as out:
        for flag, name in enumerate(("unfilled", "observed", "interpolated")):
            assert float(shares[name]) == pytest.approx(100 * float((out["source"] == flag).mean()), abs=0.06)
    assert sum(map(float, shares.values())) == pytest.approx(100, abs=0.3)


@pytest.mark.filterwarnings("default")
def test_an_input_without_a_known_mask_is_warned_of(tmp_path):
    path = numbers(tmp_path / "dn.nc", scale_factor=1e-4)
    result = run("fill", *LINEAR, path, tmp_path / "out.nc")
    assert "warning: mask none found" in result.output and "not used: cloud_mask" in result.output
    assert run("fill", *LINEAR, path, tmp_path / "quiet.nc", "--mask", "cloud_mask=clear").exit_code == 0
    result = run("fill", *LINEAR, path, tmp_path / "none.nc", "--mask", "none")
    assert "observed 100.0 %" in result.output
    result = run("info", path, "--mask", "cloud_mask=clear", "--scl-keep", "4,5")
    assert "no scl mask, so scl_keep changes nothing" in result.output


def test_digital_numbers_are_told_and_refused_everywhere(tmp_path):
    path = numbers(tmp_path / "dn.nc")
    mask = ("--mask", "cloud_mask=clear")
    assert "values   this input is not reflectance" in run("info", path, *mask).output
    result = run("info", path, *mask, "--scale", "1e-4")
    assert "median 0." in result.output and "not reflectance" not in result.output
    assert_refused(run("forecast", path, tmp_path / "out.nc", *mask, "-q"), "not reflectance", "--scale 0.0001")
    (tmp_path / "run.toml").write_text(f'output = "{tmp_path}/run"\n[[train]]\npath = "{path}"\nmask = "none"\n')
    assert_refused(
        run("train", tmp_path / "run.toml", "-q"), "dn.nc is not reflectance", "scale = 0.0001 (and offset = -0.1"
    )
    assert run("fill", *LINEAR, path, tmp_path / "filled.nc", *mask, "--scale", "1e-4").exit_code == 0
    shown = run("plot", tmp_path / "filled.nc", tmp_path / "a.png", "--input", path, *mask)
    assert_refused(shown, "dn.nc is not reflectance")
    assert not {"out.nc", "a.png"} & {each.name for each in tmp_path.iterdir()}


def test_quiet_prints_nothing(cube_path, tmp_path):
    assert run("fill", *LINEAR, cube_path, tmp_path / "out.zarr", "-q").output == ""


def test_history_names_the_command(cube_path, tmp_path):
    run("fill", *LINEAR, cube_path, tmp_path / "out.zarr")
    with xr.open_zarr(tmp_path / "out.zarr") as out:
        assert "clearcube 0.1.0: clearcube" in out.attrs["history"]
        assert out.attrs["method"] == "linear"


def test_history_goes_on_with_that_of_the_input(cube_path, tmp_path):
    assert run("fill", *LINEAR, cube_path, tmp_path / "one.nc", "-q").exit_code == 0
    assert run("fill", *LINEAR, tmp_path / "one.nc", tmp_path / "two.nc", "-q").exit_code == 0
    with xr.open_dataset(tmp_path / "one.nc") as one, xr.open_dataset(tmp_path / "two.nc") as two:
        first, *rest = two.attrs["history"].splitlines()
        assert "clearcube" in first
        assert rest == one.attrs["history"].splitlines()


def test_every_gives_a_regular_calendar(cube_path, tmp_path):
    result = run("fill", *LINEAR, cube_path, tmp_path / "out.nc", "--every", "5d")
    assert result.exit_code == 0, result.output
    with xr.open_dataset(tmp_path / "out.nc") as out:
        assert set(np.diff(out.time.values) / np.timedelta64(1, "D")) == {5}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--method", "magic"], ["unknown method 'magic'", "linear"]),
        (["--method", "linear", "--smooth"], ["--smooth"]),
        (["--method", "linear", "--modes", "3"], ["no option 'modes'"]),
        (["--bands", "blue,purple"], ["purple"]),
        (["--mask", "nothing"], ["nothing"]),
        (["--bbox", "1,2,3"], ["four"]),
        (["--bbox", "0,0,10,10"], []),
        (["--time", "2030-01-01/"], []),
        (["--max-gap", "soon"], ["--max-gap", "60d"]),
        (["--dtype", "float16"], ["float32 or int16"]),
        (["--layout", "rows"], ["cube or bands"]),
        (["--window", "0"], ["window"]),
        (["--workers", "0"], ["workers"]),
        (["--every", "often"], []),
        (["--scheduler", "elsewhere"], ["scheduler"]),
        (["--invent-distance", "-1"], ["invent_distance"]),
        (["--dates", "no-such-file"], ["no-such-file"]),
        (["--format", "hdf"], ["hdf"]),
        (["--dilate", "-2"], ["dilate"]),
        (["--scl-keep", "a"], ["--scl-keep"]),
        (["--method", "whittaker", "--smoothness", "-1"], ["smoothness"]),
        (["--bands", "blue,green", "--ndvi"], ["NDVI"]),
        (["--bands", "blue=1,blue=2"], ["each band once"]),
        (["--bands", "=1"], ["name of the band before each ="]),
        (["--scale", "0"], ["scale is 0"]),
    ],
)
def test_bad_options_are_refused_and_nothing_is_written(cube_path, tmp_path, arguments, words):
    before = contents(tmp_path)
    assert_refused(run("fill", *LINEAR, cube_path, tmp_path / "out.zarr", *arguments), *words)
    assert contents(tmp_path) == before


def test_bad_places_are_refused_and_nothing_is_lost(cube_path, tmp_path):
    before = contents(tmp_path)
    assert_refused(run("fill", *LINEAR, tmp_path / "none.nc", tmp_path / "out.zarr"), "none.nc")
    assert_refused(run("fill", *LINEAR, cube_path, cube_path, "--overwrite"), "is an input too")
    assert_refused(run("fill", *LINEAR, cube_path, cube_path / "out.zarr"), "lies inside the input")
    assert_refused(run("fill", *LINEAR, cube_path, tmp_path, "--overwrite"), "lies inside the output")
    assert_refused(run("fill", *LINEAR, cube_path, tmp_path / "out.tif"), ".zarr, .nc")
    assert_refused(run("fill", *LINEAR, cube_path, "/proc/none/out.zarr"), "/proc/none")
    assert_refused(run("plot", cube_path, tmp_path / "figure.png"), "was not written by")
    assert_refused(run("plot", cube_path, tmp_path / "figure.txt"), ".png")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("scheme", ["s3", "file", "https"])
def test_outputs_are_local(cube_path, tmp_path, monkeypatch, scheme):
    monkeypatch.chdir(tmp_path)
    before = contents(tmp_path)
    url = f"{scheme}://bucket/out"
    assert_refused(run("fill", *LINEAR, cube_path, f"{url}.zarr"), "is a URL", "local")
    assert_refused(run("fill", *LINEAR, cube_path, url), "is a URL")
    assert_refused(run("simulate", url, "-n", "1"), "is a URL")
    assert_refused(run("evaluate", cube_path, "--out", url, "--methods", "linear"), "is a URL")
    assert_refused(run("plot", cube_path, f"{url}.png"), "is a URL")
    assert contents(tmp_path) == before


def test_a_single_date_can_be_asked_for_and_looked_at(cube_path, tmp_path):
    (tmp_path / "dates").write_text("2020-03-19\n")
    for name in ("out.nc", "out"):
        result = run("fill", *LINEAR, cube_path, tmp_path / name, "--dates", tmp_path / "dates")
        assert result.exit_code == 0, result.output
        assert "1 dates" in run("info", tmp_path / name).output
        assert run("plot", tmp_path / name, tmp_path / "figure.png", "--input", cube_path).exit_code == 0
        assert_refused(run("fill", *LINEAR, tmp_path / name, tmp_path / "again.nc"), "one date", "at least two")


def test_no_file_that_is_read_is_ever_the_output(cube_path, tmp_path):
    mask = tmp_path / "mask.nc"
    with xr.open_zarr(cube_path) as cube:
        cube[["observed"]].to_netcdf(mask)
    (tmp_path / "dates").write_text("2020-03-20\n")
    before = mask.read_bytes()
    replace = ("--overwrite", "-q")
    assert_refused(run("fill", *LINEAR, tmp_path / "cube*.zarr", cube_path, *replace), "is an input too")
    assert_refused(run("fill", *LINEAR, f"file://{cube_path}", cube_path, *replace), "is an input too")
    assert_refused(run("fill", *LINEAR, cube_path, mask, *replace, "--mask", f"{mask}:observed"), "is an input too")
    for form in (f"{tmp_path}/m*k.nc", f"file://{mask}"):
        assert_refused(run("fill", *LINEAR, cube_path, mask, *replace, "--mask", f"{form}:observed"), "an input too")
    assert_refused(
        run("fill", *LINEAR, cube_path, tmp_path / "dates", *replace, "--dates", tmp_path / "dates"), "an input too"
    )
    assert mask.read_bytes() == before


def test_a_threshold_of_nothing_is_a_threshold(tmp_path):
    cube = cloudy_cube(times=4, height=8, width=8).drop_vars(["truth", "observed"])
    probability = np.zeros((4, 8, 8), np.uint8)
    probability[:, :, 4:] = 10
    cube.assign(cloud_probability=(("time", "y", "x"), probability)).to_zarr(tmp_path / "cube.zarr", zarr_format=2)
    result = run("info", tmp_path / "cube.zarr", "--max-cloud-probability", "0")
    assert result.exit_code == 0, result.output
    assert "up to 0 kept" in result.output
    assert "never seen 50.0 %" in result.output


def test_a_smoothed_output_still_tells_what_was_seen(cube_path, tmp_path):
    assert run("fill", *LINEAR, cube_path, tmp_path / "out.zarr", "-q", "-m", "whittaker", "--smooth").exit_code == 0
    before, after = run("info", cube_path).output, run("info", tmp_path / "out.zarr").output
    assert [line for line in after.splitlines() if "%" in line] == [line for line in before.splitlines() if "%" in line]


def test_a_warning_is_shown_once(tmp_path):
    cube = cloudy_cube(times=6, height=8, width=8)
    cube.reflectance[1, 0, 0, 0] = np.inf
    path = stored(tmp_path / "cube.zarr", cube, time=1)
    process = clearcube("fill", *LINEAR, path, tmp_path / "out.zarr", "-q")
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert output.count("infinite values") == 1


def test_an_output_is_replaced_only_when_asked(cube_path, tmp_path):
    output = tmp_path / "out.zarr"
    assert run("fill", *LINEAR, cube_path, output, "-q").exit_code == 0
    first = (output / ".zattrs").read_bytes()
    assert_refused(run("fill", *LINEAR, cube_path, output), "exists", "--overwrite")
    assert (output / ".zattrs").read_bytes() == first
    assert run("fill", *LINEAR, cube_path, output, "-q", "--overwrite", "--method", "nearest").exit_code == 0
    assert b"nearest" in (output / ".zattrs").read_bytes()
    assert contents(tmp_path)[0] == "cube.zarr"


def test_a_folder_of_other_things_is_never_replaced(cube_path, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    assert run("fill", *LINEAR, cube_path, mine, "-q", "--overwrite").exit_code == 0
    assert run("fill", *LINEAR, cube_path, mine, "-q", "--overwrite").exit_code == 0
    for name in ("photos", "photos.zarr"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "me.jpg").write_text("smile")
        assert_refused(run("fill", *LINEAR, cube_path, tmp_path / name, "--overwrite"), "did not write", "delete it")
        assert (tmp_path / name / "me.jpg").read_text() == "smile"
    for beside in ("thesis.txt", "source/mine.py"):
        (mine / beside).parent.mkdir(exist_ok=True)
        (mine / beside).write_text("years")
        assert_refused(run("fill", *LINEAR, cube_path, mine, "--overwrite"), "did not write", "delete it")
        assert (mine / beside).read_text() == "years" and any(mine.glob("reflectance_*.tif"))
        (mine / beside).unlink()
    (mine / f"{next(mine.glob('reflectance_*.tif')).name}.aux.xml").touch()  # QGIS looked at it
    assert run("fill", *LINEAR, cube_path, mine, "-q", "--overwrite").exit_code == 0


def test_bad_values_are_refused_and_leave_no_stage(tmp_path):
    cube = cloudy_cube(times=5)
    for name, changed in {
        "dn": cube.assign(reflectance=cube.reflectance * 10000),
        "empty": cube.assign(observed=cube.observed & False),
        "nan": cube.assign(reflectance=cube.reflectance * np.float32(np.nan)),
    }.items():
        path = stored(tmp_path / f"{name}.zarr", changed, time=1)
        before = contents(tmp_path)
        assert_refused(run("fill", *LINEAR, path, tmp_path / "new" / "folder" / "out.zarr", "--window", "16", "-q"))
        assert contents(tmp_path) == before


def test_runs_killed_at_any_instant_resume_to_the_same_bytes(tmp_path):
    source = stored(tmp_path / "cube.zarr", cloudy_cube(times=8, height=150, width=150), time=1)
    arguments = ("fill", *LINEAR, source, tmp_path / "out.zarr", "--window", "16", "--ndvi")
    assert run("fill", *LINEAR, source, tmp_path / "whole.zarr", *arguments[5:]).exit_code == 0
    stage = tmp_path / "out.zarr.stage"

    def filled():
        log = stage / "done.log"
        return log.read_text().count("fill") if log.exists() else 0

    for wanted in (0, 1, 25, 50):  # of 100 windows
        process = clearcube(*arguments, "--resume")
        while process.poll() is None and (not stage.exists() or filled() < wanted):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert filled() >= wanted and not (tmp_path / "out.zarr").exists()
    last = clearcube(*arguments, "--resume")
    output, _ = last.communicate()
    assert last.returncode == 0, output
    assert files(tmp_path / "out.zarr") == files(tmp_path / "whole.zarr")


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_stop_cleanly_and_say_how_to_go_on(tmp_path, sent, code):
    source = stored(tmp_path / "cube.zarr", cloudy_cube(times=8, height=150, width=150), time=1)
    process = clearcube("fill", *LINEAR, source, tmp_path / "out.zarr", "--window", "16")
    log = tmp_path / "out.zarr.stage" / "done.log"
    while process.poll() is None and not (log.exists() and "fill" in log.read_text()):
        time.sleep(0.01)
    process.send_signal(sent)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == code, output
    assert "--resume" in output
    assert "Traceback" not in output
    assert run("fill", *LINEAR, source, tmp_path / "out.zarr", "--window", "16", "--resume", "-q").exit_code == 0


def test_a_full_disk_keeps_the_stage_and_says_how_to_resume(tmp_path):
    source = stored(tmp_path / "cube.zarr", cloudy_cube(times=8, height=64, width=64), time=-1, y=16, x=16)

    def no_file_larger_than_three_kilobytes():
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    arguments = ("fill", *LINEAR, source, tmp_path / "out.zarr", "--window", "16")
    process = clearcube(*arguments, preexec_fn=no_file_larger_than_three_kilobytes)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 2, output
    failed, kept = [line for line in output.splitlines() if "%" not in line]
    assert failed == f"error: File too large: {tmp_path / 'out.zarr'} cannot be written; make room for it"
    assert "--resume" in kept
    assert not (tmp_path / "out.zarr").exists()
    assert run(*arguments, "--resume", "-q").exit_code == 0


def test_resuming_with_other_settings_names_the_difference(tmp_path):
    source = stored(tmp_path / "cube.zarr", cloudy_cube(times=8, height=150, width=150), time=1)
    process = clearcube("fill", *LINEAR, source, tmp_path / "out.zarr", "--window", "16")
    log = tmp_path / "out.zarr.stage" / "done.log"
    while process.poll() is None and not (log.exists() and "fill" in log.read_text()):
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert_refused(run("fill", *LINEAR, source, tmp_path / "out.zarr", "--window", "16"), "--resume", "--overwrite")
    changed = run("fill", *LINEAR, source, tmp_path / "out.zarr", "--window", "32", "--resume")
    assert_refused(changed, "window was 16 and is 32")
    with xr.open_zarr(source) as cube:
        cube[["observed"]].to_netcdf(tmp_path / "mask.nc")
    mask = ("--mask", f"{tmp_path}/mas*.nc:observed")
    changed = run("fill", *LINEAR, source, tmp_path / "out.zarr", "--window", "16", "--resume", *mask)
    assert_refused(changed, f"input.{tmp_path}/mask.nc was")
    (source / "B99").write_text("")
    changed = run("fill", *LINEAR, source, tmp_path / "out.zarr", "--window", "16", "--resume")
    assert_refused(changed, "cube.zarr was '", "bytes, last changed ", "' and is '")


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from clearcube.cli import app; import clearcube\n"
        "heavy = {'torch', 'numba', 'rasterio', 'matplotlib', 'xarray', 'dask', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import sys, clearcube; clearcube.open_cube\nassert not {'torch', 'numba'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_input_that_fails_while_windows_are_filled_keeps_the_stage(tmp_path, monkeypatch):
    from clearcube.fill_cube import staged

    source = stored(tmp_path / "cube.zarr", cloudy_cube(times=5, height=48, width=48))
    arguments = ("fill", *LINEAR, source, tmp_path / "out.zarr", "--window", "16", "--workers", "1", "-q")
    fill_and_write, calls = staged._fill_and_write, []

    def fails_at_the_last_window(*given):
        calls.append(given)
        if len(calls) == 9:
            raise InputError("the line is broken")
        return fill_and_write(*given)

    monkeypatch.setattr(staged, "_fill_and_write", fails_at_the_last_window)
    assert_refused(run(*arguments), "the line is broken", "--resume")
    assert run(*arguments, "--resume").exit_code == 0
    assert 9 < len(calls) < 18


def test_a_store_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    from clearcube.fill_cube import staged

    source = stored(tmp_path / "cube.zarr", cloudy_cube(times=5, height=48, width=48))
    fill_and_write = staged._fill_and_write

    def loses_a_chunk(*given):
        next((source / "reflectance").glob("0.*")).unlink(missing_ok=True)
        return fill_and_write(*given)

    monkeypatch.setattr(staged, "_fill_and_write", loses_a_chunk)
    before = contents(tmp_path)
    assert_refused(run("fill", *LINEAR, source, tmp_path / "out.zarr", "-q"), "cube.zarr was changed", "start over")
    assert [name for name in contents(tmp_path) if name not in before] == []


def test_rasters_without_a_reference_system_in_a_process_of_their_own(tmp_path):
    source = stored(tmp_path / "cube.zarr", cloudy_cube(times=4, height=8, width=8, crs=None))
    output, _ = (process := clearcube("fill", *LINEAR, source, tmp_path / "out", "-q")).communicate(timeout=300)
    assert process.returncode == 0, output
    assert "no CRS is known" in output
    assert len(list((tmp_path / "out").glob("*.tif"))) == 4


@pytest.mark.parametrize(
    ("option", "value", "of", "wanted"),
    [
        ("--max-gap", "7d", lambda r: r.settings.max_gap, 7),
        ("--max-extrapolation", "9d", lambda r: r.settings.max_extrapolation, 9),
        ("--invent-distance", "3", lambda r: r.settings.invent_distance, 3),
        ("--smooth", None, lambda r: (r.settings.smooth, r.settings.denoise), (True, False)),
        ("--denoise", None, lambda r: (r.settings.smooth, r.settings.denoise), (False, True)),
        ("--ndvi", None, lambda r: r.settings.ndvi, True),
        ("--contamination", None, lambda r: r.settings.contamination, True),
        ("--layout", "bands", lambda r: r.output_format.layout, "bands"),
        ("--dtype", "int16", lambda r: r.output_format.dtype, "int16"),
        ("--zarr-format", "3", lambda r: r.output_format.zarr_format, 3),
        ("--window", "64", lambda r: r.window, 64),
        ("--workers", "5", lambda r: r.workers.count, 5),
        ("--terms", "1", lambda r: dict(r.options), {"terms": 1}),
        ("--adapt-steps", "4", lambda r: dict(r.options), {"adapt": 4}),
        ("--adapt", None, lambda r: dict(r.options), {"adapt": True}),
        ("--dilate", "2", lambda r: r.opening["dilate"], 2),
        ("--resume", None, lambda r: (r.resume, r.overwrite), (True, False)),
    ],
)
def test_every_option_reaches_its_place(monkeypatch, option, value, of, wanted):
    asked = []

    def watched(request, progress):
        asked.append(request)
        raise InputError("enough")

    monkeypatch.setattr("clearcube.workflows.fill.fill_files", watched)
    result = run("fill", "in.nc", "out.zarr", option, *([value] if value else []))
    assert (result.exit_code, len(asked)) == (2, 1), result.output
    assert of(asked[0]) == wanted


def test_info_tells_how_long_the_gaps_are(tmp_path):
    cube = cloudy_cube(times=4, height=8, width=8, cloud=0, never=False)  # the third date is lost
    days = np.array([0, 10, 20, 40]).astype("timedelta64[D]")
    cube = cube.assign_coords(time=np.datetime64("2020-01-01", "ns") + days)
    found = info.describe([str(stored(tmp_path / "cube.zarr", cube))], {})
    assert found.gap_share == {name: float(name == "[22, 42)") for name in STRATA}


def test_info_reads_what_is_stored_together_once(monkeypatch):
    cube, reads = cloudy_cube(times=3, height=60, width=130, never=False), []
    observed = cube["observed"].values

    def read(block_info):
        reads.append(1)
        return observed[tuple(slice(*span) for span in block_info[None]["array-location"])]

    chunks = (1, (40, 20), (50, 50, 30))
    counted = da.map_blocks(
        read, chunks=da.core.normalize_chunks(chunks, observed.shape), dtype=bool, meta=np.array(())
    )
    cube = cube.chunk(time=1, y=40, x=50).assign(observed=(("time", "y", "x"), counted))
    monkeypatch.setattr(info, "open_cube", lambda inputs: cube)
    monkeypatch.setattr(info, "PART_SIZE", 16)
    monkeypatch.setattr(info, "_values", lambda cube: "")
    found = info.describe(["x"], {})
    assert len(reads) == 18
    np.testing.assert_allclose(found.clear_share, observed.mean(axis=(1, 2)))
    assert found.never_share == (~observed.any(axis=0)).mean()

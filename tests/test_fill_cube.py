import json
import threading

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from builders import BANDS, MeanFiller, cloudy_cube
from hypothesis import given, settings
from hypothesis import strategies as st

import clearcube
from clearcube.cube import Source
from clearcube.errors import InputError
from clearcube.evaluation.experiments import filled_by, named_cube
from clearcube.fill_cube import FillSettings, StagedFill, Workers, fill_with
from clearcube.fill_cube.blocks import reads_each_chunk_once
from clearcube.fill_cube.survey import add_up, check_reflectance, survey_piece
from clearcube.fill_cube.window import Filled, fill_window, ndvi_with_std
from clearcube.filler import Block, everywhere
from clearcube.tiling import Window, sample_windows
from clearcube.writers.encoding import OutputFormat
from clearcube.writers.stage import opened

EVERYTHING = FillSettings(ndvi=True)
SIDE = st.integers(1, 9)


def staged(cube, folder, *, window=16, halo=0, output_format=None, settings=EVERYTHING, workers=None, name="out"):
    output = folder / f"{name}.zarr"
    with opened(output, {}, resume=False, overwrite=True) as stage:
        StagedFill(
            cube,
            MeanFiller(halo),
            settings,
            output_format or OutputFormat(),
            stage,
            window=window,
            workers=workers or Workers(),
        ).run()
        return xr.load_dataset(stage.filled, engine="zarr", decode_coords="all")


def assert_same(one, other):
    for name in one.data_vars:
        np.testing.assert_array_equal(one[name].values, other[name].values, str(name))


def test_every_value_is_there_and_says_where_it_comes_from():
    cube = cloudy_cube()
    filled = fill_with(cube, MeanFiller(), EVERYTHING)
    observed = cube.observed.values
    source = filled.source.values
    assert not filled.reflectance.isnull().any()
    assert ((source == Source.OBSERVED) == observed).all()
    seen = np.cumsum(observed, axis=0) > 0
    coming = np.cumsum(observed[::-1], axis=0)[::-1] > 0
    missing = ~observed
    assert (source[missing & seen & coming] == Source.INTERPOLATED).all()
    assert (source[missing & (seen ^ coming)] == Source.EXTRAPOLATED).all()
    assert (source[missing & ~seen & ~coming] == Source.INVENTED).all()
    assert (filled.days_to_observation.values[observed] == 0).all()
    assert (filled.days_to_observation.values[~seen & ~coming] == -1).all()


def test_observed_values_are_kept_bit_for_bit():
    cube = cloudy_cube()
    filled = fill_with(cube, MeanFiller(), EVERYTHING)
    kept = np.broadcast_to(cube.observed.values[:, None], cube.reflectance.shape)
    np.testing.assert_array_equal(filled.reflectance.values[kept], cube.reflectance.values[kept])


@pytest.mark.parametrize(
    ("chunks", "window", "halo"),
    [
        ({"time": 1, "band": 2, "y": 17, "x": 50}, 16, 0),
        ({"time": -1, "y": 16, "x": 16}, 16, 0),
        ({"time": 4, "y": 8, "x": 8}, 16, 0),
        ({"time": 5, "y": 40, "x": 50}, 11, 3),
        ({}, 64, 0),
    ],
)
def test_windows_chunks_and_workers_change_nothing(tmp_path, chunks, window, halo):
    cube = cloudy_cube()
    expected = fill_with(cube, MeanFiller(), EVERYTHING, window=64)
    chunked = cube.chunk(chunks) if chunks else cube
    assert_same(expected, staged(chunked, tmp_path, window=window, halo=halo, workers=Workers(count=3)))


@pytest.mark.parametrize("window", [9, 20, 64])
def test_lazy_is_lazy_and_equals_eager(window):
    cube = cloudy_cube()
    lazy = fill_with(cube.chunk(time=3, y=13, x=17), MeanFiller(halo=2), EVERYTHING, window=window)
    assert all(isinstance(variable.data, da.Array) for variable in lazy.data_vars.values())
    assert_same(fill_with(cube, MeanFiller(), EVERYTHING), lazy)


def test_chunks_within_windows_are_read_without_a_copy():
    cube = cloudy_cube(height=32, width=32)
    assert reads_each_chunk_once(cube.chunk(time=-1, y=16, x=8), 16, 0)
    assert reads_each_chunk_once(cube.chunk(time=1, y=16, x=16), 32, 4)
    assert not reads_each_chunk_once(cube.chunk(time=-1, y=16, x=8), 16, 4)
    assert not reads_each_chunk_once(cube.chunk(time=1, y=32, x=32), 16, 0)


@pytest.mark.parametrize(("chunks", "limit"), [({"time": -1, "y": 16, "x": 16}, 2), ({"time": 1}, 1)])
def test_no_chunk_is_decoded_more_often_than_stated(tmp_path, chunks, limit):
    cube = cloudy_cube(height=32, width=32, never=False).chunk(chunks)
    reads = {}

    def counted(values, block_info=None):
        place = str(block_info[0]["chunk-location"])
        reads[place] = reads.get(place, 0) + 1
        return values

    cube["reflectance"] = cube.reflectance.copy(
        data=da.map_blocks(counted, cube.reflectance.data, dtype=np.float32, meta=np.empty(0, np.float32))
    )
    staged(cube, tmp_path)
    assert reads
    assert max(reads.values()) <= limit


def test_limits_leave_longer_gaps_unfilled():
    cube = cloudy_cube(times=6, cloud=0, never=False)
    cube["time"] = np.datetime64("2020-01-01", "ns") + np.array([0, 10, 40, 50, 60, 100]).astype("timedelta64[D]")
    hidden = cube.observed.values.copy()
    hidden[1] = False
    hidden[5] = False
    cube["observed"] = (cube.observed.dims, hidden)

    def sources(**limits):
        filled = fill_with(cube, MeanFiller(), FillSettings(**limits))
        assert (filled.reflectance.isnull().all("band").values == (filled.source.values == Source.UNFILLED)).all()
        return [Source(value).name for value in filled.source.values[[1, 5], 0, 0]]

    assert sources() == ["INTERPOLATED", "EXTRAPOLATED"]
    assert sources(max_gap=40) == ["INTERPOLATED", "EXTRAPOLATED"]
    assert sources(max_gap=39) == ["UNFILLED", "UNFILLED"]
    assert sources(max_gap=39, max_extrapolation=40) == ["UNFILLED", "EXTRAPOLATED"]
    assert sources(max_extrapolation=39) == ["INTERPOLATED", "UNFILLED"]


@pytest.mark.parametrize("window", [7, 16, 64])
def test_never_observed_pixels_are_invented_up_to_the_distance(tmp_path, window):
    cube = cloudy_cube()  # rows 5..14, columns 7..18 are never observed
    filled = staged(cube, tmp_path, window=window, settings=FillSettings(invent_distance=3))
    never = np.zeros(cube.observed.shape[1:], dtype=bool)
    never[5:15, 7:19] = True
    deep = np.zeros_like(never)
    deep[8:12, 10:16] = True
    source = filled.source.values
    assert (source[:, deep] == Source.UNFILLED).all()
    assert (source[:, never & ~deep] == Source.INVENTED).all()
    assert (source[:, ~never] != Source.INVENTED).all()
    assert np.isnan(filled.reflectance.values[:, :, deep]).all()
    ring = filled.reflectance_std.values[:, :, never & ~deep]
    assert (ring > 0.1).all()  # the filler's own std and what neighbours differ by


def test_windows_change_nothing_of_rounded_outputs(tmp_path):
    cube = cloudy_cube()
    form = OutputFormat(dtype="int16")
    whole = staged(cube, tmp_path, window=64, output_format=form)
    assert_same(whole, staged(cube, tmp_path, window=7, output_format=form, name="windows"))
    assert (whole["source"] == Source.INVENTED).any() and np.isfinite(whole["ndvi"]).all()


def test_invented_values_of_a_flat_place_are_its_value():
    cube = cloudy_cube()
    cube["reflectance"] = xr.full_like(cube.reflectance, 0.25)
    filled = fill_with(cube, MeanFiller(), FillSettings())
    np.testing.assert_allclose(filled.reflectance.values, 0.25, rtol=1e-6)


def test_pixels_that_are_observed_and_have_no_value_are_invented_in_memory_too():
    cube = cloudy_cube(never=False)
    cube.reflectance.values[:, :, 3, 4] = np.nan
    cube.observed.values[:, 3, 4] = True
    filled = fill_with(cube, MeanFiller(), FillSettings())
    assert (filled["source"][:, 3, 4] == Source.INVENTED).all() and np.isfinite(filled["reflectance"][..., 3, 4]).all()


def test_infinities_become_unobserved_with_a_warning():
    cube = cloudy_cube(never=False)
    seen = np.argwhere(cube.observed.values)[0]
    cube.reflectance.values[seen[0], 1, seen[1], seen[2]] = np.inf
    with pytest.warns(UserWarning, match="1 infinite value"):
        filled = fill_with(cube, MeanFiller(), EVERYTHING)
    assert filled.source.values[tuple(seen)] != Source.OBSERVED
    assert np.isfinite(filled.reflectance.values).all()


def test_nothing_observed_and_values_out_of_range_are_refused():
    cube = cloudy_cube()
    with pytest.raises(InputError, match="nothing is observed"):
        fill_with(cube.assign(observed=xr.zeros_like(cube.observed)), MeanFiller(), EVERYTHING)
    with pytest.raises(InputError, match="nothing is observed"):
        fill_with(cube.assign(reflectance=xr.full_like(cube.reflectance, np.nan)), MeanFiller(), EVERYTHING)
    with pytest.raises(InputError, match=r"--scale 0\.0001"):
        fill_with(cube.assign(reflectance=cube.reflectance * 10000), MeanFiller(), EVERYTHING)
    with pytest.raises(InputError, match=r"percent: add --scale 0\.01"):
        fill_with(cube.assign(reflectance=cube.reflectance * 100), MeanFiller(), EVERYTHING)


def test_a_few_values_out_of_range_are_kept():
    cube = cloudy_cube(never=False)
    place = tuple(np.argwhere(cube.observed.values)[0])
    cube.reflectance.values[place[0], :, place[1], place[2]] = 3.5
    filled = fill_with(cube, MeanFiller(), EVERYTHING)
    assert (filled.reflectance.values[place[0], :, place[1], place[2]] == 3.5).all()


def test_one_date_and_missing_bands_are_refused():
    cube = cloudy_cube()
    with pytest.raises(InputError, match="one date only"):
        fill_with(cube.isel(time=[0]), MeanFiller(), EVERYTHING)
    with pytest.raises(InputError, match="NDVI needs the bands 'red'"):
        fill_with(cube.isel(band=[0, 1]), MeanFiller(), EVERYTHING)


def test_only_wanted_dates_come_out(tmp_path):
    cube = cloudy_cube()
    wanted = np.arange(cube.sizes["time"]) % 3 == 0
    chosen = cube.assign_coords(wanted=("time", wanted))
    filled = fill_with(chosen, MeanFiller(), EVERYTHING)
    assert_same(fill_with(cube, MeanFiller(), EVERYTHING).isel(time=wanted), filled)
    assert_same(filled, staged(chosen, tmp_path))


def test_ndvi_std_follows_the_errors_of_both_bands():
    filled = fill_with(cloudy_cube(), MeanFiller(), EVERYTHING)
    red, infrared = filled.reflectance.values[:, 2].astype(float), filled.reflectance.values[:, 3].astype(float)
    red_std, infrared_std = filled.reflectance_std.values[:, 2], filled.reflectance_std.values[:, 3]
    expected = 2 * np.sqrt((infrared * red_std) ** 2 + (red * infrared_std) ** 2) / (red + infrared) ** 2
    assert (expected < 1).mean() > 0.5
    np.testing.assert_allclose(filled.ndvi_std.values, np.minimum(expected, 1), rtol=1e-4)
    np.testing.assert_allclose(filled.ndvi.values, (infrared - red) / (infrared + red), rtol=1e-4, atol=1e-6)


@settings(deadline=None, max_examples=15)
@given(
    st.integers(2, 6), st.integers(1, 9), st.integers(1, 9), st.floats(0, 0.95), st.integers(0, 99), st.integers(1, 9)
)
def test_whatever_the_shape_nothing_seen_is_left(times, height, width, cloud, seed, window):
    cube = cloudy_cube(times, height, width, cloud=cloud, seed=seed, never=False)
    if not cube.observed.any():
        return
    filled = fill_with(cube, MeanFiller(), FillSettings(invent_distance=9), window=window)
    assert not filled.reflectance.isnull().any()


def test_a_scheduler_that_is_none_is_refused():
    with pytest.raises(InputError, match="scheduler"):
        Workers("processes")
    with pytest.raises(InputError, match="at least one"):
        Workers(count=0)


def test_the_windows_of_the_sample_are_spread_evenly_over_the_frame():
    rows = [(window.top, window.bottom) for window in sample_windows((1000, 100))]
    assert rows == [(93, 157), (343, 407), (593, 657), (843, 907)]  # around 125, 375, 625, 875
    assert {(window.left, window.right) for window in sample_windows((1000, 100))} == {(0, 100)}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # sockets that outlive the cluster
def test_a_cluster_gives_the_same(tmp_path):
    from distributed import LocalCluster

    cube = cloudy_cube()
    expected = fill_with(cube, MeanFiller(), EVERYTHING)
    options = {"n_workers": 1, "threads_per_worker": 2, "processes": False, "protocol": "tcp"}
    any_graph_is_large = dask.config.set({"distributed.admin.large-graph-warning-threshold": "1B"})
    with LocalCluster(**options, dashboard_address=None) as cluster, any_graph_is_large:
        workers = Workers(cluster.scheduler_address)
        assert_same(expected, staged(cube.chunk(time=1), tmp_path, workers=workers))


def test_a_cluster_that_does_not_answer_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("clearcube.fill_cube.running.ANSWER_WITHIN_S", 1)
    with pytest.raises(InputError, match=r"no dask scheduler answers at tcp://127\.0\.0\.1:9"):
        staged(cloudy_cube(), tmp_path, workers=Workers("tcp://127.0.0.1:9"))


def test_what_is_no_cube_is_refused():
    with pytest.raises(InputError, match=r"not a cube: a DataArray; a cube is a Dataset with 'reflectance'"):
        clearcube.fill(cloudy_cube()["reflectance"], "linear")


def test_what_stays_unfilled_has_no_std_either():
    observed = np.array([True, False, True])[:, None, None]
    dates = np.datetime64("2020-01-01", "D") + np.array([0, 50, 100])
    block = Block(np.full((3, 1, 1, 1), 0.2, np.float32), observed, dates, BANDS[:1])
    made = fill_window(MeanFiller().prepare([block]), block, FillSettings(max_gap=30), everywhere(block))
    assert made.source.ravel().tolist() == [Source.OBSERVED, Source.UNFILLED, Source.OBSERVED]
    assert np.isnan(made.reflectance.ravel()).tolist() == np.isnan(made.std.ravel()).tolist() == [False, True, False]


def test_the_errors_of_red_and_infrared_are_correlated():
    values = np.array([0.9, 0.1, 0.3], np.float32).reshape(1, 3, 1, 1)
    std = np.array([0.9, 0.02, 0.03], np.float32).reshape(1, 3, 1, 1)
    filled = Filled(values, std, np.full((1, 1, 1), Source.INTERPOLATED, np.uint8), np.full((1, 1, 1), 5, np.int16))
    correlation = np.array([[1, 0.9, 0.9], [0.9, 1, 0.5], [0.9, 0.5, 1]])
    ndvi, spread = ndvi_with_std(filled, ("blue", "red", "nir"), correlation)
    by_red, by_infrared = -2 * 0.3 / 0.16 * 0.02, 2 * 0.1 / 0.16 * 0.03
    assert ndvi.item() == pytest.approx(0.5, abs=1e-6)
    assert spread.item() == pytest.approx(np.sqrt(by_red**2 + by_infrared**2 + by_red * by_infrared), rel=1e-5)


def test_options_in_python_reach_their_place():
    given = {"max_extrapolation": 9, "invent_distance": 3, "smooth": True, "ndvi": True}
    filled = clearcube.fill(cloudy_cube(), "whittaker", max_gap="60d", **given)
    assert json.loads(filled.attrs["settings"]) == {"max_gap": 60, **given}


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (-0.5, "say how they become reflectance with scale, offset and nodata"),
        (2.5, "percent: add --scale 0.01"),
        (99, "percent: add --scale 0.01"),
        (101, "digital numbers: add --scale 0.0001 (and --offset -0.1 for Sentinel-2"),
        (9_900, "digital numbers: add --scale 0.0001 (and --offset -0.1 for Sentinel-2"),
        (10_100, "Landsat Collection 2: add --scale 0.0000275 and --offset -0.2"),
    ],
)
def test_what_the_numbers_are_is_told_by_their_mean(value, advice):
    with pytest.raises(InputError) as refused:
        check_reflectance(np.full((2, 1, 1, 1), value, np.float32), np.ones((2, 1, 1), bool))
    assert advice in str(refused.value)


def test_one_observed_value_in_a_hundred_may_lie_out_of_range():
    values, observed = np.full((2, 1, 10, 20), 0.2, np.float32), np.ones((2, 10, 20), bool)
    values[0, 0, 0, :4] = [-0.3, -0.3, 2.1, 2.1]  # of 400
    check_reflectance(values, observed)
    values[0, 0, 0, 4] = -0.3
    with pytest.raises(InputError, match=r"1\.2 % of the observed values lie outside"):
        check_reflectance(values, observed)
    observed[0, 0, 3:5] = False
    check_reflectance(values, observed)


def test_what_misses_a_band_is_not_observed_in_the_sample():
    values, observed = np.full((2, 2, 1, 3), 0.2, np.float32), np.ones((2, 1, 3), bool)
    values[0, 1, 0, 0], values[1, 0, 0, 1], observed[1, 0, 2] = np.nan, np.inf, False
    frame = Window(0, 1, 0, 3)
    found = add_up(
        [survey_piece(values, observed, frame, 0, [frame])], [frame], np.arange(2).astype("M8[D]"), BANDS[:2]
    )
    assert (found.values, found.infinite, found.mean) == (6, 1, pytest.approx(0.2))
    assert found.sample[0].observed[:, 0].tolist() == [[False, True, True], [True, False, False]]


def test_every_fill_prepares_on_the_same_sample(tmp_path, monkeypatch):
    cube, samples = cloudy_cube(4, 280, 8, never=False), []
    prepare = MeanFiller.prepare
    monkeypatch.setattr(MeanFiller, "prepare", lambda self, sample: samples.append(sample) or prepare(self, sample))
    fill_with(cube, MeanFiller(), EVERYTHING, window=100)
    fill_with(cube.chunk(time=1, y=70), MeanFiller(), EVERYTHING)
    staged(cube.chunk(time=3, y=90), tmp_path, window=64)
    for sample in samples:
        assert len(sample) == 4
        for block, chip in zip(sample, sample_windows((280, 8)), strict=True):
            known = cube.observed.values & np.isfinite(cube.reflectance.values).all(axis=1)
            np.testing.assert_array_equal(block.reflectance, cube.reflectance.values[(..., *chip.slices)])
            np.testing.assert_array_equal(block.observed, known[(..., *chip.slices)])
            np.testing.assert_array_equal(block.dates, cube.time.values.astype("datetime64[D]"))
    assert len(samples) == 3


def test_what_is_observed_between_the_usual_sample_is_filled(tmp_path, monkeypatch):
    cube, samples = cloudy_cube(4, 64, 1220, never=False), []
    seen = np.zeros((64, 1220), bool)
    seen[10:60, 1180:1218] = seen[22:30, 50:64] = True  # no rectangle of the sample looks there
    assert not any(seen[window.slices].any() for window in sample_windows(seen.shape))
    cube = cube.assign(observed=cube.observed & seen)
    prepare = MeanFiller.prepare
    monkeypatch.setattr(MeanFiller, "prepare", lambda self, sample: samples.append(sample) or prepare(self, sample))
    one = fill_with(cube, MeanFiller(), EVERYTHING)
    two = staged(cube.chunk(time=3, y=90), tmp_path, window=64)
    filled_by(MeanFiller(), named_cube("one", cube).block)
    assert len(samples) == 3
    assert np.isfinite(one.reflectance.values[:, 0, 10:60, 1180:1218]).all()
    np.testing.assert_array_equal(one.reflectance.values, two.reflectance.values)
    for sample in samples:
        assert 2 <= len(sample) <= 16
        assert all(block.observed.shape == (4, 64, 64) for block in sample)
        counts = sum(int(block.observed.sum()) for block in sample)
        assert counts >= cube.observed.values.sum()  # rectangles at the frame's end overlap


@pytest.mark.parametrize(("given", "count"), [(3, 3), (1, 1), (None, 2)])
def test_as_many_tasks_run_at_once_as_there_are_workers(monkeypatch, given, count):
    monkeypatch.setattr("clearcube.fill_cube.running.usable_cores", lambda: 2)
    together, lock, running, most = threading.Barrier(count), threading.Lock(), [], []

    def work(number):
        with lock:
            running.append(number)
            most.append(len(running))
        together.wait(timeout=20)  # until so many have begun
        with lock:
            running.remove(number)
        return number

    done = []
    Workers(count=given).run([dask.delayed(work, pure=False)(number) for number in range(6)], done.append)
    assert sorted(done) == [0, 1, 2, 3, 4, 5]
    assert max(most) == count


def test_the_output_says_how_it_was_made():
    cube, acquired = cloudy_cube(6).assign_attrs(title="mine"), np.array([False, True, True, False, True, False])
    first, *_, fifth, last = cube.time.values.astype("datetime64[D]")
    made = fill_with(cube, MeanFiller(), FillSettings(max_gap=60, smooth=True)).attrs
    assert (made["title"], made["method"]) == ("mine", "mean")
    assert made["clearcube_version"] == clearcube.__version__
    assert json.loads(made["settings"]) == {"max_gap": 60, "invent_distance": 32, "smooth": True}
    none = fill_with(cube, MeanFiller(), FillSettings(max_gap=0, invent_distance=0)).attrs["settings"]
    assert json.loads(none) == {"max_gap": 0, "invent_distance": 0}
    assert json.loads(made["prepared"]) == {"bands": 4, "std": 0.1}
    assert made["input_dates"] == f"{first} to {last}, 6 dates"
    added = cube.assign_coords(wanted=("time", ~acquired), acquired=("time", acquired))
    filled = fill_with(added, MeanFiller(), EVERYTHING)
    assert filled.attrs["input_dates"] == f"{cube.time.values[1].astype('datetime64[D]')} to {fifth}, 3 dates"
    assert filled.time.values[0].astype("datetime64[D]") == first and filled.sizes["time"] == 3


def test_a_chunk_over_two_of_three_windows_is_copied_first():
    cube = cloudy_cube(height=48, width=16)
    assert reads_each_chunk_once(cube.chunk(y=(16, 16, 16)), 16, 0)
    assert not reads_each_chunk_once(cube.chunk(y=(16, 32)), 16, 0)
    assert not reads_each_chunk_once(cube.chunk(y=(32, 16)), 16, 0)


def into(stage, cube, progress=lambda *told: None):
    """A fill into the stage, one window of 16 x 16 pixels after the other."""
    form, one = OutputFormat(), Workers(count=1)
    return StagedFill(cube, MeanFiller(), FillSettings(invent_distance=0), form, stage, 16, one, progress)


def test_a_resumed_fill_does_what_is_left_and_does_not_read_the_cube_again(tmp_path):
    cube, told = cloudy_cube(height=32, width=48).chunk(time=1), []

    def stop(phase, done, total):
        if phase == "filling" and done == 512:  # two of six windows
            raise OSError("full")

    def refuse(values):
        raise AssertionError("read again")

    gone = da.map_blocks(refuse, cube.reflectance.data, dtype=np.float32, meta=np.empty(0, np.float32))
    with (
        opened(tmp_path / "out.zarr", {}, resume=False, overwrite=False) as stage,
        pytest.raises(OSError, match="full"),
    ):
        into(stage, cube, stop).run()
    with opened(tmp_path / "out.zarr", {}, resume=True, overwrite=False) as stage:
        again = cube.assign(reflectance=cube.reflectance.copy(data=gone))
        into(stage, again, lambda *each: told.append(each)).run()
        filled = xr.load_dataset(stage.filled, engine="zarr", decode_coords="all")
    assert [each for each in told if each[0] == "filling"] == [("filling", n, 1536) for n in (768, 1024, 1280, 1536)]
    assert_same(fill_with(cube, MeanFiller(), FillSettings(invent_distance=0)), filled)


def test_a_stage_with_a_window_or_of_an_earlier_run_is_worth_keeping(tmp_path):
    cube = cloudy_cube()
    with opened(tmp_path / "out.zarr", {}, resume=False, overwrite=False) as stage:
        stage.mark("copied")
        assert not into(stage, cube).begun
        stage.mark("fill 0 0")
        assert into(stage, cube).begun
    with opened(tmp_path / "other.zarr", {}, resume=False, overwrite=False):
        pass
    with opened(tmp_path / "other.zarr", {}, resume=True, overwrite=False) as stage:
        assert into(stage, cube).begun

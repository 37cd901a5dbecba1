from itertools import pairwise

import dask.array as da
import numpy as np
import pytest
from builders import BANDS, MeanFiller, cloudy_cube
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from plot_builders import gaps_of, naive_edges, unit_edges

from clearcube.cube import Source, band_named, new_cube
from clearcube.errors import InputError
from clearcube.fill_cube import FillSettings, fill_with
from clearcube.plots import check_figure_path, dates_figure, on_grid_of, pixel_at, save, svg_text
from clearcube.plots.canvas import line_styles
from clearcube.plots.pictures import PIXELS, Rendering, day_labels, outline, spread_dates, thinned


def pair(times=3, height=8, width=8, **options):
    cube = cloudy_cube(times=times, height=height, width=width, **options)
    return cube, fill_with(cube, MeanFiller(), FillSettings())


def test_the_first_and_last_date_are_always_shown():
    assert spread_dates(30, 4).tolist() == [0, 10, 19, 29]
    assert spread_dates(3, 10).tolist() == [0, 1, 2]
    assert spread_dates(5, 0).tolist() == [0]


def test_dates_are_called_by_their_day_and_the_year_is_told_once():
    dates = np.array(["2020-02-29", "2020-12-31", "2021-01-01", "2021-03-01"], "datetime64[D]")
    assert day_labels(dates) == ["2020: 60", "366", "2021: 1", "60"]


@given(arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 6))))
def test_an_outline_runs_along_every_edge_of_the_mask_and_no_other(mask):
    segments = outline(mask)
    assert unit_edges(segments) == naive_edges(mask)
    assert sum(np.abs(np.diff(segments, axis=1)).sum(axis=(1, 2))) == len(naive_edges(mask))


def test_a_large_frame_is_thinned_and_a_small_one_is_not():
    cube = cloudy_cube(times=2, height=8, width=9)
    assert thinned(cube).sizes == cube.sizes
    large = cube.isel(y=[0], x=np.zeros(3 * PIXELS, dtype=int))
    assert thinned(large).sizes["x"] == PIXELS
    assert thinned(large.isel(x=slice(PIXELS + 1))).sizes["x"] <= PIXELS


def test_a_figure_of_a_scene_that_no_memory_holds():
    _, filled = pair()
    side = 8 * 4096  # 12 GB a date
    one = filled.isel(y=[0], x=[0])
    many = {
        name: (v.dims, da.zeros((*v.shape[:-2], side, side), chunks=(*v.shape[:-2], 512, 512), dtype=v.dtype))
        for name, v in filled.data_vars.items()
    }
    scene = one.drop_vars([*many, "y", "x"]).assign(many)
    assert thinned(scene)["reflectance"].nbytes < 20e6


def test_black_and_white_are_shared_by_the_three_bands_and_come_from_the_observed_values():
    values = np.full((2, 4, 10, 10), 0.9, np.float32)
    ramp = np.linspace(0.0, 0.2, 100).reshape(10, 10)
    values[0, 0], values[0, 1], values[0, 2] = ramp, ramp + 0.1, ramp + 0.05
    source = np.stack([np.full((10, 10), Source.OBSERVED), np.full((10, 10), Source.INTERPOLATED)])
    cube = new_cube(values, np.ones((2, 10, 10), bool), ["2020-01-01", "2020-01-02"], BANDS)
    filled = cube.assign(source=(("time", "y", "x"), source.astype(np.uint8)))
    rendering = Rendering.of(filled)
    assert rendering.label == "true colour"
    assert rendering.black == pytest.approx([0.004] * 3, abs=1e-6)
    assert rendering.white == pytest.approx([0.296] * 3, abs=1e-6)
    picture = rendering.picture(filled.isel(time=0))
    assert picture.shape == (10, 10, 4)
    middle = (ramp[5, 5] + 0.05 - 0.004) / 0.292
    assert picture[5, 5, 0] == pytest.approx(middle**0.8, abs=1e-6)
    assert (rendering.picture(filled.isel(time=1)) == 1).all()


@pytest.mark.parametrize(
    ("names", "label", "bands"),
    [
        (("nir", "red", "green"), "false colour", ("nir", "red", "green")),
        (("green", "red", "nir08"), "false colour", ("nir08", "red", "green")),
        (("nir", "red"), "red", ("red",)),
        (("swir16", "swir22"), "swir16", ("swir16",)),
    ],
)
def test_without_red_green_and_blue_one_band_is_grey(names, label, bands):
    _, filled = pair(bands=tuple(band_named(name) for name in names))
    rendering = Rendering.of(filled)
    assert (rendering.label, rendering.bands) == (label, bands)
    picture = rendering.picture(filled.isel(time=0))
    if len(bands) == 1:
        assert (picture[..., 0] == picture[..., 1]).all()
        assert (picture[..., 0] == picture[..., 2]).all()


def test_what_has_no_value_is_transparent():
    _, filled = pair()
    filled = filled.copy(deep=True)
    filled["reflectance"][0, 1, 3, 4] = np.nan
    alpha = Rendering.of(filled).picture(filled.isel(time=0))[..., 3]
    assert alpha[3, 4] == 0
    assert alpha.sum() == 63


def test_the_rows_of_dates_and_their_gaps():
    cube, filled = pair()
    axes = [axis for axis in dates_figure(filled, cube).axes if axis.images]
    assert [axis.get_ylabel() for axis in axes[::3]] == ["input\ntrue colour", "filled", "NDVI", "source"]
    assert [axis.get_title() for axis in axes[:3]] == [str(day)[:10] for day in filled["time"].values]
    for t in range(3):
        assert gaps_of(axes[t]) == naive_edges(~cube["observed"].values[t])
        assert not gaps_of(axes[3 + t])
        seen = cube["observed"].values[t]
        mine, theirs = (np.asarray(axes[row + t].images[0].get_array()) for row in (0, 3))
        assert np.array_equal(mine[seen], theirs[seen]), "observed values have the same colours in both rows"
    assert len(dates_figure(filled, None, dates=2).axes) == 7


def test_an_input_of_another_size_or_place_is_refused():
    cube, filled = pair()
    with pytest.raises(InputError, match=r"the input has 7 x 8 pixels and the filled cube 8 x 8"):
        dates_figure(filled, cube.isel(y=slice(7)))
    with pytest.raises(InputError, match="another grid than the filled cube: x begins at 500105 and 500005"):
        dates_figure(filled, cube.assign_coords(x=cube["x"] + 100))
    with pytest.raises(InputError, match="has none of the dates"):
        dates_figure(filled, cube.assign_coords(time=cube["time"] + np.timedelta64(4000, "D")))
    with pytest.raises(InputError, match="the input has no band 'blue'"):
        dates_figure(filled, cube.isel(band=[1, 2, 3]))


def test_an_input_with_its_rows_the_other_way_round_is_turned():
    cube, filled = pair()
    turned = on_grid_of(cube.isel(y=slice(None, None, -1)), filled)
    assert np.array_equal(turned["reflectance"].values, cube["reflectance"].values, equal_nan=True)
    assert np.array_equal(turned["y"].values, filled["y"].values)


def test_a_single_row_has_the_steps_of_its_columns():
    cube, filled = pair(height=1)
    assert on_grid_of(cube.assign_coords(y=cube["y"] + 0.5), filled).sizes["y"] == 1
    with pytest.raises(InputError, match="another grid"):
        on_grid_of(cube.assign_coords(y=cube["y"] + 5), filled)


def test_a_pixel_is_found_by_the_point_that_it_holds():
    cube, _ = pair()
    assert pixel_at(cube, 500_005, 5_599_995) == (0, 0)
    assert pixel_at(cube, 500_079.9, 5_599_920.1) == (7, 7)
    assert pixel_at(cube, 500_014, 5_599_976) == (2, 1)
    with pytest.raises(InputError, match=r"X from 500000 to 500080, Y from 5599920 to 5600000 \(EPSG:32631\)"):
        pixel_at(cube, 500_081, 5_599_995)
    plain = cube.drop_vars("spatial_ref").assign_coords(y=np.arange(8.0), x=np.arange(8.0))
    assert pixel_at(plain, 3, 5) == (5, 3)
    with pytest.raises(InputError, match=r"pixels, it has no CRS"):
        pixel_at(plain, 3, -1)


def test_no_two_methods_look_alike():
    styles = line_styles([f"method {i}" for i in range(40)])
    looks = [(each["color"], each["marker"]) for each in styles.values()]
    assert len(set(looks)) == 40
    assert all(one["marker"] != other["marker"] for one, other in pairwise(styles.values()))
    assert line_styles(["a", "b"])["b"] == line_styles(["a", "b", "c"])["b"]


@pytest.mark.parametrize(("suffix", "begin"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_a_figure_is_written_as_its_suffix_says_and_the_same_each_time(tmp_path, suffix, begin):
    cube, filled = pair()
    contents = []
    for name in "ab":
        save(dates_figure(filled, cube, dates=1), tmp_path / f"{name}.{suffix}")
        contents.append((tmp_path / f"{name}.{suffix}").read_bytes())
    assert contents[0].startswith(begin)
    assert contents[0] == contents[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a.{suffix}", f"b.{suffix}"]


def test_letters_stay_letters_in_a_page():
    text = svg_text(dates_figure(*pair()[::-1]))
    assert text.startswith("<svg")
    assert ">filled</text>" in text
    assert ">interpolated</text>" in text


def test_a_figure_that_fails_leaves_nothing(tmp_path):
    class Broken:
        def savefig(self, target, **_):
            target.write_bytes(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save(Broken(), tmp_path / "figure.png")
    assert not list(tmp_path.iterdir())


def test_a_figure_is_a_file_of_a_known_kind(tmp_path):
    (tmp_path / "folder.png").mkdir()
    for name, words in (("a.jpg", ".png, .pdf, .svg"), ("folder.png", "is a folder")):
        with pytest.raises(InputError, match=words):
            check_figure_path(tmp_path / name)

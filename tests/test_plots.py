import dask.array as da
import numpy as np
import pytest
from builders import MeanFiller, cloudy_cube

from clearcube.errors import InputError
from clearcube.fill_cube import FillSettings, fill_with
from clearcube.plots import dates_figure
from clearcube.plots.pictures import PIXELS, spread_dates, thinned


def test_the_first_and_last_date_are_always_shown():
    assert spread_dates(30, 4).tolist() == [0, 10, 19, 29]
    assert spread_dates(3, 10).tolist() == [0, 1, 2]
    assert spread_dates(5, 0).tolist() == [0]


def test_a_large_frame_is_thinned_and_a_small_one_is_not():
    cube = cloudy_cube(times=2, height=8, width=9)
    assert thinned(cube) is not None
    assert thinned(cube).sizes == cube.sizes
    large = cube.isel(y=[0], x=np.zeros(3 * PIXELS, dtype=int))
    assert thinned(large).sizes["x"] == PIXELS
    assert thinned(large.isel(x=slice(PIXELS + 1))).sizes["x"] <= PIXELS


def test_a_figure_of_a_scene_that_no_memory_holds():
    cube = cloudy_cube(times=3, height=8, width=8)
    filled = fill_with(cube, MeanFiller(), FillSettings())
    side = 8 * 4096  # 12 GB a date
    one = filled.isel(y=[0], x=[0])
    many = {
        name: (v.dims, da.zeros((*v.shape[:-2], side, side), chunks=(*v.shape[:-2], 512, 512), dtype=v.dtype))
        for name, v in filled.data_vars.items()
    }
    scene = one.drop_vars([*many, "y", "x"]).assign(many)
    assert thinned(scene)["reflectance"].nbytes < 20e6


def test_an_input_of_another_size_is_refused():
    cube = cloudy_cube(times=3, height=8, width=8)
    filled = fill_with(cube, MeanFiller(), FillSettings())
    assert len(dates_figure(filled, cube).axes) >= 12
    with pytest.raises(InputError, match=r"the input has 7 x 8 pixels and the filled cube 8 x 8"):
        dates_figure(filled, cube.isel(y=slice(7)))

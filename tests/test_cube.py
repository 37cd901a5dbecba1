import numpy as np
import pytest
from builders import cloudy_cube

from clearcube.cube import ndvi_std, pixel_steps
from clearcube.errors import InputError
from clearcube.plots.grids import pixel_at


def test_std_of_ndvi_is_propagated_and_at_most_one():
    red, infrared = np.array([0.1, 0.004, 0.2, np.nan]), np.array([0.3, -0.0036, -0.3, 0.2])
    found = ndvi_std(red, infrared, np.full(4, 0.02), np.full(4, 0.03), 0.5)
    by_red, by_infrared = -2 * 0.3 / 0.16 * 0.02, 2 * 0.1 / 0.16 * 0.03
    assert found[0] == pytest.approx(np.sqrt(by_red**2 + by_infrared**2 + by_red * by_infrared))
    assert found[1] == 1
    assert np.isnan(found[2:]).all()


def test_a_lone_row_is_as_high_as_its_pixels_are_wide():
    cube = cloudy_cube(times=3, height=1, width=5)
    y, x = float(cube["y"].values[0]), float(cube["x"].values[2])
    assert pixel_steps(cube["y"].values, cube["x"].values) == (-10, 10)
    assert pixel_at(cube, x + 4, y - 4) == (0, 2)
    with pytest.raises(InputError, match="outside the cube"):
        pixel_at(cube, x, y - 6)

import numpy as np

from clearcube.cube import bands_of, check_cube, crs_of, dates_of
from clearcube.simulation import SceneConfig, simulate
from clearcube.simulation.cubes import to_cube


def test_a_scene_becomes_a_cube_with_its_truth():
    config = SceneConfig(height=16, width=20, days=(0, 5, 12), pixel_size=10.0)
    scene = simulate(config, 0)
    cube = check_cube(to_cube(scene, config.pixel_size))
    np.testing.assert_array_equal(cube["truth"], scene.clear)
    np.testing.assert_array_equal(cube["contamination"], scene.contamination)
    np.testing.assert_array_equal(cube["observed"], scene.observed)
    np.testing.assert_array_equal(dates_of(cube), config.dates)
    assert bands_of(cube) == config.bands
    assert crs_of(cube).to_epsg() == 32631
    assert (cube["x"].values[0], cube["y"].values[0]) == (500_005, 5_399_995)  # centres of pixels
    assert (np.diff(cube["x"]) == 10).all() and (np.diff(cube["y"]) == -10).all()
    assert len(cube["landcover"].attrs["flag_meanings"].split()) == len(cube["landcover"].attrs["flag_values"])

import numpy as np
import pytest
from builders import MeanFiller, band_named, cloudy_cube
from plot_builders import gaps_of, legend_of, naive_edges

from clearcube.errors import InputError
from clearcube.fill_cube import FillSettings, fill_with
from clearcube.plots import Filling, sequence_figure
from clearcube.plots.landcover import Map, classes_of

NAMES = {10: "tree cover", 40: "cropland", 80: "water"}


def filling(landcover=True, names=NAMES, **options):
    cube = cloudy_cube(**{"times": 5, "height": 12, "width": 10} | options)
    filled = fill_with(cube.drop_vars("truth"), MeanFiller(), FillSettings())
    if landcover:
        codes = np.full((cube.sizes["y"], cube.sizes["x"]), 40, np.int16)
        codes[:4], codes[-2:] = 10, 80
        cube = cube.assign(landcover=(("y", "x"), codes))
    return Filling(filled, cube, names)


def panels(figure):
    return [axis for axis in figure.axes if axis.images]


def test_one_sequence_has_its_map_its_dates_and_no_letter():
    given = filling()
    figure = sequence_figure([given], dates=3)
    land, *rest = panels(figure)
    assert land.get_title() == "land cover"
    assert [text.get_text() for text in land.texts] == ["1", "2", "3"]
    assert len(rest) == 9
    assert [axis.get_ylabel() for axis in rest[::3]] == ["input\ntrue colour", "filled", "NDVI"]
    year, *days = (axis.get_title() for axis in rest[:3])
    assert year.startswith("2020: ")
    assert all(day.isdigit() for day in days)
    assert not figure.texts
    assert legend_of(figure) == ["1 tree cover", "2 cropland", "3 water", "not observed", "no value"]


def test_pixels_without_a_class_are_told_apart_in_the_legend():
    given = filling()
    given.cube["landcover"][0, 0] = 0
    assert legend_of(sequence_figure([given], dates=3))[:4] == ["1 tree cover", "2 cropland", "3 water", "unknown"]
    given.cube["landcover"][:] = 0  # no class at all: no map, and nothing to say of it
    assert "unknown" not in legend_of(sequence_figure([given], dates=3))


def test_gaps_are_outlined_where_they_are_and_only_on_the_input():
    given = filling(landcover=False)
    axes = panels(sequence_figure([given], dates=5))
    for t, axis in enumerate(axes[:5]):
        assert gaps_of(axis) == naive_edges(~given.cube["observed"].values[t])
    assert not any(gaps_of(axis) for axis in axes[5:])


def test_a_date_that_the_input_has_not_is_a_gap_all_over():
    given = filling(landcover=False)
    figure = sequence_figure([Filling(given.filled, given.cube.isel(time=[0, 1, 3, 4]), {})], dates=5)
    empty = [axis for axis in figure.axes if not axis.images and axis.get_title()]
    assert len(empty) == 1
    assert gaps_of(empty[0]) == naive_edges(np.ones((12, 10), bool))


def test_input_and_filled_share_one_stretch_and_ndvi_shows_its_values():
    given = filling(landcover=False)
    axes = panels(sequence_figure([given], dates=5))
    for t in range(5):
        seen = given.cube["observed"].values[t]
        mine, theirs = (np.asarray(axes[row * 5 + t].images[0].get_array()) for row in (0, 1))
        assert np.array_equal(mine[seen], theirs[seen])
        red, nir = given.filled["reflectance"].values[t, 2:4]
        shown = np.ma.filled(axes[10 + t].images[0].get_array(), np.nan)
        np.testing.assert_allclose(shown, (nir - red) / (nir + red), rtol=1e-5)
        assert axes[10 + t].images[0].get_clim() == (-0.1, 0.9)


def test_several_sequences_stand_below_each_other_with_letters_and_one_legend():
    given = [filling(seed=seed, height=height) for seed, height in ((0, 12), (1, 40), (2, 3))]
    bare = filling(landcover=False, seed=3)
    figure = sequence_figure([*given, bare], dates=2)
    assert [text.get_text() for text in figure.texts] == ["A", "B", "C", "D"]
    lands = [axis for axis in figure.axes if axis.get_title() == "land cover"]
    assert len(lands) == 3
    tops = [axis.get_position().y1 for axis in lands]
    assert tops == sorted(tops, reverse=True)
    boxes = [axis.get_position() for axis in panels(figure)]
    for i, one in enumerate(boxes):
        assert 0 <= one.x0 < one.x1 <= 1
        assert 0 <= one.y0 < one.y1 <= 1
        for other in boxes[i + 1 :]:
            assert not one.overlaps(other), "no panel lies on another"


def test_bands_decide_what_is_shown():
    two = filling(landcover=False, bands=(band_named("red"), band_named("nir")))
    axes = panels(sequence_figure([two], dates=2))
    assert axes[0].get_ylabel() == "input\nred"
    assert len(axes) == 6
    one = filling(landcover=False, bands=(band_named("nir"),))
    assert len(panels(sequence_figure([one], dates=2))) == 4, "no NDVI without red"


@pytest.mark.parametrize("dates", [1, 3, 40])
def test_any_number_of_dates_fits(dates):
    figure = sequence_figure([filling(times=45, crs=None)], dates=dates)
    assert len(panels(figure)) == 1 + 3 * dates
    width, height = figure.get_size_inches()
    assert 3 <= width < 25
    assert height < 7


def test_classes_keep_their_number_across_codes_and_sequences():
    worldcover = Map(np.array([[10, 80], [40, 0]]), NAMES)
    other = Map(np.array([[1, 7], [0, 0]]), {1: "water", 0: "cereal"})
    found = classes_of([worldcover, other])
    assert {name: each.number for name, each in found.items()} == {
        "cereal": 1,
        "water": 2,
        "class 7": 3,
        "tree cover": 4,
        "cropland": 5,
    }
    assert worldcover.classes() == NAMES, "0 without a name is no class"
    assert len({each.colour for each in found.values()}) == 5


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(InputError, match="no sequence"):
        sequence_figure([])
    given = filling()
    with pytest.raises(InputError, match="12 x 9 pixels"):
        sequence_figure([Filling(given.filled, given.cube.isel(x=slice(9)), {})])

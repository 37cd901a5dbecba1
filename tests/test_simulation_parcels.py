import numpy as np
import pytest

from clearcube.simulation.config import Landscape, SceneConfig
from clearcube.simulation.landcover import LandCover
from clearcube.simulation.parcels import _compact, draw_parcels


def map_of(seed=0, latitude=48.0, size=96, **changes):
    config = SceneConfig(height=size, width=size, latitude=latitude, landscape=Landscape(**changes))
    return draw_parcels(config, seed, size, size, 144)


@pytest.mark.parametrize("seed", range(5))
def test_labels_are_numbered_without_holes_and_have_a_class(seed):
    parcels = map_of(seed, latitude=38.0, pivots=0.6, urban=0.1, water=0.1)
    assert (np.unique(parcels.label) == np.arange(len(parcels.landcover))).all()
    assert set(parcels.landcover) <= {int(cover) for cover in LandCover}
    assert parcels.track.min() >= 0 and parcels.track.max() <= 1


def test_without_nature_all_is_farmed_but_for_a_river():
    parcels = map_of(natural=0, urban=0, water=0)
    assert (np.isin(parcels.landcover[parcels.label], (*range(6), LandCover.WATER))).all()


def test_shares_are_met_on_average():
    cover = np.stack([(p := map_of(seed, natural=0, urban=0.4, water=0)).landcover[p.label] for seed in range(25)])
    assert (cover == LandCover.URBAN).mean() == pytest.approx(0.4, abs=0.13)


def test_larger_parcels_are_fewer():
    few, many = (np.mean([len(map_of(seed, parcel=size).landcover) for seed in range(4)]) for size in (500, 80))
    assert many > 4 * few


def test_circles_are_irrigated():
    parcels = map_of(latitude=37.0, pivots=0.8, natural=0, urban=0, water=0, crops=(0, 0, 0, 0, 0, 1))
    assert (parcels.landcover[parcels.label] == LandCover.MAIZE).mean() > 0.1  # nothing but grass outside
    assert parcels.irrigated[parcels.landcover == LandCover.MAIZE].all()


def test_fields_are_irrigated_in_the_south_alone():
    south, north = (map_of(latitude=latitude, natural=0, urban=0, water=0) for latitude in (40.0, 48.0))
    assert 0.2 < south.irrigated[south.landcover < LandCover.GRASSLAND].mean() < 0.5
    assert not north.irrigated.any()


def test_no_track_runs_over_water():
    parcels = map_of(water=0.3)
    wet = parcels.landcover[parcels.label] == LandCover.WATER
    assert wet.any() and (parcels.track[wet] == 0).all() and (parcels.track[~wet] > 0).any()


def test_large_numbers_are_no_matter_where_few_are_taken():
    label = np.array([[7 * 10**15, 3], [3, 10**12]])
    np.testing.assert_array_equal(_compact(label), [[2, 0], [0, 1]])

import numpy as np
import pytest

from clearcube.simulation import phenology
from clearcube.simulation.config import SceneConfig
from clearcube.simulation.landcover import LandCover
from clearcube.simulation.parcels import Parcels
from clearcube.simulation.phenology import _decayed, _mowing, parcel_curves

YEAR = SceneConfig(start=np.datetime64("2018-01-01"), days=tuple(range(0, 365, 5)))
COUNT = 60


def curves_of(cover, *, irrigated=False, config=YEAR, seed=0):
    label = np.zeros((8, 8), dtype=np.int32)
    parcels = Parcels(label, np.full(COUNT, cover, np.uint8), np.full(COUNT, irrigated), np.zeros((8, 8), np.float32))
    return parcel_curves(config, parcels, seed)


def in_latitude(latitude, cover):
    return curves_of(cover, config=SceneConfig(start=YEAR.start, days=YEAR.days, latitude=latitude))


def mean_at(curve, day):
    return curve[day // 5].mean()


@pytest.mark.parametrize("cover", list(LandCover))
def test_states_stay_in_their_ranges(cover):
    curves = curves_of(cover, irrigated=True)
    for state in (curves.green, curves.dry, curves.wet, curves.tilled):
        assert state.shape == (73, COUNT) and state.dtype == np.float32
        assert state.min() >= 0 and state.max() <= 1
    assert curves.tilled.min() >= 0.75 - 1e-6


def test_winter_cereal_is_green_in_may_straw_in_july_and_gone_in_september():
    curves = curves_of(LandCover.CEREAL)
    assert mean_at(curves.green, 140) > 0.6 > 0.3 > mean_at(curves.green, 215)
    assert mean_at(curves.dry, 185) > 0.2 > mean_at(curves.dry, 120)
    assert mean_at(curves.tilled, 255) < mean_at(curves.tilled, 120)


def test_maize_is_bare_in_april_and_green_in_august():
    green = curves_of(LandCover.MAIZE).green
    assert mean_at(green, 225) > 0.6 and np.median(green[110 // 5]) < 0.1


def test_trees_keep_or_shed_their_leaves():
    broadleaf, conifer = curves_of(LandCover.BROADLEAF).green, curves_of(LandCover.CONIFER).green
    assert mean_at(broadleaf, 200) - mean_at(broadleaf, 20) > 0.4
    assert abs(mean_at(conifer, 200) - mean_at(conifer, 20)) < 0.2


def test_cut_grass_falls_at_once_and_recovers():
    green = curves_of(LandCover.CUT_GRASS).green[90 // 5 : 270 // 5]
    change = np.diff(green, axis=0)
    assert (change.min(axis=0) < -0.15).mean() > 0.8
    assert -change.min() > 2 * change.max()


def test_nothing_is_mown_in_winter():
    days = np.arange(0.0, 365.0)
    left = _mowing(np.random.default_rng(0), np.full(COUNT, LandCover.CUT_GRASS, np.uint8), days)
    assert (left[:60] == 1).all()
    assert left[130:280].min() < 0.7
    assert left[355:].min() > 0.97


def test_spring_comes_later_in_the_north():
    north, south = (
        curves_of(LandCover.BROADLEAF, config=SceneConfig(start=YEAR.start, days=YEAR.days, latitude=latitude)).green
        for latitude in (60, 45)
    )
    assert mean_at(south, 115) > mean_at(north, 115) + 0.1


def test_grass_of_the_south_grows_through_the_winter_and_dries_in_summer():
    south, north = (in_latitude(latitude, LandCover.GRASSLAND).green for latitude in (38, 50))
    assert mean_at(south, 60) > mean_at(south, 230) + 0.1
    assert mean_at(north, 60) < mean_at(north, 230) - 0.1


def test_evergreens_of_the_south_are_sparser():
    south, north = (in_latitude(latitude, LandCover.CONIFER).green for latitude in (41, 43))
    assert south.mean() < north.mean() - 0.3


def test_soils_of_the_north_are_wet_more_often():
    wet = [in_latitude(latitude, LandCover.BARE).wet.mean() for latitude in (38, 48, 60)]
    assert wet[0] < wet[1] < wet[2]


def test_parcels_and_years_differ_within_a_class():
    two_years = SceneConfig(start=YEAR.start, days=tuple(range(0, 730, 5)))
    green = curves_of(LandCover.CEREAL, config=two_years).green
    assert green[100 // 5].std() > 0.05
    assert np.abs(green[100 // 5] - green[(365 + 100) // 5]).mean() > 0.05


def test_the_map_shows_the_crops_of_the_year_that_holds_most_dates():
    crops = np.repeat([LandCover.CEREAL, LandCover.MAIZE], COUNT).astype(np.uint8)
    parcels = Parcels(np.zeros((8, 8), np.int32), crops, np.zeros(crops.size, bool), np.zeros((8, 8), np.float32))
    late = SceneConfig(start=np.datetime64("2018-11-20"), days=tuple(range(0, 245, 5)))
    curves = parcel_curves(late, parcels, 0)
    may = int(np.flatnonzero(late.dates >= np.datetime64("2019-05-15"))[0])
    cereal, maize = (curves.green[may, curves.landcover == crop] for crop in (LandCover.CEREAL, LandCover.MAIZE))
    assert min(cereal.size, maize.size) > COUNT // 2
    assert np.percentile(cereal, 10) > np.percentile(maize, 90)
    assert (curves.landcover != crops).any()
    early = SceneConfig(start=np.datetime64("2018-06-20"), days=tuple(range(0, 245, 5)))
    np.testing.assert_array_equal(parcel_curves(early, parcels, 0).landcover, crops)


def test_rain_wets_all_parcels_and_irrigation_its_own():
    rain, irrigated = curves_of(LandCover.MAIZE).wet, curves_of(LandCover.MAIZE, irrigated=True).wet
    assert np.corrcoef(rain.T)[np.triu_indices(COUNT, 1)].mean() > 0.6
    assert np.corrcoef(irrigated.T)[np.triu_indices(COUNT, 1)].mean() < 0.6


def test_what_is_left_of_rain_is_the_same_in_parts(monkeypatch):
    rng = np.random.default_rng(0)
    day, events = np.sort(rng.uniform(0, 90, 20)), np.sort(rng.uniform(-30, 90, 15))
    given = day, events, rng.uniform(2, 7, 6), rng.random((15, 6))
    whole = _decayed(*given)
    naive = [
        [
            sum(given[3][e, p] * np.exp(-(t - events[e]) / given[2][p]) for e in range(15) if events[e] <= t)
            for p in range(6)
        ]
        for t in day
    ]
    np.testing.assert_allclose(whole, naive, rtol=1e-12)
    monkeypatch.setattr(phenology, "MOST_AT_ONCE", 4 * 15 * 6)
    assert np.array_equal(_decayed(*given), whole)

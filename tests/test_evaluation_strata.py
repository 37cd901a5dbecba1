import numpy as np

from clearcube.evaluation.statistics import Sums
from clearcube.evaluation.strata import strata_of
from clearcube.gaps import STRATA, gap_length, gap_stratum


def case():
    dates = np.datetime64("2020-02-20") + 5 * np.arange(8)
    left = np.random.default_rng(0).random((8, 6, 7)) < 0.5
    left[3] = True
    return left, dates


def counts(strata):
    ones = np.bincount(strata.cell.ravel(), minlength=strata.cells).astype(float)[:, None]
    totals = strata.of(Sums(ones, ones)).total[:, 0]
    return dict(zip(strata.names, totals, strict=True))


def test_each_family_shares_out_all_pixels():
    left, dates = case()
    landcover = np.array([62, 82, 7] * 14).reshape(6, 7)
    found = counts(strata_of(left, dates, landcover))
    assert found["all", "all"] == left.size
    for family in ("gap", "position", "landcover", "season", "clear share"):
        assert sum(value for (name, _), value in found.items() if name == family) == left.size
    assert found["landcover", "artificial"] == found["landcover", "none"] == left.size / 3
    assert found["season", "DJF"] == 2 * 42 and found["season", "MAM"] == 6 * 42
    stratum = gap_stratum(gap_length(left, dates))
    for number, name in enumerate(STRATA):
        assert found.get(("gap", name), 0) == (stratum == number).sum()


def test_positions_by_hand():
    left = np.zeros((5, 1, 1), bool)
    left[[1, 3]] = True
    found = counts(strata_of(left, np.datetime64("2020-01-01") + 5 * np.arange(5)))
    assert (found["position", "leading"], found["position", "trailing"], found["position", "interior"]) == (1, 1, 3)


def test_worldcover_and_no_landcover():
    left, dates = case()
    codes = np.full((6, 7), 40)
    codes[0, 0] = 45
    found = counts(strata_of(left, dates, codes))
    assert found["landcover", "cropland"] == left.size - 8 and found["landcover", "none"] == 8
    assert counts(strata_of(left, dates))["landcover", "none"] == left.size
    assert ("clear share", "[50, 75) %") in counts(strata_of(left, dates, clear_share=0.6))


def test_a_date_belongs_to_the_stratum_that_holds_most_of_its_pixels():
    left, dates = case()
    landcover = np.array([62, 82, 82] * 14).reshape(6, 7)
    strata = strata_of(left, dates, landcover)
    counted = np.zeros_like(left)
    counted[1] = landcover == 62
    counted[2] = True
    members = {name: row for name, row in zip(strata.names, strata.dates_with(counted), strict=True)}
    assert members["landcover", "artificial"][1] == 1 and members["landcover", "broadleaf"][2] == 1
    for family in ("gap", "position", "landcover", "season", "clear share"):
        assert sum(row for (name, _), row in members.items() if name == family).tolist() == [0, 1, 1, 0, 0, 0, 0, 0]
    assert members["season", "DJF"][1] == 1 and members["season", "MAM"][2] == 1


def test_a_date_without_any_pixel_that_counts_is_of_no_stratum_but_that_of_all():
    left, dates = case()
    counted = np.zeros_like(left)
    counted[2] = True
    strata = strata_of(left, dates)
    members = strata.dates_with(counted)
    assert members[0].tolist() == [1] * 8
    assert members[1:, 2].any() and not np.delete(members[1:], 2, axis=1).any()


def test_codes_of_one_name_are_one_class():
    left, dates = case()
    codes = np.array([1, 2, 9] * 14).reshape(6, 7)
    found = strata_of(left, dates, codes, classes={1: "forest", 2: "forest", 9: "none"})
    assert len(set(found.names)) == len(found.names)
    assert counts(found)["landcover", "forest"] == 2 * counts(found)["landcover", "none"] == 2 * left.size / 3


def test_classes_that_a_cube_names_itself():
    left, dates = case()
    found = counts(strata_of(left, dates, np.array([0, 1, 5] * 14).reshape(6, 7), classes={0: "maize", 1: "urban"}))
    assert found["landcover", "maize"] == found["landcover", "urban"] == found["landcover", "none"] == left.size / 3

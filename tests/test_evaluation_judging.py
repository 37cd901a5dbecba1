import numpy as np
import pytest
from builders import MeanFiller, cloudy_cube, cloudy_frames

from clearcube.evaluation.experiments import experiment, filled_by, named_cube
from clearcube.evaluation.judging import ALL, HIDDEN, MISSED, OBSERVED, judge
from clearcube.evaluation.metrics import by_stratum, scores
from clearcube.evaluation.statistics import Sums
from clearcube.filler import Estimate


def cube(seed=0, cloud=0.03):
    return named_cube(f"c{seed}", cloudy_cube(10, 40, 40, cloud=cloud, seed=seed, never=False))


def case(scenario="frames", **options):
    one = cube()
    clouds = cloudy_frames([("other", cube(1, 0.5).block)])
    test = experiment(one, scenario, 0, None, clouds)
    return one, test, filled_by(MeanFiller(), test.given, **options)


def values(judged, bands, which=HIDDEN):
    strata = (("all", "all"),)
    tally = judged.sets[which]
    first = {name: Sums(s.total[:1], s.weight[:1]) if by_stratum(name) else s for name, s in tally.items()}
    return {(s.metric, s.band): s.value for s in scores(first, strata, bands)}


@pytest.mark.parametrize("value", [1e6, np.nan])
def test_what_is_neither_hidden_nor_observed_has_no_influence(value):
    one, test, fill = case()
    expected = judge(test, fill, one.bands).sets
    unknown = ~test.known
    assert unknown.any()
    for array in (test.truth, fill.estimate.mean):
        np.moveaxis(array, 1, 0)[:, unknown & ~test.hidden] = value
    found = judge(test, fill, one.bands).sets
    for which, tally in expected.items():
        for name, sums in tally.items():
            if not name.startswith("rough"):  # looks at the filled dates on either side, whichever they are
                assert np.array_equal(found[which][name].total, sums.total, equal_nan=True), (which, name)


def test_all_pixels_are_the_hidden_and_the_observed_ones():
    one, test, fill = case()
    sets = judge(test, fill, one.bands).sets
    for name in ("squared", "absolute", "ndvi_squared", "angle"):
        both = sets[HIDDEN][name].total[0] + sets[OBSERVED][name].total[0]
        assert sets[ALL][name].total[0] == pytest.approx(both)
    assert values(judge(test, fill, one.bands), one.bands, OBSERVED)["ssim", "all"] == 1
    assert sets[ALL]["ssim"].weight[0, 0] == (test.hidden | test.given.observed).sum()


def test_pasted_clouds_are_no_pixels_that_were_left_alone():
    one, test, fill = case("mask-error")
    missed, left = test.pasted.missed, test.given.observed & ~test.pasted.missed
    assert missed.any() and (test.given.observed & missed).any()
    judged = judge(test, fill, one.bands)
    assert values(judged, one.bands, OBSERVED)["psnr", "all"] == np.inf
    squared = judged.sets[HIDDEN]["squared"].total[0]
    assert judged.sets[ALL]["squared"].total[0] == pytest.approx(squared)
    assert judged.sets[ALL]["ssim"].weight[0, 0] == (test.hidden | left).sum()
    np.moveaxis(fill.estimate.mean, 1, 0)[:, missed] = 0.1  # clear dates are what other dates are compared with
    again = judge(test, fill, one.bands).sets[HIDDEN]
    for name in ("niqe_clear", "detail_clear", "grey_clear", "rough_clear"):
        assert np.array_equal(again[name].total, judged.sets[HIDDEN][name].total), name


def test_the_roughness_of_every_stratum_is_compared_with_that_of_all_clear_dates():
    one, test, fill = case()
    clear, filled = (judge(test, fill, one.bands).sets[HIDDEN][f"rough_{which}"] for which in ("clear", "filled"))
    assert (clear.weight == clear.weight[0]).all() and clear.weight[0, 0] > 0
    assert (filled.weight[0] > filled.weight[1:].min(axis=0)).all()


def test_uncertainty_has_strata():
    one, test, fill = case()
    judged = judge(test, fill, one.bands)
    found = {
        (s.stratum, s.metric) for s in scores(judged.sets[HIDDEN], test.strata.names, one.bands) if s.band == "all"
    }
    for metric in ("uce", "auce", "ause", "coverage90", "crps", "ms_ssim", "gmsd", "roughness_ratio"):
        families = {stratum[0] for stratum, name in found if name == metric}
        assert {"all", "gap", "position", "season", "clear share"} <= families, metric


class Judging(MeanFiller):
    """A filler that knows which pixels are cloud: those brighter than the pixel's mean by much."""

    def prepare(self, sample):
        return self

    error_correlation = np.eye(4)

    def fill(self, block):
        mean = np.nan_to_num(np.nanmedian(np.where(block.observed[:, None], block.reflectance, np.nan), axis=0))
        mean = np.broadcast_to(mean, block.reflectance.shape).astype(np.float32).copy()
        cloudy = (block.reflectance - mean)[:, 0] > 0.2
        return Estimate(mean, np.full_like(mean, 0.02), cloudy.astype(np.float32))


def test_missed_clouds_are_scored_as_denoising_leaves_them():
    one, test, kept = case("mask-error")
    assert test.pasted.missed.any()
    cleaned = filled_by(Judging(), test.given)
    before, after = (values(judge(test, f, one.bands), one.bands, MISSED)["mae", "all"] for f in (kept, cleaned))
    cloud = np.moveaxis(test.given.reflectance - test.truth, 1, 0)[:, test.pasted.missed]
    assert before == pytest.approx(np.abs(cloud).mean(), rel=1e-5) and after < before / 4
    found = values(judge(test, cleaned, one.bands), one.bands)
    assert found["auc_bright", "all"] > 0.99 and found["blue_auc_bright", "all"] > 0.9


def test_the_clear_share_of_a_cube_is_that_before_anything_was_hidden():
    one, test, _ = case()
    assert one.block.observed.mean() > 0.75 > test.given.observed.mean()
    assert [name for family, name in test.strata.names if family == "clear share"] == ["[75, 100] %"]

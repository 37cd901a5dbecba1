import math

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from clearcube.cube import band_named, new_cube
from clearcube.errors import InputError
from clearcube.evaluation.distortion import distortion_sums
from clearcube.evaluation.pairs import paired
from clearcube.evaluation.scores import mean, pooled_sums, psnr, root_mean, score_hidden
from clearcube.evaluation.statistics import Sums

NAMES = ("red", "nir")


def case(seed=0, times=4, size=5):
    generator = np.random.default_rng(seed)
    truth = generator.uniform(0.05, 0.6, (times, 2, size, size)).astype(np.float32)
    filled = truth + generator.normal(0, 0.02, truth.shape).astype(np.float32)
    hidden = generator.random((times, size, size)) < 0.5
    hidden[0, 0, 0] = True
    hidden[-1] = False
    return filled, truth, hidden


def as_cube(reflectance, observed=None):
    dates = np.datetime64("2020-01-01") + 5 * np.arange(len(reflectance))
    observed = np.ones((len(reflectance), *reflectance.shape[2:]), bool) if observed is None else observed
    return new_cube(reflectance, observed, dates, [band_named(name) for name in NAMES])


def naive(filled, truth, hidden, band=None):
    errors = [
        float(filled[t, b, y, x]) - float(truth[t, b, y, x])
        for t, y, x in zip(*np.nonzero(hidden), strict=True)
        for b in range(filled.shape[1])
        if band in (None, b)
    ]
    rmse = math.sqrt(math.fsum(e * e for e in errors) / len(errors))
    mae = math.fsum(map(abs, errors)) / len(errors)
    return {"mae": mae, "rmse": rmse, "psnr": 20 * math.log10(1 / rmse), "bias": math.fsum(errors) / len(errors)}


def test_the_formulae_of_sums():
    assert mean(Sums(np.array(6.0), np.array(4.0))) == 1.5
    assert root_mean(Sums(np.array(1.0), np.array(4.0))) == 0.5
    assert psnr(Sums(np.array(0.04), np.array(4.0))) == pytest.approx(20.0)
    assert psnr(Sums(np.array(0.0), np.array(4.0))) == np.inf


def test_scores_of_no_pixels_are_nan():
    nothing = Sums(np.array(0.0), np.array(0.0))
    assert np.isnan([mean(nothing), root_mean(nothing), psnr(nothing)]).all()


def test_scores_written_by_hand():
    truth = np.full((1, 2, 1, 3), 0.25)
    filled = truth + np.array([[[0.125, -0.125, 9.0]], [[0.25, 0.25, 9.0]]])
    scores = score_hidden(filled, truth, np.array([[[True, True, False]]]), bands=NAMES)
    assert scores["mae"] == 0.1875
    assert scores["bias"] == 0.125
    assert scores["rmse"] == pytest.approx(math.sqrt((2 * 0.125**2 + 2 * 0.25**2) / 4))
    assert scores["psnr"] == pytest.approx(-20 * math.log10(scores["rmse"]))
    assert scores["bands"]["red"] == {"mae": 0.125, "rmse": 0.125, "bias": 0.0, "psnr": pytest.approx(18.0618)}
    assert (scores["pixels"], scores["missing"]) == (2, 0)
    index = [(0.5 - 0.375) / 0.875, (0.5 - 0.125) / 0.625]  # of the fill; 0 in truth
    assert scores["ndvi_rmse"] == pytest.approx(math.sqrt((index[0] ** 2 + index[1] ** 2) / 2))
    assert scores["ndvi_mae"] == pytest.approx(sum(index) / 2)


@given(st.integers(0, 999))
@settings(max_examples=20, deadline=None)
def test_scores_equal_a_loop_over_hidden_pixels(seed):
    filled, truth, hidden = case(seed)
    scores = score_hidden(filled, truth, hidden, bands=NAMES)
    for name, value in naive(filled, truth, hidden).items():
        assert scores[name] == pytest.approx(value, rel=1e-12)
    for band, name in enumerate(NAMES):
        assert scores["bands"][name] == pytest.approx(naive(filled, truth, hidden, band), rel=1e-12)
    assert scores["pixels"] == hidden.sum()


@pytest.mark.parametrize("value", [1e6, np.nan, np.inf])
def test_pixels_that_are_not_hidden_have_no_influence(value):
    filled, truth, hidden = case()
    expected = score_hidden(filled, truth, hidden)
    mask = np.broadcast_to(~hidden[:, None], filled.shape)
    assert score_hidden(np.where(mask, value, filled), truth, hidden) == expected
    assert score_hidden(filled, np.where(mask, value, truth), hidden) == expected


@pytest.mark.parametrize("chunks", [(4, 2, 5, 5), (1, 2, 5, 5), (4, 1, 2, 3)])
def test_lazy_cubes_score_alike_whatever_their_chunks(chunks):
    filled, truth, hidden = case()
    lazy = score_hidden(as_cube(da.from_array(filled, chunks)), as_cube(da.from_array(truth, (2, 2, 5, 5))), hidden)
    memory = score_hidden(as_cube(filled), as_cube(truth), hidden)
    assert lazy.pop("bands")["nir"] == pytest.approx(memory.pop("bands")["nir"], rel=1e-12)
    assert lazy == pytest.approx(memory, rel=1e-12)


def test_datasets_arrays_and_their_mixtures_score_alike():
    filled, truth, hidden = case()
    expected = score_hidden(filled, truth, hidden, bands=NAMES)
    coarse = xr.DataArray(hidden, dims=("time", "y", "x"))
    assert score_hidden(as_cube(filled), as_cube(truth), coarse) == expected
    assert score_hidden(as_cube(filled)["reflectance"], truth, hidden) == expected
    assert score_hidden(filled, truth, da.from_array(hidden))["mae"] == pytest.approx(expected["mae"], rel=1e-12)
    assert list(score_hidden(filled, truth, hidden)["bands"]) == ["0", "1"]
    assert "ndvi_rmse" not in score_hidden(filled, truth, hidden)


def test_hidden_pixels_without_value_are_counted_and_left_out():
    filled, truth, hidden = case()
    holes = filled.copy()
    holes[0, 1, 0, 0] = np.nan
    scores = score_hidden(holes, truth, hidden)
    assert (scores["missing"], scores["pixels"]) == (1, hidden.sum() - 1)
    hidden[0, 0, 0] = False
    assert score_hidden(filled, truth, hidden)["rmse"] == scores["rmse"]


def test_of_a_cube_only_pixels_observed_elsewhere_are_scored():
    filled, truth, _ = case(times=2)
    observed = np.ones((2, 5, 5), bool)
    observed[1, 0, 0] = False
    hidden = np.zeros((2, 5, 5), bool)
    hidden[0] = True
    cube = as_cube(truth, observed)
    assert score_hidden(as_cube(filled), cube, hidden)["pixels"] == 24
    assert score_hidden(as_cube(filled), cube["reflectance"], hidden)["pixels"] == 25


def test_ndvi_leaves_out_pixels_without_positive_sum():
    truth = np.array([[[[0.25, -0.1]], [[0.75, 0.05]]]])
    scores = score_hidden(truth + 0.0, truth, np.ones((1, 1, 2), bool), bands=NAMES)
    assert scores["ndvi_rmse"] == 0.0
    scores = score_hidden(truth[..., 1:], truth[..., 1:], np.ones((1, 1, 1), bool), bands=NAMES)
    assert np.isnan(scores["ndvi_rmse"]) and scores["rmse"] == 0.0


def test_sums_of_two_cubes_pool_to_those_of_both():
    (f1, t1, h1), (f2, t2, h2) = case(1), case(2)
    one, two = pooled_sums(paired(f1, t1, h1)), pooled_sums(paired(f2, t2, h2))
    both = naive(np.concatenate([f1, f2]), np.concatenate([t1, t2]), np.concatenate([h1, h2]))
    assert root_mean((one["squared"] + two["squared"]).pooled()) == pytest.approx(both["rmse"], rel=1e-12)


filled, truth, hidden = case()
bad_truth = truth.copy()
bad_truth[0, 0, 0, 0] = np.nan


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((filled[:3], truth, hidden), r"filled has the shape \(3, 2, 5, 5\) and truth \(4, 2, 5, 5\)"),
        ((filled, truth, hidden[:, :4]), r"hidden has the shape \(4, 4, 5\), the reflectance has \(4, 2, 5, 5\)"),
        ((filled, truth, hidden.astype(int)), "hidden is int64, expected bool"),
        ((filled[0], truth[0], hidden[0]), "filled has 3 dimensions"),
        ((filled, truth, np.zeros_like(hidden)), "nothing to score: no pixel is hidden"),
        ((filled, bad_truth, hidden), f"the truth has no finite value at 1 of {hidden.sum()} hidden pixels"),
        ((np.full_like(filled, np.nan), truth, hidden), f"no value at any of the {hidden.sum()} hidden pixels"),
        ((as_cube(filled).drop_vars("reflectance"), truth, hidden), "filled has no variable 'reflectance'"),
        ((as_cube(filled)["reflectance"].transpose("band", ...), truth, hidden), "transpose it"),
        ((as_cube(filled).isel(band=[1, 0]), as_cube(truth), hidden), "differ in 'band': entry 0 is nir and red"),
        (
            (as_cube(filled).isel(time=[0, 1]), as_cube(truth).isel(time=[0, 2]), hidden[:2]),
            "differ in 'time': entry 1 is 2020-01-06 and 2020-01-11",
        ),
    ],
)
def test_what_does_not_fit_is_named(arguments, message):
    with pytest.raises(InputError, match=message):
        score_hidden(*arguments)


@pytest.mark.parametrize("names", [NAMES, ("red", "green")])
def test_sums_are_those_of_an_evaluation(names):
    filled, truth, hidden = case(size=8)
    hidden[0] = True
    filled[0, 0, 0, 1], truth[0, 1, 0, 2], filled[0, :, 0, 3], truth[0, :, 0, 4] = np.nan, np.nan, -0.1, -0.1
    pooled, sums = pooled_sums(paired(filled, truth, hidden, names)), distortion_sums(filled, truth, hidden, names)
    assert ("ndvi_squared" in pooled) == ("ndvi_squared" in sums) == ("nir" in names)
    for name, each in pooled.items():
        np.testing.assert_allclose(np.ravel(each.total), sums[name].total.ravel(), rtol=1e-12, err_msg=name)
        np.testing.assert_array_equal(np.ravel(each.weight), sums[name].weight.ravel(), err_msg=name)


def test_names_that_do_not_count_as_many_as_bands_are_refused():
    with pytest.raises(InputError, match=r"1 band names are given \(red\) for 2 bands"):
        score_hidden(filled, truth, hidden, bands=["red"])

import numpy as np
import pytest
from plot_builders import legend_of
from scipy.stats import norm

from clearcube.cube import Source
from clearcube.errors import InputError
from clearcube.gaps import STRATA
from clearcube.plots import (
    Calibration,
    ForecastShown,
    MethodScores,
    PerceptualScore,
    Pixel,
    Series,
    calibration_figure,
    forecast_figure,
    pixel_figure,
    scores_figure,
)
from clearcube.plots.forecast import by_date

FRECHET = PerceptualScore("Frechet distance", less_is_better=True)


def test_scores_by_gap_length_and_one_point_for_a_method():
    methods = [
        MethodScores("linear", {"[0, 12)": 36.0, "[22, 42)": 31.0}, 33.0, 0.4),
        MethodScores("whittaker", {"[0, 12)": 35.0}, 32.0, np.nan),
    ]
    left, right = scores_figure(methods, STRATA, FRECHET, "two cubes").axes
    assert [label.get_text() for label in left.get_xticklabels()] == ["< 12", "22 to 41"]
    assert left.lines[0].get_ydata().tolist() == [36.0, 31.0]
    np.testing.assert_array_equal(left.lines[1].get_ydata(), [35.0, np.nan])
    assert (right.lines[0].get_xdata()[0], right.lines[0].get_ydata()[0]) == (0.4, 33.0)
    assert right.xaxis_inverted(), "better is to the right"
    assert "better: up, right" in right.get_title() and not right.texts, "nothing lies over the points"
    assert "less is better" in right.get_xlabel()
    assert (left.get_ylabel(), right.get_ylabel()) == ("PSNR (dB)", "PSNR (dB)")


@pytest.mark.parametrize(("worst", "scale"), [(0.4, "linear"), (40.0, "log")])
def test_perceptual_scores_that_lie_far_apart_stand_on_a_logarithmic_axis(worst, scale):
    methods = [MethodScores(str(at), {"[0, 12)": 30.0}, 30.0, at) for at in (0.1, 0.2, worst)]
    right = scores_figure(methods, STRATA, FRECHET).axes[1]
    assert right.get_xscale() == scale and right.xaxis_inverted()


def test_more_is_better_points_to_the_right_as_it_is():
    figure = scores_figure(
        [MethodScores("a", {"[92, inf)": 20.0}, 20.0, 0.9)], STRATA, PerceptualScore("MS-SSIM", False)
    )
    left, right = figure.axes
    assert not right.xaxis_inverted()
    assert "more is better" in right.get_xlabel()
    assert [label.get_text() for label in left.get_xticklabels()] == ["≥ 92"]
    assert legend_of(figure) == ["a"]


def test_methods_without_a_score_are_left_out_and_none_at_all_is_refused():
    none = MethodScores("broken", {}, np.nan, np.nan)
    figure = scores_figure([none, MethodScores("a", {"[0, 12)": 30.0}, 30.0, 1.0)], STRATA, FRECHET)
    assert legend_of(figure) == ["a"]
    with pytest.raises(InputError, match="no method has a score"):
        scores_figure([none], STRATA, FRECHET)


def curves(method, quantity, factor):
    """Of a method whose std is `factor` times its error's."""
    nominal = np.arange(1, 100) / 100
    removed = np.arange(100) / 100
    actual = 2 * norm.cdf(norm.ppf(0.5 + nominal / 2) * factor) - 1
    return Calibration(method, quantity, nominal, actual, removed, 2 - removed, 2 - 2 * removed)


def test_calibration_draws_coverage_and_what_is_left():
    figure = calibration_figure([curves("a", "reflectance", 1), curves("b", "reflectance", 2), curves("a", "NDVI", 1)])
    assert [axis.get_title() for axis in figure.axes] == [
        "(a) reliability, reflectance",
        "(b) sparsification, reflectance",
        "(c) reliability, NDVI",
        "(d) sparsification, NDVI",
    ]
    reliability, sparsification = figure.axes[:2]
    _, honest, timid = reliability.lines
    np.testing.assert_allclose(honest.get_ydata(), honest.get_xdata(), atol=1e-9)
    assert (timid.get_ydata() > timid.get_xdata() - 1e-9).all()
    assert [honest.get_xdata()[place] for place in honest.get_markevery()] == pytest.approx([50, 80, 90, 95])
    by_error, by_std = sparsification.lines[:2]
    assert by_std.get_ydata()[0] == by_error.get_ydata()[0] == 1
    assert by_std.get_xdata().max() == 95
    assert by_std.get_ydata()[50] == pytest.approx(0.75)
    assert by_error.get_ydata()[50] == pytest.approx(0.5)
    assert legend_of(figure) == ["a", "b", "ideal", "by true error"]
    with pytest.raises(InputError, match="no method of this evaluation has a std"):
        calibration_figure([])


def pixel(**changed):
    dates = np.array(["2020-01-01", "2020-01-11", "2020-01-21", "2020-02-01"], "datetime64[D]")
    source = np.array([Source.OBSERVED, Source.INTERPOLATED, Source.OBSERVED, Source.UNFILLED], np.uint8)
    filled = np.array([0.2, 0.3, 0.4, np.nan])
    series = Series("red", filled, np.array([0.01, 0.1, 0.01, np.nan]), np.array([0.2, 0.9, 0.4, 0.31]))
    observed = np.array([True, False, True, False])
    given = {"dates": dates, "source": source, "given_dates": dates, "observed": observed, "series": [series]}
    return Pixel(**given | {"title": "pixel at 1, 2"} | changed)


def lines_of(axis):
    return {line.get_label(): line for line in axis.lines}


def test_a_pixel_shows_observations_fill_interval_and_source():
    figure = pixel_figure(pixel())
    (axis,) = figure.axes
    lines = lines_of(axis)
    assert lines["observed"].get_ydata().tolist() == [0.2, 0.4]
    assert lines["interpolated"].get_ydata().tolist() == [0.3]
    assert lines["input"].get_ydata().tolist() == [0.2, 0.4]
    assert len({lines[name].get_marker() for name in ("observed", "interpolated", "input, not observed")}) == 3
    band = axis.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx(0.3 + 1.6448536 * 0.1)
    assert band.min() == pytest.approx(0.3 - 1.6448536 * 0.1)
    _, top = axis.get_ylim()
    assert lines["input, not observed"].get_ydata().tolist() == [top, 0.31], "what lies beyond is put at the edge"
    assert top < 0.9
    assert figure.get_suptitle() == "pixel at 1, 2"
    assert set(legend_of(figure)) == {"90 % interval", "filled", *(set(lines) - {"filled"})}


def test_without_std_there_is_no_interval_and_ndvi_stays_possible():
    values = np.array([0.5, 0.9, 0.5, 0.5])
    wide = Series("NDVI", values, np.full(4, 3.0), values, limits=(-1.0, 1.0))
    bare = Series("red", values, None, values)
    ndvi, red = pixel_figure(pixel(series=[wide, bare])).axes
    band = ndvi.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (-1.0, 1.0)
    assert not red.collections


def test_many_bands_stand_in_two_columns():
    one = pixel().series[0]
    figure = pixel_figure(pixel(series=[one] * 7))
    columns = {round(axis.get_subplotspec().colspan.start) for axis in figure.axes}
    assert columns == {0, 1}
    assert sum(axis.axison for axis in figure.axes) == 7


def forecast(**changed):
    dates = np.datetime64("2020-05-28", "D") + np.arange(0, 30, 5)
    rng = np.random.default_rng(0)
    ndvi = rng.uniform(0, 0.9, (6, 8, 9)).astype(np.float32)
    context = ndvi[:3].copy()
    context[1, :4] = np.nan
    given = {
        "dates": dates[:3],
        "context": context,
        "filled": ndvi[:3],
        "target_dates": dates[3:],
        "forecast": ndvi[3:] + np.float32(0.1),
        "std": np.full((3, 8, 9), 0.2, np.float32),
        "truth": ndvi[3:],
    }
    return ForecastShown(**given | changed)


def test_a_forecast_shows_what_it_was_made_from_and_its_error_by_horizon():
    shown = forecast()
    figure = forecast_figure(shown)
    labels = [axis.get_ylabel() for axis in figure.axes if axis.get_ylabel()]
    assert labels == ["context\nNDVI", "filled", "forecast\nNDVI", "truth", "|error|", "std", "RMSE of NDVI"]
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles == ["2020: 149", "154", "159", "+5 d", "+10 d", "+15 d"]
    (errors,) = [axis for axis in figure.axes if axis.get_ylabel() == "RMSE of NDVI"]
    lines = lines_of(errors)
    assert lines["forecast"].get_xdata().tolist() == [5, 10, 15]
    np.testing.assert_allclose(lines["forecast"].get_ydata(), 0.1, rtol=1e-5)
    np.testing.assert_allclose(lines["std of the forecast"].get_ydata(), 0.2, rtol=1e-5)
    expected = [np.sqrt(np.mean((shown.filled[-1] - truth) ** 2)) for truth in shown.truth]
    np.testing.assert_allclose(lines["last filled date"].get_ydata(), expected, rtol=1e-5)


def test_a_forecast_whose_truth_is_yet_to_come():
    figure = forecast_figure(forecast(truth=None, std=None))
    assert [axis.get_ylabel() for axis in figure.axes if axis.get_ylabel()] == [
        "context\nNDVI",
        "filled",
        "forecast\nNDVI",
    ]


def test_errors_of_a_date_are_of_the_pixels_that_are_known():
    errors = np.array([[[3.0, np.nan], [4.0, np.nan]], [[np.nan, np.nan], [np.nan, np.nan]]], np.float32)
    np.testing.assert_allclose(by_date(errors), [np.sqrt(12.5), np.nan])


def test_arrays_of_a_forecast_that_do_not_go_together():
    with pytest.raises(InputError, match=r"filled has the shape \(2, 8, 9\).*must be \(3, 8, 9\)"):
        forecast_figure(forecast(filled=forecast().filled[:2]))
    with pytest.raises(InputError, match=r"std has the shape \(3, 8, 8\)"):
        forecast_figure(forecast(std=forecast().std[..., :8]))
    with pytest.raises(InputError, match="target dates after"):
        forecast_figure(forecast(target_dates=forecast().dates))


def test_the_rows_of_a_forecast_show_the_dates_above_them():
    dates = np.datetime64("2020-05-28", "D") + np.arange(0, 55, 5)
    truth = np.random.default_rng(0).uniform(0.2, 0.9, (8, 8, 9)).astype(np.float32)
    std = np.zeros((8, 8, 9), np.float32) + np.arange(8, dtype=np.float32)[:, None, None]
    rows = {"target_dates": dates[3:], "forecast": truth - np.float32(0.1), "truth": truth, "std": std}
    shown = forecast(**rows)
    figure = forecast_figure(shown)
    pictures = [np.asarray(axis.images[0].get_array()) for axis in figure.axes if axis.images]
    chosen = [0, 1, 3, 4, 6, 7]
    assert len(pictures) == 3 + 3 + 4 * 6
    np.testing.assert_array_equal(pictures[3:6], shown.filled)
    for row, values in enumerate((shown.forecast, truth, np.full_like(truth, 0.1), std)):
        np.testing.assert_allclose(pictures[6 + 6 * row : 12 + 6 * row], values[chosen], rtol=1e-5)

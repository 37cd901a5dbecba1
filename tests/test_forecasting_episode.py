from dataclasses import replace

import numpy as np
import pytest

from clearcube.cube import Band
from clearcube.errors import InputError
from clearcube.filler import Block
from clearcube.forecasting.episode import Episode, Weather, ndvi_of, unfilled
from clearcube.forecasting.registry import FORECASTERS, make_forecaster

BANDS = (Band("red", 665.0), Band("nir08", 865.0))
DAYS = np.datetime64("2020-03-01", "D") + 5 * np.arange(5)


def block():
    reflectance = np.full((3, 2, 1, 2), 0.1, np.float32)
    reflectance[:, 1] = 0.3
    observed = np.array([[[True, False]], [[True, True]], [[False, True]]])
    return Block(reflectance, observed, DAYS[:3], BANDS)


def episode():
    return Episode("one", block(), DAYS[3:], np.full((2, 1, 2), 0.5, np.float32))


def test_ndvi_by_hand_is_clipped_and_nan_without_light():
    reflectance = np.array([[0.1, 0.3], [-0.01, 0.3], [0.3, -0.01], [0.0, 0.0], [np.nan, 0.2]], np.float32)
    found = ndvi_of(reflectance[:, :, None, None], BANDS)[:, 0, 0]
    np.testing.assert_allclose(found, [0.5, 1.0, -1.0, np.nan, np.nan], rtol=1e-6)


def test_ndvi_needs_its_bands():
    with pytest.raises(InputError, match="NDVI needs"):
        ndvi_of(np.zeros((1, 1, 1, 1), np.float32), BANDS[:1])


def test_unfilled_is_nan_exactly_where_not_observed():
    context = block()
    bare = unfilled(context)
    assert np.array_equal(np.isnan(bare.reflectance).all(axis=1), ~context.observed)
    assert np.array_equal(bare.reflectance[0, :, 0, 0], context.reflectance[0, :, 0, 0])


def test_leads_count_from_the_last_date_of_the_context():
    assert episode().leads.tolist() == [5, 10]


def test_targets_within_the_context_are_a_mistake():
    with pytest.raises(AssertionError, match="after the context"):
        replace(episode(), target_dates=DAYS[2:4])


def test_weather_has_no_holes():
    with pytest.raises(AssertionError, match="without holes"):
        Weather(DAYS, np.zeros((5, 1), np.float32), ("rain",))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [("arima", {}, "unknown model 'arima'"), ("persistence", {"weights": "x"}, "no option 'weights'")],
)
def test_models_by_name(name, options, message):
    with pytest.raises(InputError, match=message):
        make_forecaster(name, **options)


def test_every_model_of_the_command_line_is_known():
    assert list(FORECASTERS) == ["convlstm", "convlstm-guided", "persistence", "climatology", "seasonal", "harmonic"]

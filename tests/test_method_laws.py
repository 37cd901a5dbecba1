"""What holds for every method, through the engine, whatever the cube."""

import numpy as np
import pytest
import xarray as xr
from builders import BANDS, cloudy_cube
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import clearcube
import clearcube.errors
from clearcube.cube import Source, new_cube
from clearcube.fill_cube import FillSettings, StagedFill, Workers
from clearcube.methods import METHODS, make_filler
from clearcube.writers.encoding import OutputFormat
from clearcube.writers.stage import opened

every_method = pytest.mark.parametrize("method", list(METHODS))
few = settings(deadline=None, max_examples=6, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
cubes = st.builds(
    lambda times, height, width, cloud, seed, bands: cloudy_cube(
        times, height, width, cloud=cloud, seed=seed, never=False, bands=BANDS[:bands]
    ),
    st.integers(2, 14),
    st.integers(1, 20),
    st.integers(1, 20),
    st.floats(0, 0.9),
    st.integers(0, 999),
    st.integers(1, 4),
).filter(lambda cube: bool(cube.observed.any()))


def with_empty_date(cube, position):
    """The cube with one more date, at which nothing is there."""
    dates = cube.time.values.astype("datetime64[D]")
    free = np.setdiff1d(np.arange(dates[0], dates[-1] + 20), dates)
    new = free[position % len(free)]
    every = np.sort(np.append(dates, new))
    wide = cube.drop_vars("truth").reindex(time=every.astype("datetime64[ns]"), fill_value={"observed": False})
    bands = [clearcube.cube.Band(*pair) for pair in zip(cube.band.values, cube.wavelength.values, strict=True)]
    return new_cube(wide.reflectance.values, wide.observed.values.astype(bool), every, bands), every != new


@every_method
@few
@given(cubes)
def test_observed_values_are_kept_and_nothing_seen_is_left(method, cube):
    filled = clearcube.fill(cube, method, invent_distance=0)
    observed = cube.observed.values
    kept = np.broadcast_to(observed[:, None], cube.reflectance.shape)
    np.testing.assert_array_equal(filled.reflectance.values[kept], cube.reflectance.values[kept])
    seen = observed.any(axis=0)
    assert np.isfinite(filled.reflectance.values[:, :, seen]).all()
    assert (filled.reflectance_std.values[:, :, seen] > 0).all()
    assert np.isnan(filled.reflectance.values[:, :, ~seen]).all()
    assert (filled.source.values[:, ~seen] == Source.UNFILLED).all()


@every_method
@few
@given(cubes, st.integers(0, 10_000))
def test_an_inserted_empty_date_changes_no_other(method, cube, position):
    wider, own = with_empty_date(cube, position)
    expected = clearcube.fill(cube.drop_vars("truth"), method)
    inserted = clearcube.fill(wider, method).isel(time=own)
    for name in ("reflectance", "reflectance_std", "days_to_observation"):
        np.testing.assert_array_equal(inserted[name].values, expected[name].values, name)


@every_method
def test_windows_chunks_and_workers_give_the_same_bits(method, tmp_path):
    cube = cloudy_cube(times=11, height=44, width=60).drop_vars("truth")
    expected = clearcube.fill(cube, method, ndvi=True)
    for number, (chunks, window, count) in enumerate(
        [({"time": 1}, 32, 2), ({"time": -1, "y": 23, "x": 23}, 23, 3), ({"time": 4, "y": 44, "x": 11}, 17, 1)]
    ):
        lazy = clearcube.fill(cube.chunk(chunks), method, ndvi=True, window=window)
        with opened(tmp_path / f"{number}.zarr", {}, resume=False, overwrite=False) as stage:
            filler = make_filler(method)
            StagedFill(
                cube.chunk(chunks),
                filler,
                FillSettings(ndvi=True),
                OutputFormat(),
                stage,
                window=window,
                workers=Workers(count=count),
            ).run()
            stored = xr.load_dataset(stage.filled, engine="zarr")
        for name in expected.data_vars:
            np.testing.assert_array_equal(lazy[name].values, expected[name].values, f"{name}, lazy, {window}")
            np.testing.assert_array_equal(stored[name].values, expected[name].values, f"{name}, stored, {window}")


@every_method
def test_what_is_not_observed_has_no_influence(method):
    cube = cloudy_cube(times=9, height=20, width=20).drop_vars("truth")
    other = cube.copy(deep=True)
    hidden = np.broadcast_to(~cube.observed.values[:, None], cube.reflectance.shape)
    other.reflectance.values[hidden] = np.random.default_rng(1).choice([np.nan, 1e6, -7.0], hidden.sum())
    one, two = clearcube.fill(cube, method), clearcube.fill(other, method)
    np.testing.assert_array_equal(one.reflectance.values, two.reflectance.values)
    np.testing.assert_array_equal(one.reflectance_std.values, two.reflectance_std.values)


@every_method
def test_smooth_replaces_observed_values_or_is_refused(method):
    cube = cloudy_cube(times=9, height=8, width=8, never=False).drop_vars("truth")
    if not METHODS[method].smooths:
        with pytest.raises(clearcube.errors.InputError, match="has no smooth series"):
            clearcube.fill(cube, method, smooth=True)
        return
    filled = clearcube.fill(cube, method, smooth=True)
    assert (filled.source.values[cube.observed.values] == Source.SMOOTHED).all()
    assert np.isfinite(filled.reflectance.values).all()


def test_the_accessor_does_what_the_functions_do():
    import clearcube.accessor

    cube = cloudy_cube(times=5, height=6, width=6).drop_vars("truth")
    xr.testing.assert_identical(
        cube.clearcube.fill("nearest", max_gap="90d"), clearcube.fill(cube, "nearest", max_gap=90)
    )
    xr.testing.assert_identical(cube.clearcube.ndvi(), clearcube.ndvi(cube))

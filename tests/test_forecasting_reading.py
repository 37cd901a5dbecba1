import numpy as np
import pytest
import xarray as xr
from builders import BANDS, cloudy_cube

from clearcube.cube import dates_of, elevation_of
from clearcube.errors import InputError
from clearcube.forecasting.baselines import Harmonic, Persistence, Seasonal
from clearcube.forecasting.episode import continued, ndvi_of
from clearcube.forecasting.reading import episode_of, landcover_of, latitude_of, read_episode, tile_of
from clearcube.forecasting.run import forecast_episode
from clearcube.forecasting.vegetation import VEGETATION, vegetation_of
from clearcube.readers.open import open_cube
from clearcube.simulation import LandCover, SceneConfig, simulate
from clearcube.simulation.cubes import to_cube


def test_the_first_dates_are_the_context():
    cube = regular(34, 5)
    place = episode_of("place", cube)
    assert np.array_equal(place.context.dates, dates_of(cube)[:10])
    assert np.array_equal(place.target_dates, dates_of(cube)[10:30])
    assert place.landcover is None and place.classes == "" and place.weather is None and place.place == "place"
    observed = cube["observed"].values
    assert np.array_equal(place.context.observed, observed[:10])
    assert np.array_equal(np.isfinite(place.target_ndvi), observed[10:30])
    seen = np.where(observed[:, None], cube["reflectance"].values, np.nan).astype(np.float32)
    np.testing.assert_array_equal(place.target_ndvi, ndvi_of(seen, BANDS)[10:30])
    np.testing.assert_array_equal(place.context.reflectance, seen[:10])


def regular(times, step, first="2019-01-03"):
    cube = cloudy_cube(times=times, height=8, width=9)
    return cube.assign_coords(time=np.datetime64(first, "ns") + step * np.arange(times) * np.timedelta64(1, "D"))


def test_targets_farther_ahead_than_the_horizon_are_left_out():
    place = episode_of("place", regular(30, 8))
    assert place.leads.tolist() == list(range(8, 97, 8)) and len(place.context.dates) == 10
    assert len(episode_of("place", regular(30, 8), horizon=None).target_dates) == 20
    with pytest.raises(InputError, match="lies 120 days ahead"):
        episode_of("place", regular(30, 120))


def test_long_cubes_are_split_where_the_year_before_is_known():
    cube = regular(200, 5)
    place, dates = episode_of("place", cube), dates_of(cube)
    assert np.array_equal(place.context.dates, dates[170:180]) and np.array_equal(place.target_dates, dates[180:])
    assert np.array_equal(place.history.dates, dates[:170])
    seen = np.where(cube["observed"].values[:, None], cube["reflectance"].values, np.nan)
    np.testing.assert_array_equal(place.history.reflectance, seen[:170].astype(np.float32))
    forecasts = []
    for value in (0.3, 0.9):
        later = cube.copy(deep=True)
        later["reflectance"][180:] = value
        changed = episode_of("place", later)
        forecasts += [forecast_episode(model, changed.context, changed).mean for model in (Seasonal(), Harmonic())]
    for one, other in (forecasts[::2], forecasts[1::2]):
        np.testing.assert_array_equal(one, other)
        assert np.isfinite(one).mean() > 0.8
    wanted = Seasonal().forecast(continued(place.history, place.context), place.target_dates).mean
    np.testing.assert_array_equal(forecasts[0], wanted)


def test_history_is_given_to_models_that_look_back_alone():
    place, given = episode_of("place", regular(110, 5)), []

    class Watching(Persistence):
        def forecast(self, context, target_dates, **known):
            given.append(context)
            return super().forecast(context, target_dates, **known)

    forecast_episode(Watching(), place.context, place)
    assert given == [place.context] and place.history is not None
    assert episode_of("place", regular(80, 5)).history is None


def test_land_cover_and_elevation_are_taken_along():
    cube = cloudy_cube(times=30, height=8, width=9)
    codes = np.full((8, 9), 40, np.int16)
    cube = cube.assign(landcover=(("y", "x"), codes), elevation=(("y", "x"), codes.astype(np.float64)))
    place = episode_of("x_33UXP_y", cube)
    assert place.classes == "worldcover" and place.elevation.dtype == np.float32 and place.place == "33UXP"
    earthnet = episode_of("a", cube.assign(landcover=(("y", "x"), np.full((8, 9), 73, np.int16))))
    assert earthnet.classes == "earthnet"


def classed(codes, values=(), names=""):
    field = (("y", "x"), np.array(codes, np.uint8), {"flag_values": list(values), "flag_meanings": names})
    return xr.Dataset({"landcover": field})


def test_classes_are_told_by_their_names():
    codes, legend = landcover_of(classed([[0, 1, 2, 3, 9]], range(4), "open_water trees Grassland crops"))
    assert codes.tolist() == [[80, 10, 30, 40, 0]] and legend == "worldcover"
    names = " ".join(cover.name.lower() for cover in LandCover)
    codes, legend = landcover_of(classed([[0, 5, 8]], range(len(LandCover)), names))
    assert codes.tolist() == [[0, 5, 8]] and legend == "simulated"
    assert landcover_of(classed([[1, 5, 8]], (1, 5, 8), "a b c"))[1] == landcover_of(classed([[1, 5, 8]]))[1] == ""
    assert landcover_of(classed([[10, 40]]))[1] == "worldcover" and landcover_of(xr.Dataset()) == (None, "")


def test_codes_tell_the_legend_even_where_none_of_their_classes_is_scored():
    assert [landcover_of(classed([[code]]))[1] for code in (90, 100, 105, 106)] == ["worldcover"] * 2 + ["earthnet"] * 2


def test_land_cover_of_a_file_has_its_own_legend_beside_an_earthnet_cube(tmp_path):
    stem = "context_29SND_2017-06-30_2017-11-26_1081_1209_1721_1849_16_96_26_106.npz"
    own = np.full((128, 128, 1), 83, np.uint8)
    np.savez(tmp_path / stem, highresdynamic=np.full((128, 128, 5, 10), 0.2, np.float16), landcover=own)
    np.save(tmp_path / "world.npy", np.full((128, 128), 40))
    flags = {"flag_values": np.array([82, 162], np.uint8), "flag_meanings": "grassland maize"}
    named = xr.Dataset({"landcover": (("y", "x"), np.full((128, 128), 162, np.uint8), flags)})
    named.to_netcdf(tmp_path / "named.nc")
    for file, code, legend, kind in (
        (None, 83, "earthnet", "tree"),
        ("world.npy", 40, "worldcover", "crop"),
        ("named.nc", 40, "worldcover", "crop"),
    ):
        cube = open_cube(tmp_path / stem, landcover=file and tmp_path / file)
        codes, told = landcover_of(cube)
        assert cube.attrs["format"] == "earthnet" and told == legend and (codes == code).all()
        assert (vegetation_of(codes, told, codes.shape) == VEGETATION.index(kind)).all()


def test_simulated_scenes_bring_their_legend(tmp_path):
    to_cube(simulate(SceneConfig(height=8, width=8, days=(0, 5, 10)), 0), 10.0).to_zarr(
        tmp_path / "a.zarr", zarr_format=2
    )
    assert landcover_of(open_cube(str(tmp_path / "a.zarr")))[1] == "simulated"


@pytest.mark.parametrize(("times", "split"), [(29, (10, 20)), (30, (2, 20)), (12, (12, 0))])
def test_too_few_dates_are_refused(times, split):
    with pytest.raises(InputError, match="dates; needed are"):
        episode_of("place", cloudy_cube(times=times), context_dates=split[0], target_dates=split[1])


def test_bands_without_ndvi_are_refused():
    with pytest.raises(InputError, match="NDVI needs"):
        episode_of("place", cloudy_cube(times=30, bands=BANDS[:3]))


def test_tiles_are_found_in_names():
    assert tile_of("29SND_2017-06-30_2017-11-26_1081_1209_1721_1849_16_96_26_106") == "29SND"
    assert tile_of("my_place_2020") == "my_place_2020"


def test_context_and_target_of_earthnet_are_split_as_given(shared):
    folder = shared / "data" / "test" / "earthnet2021"
    context = next(iter(sorted(folder.glob("context_29SND*.npz"))))
    pair = [str(context), str(context).replace("context_", "target_")]
    place = read_episode("29SND_a", pair)
    assert len(place.context.dates) == 10 and len(place.target_dates) == 20 and place.place == "29SND"
    weather = place.weather
    assert weather.dates[0] == place.context.dates[0] - 4 and weather.dates[-1] == place.target_dates[-1]
    mean = dict(zip(weather.names, weather.values.mean(axis=0), strict=True))
    assert 15 < mean["temperature"] < 25 and mean["temperature_min"] < mean["temperature"] and mean["radiation"] > 150
    with pytest.raises(InputError, match="needed are 10 to look at and 20"):
        read_episode("alone", pair[:1])


def test_minicubes_bring_their_land_cover(shared):
    path = next(iter((shared / "data" / "test" / "greenearthnet").glob("*.nc")))
    place = read_episode(path.stem, [str(path)])
    assert place.classes == "worldcover" and place.place == "34TET" and place.target_ndvi.shape[0] == 20
    mean = dict(zip(place.weather.names, place.weather.values.mean(axis=0), strict=True))
    assert {"temperature", "precipitation", "radiation"} <= set(mean) and 5 < mean["temperature"] < 25
    assert len(place.weather.dates) >= 150


def test_latitudes_come_from_the_reference_system():
    cube = cloudy_cube(times=3)
    assert latitude_of(cube) == pytest.approx(50.5, abs=0.2)
    assert latitude_of(cube.drop_vars("spatial_ref")) == 48


def test_nothing_else_is_needed_than_a_cube(tmp_path):
    cube = cloudy_cube(times=30, height=8, width=9).drop_vars("truth")
    cube.to_zarr(tmp_path / "a.zarr", zarr_format=2)
    place = read_episode("a", [str(tmp_path / "a.zarr")])
    assert isinstance(cube, xr.Dataset) and place.context.reflectance.shape == (10, 4, 8, 9)


def test_elevation_is_taken_as_it_is():
    cube = xr.Dataset({"elevation": (("y", "x"), np.array([[0.5, 200]]))}, attrs={"format": "earthnet"})
    assert elevation_of(cube).tolist() == [[0.5, 200]] and elevation_of(cube).dtype == np.float32
    assert elevation_of(xr.Dataset()) is None

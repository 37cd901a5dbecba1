import numpy as np
from builders import BANDS

from clearcube.cube import Source
from clearcube.fill_cube.invention import BEYOND_NEAREST, DECAY, SpatialSpread, invent, measure_spread
from clearcube.fill_cube.window import Filled
from clearcube.filler import Block


def naive_invention(filled, spread, distance):
    means, stds = filled.reflectance.copy(), filled.std.copy()
    given = filled.source != Source.UNFILLED
    never = (filled.days < 0).all(axis=0)
    for y, x in np.argwhere(never):
        for t in range(len(means)):
            places = np.argwhere(given[t] & ~never)
            away = np.abs(places - (y, x)).max(axis=1)
            if away.min() > distance:
                continue
            kept = places[away <= away.min() + BEYOND_NEAREST]
            weight = np.exp(-np.abs(kept - (y, x)).sum(axis=1) / DECAY)
            weight /= weight.sum()
            for b in range(means.shape[1]):
                means[t, b, y, x] = (weight * filled.reflectance[t, b, kept[:, 0], kept[:, 1]]).sum()
                variance = (weight * filled.std[t, b, kept[:, 0], kept[:, 1]].astype(float) ** 2).sum()
                stds[t, b, y, x] = np.sqrt(variance + np.interp(away.min(), spread.distances, spread.spread[:, b]) ** 2)
    return means, stds


def test_invented_values_equal_a_naive_loop():
    rng = np.random.default_rng(0)
    shape = (2, 2, 18, 16)
    days = np.full((2, 18, 16), 5, np.int16)
    days[:, 3:12, 4:13] = -1
    source = np.where(days < 0, Source.UNFILLED, Source.INTERPOLATED).astype(np.uint8)
    source[0, :, :5] = source[1, 10:14] = Source.UNFILLED  # gaps that were too long are nobody's neighbours
    values, std = rng.uniform(0, 0.5, shape).astype(np.float32), rng.uniform(0.01, 0.1, shape).astype(np.float32)
    for array in (values, std):
        np.moveaxis(array, 1, 0)[:, source == Source.UNFILLED] = np.nan
    filled = Filled(values, std, source, days)
    spread = SpatialSpread(np.array([1.0, 4.0]), np.array([[0.02, 0.03], [0.08, 0.05]]))
    made = invent(filled, 3, spread)
    means, stds = naive_invention(filled, spread, 3)
    np.testing.assert_allclose(made.reflectance, means, rtol=1e-5)
    np.testing.assert_allclose(made.std, stds, rtol=1e-5)
    np.testing.assert_array_equal(made.source == Source.INVENTED, np.isfinite(means[:, 0]) & (days < 0))


def test_spread_is_of_observed_neighbours_of_a_row():
    rng = np.random.default_rng(0)
    values = rng.normal(0.3, 0.02, (4, 1, 60, 60)).astype(np.float32)
    observed = rng.random((4, 60, 60)) < 0.6
    values[~observed[:, None]] = 0.9  # clouds
    values += np.float32(0.1) * np.arange(60, dtype=np.float32)[:, None]  # from row to row
    block = Block(values, observed, np.datetime64("2020-01-01", "D") + np.arange(4), BANDS[:1])
    np.testing.assert_allclose(measure_spread([block]).spread, 0.02 * np.sqrt(2), rtol=0.1)

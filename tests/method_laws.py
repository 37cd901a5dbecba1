"""What holds for every method that fills each pixel by itself, and small cubes to try it on."""

import numpy as np

from clearcube.cube import Band
from clearcube.filler import Block


def block_of(reflectance, observed, days):
    dates = np.datetime64("2020-01-03", "D") + np.asarray(days)
    bands = tuple(Band(f"b{i}", np.nan) for i in range(reflectance.shape[1]))
    return Block(reflectance.astype(np.float32), observed, dates, bands)


def random_block(seed, times=14, size=5, clear=0.5, bands=2):
    rng = np.random.default_rng(seed)
    days = np.sort(rng.choice(120, times, replace=False)) * 2
    return block_of(rng.uniform(0, 0.6, (times, bands, size, size)), rng.random((times, size, size)) < clear, days)


def with_an_empty_date(block, seed):
    """The block with one more date, odd days after the first, where nothing is observed; and its position."""
    new_day = 2 * int(np.random.default_rng(seed).integers(-3, 125)) + 1
    at = int(np.searchsorted(block.days, new_day))
    dates = np.insert(block.dates, at, block.dates[0] + np.timedelta64(new_day, "D"))
    reflectance, observed = np.insert(block.reflectance, at, 9.0, axis=0), np.insert(block.observed, at, False, axis=0)
    return Block(reflectance, observed, dates, block.bands), at


def check_laws(mean_of, block, seed):
    """mean_of(block) -> (T, B, H, W) with everything settled beforehand."""
    whole = mean_of(block)
    seen = block.observed.any(axis=0)
    assert np.isfinite(whole[:, :, seen]).all()
    assert np.isnan(whole[:, :, ~seen]).all()

    part = Block(block.reflectance[:, :, 1:3, 2:], block.observed[:, 1:3, 2:], block.dates, block.bands)
    np.testing.assert_array_equal(mean_of(part), whole[:, :, 1:3, 2:])

    hollow = np.where(block.observed[:, None], block.reflectance, np.float32(np.nan))
    np.testing.assert_array_equal(mean_of(Block(hollow, block.observed, block.dates, block.bands)), whole)

    longer, at = with_an_empty_date(block, seed)
    np.testing.assert_array_equal(np.delete(mean_of(longer), at, axis=0), whole)

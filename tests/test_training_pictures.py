import numpy as np
import pytest

from clearcube.cube import band_named
from clearcube.filler import Block
from clearcube.training.pictures import picture, write_png
from clearcube.training.validation import Experiment, NamedBlock


def experiment(bands):
    rng = np.random.default_rng(0)
    truth = rng.random((6, len(bands), 8, 10), dtype=np.float32)
    dates = np.datetime64("2020-01-01", "D") + np.arange(6)
    hidden = np.zeros((6, 8, 10), bool)
    hidden[[1, 2, 4, 5], :, :5] = True
    left = np.where(hidden[:, None], np.float32(np.nan), truth)
    named = tuple(map(band_named, bands))
    whole = NamedBlock("x", Block(truth, ~hidden | True, dates, named))
    return Experiment(whole, "partial", 0, Block(left, ~hidden, dates, named), hidden), truth


@pytest.mark.parametrize("bands", [("blue", "green", "red", "nir"), ("nir",)])
def test_a_picture_shows_given_filled_and_true(bands):
    test, truth = experiment(bands)
    image = picture(test, truth)
    assert image.shape == (4 * 8, 3 * 10, 3)
    given, filled, true = np.split(image, 3, axis=1)
    np.testing.assert_array_equal(filled, true)
    assert (given[:, :5] == 0).all()
    np.testing.assert_array_equal(given[:, 5:], true[:, 5:])


def test_a_png_can_be_read_by_others(tmp_path):
    from matplotlib.image import imread

    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    write_png(tmp_path / "x.png", image)
    np.testing.assert_array_equal((imread(tmp_path / "x.png") * 255).round().astype(np.uint8), image)

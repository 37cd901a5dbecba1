import numpy as np
import pytest

from clearcube.simulation.fields import canvas_size, cut, fractal_fields, sample, stream


def test_a_stream_depends_on_seed_and_names_alone():
    assert stream(3, "a", 490.0).random() == stream(3, "a", 490.0).random()
    assert len({stream(s, n).random() for s in (1, 2) for n in ("a", "b")}) == 4


@pytest.mark.parametrize(("height", "width"), [(8, 8), (64, 100), (131, 7), (256, 256)])
def test_the_canvas_is_half_as_large_again_as_the_scene(height, width):
    assert canvas_size(height, width) >= 1.5 * max(height, width)


def test_fields_are_standardised_and_smoother_with_a_steeper_spectrum():
    rough, smooth = (fractal_fields(stream(0, "f"), 3, 96, slope=slope) for slope in (2.0, 4.0))
    for fields in (rough, smooth):
        np.testing.assert_allclose(fields.mean(axis=(1, 2)), 0, atol=1e-4)
        np.testing.assert_allclose(fields.std(axis=(1, 2)), 1, atol=1e-3)
    assert np.abs(np.diff(smooth, axis=2)).mean() < 0.5 * np.abs(np.diff(rough, axis=2)).mean()


def test_a_cutoff_takes_the_fine_detail_out():
    raw, blurred = (fractal_fields(stream(0, "f"), 1, 96, slope=2.0, cutoff=c)[0] for c in (0.0, 3.0))
    assert np.abs(np.diff(blurred)).mean() < 0.4 * np.abs(np.diff(raw)).mean()


def test_stretched_fields_vary_more_across_than_along():
    field = fractal_fields(stream(1, "f"), 1, 128, slope=3.0, stretch=9.0)[0]
    tensor = np.cov(*(gradient.ravel() for gradient in np.gradient(field)))
    low, high = np.linalg.eigvalsh(tensor)
    assert high > 5 * low


def test_windows_wrap_around():
    field = np.arange(12.0, dtype=np.float32).reshape(3, 4)[:, :3]
    np.testing.assert_array_equal(cut(field, -1, 2, 2, 2), [[field[2, 2], field[2, 0]], [field[0, 2], field[0, 0]]])
    np.testing.assert_array_equal(cut(field, 4, 301, 3, 3), np.roll(field, (-1, -1), (0, 1)))


def test_samples_have_unit_variance_on_average():
    rng = stream(2, "s")
    bank = fractal_fields(rng, 3, 96, slope=1.0)
    values = np.stack([sample(rng, bank, 40, 60) for _ in range(40)])
    assert values.shape == (40, 40, 60)
    assert values.std() == pytest.approx(1, abs=0.15)

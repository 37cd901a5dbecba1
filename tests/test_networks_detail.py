import math

import numpy as np
import pytest
import torch

from clearcube.networks.detail import detail, sharper

MEAN = np.outer([1, 2, 1], [1, 2, 1]) / 16


def test_detail_against_a_naive_loop():
    rng = np.random.default_rng(0)
    image, valid, expected = rng.normal(size=(7, 6)), rng.random((7, 6)) > 0.3, np.zeros((7, 6))
    for y, x in zip(*np.nonzero(valid), strict=True):
        total = weight = 0.0
        for i in (-1, 0, 1):
            for j in (-1, 0, 1):
                if 0 <= y + i < 7 and 0 <= x + j < 6 and valid[y + i, x + j]:
                    total += MEAN[i + 1, j + 1] * image[y + i, x + j]
                    weight += MEAN[i + 1, j + 1]
        expected[y, x] = image[y, x] - total / weight
    found = detail(torch.tensor(image)[None], torch.tensor(valid)[None].double())[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-12)


def wave(pixels):
    """A wave of this many pixels along the rows, (1, 1, 1, 16, 16)."""
    return torch.cos(2 * math.pi * (torch.arange(16) + 0.5) / pixels).expand(1, 1, 1, 16, 16)


@pytest.mark.parametrize(("pixels", "passes"), [(4, 0.5), (3, 0.75), (16, 0.038)])
def test_the_finer_the_more_of_it_is_detail(pixels, passes):
    images = wave(pixels) + 0.7
    found = detail(images, torch.ones_like(images))[..., 4:12, 4:12]
    torch.testing.assert_close(found, passes * wave(pixels)[..., 4:12, 4:12], rtol=0, atol=1e-3)


def test_sharper_adds_a_share_of_the_detail_to_each_band_of_each_sample():
    torch.manual_seed(0)
    images, share = torch.rand(3, 2, 4, 9, 8), torch.tensor([[0.1, 0.0, -0.2, 0.3], [0.5, 0.2, 0.1, 0.0]])
    found = sharper(images, share)
    expected = images + share[None, :, :, None, None] * detail(images, torch.ones_like(images[:, :, :1]))
    torch.testing.assert_close(found[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], rtol=0, atol=1e-6)
    rim = torch.ones(9, 8, dtype=torch.bool)
    rim[1:-1, 1:-1] = False
    assert torch.equal(found[..., rim], images[..., rim])
    torch.testing.assert_close(sharper(images, share[:1]), sharper(images, share[:1].expand(2, 4)))


def test_images_too_small_for_detail_stay():
    for size in ((1, 1), (2, 9), (9, 2)):
        images = torch.rand(2, 1, 3, *size)
        assert torch.equal(sharper(images, torch.full((1, 3), 0.5)), images)
    images = torch.rand(2, 1, 3, 5, 5, dtype=torch.float64)
    assert sharper(images, torch.full((1, 3), 0.5, dtype=torch.float64)).dtype == torch.float64

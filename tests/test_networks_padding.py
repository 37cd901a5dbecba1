import pytest
import torch

from clearcube.networks.padding import padded


@pytest.mark.parametrize("shape", [(2, 5, 6), (1, 2, 5, 6), (3, 1, 2, 5, 6)])
def test_edges_are_repeated_below_and_to_the_right(shape):
    x = torch.rand(shape)
    for given in (x, x > 0.5):
        grown = padded(given, 4)
        assert grown.shape == (*shape[:-2], 8, 8)
        assert grown.dtype == given.dtype
        assert torch.equal(grown[..., :5, :6], given)
        assert torch.equal(grown[..., 5:, :6], given[..., 4:, :].expand(*shape[:-2], 3, 6))
        assert torch.equal(grown[..., 6:], grown[..., 5:6].expand(*shape[:-2], 8, 2))


def test_what_fits_is_left_as_it_is():
    x = torch.rand(1, 3, 8, 4)
    assert padded(x, 4) is x
    assert padded(x, 4, least=8).shape == (1, 3, 8, 8)

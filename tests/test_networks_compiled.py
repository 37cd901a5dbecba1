"""The compiled loops give what the plain operations define."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clearcube.networks import compiled_features, detail, features
from clearcube.networks.band_unet import quartered, whole
from clearcube.networks.convlstm import BidirectionalConvLSTM, pointwise
from clearcube.networks.feature_kernels import SEGMENT
from clearcube.networks.lstm_kernels import logistic

CLOSE = {"rtol": 0, "atol": 2e-6}


def series_at_random(times, samples, bands, height, width, share, seed=0):
    """Values with NaN where they are not valid, valid, days."""
    rng = np.random.default_rng(seed)
    valid = rng.random((times, samples, 1, height, width)) < share
    values = rng.uniform(-0.05, 1.2, (times, samples, bands, height, width)).astype(np.float32)
    values[~np.broadcast_to(valid, values.shape)] = np.nan
    days = np.cumsum(rng.integers(1, 30, (times, samples)), 0).astype(np.float32)
    return tuple(torch.from_numpy(a) for a in (values, valid, days))


@settings(max_examples=25, deadline=None)
@given(
    *(st.integers(1, most) for most in (9, 2, 3, 5, 7)),
    st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]),
    st.integers(0, 99),
)
def test_series_and_offers(times, samples, bands, height, width, share, seed):
    values, valid, days = series_at_random(times, samples, bands, height, width, share, seed)
    found, expected = compiled_features.series(values, valid, days), features.series(values, valid, days)
    for name, value in vars(expected).items():
        torch.testing.assert_close(getattr(found, name), value, **CLOSE, msg=lambda text, name=name: f"{name}: {text}")
    offered, plain = (part.offers(expected, days, 20.0) for part in (compiled_features, features))
    for name, one, other in zip(plain._fields, offered, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_pixels_of_several_segments_and_threads(threads):
    side = math.isqrt(2 * SEGMENT) + 3
    values, valid, days = series_at_random(4, 1, 2, side, side, 0.4)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = compiled_features.series(values, valid, days)
        line = compiled_features.offers(found, days, 20.0).line
    finally:
        torch.set_num_threads(before)
    expected = features.series(values, valid, days)
    torch.testing.assert_close(found.anomaly, expected.anomaly, **CLOSE)
    torch.testing.assert_close(line, features.smoother(expected, days, 20.0), rtol=1e-4, atol=1e-5)


def test_days_to_neighbours():
    _, valid, days = series_at_random(6, 2, 1, 3, 4, 0.4)
    found = compiled_features.days_to_neighbours(valid, days)
    for one, other in zip(found, features.days_to_neighbours(valid, days), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.bfloat16, 2e-2)])
def test_scan_of_a_memory(dtype, tolerance):
    torch.manual_seed(0)
    lstm = BidirectionalConvLSTM(2, 3)
    steps = 2 * torch.randn(5, 2, 2, 4, 3, 4, 6)
    passing = torch.rand(5, 2, 2, 1, 4, 6) > 0.3
    with torch.no_grad():
        found = lstm.scan_compiled(steps.to(dtype), passing)
        expected = lstm.scan(steps, passing)
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=tolerance)


def test_with_gradients_a_memory_gives_the_same():
    torch.manual_seed(0)
    lstm, sequence = BidirectionalConvLSTM(2, 3), torch.randn(5, 1, 2, 4, 6)
    present = torch.rand(5, 1, 1, 4, 6) > 0.3
    learning = lstm(sequence, present)
    with torch.no_grad():
        torch.testing.assert_close(lstm(sequence, present), learning.detach(), **CLOSE)
    learning.sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in lstm.parameters())


def test_logistic_function():
    for x in (-1e9, -100.0, -80.0, -3.3, -1e-3, 0.0, 0.5, 7.0, 80.0, 1e9):
        expected = 1 / (1 + math.exp(-max(x, -700)))
        assert logistic(np.float32(x)) == pytest.approx(expected, abs=2e-7)


@pytest.mark.parametrize("channels_last", [False, True])
def test_pointwise_is_a_convolution(channels_last):
    torch.manual_seed(0)
    layer, x = torch.nn.Conv2d(3, 5, 1), torch.randn(2, 2, 3, 4, 6)
    expected = layer(x.flatten(0, 1)).unflatten(0, (2, 2))
    torch.testing.assert_close(pointwise(layer, x, channels_last=channels_last), expected)


def test_quarters_are_the_pixels_of_each_square():
    image = torch.arange(16.0).reshape(1, 1, 1, 4, 4)
    quarters = quartered(image)
    assert quarters.squeeze().tolist() == [
        *([0, 2], [8, 10]),
        *([1, 3], [9, 11]),
        *([4, 6], [12, 14]),
        *([5, 7], [13, 15]),
    ]
    assert torch.equal(whole(quarters), image)


@settings(max_examples=25, deadline=None)
@given(*(st.integers(1, most) for most in (4, 3, 3, 7, 6)), st.sampled_from([1, 2, 3]), st.integers(0, 99))
def test_sharper(times, samples, bands, height, width, threads, seed):
    torch.manual_seed(seed)
    images = torch.rand(times, samples, bands, height + 2, width + 2)[..., :height, :width]
    for share in (torch.randn(samples, bands), torch.randn(1, bands)):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            found = compiled_features.sharper(images, share)
        finally:
            torch.set_num_threads(before)
        torch.testing.assert_close(found, detail.sharper(images, share), rtol=0, atol=2e-6)


def test_sharper_gives_gradients_where_they_are_asked_for():
    images, share = torch.rand(2, 1, 3, 6, 5), torch.rand(1, 3, requires_grad=True)
    compiled_features.sharper(images, share).sum().backward()
    assert share.grad is not None and share.grad.abs().max() > 0

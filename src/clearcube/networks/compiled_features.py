"""Functions of `features` and `detail` by loops over pixels, several times as fast, in the processor's memory.

Tensors on other devices go the way of the modules that say what is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from clearcube.networks import detail, features
from clearcube.networks.detail_kernels import sharpen_kernel
from clearcube.networks.feature_kernels import neighbours_kernel, series_kernel
from clearcube.networks.features import LARGEST_ANOMALY, NEVER_DAYS, SUPPORT, Offers, Series
from clearcube.networks.offer_kernels import offers_kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray


def days_to_neighbours(valid: Tensor, days: Tensor) -> tuple[Tensor, Tensor]:
    """As `features.days_to_neighbours`, for float32."""
    if valid.device.type != "cpu":
        return features.days_to_neighbours(valid, days)
    before, after, position = (days.new_empty(valid.shape) for _ in range(3))
    given = (_dates(valid), _array(days), np.float32(NEVER_DAYS))
    neighbours_kernel(*given, _dates(before), _dates(after), _dates(position), 0, valid[0, 0].numel())
    return before, after


def series(values: Tensor, valid: Tensor, days: Tensor) -> Series:
    """As `features.series`, for float32."""
    if values.device.type != "cpu":
        return features.series(values, valid, days)
    valid = valid.contiguous()
    clean, interpolation, difference, anomaly = (values.new_empty(values.shape) for _ in range(4))
    before, after, position = (values.new_empty(valid.shape) for _ in range(3))
    found = Series(clean, valid, before, after, interpolation, difference, anomaly, position)
    limits = (np.float32(NEVER_DAYS), np.float32(LARGEST_ANOMALY))
    given = (_pixels(values), _dates(valid), _array(days), *limits)
    banded = (_pixels(part) for part in (interpolation, difference, anomaly))
    _each_part(series_kernel, *given, _pixels(clean), _dates(before), _dates(after), *banded, _dates(position))
    return found


def offers(s: Series, days: Tensor, scale: float) -> Offers:
    """As `features.offers`, for float32."""
    if s.values.device.type != "cpu":
        return features.offers(s, days, scale)
    echo, line, base = (torch.empty_like(s.values) for _ in range(3))
    given = (_pixels(s.values), _dates(s.valid), _pixels(s.anomaly), _pixels(s.interpolation), _dates(s.position))
    made = (_pixels(part) for part in (echo, line, base))
    _each_part(offers_kernel, *given, _array(days), scale, np.float32(SUPPORT), *made)
    return Offers(echo, line, _completed(s, base), base)


def sharper(images: Tensor, share: Tensor) -> Tensor:
    """As `detail.sharper`, for float32; where gradients are asked for, the way of `detail`."""
    learning = torch.is_grad_enabled() and (images.requires_grad or share.requires_grad)
    if images.device.type != "cpu" or learning:
        return detail.sharper(images, share)
    planes = _array(images).reshape(-1, *images.shape[-2:])
    shares = np.ascontiguousarray(np.broadcast_to(_array(share), images.shape[:3])).reshape(-1)
    sharp = torch.empty_like(images, memory_format=torch.contiguous_format)
    _each_part(sharpen_kernel, planes, shares, sharp.numpy().reshape(planes.shape), count=len(planes))
    return sharp


def _completed(s: Series, base: Tensor) -> Tensor:
    """The interpolation of `features.completed`; completes `base` in place, at the few pixels that have a hole."""
    alone = torch.minimum(s.before, s.after) >= NEVER_DAYS
    unseen = alone & ~s.valid
    mean = base.sum((-1, -2)) / (~unseen).sum((-1, -2)).clamp(min=1)
    t, n, _, y, x = alone.nonzero(as_tuple=True)
    known = torch.where(unseen[t, n, :, y, x], mean[t, n], base[t, n, :, y, x])
    interpolation = s.interpolation.clone()
    base[t, n, :, y, x] = interpolation[t, n, :, y, x] = known
    return interpolation


def _each_part(kernel: Callable[..., None], *arrays: Any, count: int | None = None) -> None:
    """Call a kernel for as many parts of the pixels (or of so many others) as torch has threads, side by side."""
    count, threads = count or arrays[0].shape[-1], torch.get_num_threads()
    if threads == 1:
        kernel(*arrays, 0, count)
        return
    bounds = np.linspace(0, count, threads + 1).astype(int).tolist()
    with ThreadPoolExecutor(threads) as pool:
        parts = [pool.submit(kernel, *arrays, start, stop) for start, stop in pairwise(bounds)]
    for part in parts:
        part.result()


def _pixels(values: Tensor) -> NDArray[Any]:
    """(T, N, B, H, W) as an array (T, N, B, H W); shares memory if contiguous."""
    return _array(values.flatten(3))


def _dates(values: Tensor) -> NDArray[Any]:
    """(T, N, 1, H, W) as an array (T, N, H W); shares memory if contiguous."""
    return _array(values.flatten(2))


def _array(values: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = values.detach().contiguous().numpy()
    return array

"""What is offered beside the interpolation, as loops over pixels; see `feature_kernels` for how they are built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clearcube.compilation import compiled
from clearcube.networks.feature_kernels import SEGMENT, carry_back, interpolate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Bools = NDArray[np.bool_]

REACH = 6.0
"""Scales of the smoother beyond which a date weighs nothing: less than 2e-8 of a near one."""
_ZERO, _ONE = np.float32(0), np.float32(1)


@compiled()
def offers_kernel(
    values: Floats,
    valid: Bools,
    anomaly: Floats,
    interpolation: Floats,
    position: Floats,
    days: Floats,
    scale: float,
    support: np.float32,
    echo: Floats,
    line: Floats,
    base: Floats,
    start: int,
    stop: int,
) -> None:
    """Fill `features.echo`, `features.smoother`, and the valid values completed by the interpolation.

    All (T, N, B, P) but valid and position, (T, N, P), and days, (T, N). support : `features.SUPPORT`.
    """
    times, samples, bands, _ = values.shape
    following = np.empty((times, SEGMENT), np.float32)
    for n in range(samples):
        moments = _moments(days[:, n], scale)
        for x in range(start, stop, SEGMENT):
            end = min(x + SEGMENT, stop)
            for b in range(bands):
                carry_back(anomaly, valid, n, b, x, end, following)
                previous = np.zeros(end - x, np.float32)
                for t in range(times):
                    interpolate(
                        anomaly[t, n, b, x:end],
                        valid[t, n, x:end],
                        position[t, n, x:end],
                        previous,
                        following[t],
                        echo[t, n, b, x:end],
                    )
                    _complete(
                        values[t, n, b, x:end],
                        valid[t, n, x:end],
                        interpolation[t, n, b, x:end],
                        base[t, n, b, x:end],
                    )
            _smooth(values, valid, interpolation, moments, support, n, x, end, line)


@compiled()
def _complete(values: Floats, valid: Bools, interpolation: Floats, base: Floats) -> None:
    for i in range(len(values)):
        value, other = values[i], interpolation[i]
        base[i] = value if valid[i] else other


@compiled()
def _moments(days: Floats, scale: float) -> Floats:
    """Weights (3, T, T) of the dates around each date in the sums of 1, days and squared days; 0 for itself."""
    times = len(days)
    moments = np.zeros((3, times, times), np.float32)
    for t in range(times):
        for source in range(times):
            offset = (days[source] - days[t]) / scale
            if source != t and abs(offset) <= REACH:
                weight = np.exp(-0.5 * offset * offset)
                for order in range(3):
                    moments[order, t, source] = weight * offset**order
    return moments


@compiled()
def _smooth(
    values: Floats,
    valid: Bools,
    interpolation: Floats,
    moments: Floats,
    support: np.float32,
    n: int,
    x: int,
    end: int,
    line: Floats,
) -> None:
    """The smoother at all dates and bands of a segment; formulas as in `features.smoother`."""
    times, _, bands, _ = values.shape
    sums = np.empty((5, end - x), np.float32)
    s0, s1, s2, y0, y1 = sums[0], sums[1], sums[2], sums[3], sums[4]
    for t in range(times):
        sums[:3] = 0
        for source in range(times):
            w0, w1, w2 = moments[0, t, source], moments[1, t, source], moments[2, t, source]
            if w0 > 0:
                seen = valid[source, n, x:end]
                for i in range(end - x):
                    one = _ONE if seen[i] else _ZERO
                    s0[i] += w0 * one
                    s1[i] += w1 * one
                    s2[i] += w2 * one
        for i in range(end - x):  # from here on the weights of y0, y1 and of the interpolation
            determinant = (s0[i] + support) * (s2[i] + support) - s1[i] * s1[i]
            a, b = (s2[i] + support) / determinant, s1[i] / determinant
            s0[i], s1[i], s2[i] = a, b, a * s0[i] - b * s1[i]
        for band in range(bands):
            sums[3:] = 0
            for source in range(times):
                w0, w1 = moments[0, t, source], moments[1, t, source]
                if w0 > 0:
                    value = values[source, n, band, x:end]
                    for i in range(end - x):
                        y0[i] += w0 * value[i]
                        y1[i] += w1 * value[i]
            row, between = line[t, n, band, x:end], interpolation[t, n, band, x:end]
            for i in range(end - x):
                row[i] = s0[i] * y0[i] - s1[i] * y1[i] - s2[i] * between[i]

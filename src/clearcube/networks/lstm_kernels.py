"""The arithmetic of an LSTM between its convolutions in one call, for arrays in the processor's memory.

The maps of a memory are so small that torch, operation by operation, spends as long on starting each as on doing it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from clearcube.compilation import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Bools = NDArray[np.bool_]

_ONE, _HALF, _TWO = np.float32(1), np.float32(0.5), np.float32(2)
_LARGEST = np.float32(80)
"""Beyond it exp leaves float32; the logistic function has long reached its limits."""
_PER_DOUBLING = np.float32(1 / math.log(2))
_DOUBLING = np.float32(355 / 512)
_REST = np.float32(math.log(2) - 355 / 512)
"""log 2 in two parts, the first of so few digits that its multiples are exact."""
_C2, _C3, _C4, _C5, _C6 = (np.float32(1 / math.factorial(k)) for k in range(2, 7))
_BIAS, _MANTISSA = np.int32(127), np.int32(23)


@compiled()
def step_kernel(
    given: Floats, recurrent: Floats, passed_on: Bools, memory: Floats, state: Floats, hidden: Floats
) -> None:
    """One date in all D directions of `BidirectionalConvLSTM.scan`; memory and state are changed where passed on.

    given, recurrent : (N, D, 4, C, P), their sum is that of the gates input, forget, output, candidate.
    passed_on : (N, D, P). memory, state, hidden : (N, D, C, P).
    """
    samples, directions, _, channels, pixels = given.shape
    gates = np.empty((4, pixels), np.float32)
    for n in range(samples):
        for d in range(directions):
            keep = passed_on[n, d]
            for k in range(channels):
                for gate in range(4):
                    factor = _TWO if gate == 3 else _ONE  # tanh x = 2 logistic 2 x - 1
                    _open(given[n, d, gate, k], recurrent[n, d, gate, k], factor, gates[gate])
                _remember(gates[0], gates[1], gates[3], memory[n, d, k])
                _show(gates[3], gates[2], hidden[n, d, k])
                _pass_on(gates[3], keep, memory[n, d, k])
                _pass_on(hidden[n, d, k], keep, state[n, d, k])


@compiled()
def logistic(x: np.float32) -> np.float32:
    """1 / (1 + exp -x) to 2e-7, without a call or a branch, so that one instruction handles many pixels."""
    x = min(max(x, -_LARGEST), _LARGEST)
    doublings = np.floor(x * _PER_DOUBLING + _HALF)
    r = x - doublings * _DOUBLING - doublings * _REST
    series = _ONE + r * (_ONE + r * (_C2 + r * (_C3 + r * (_C4 + r * (_C5 + r * _C6)))))
    power = np.int32((np.int32(doublings) + _BIAS) << _MANTISSA).view(np.float32)  # its bits are its exponent
    exp = series * power
    quotient: np.float32 = np.divide(exp, _ONE + exp)  # unlike /, no branch for a divisor of 0
    return quotient


@compiled()
def _open(given: Floats, recurrent: Floats, factor: np.float32, gate: Floats) -> None:
    for i in range(len(gate)):
        gate[i] = logistic(factor * (given[i] + recurrent[i]))


@compiled()
def _remember(entry: Floats, forget: Floats, candidate: Floats, memory: Floats) -> None:
    """Turn the candidate, as its gate gave it, into the new memory."""
    for i in range(len(memory)):
        candidate[i] = forget[i] * memory[i] + entry[i] * (_TWO * candidate[i] - _ONE)


@compiled()
def _show(memory: Floats, output: Floats, hidden: Floats) -> None:
    for i in range(len(hidden)):
        hidden[i] = output[i] * (_TWO * logistic(_TWO * memory[i]) - _ONE)


@compiled()
def _pass_on(new: Floats, keep: Bools, old: Floats) -> None:
    for i in range(len(old)):
        one, other = new[i], old[i]
        old[i] = one if keep[i] else other
